"""What the rules about traces find in two published studies."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
from test_trace_clean import found

from joulebench.audit.gather import gather
from joulebench.finding import Finding


@cache
def _findings(study: Path) -> dict[str, list[Finding]]:
    views = [unit.view(place) for unit in gather([study]).units for place in range(unit.count)]
    by_rule: dict[str, list[Finding]] = defaultdict(list)
    for finding in found(*views):
        by_rule[finding.rule].append(finding)
    return by_rule


@pytest.fixture
def nlp(reference: Path) -> dict[str, list[Finding]]:
    return _findings(reference / "nlpfrontiers")


@pytest.fixture
def llama(reference: Path) -> dict[str, list[Finding]]:
    return _findings(reference / "greenlab" / "experiments" / "llama_profiling")


def test_the_stalls_of_a_training_were_bridged(nlp: dict[str, list[Finding]]) -> None:
    (finding,) = nlp["sampling-gap"]
    assert "3 hole(s), 107 s" in finding.message
    assert "longest of 35.8 s" in finding.message
    assert finding.severity == "warning"


def test_the_limit_of_a_board_that_nobody_names_is_inferred(nlp: dict[str, list[Finding]]) -> None:
    told = nlp["power-limit-saturated"]
    assert {finding.severity for finding in told} == {"warning"}
    assert all("NVIDIA L4" in finding.message for finding in told)
    assert {round(float(finding.seen.split()[0])) for finding in told} == {72}


def test_short_runs_read_too_low(nlp: dict[str, list[Finding]]) -> None:
    climbing = {finding.where for finding in nlp["sensor-ramp"] if "climb" in finding.message}
    assert len(climbing) == 12
    assert all("sst2" in where for where in climbing)
    together = [finding for finding in nlp["sensor-ramp"] if "shorter" in finding.message]
    assert [finding.message[:7] for finding in together] == ["18 runs"]
    assert len(nlp["window-below-resolution"]) == 21
    assert len(nlp["too-few-samples"]) == 21


def test_tails_are_missing(nlp: dict[str, list[Finding]]) -> None:
    wrong = [finding for finding in nlp["tail-not-integrated"] if finding.severity == "error"]
    assert len(wrong) == 8
    assert all("sst2" in finding.where for finding in wrong)


def test_nothing_else_is_wrong_with_the_traces(nlp: dict[str, list[Finding]]) -> None:
    assert set(nlp) == {
        "sampling-gap", "power-limit-saturated", "sensor-ramp", "window-below-resolution",
        "too-few-samples", "tail-not-integrated",
    }  # fmt: skip


def test_the_llama_traces_are_sound_but_for_their_marks(llama: dict[str, list[Finding]]) -> None:
    assert set(llama) == {"edge-uncertainty", "counter-wrap"}
    assert len(llama["counter-wrap"]) == 5
    assert {finding.severity for finding in llama["counter-wrap"]} == {"note"}
    doubtful = [f.where for f in llama["edge-uncertainty"] if f.severity == "warning"]
    assert doubtful == ["run_23_repetition_1"]
