"""Efficiencies over sums, error bars over sums, efficiencies that were added."""

from __future__ import annotations

from typing import Any

import pytest
from tables import table

from joulebench.audit.compute_sums import RULES
from joulebench.audit.evidence import Evidence
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding

SUMMED, NARROW, ADDED = RULES

FLOPS = 4e11
MEANS = (5.0, 4.0, 3.0)
COUNTS = (99, 14, 49)
SUMS = tuple(mean * count for mean, count in zip(MEANS, COUNTS, strict=True))
SEMS = (0.05, 0.4, 0.06)


def found(rule_table: Any, data: AuditTable) -> list[Finding]:
    assert rule_table is not None
    return list(rule_table(data))


def measured(**more: list[Any]) -> AuditTable:
    """Make rows of one batch's operations beside sum, mean and standard error of its energy."""
    return table(
        {
            "gpu": ["V100", "A100", "A40"],
            "precision": ["fp16"] * 3,
            "forward_flops": [FLOPS] * 3,
            "forward_energy_mean": list(MEANS),
            "forward_energy_sum": list(SUMS),
            "forward_energy_sem": list(SEMS),
            **more,
        },
        "measured.jsonl",
    )


def over(energies: tuple[float, ...]) -> list[float]:
    """Give GFLOP/J."""
    return [FLOPS / joules / 1e9 for joules in energies]


def test_one_over_all_is_found() -> None:
    rounded = [round(value, 2) for value in over(SUMS)]
    (finding,) = found(SUMMED.table, measured(gflops_per_joule_forward=rounded))
    assert (finding.severity, finding.where) == (
        "error",
        "measured.jsonl: gflops_per_joule_forward",
    )
    assert "3 rows" in finding.message
    assert finding.possible == "80 GFLOP/J"


def test_one_over_one_is_right() -> None:
    assert found(SUMMED.table, measured(gflops_per_joule_forward=over(MEANS))) == []


def test_all_over_all_is_right() -> None:
    """Operations that grow with the number of batches are those of all batches."""
    total = [FLOPS * count for count in COUNTS]
    data = measured(forward_flops=total, gflops_per_joule_forward=over(MEANS))
    assert found(SUMMED.table, data) == []
    one = measured(forward_flops=[2e13, 3e13, 4e13])
    assert joined(one, _summary(SUMS)) == []


def test_a_sum_of_one_is_no_sum() -> None:
    data = measured(forward_energy_sum=list(MEANS), gflops_per_joule_forward=over(MEANS))
    assert found(SUMMED.table, data) == []


def _summary(energies: tuple[float, ...], error: list[float] | None = None) -> AuditTable:
    return table(
        {
            "GPU": ["V100", "A100", "A40S"],
            "FP16_Forward_Value": over(energies),
            "FP16_Forward_Error": error or [0.1, 0.2, 0.3],
            "FP32_Forward_Value": over(energies),
        },
        "efficiency_combined.csv",
    )


def joined(*tables: AuditTable) -> list[Finding]:
    assert SUMMED.evidence is not None
    return list(SUMMED.evidence(Evidence(tables=list(tables))))


def test_one_over_all_is_found_in_another_table() -> None:
    """Whatever the labels and the prefix: figures that agree in six digits are one figure."""
    (finding,) = joined(measured(), _summary(SUMS))
    assert (finding.rule, finding.severity) == ("sum-over-mean", "error")
    assert finding.where == "efficiency_combined.csv: FP16_Forward_Value"
    assert "14 to 99 times" in finding.message
    assert float(finding.possible) == pytest.approx(80, rel=1e-3)


def test_a_right_summary_in_another_table_is_no_finding() -> None:
    assert joined(measured(), _summary(MEANS)) == []
    assert joined(_summary(SUMS)) == []
    few = table({"Value": [0.81, 7.14, 2.72], "Count": [99, 14, 49]}, "rounded.csv")
    assert joined(measured(), few) == [], "written with too few digits to be one figure"
    near = tuple(value * 1.0001 for value in SUMS)
    assert joined(measured(), _summary(near)) == []


def test_error_bars_over_sums() -> None:
    values = over(MEANS)
    narrow = [v * sem / total for v, sem, total in zip(values, SEMS, SUMS, strict=True)]
    right = [v * sem / mean for v, sem, mean in zip(values, SEMS, MEANS, strict=True)]
    data = measured(gflops_per_joule_forward=values, gflops_per_joule_forward_error=narrow)
    (finding,) = found(NARROW.table, data)
    assert finding.where.endswith("gflops_per_joule_forward_error")
    assert "99 times too small" in finding.message
    good = measured(gflops_per_joule_forward=values, gflops_per_joule_forward_error=right)
    assert found(NARROW.table, good) == []
    (elsewhere,) = joined(measured(), _summary(MEANS, narrow))
    assert elsewhere.rule == "error-over-sum"
    assert joined(measured(), _summary(MEANS, right)) == []


def test_efficiencies_that_were_added() -> None:
    def with_total(total: list[float]) -> AuditTable:
        return table(
            {
                "gflops_per_joule_forward": [80.0, 90.0],
                "gflops_per_joule_backward": [40.0, 30.0],
                "gflops_per_joule_total": total,
            }
        )

    (finding,) = found(ADDED.table, with_total([120.0, 120.0]))
    assert finding.where == "t.csv: gflops_per_joule_total"
    assert "do not add" in finding.message
    assert found(ADDED.table, with_total([53.3, 45.0])) == []
    assert found(ADDED.table, with_total([120.0, 121.0])) == []


def test_an_absent_pass_is_not_added() -> None:
    data = table(
        {
            "gflops_per_joule_forward": [80.0, 90.0],
            "gflops_per_joule_backward": [0.0, 0.0],
            "gflops_per_joule_total": [80.0, 90.0],
        }
    )
    assert found(ADDED.table, data) == []
