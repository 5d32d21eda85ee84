"""What the compute rules say of published results that were recomputed by others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from joulebench.audit.compute_bounds import RULES as BOUNDS
from joulebench.audit.compute_padding import RULES as PADDING
from joulebench.audit.compute_scaling import RULES as SCALING
from joulebench.audit.compute_sums import RULES as SUMS
from joulebench.audit.examine import examine
from joulebench.audit.gather import gather
from joulebench.finding import Finding

NAMES = {rule.name for rule in (*BOUNDS, *PADDING, *SCALING, *SUMS)}


def found(*paths: Path) -> Iterator[Finding]:
    for finding in examine(gather(paths)).findings:
        assert finding.rule != "not-checked" or not any(n in finding.where for n in NAMES)
        if finding.rule in NAMES:
            yield finding


@pytest.fixture(scope="module")
def profiles(reference: Path) -> list[Finding]:
    return list(found(reference / "flopmetrics"))


def column(finding: Finding) -> str:
    return finding.where.rpartition(": ")[2]


def test_launches_that_were_taken_for_work(profiles: list[Finding]) -> None:
    """16 of 18 forward efficiencies lie above peak over limit, 11 of the rates above the peak."""
    by_rule = {(f.rule, column(f)): f for f in profiles}
    efficiency = by_rule["efficiency-above-bound", "gflops_per_joule_forward"]
    assert efficiency.severity == "error"
    assert "16 of 18 rows" in efficiency.message
    rate = by_rule["flops-above-peak", "forward_flops_sum"]
    assert rate.severity == "error"
    assert "11 of 18 rows" in rate.message
    slope = by_rule["unsynchronised-window", "forward_gpu_time_mean"]
    assert slope.severity == "error"
    assert not [f for f in profiles if "backward" in column(f) and f.rule != "sum-over-mean"]


def test_one_batch_over_a_hundred(profiles: list[Finding]) -> None:
    summed = {column(f): f for f in profiles if f.rule == "sum-over-mean"}
    names = [f"FP{bits}_{way}_Value" for bits in (16, 32) for way in ("Backward", "Forward")]
    assert sorted(summed) == names
    # V100, fp16, forward: 0.797 as published, 78.9 GFLOP/J recomputed.
    assert summed["FP16_Forward_Value"].possible == "78.91"
    narrow = [column(f) for f in profiles if f.rule == "error-over-sum"]
    assert sorted(narrow) == [name.replace("Value", "Error") for name in names]


def test_padding_in_the_references_of_two_sweeps(reference: Path) -> None:
    outputs = reference / "nlpfrontiers" / "outputs"
    tables = [outputs / f"{name}_sweep_bert_full" / "pareto.csv"
              for name in ("token_pruning", "sequence_length", "precision")]  # fmt: skip
    every = [list(found(path)) for path in tables]
    assert [[f.rule for f in each] for each in every] == [
        ["padding-counted"], ["padding-counted"], [],
    ]  # fmt: skip
    assert "4659456 places for 2184022 tokens" in every[0][0].message
    assert "53% of the longest rows' places empty" in every[1][0].message
