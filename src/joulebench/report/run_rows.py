"""Every run in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.record import Run
from joulebench.report.evidence import Evidence, Reading, in_columns, printed_levels
from joulebench.report.findings import FindingRow, marks
from joulebench.report.numbers import ABSENT, Unit, best_unit, fixed, places, significant
from joulebench.stats import Estimate


@dataclass(frozen=True)
class RunUnits:
    """The units that the columns of all runs are printed in."""

    energy: Unit
    per_token: Unit


def run_units(evidence: Evidence) -> RunUnits:
    """Choose the units of the table."""
    readings = evidence.readings
    per_token = [each.energy.joules / each.tokens for each in readings if each.tokens]
    return RunUnits(
        best_unit([each.energy.joules for each in readings], "J"), best_unit(per_token, "J")
    )


def run_rows(evidence: Evidence, findings: Sequence[FindingRow]) -> list[dict[str, Any]]:
    """Give one row a run, as printed text with a number to sort by, in the order of execution."""
    units = run_units(evidence)
    by_id = {each.run.run_id: each for each in [*evidence.readings, *evidence.controls]}
    factors = list(evidence.factors)
    return [_row(run, by_id.get(run.run_id), units, findings, factors) for run in evidence.all_runs]


def _row(
    run: Run,
    each: Reading | None,
    units: RunUnits,
    findings: Sequence[FindingRow],
    factors: Sequence[str],
) -> dict[str, Any]:
    touched = dict.fromkeys((finding.rule for finding in run.findings), 1)
    return {
        "run_id": run.run_id,
        "order": run.trial.get("order", ABSENT),
        "block": run.trial.get("block", ABSENT),
        "levels": in_columns(printed_levels(run), factors),
        "status": run.status,
        "host": run.host,
        "error": run.error or "",
        "method": each.energy.method if each else "",
        "scope": each.energy.scope if each else "",
        "marks": marks(findings, touched),
        "memory": [_memory(run, name) for name in ("device_bytes", "host_bytes")],
        **_figures(each, units),
    }


def peak_memory(evidence: Evidence) -> list[bool]:
    """Say whether any run knows the most memory that it had of the device, and of the host."""
    known = [run.facts.get("peak_memory") or {} for run in evidence.all_runs]
    return [any(each.get(name) for each in known) for name in ("device_bytes", "host_bytes")]


def _memory(run: Run, name: str) -> tuple[str, str]:
    size = (run.facts.get("peak_memory") or {}).get(name)
    return (significant(size / 2**30), f"{size}") if size else (ABSENT, "")


def _figures(each: Reading | None, units: RunUnits) -> dict[str, Any]:
    if each is None:
        return dict.fromkeys(("energy", "per_token", "tokens", "duration"), (ABSENT, ""))
    joules, half = each.energy.joules, each.energy.half_width_95_j
    tokens = each.tokens
    return {
        "energy": (_with_doubt(joules, half, units.energy), f"{joules:.9g}"),
        "per_token": (
            _with_doubt(joules / tokens, half / tokens, units.per_token) if tokens else ABSENT,
            f"{joules / tokens:.9g}" if tokens else "",
        ),
        "tokens": (fixed(tokens, 0) if tokens else ABSENT, f"{tokens or ''}"),
        "duration": (significant(each.duration_s, 4), f"{each.duration_s or ''}"),
    }


def _with_doubt(value: float, half: float, unit: Unit) -> str:
    shown = Estimate(value, value - half, value + half, 1).scaled(unit.factor)
    if not half:
        return significant(shown.value, 4)
    decimals = places(shown.half_width)
    return f"{fixed(shown.value, decimals)} ± {fixed(shown.half_width, decimals)}"
