"""The table of cells: what each combination of levels used, with intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from joulebench.energy import Energy, total
from joulebench.report.answers_accuracy import Times, accuracy, graded
from joulebench.report.evidence import MEASURED, Evidence, Reading, cell_groups, printed_levels
from joulebench.stats import (
    Estimate,
    mean_estimate,
    quotient,
    ratio_of_sums,
)

QUANTITIES = {
    "energy_j": "J",
    "above_idle_j": "J",
    "per_token_j": "J",
    "per_correct_j": "J",
    "duration_s": "s",
    "power_w": "W",
    "accuracy": "",
}
"""What is estimated for each cell, with its unit."""


@dataclass(frozen=True)
class Cell:
    """One combination of levels, measured one way.

    Args:
        levels: Factor -> level.
        method: Weakest method among its channels.
        scope: What its joules cover.
        runs: Runs behind it.
        estimates: Name in :data:`QUANTITIES` -> estimate; absent where it was not measured.
        findings: Rule -> number of its runs that it touches.
        failed: Runs of these levels that failed.
    """

    levels: dict[str, str]
    method: str
    scope: str
    runs: int
    estimates: dict[str, Estimate]
    findings: Counter[str] = field(default_factory=Counter)
    failed: int = 0

    @property
    def label(self) -> str:
        """The levels in one line."""
        return " · ".join(filter(None, self.levels.values())) or "all runs"

    def to_dict(self) -> dict[str, Any]:
        """Give the cell as a JSON-ready dict."""
        return {
            **{name: getattr(self, name) for name in ("levels", "method", "scope", "runs")},
            "failed": self.failed,
            "findings": dict(self.findings),
            **{name: estimate.to_dict() for name, estimate in self.estimates.items()},
        }


def cells(evidence: Evidence) -> list[Cell]:
    """Estimate every cell of a study, in the order of its factors' levels."""
    failed = Counter(tuple(printed_levels(run).values()) for run in evidence.failed)
    times = None if evidence.random_weights else evidence.asked_times
    return [
        _cell(group, failed[tuple(group[0].levels.values())], times)
        for group in cell_groups(evidence)
    ]


def _cell(group: Sequence[Reading], failed: int, times: Times | None) -> Cell:
    first = group[0]
    estimates = {
        "energy_j": mean_energy([each.energy for each in group]),
        "above_idle_j": mean_energy([e for each in group if (e := each.above_idle) is not None]),
        "per_token_j": _per_token(group),
        "per_correct_j": per_correct(group, times) if times else None,
        "duration_s": _duration(group),
        "power_w": _power(group),
        "accuracy": accuracy([e.run for e in group], times) if times else None,
    }
    return Cell(
        levels=first.levels,
        method=first.energy.method,
        scope=first.energy.scope,
        runs=len(group),
        estimates={name: found for name, found in estimates.items() if found is not None},
        findings=rules(group),
        failed=failed,
    )


def rules(group: Sequence[Reading]) -> Counter[str]:
    """Count the runs of a group that each rule touches."""
    return Counter(rule for each in group for rule in {f.rule for f in each.run.findings})


def shared_bias(energies: Sequence[Energy]) -> float:
    """Give the bias of the mean of energies, J: one source errs alike in all of them."""
    return total(energies).bias / len(energies)


def mean_energy(energies: Sequence[Energy]) -> Estimate | None:
    """Estimate the mean of energies over runs; ``None`` where there is none."""
    if not energies:
        return None
    joules = [energy.joules for energy in energies]
    bias, noise = shared_bias(energies), reading_noise(energies)
    return mean_estimate(joules, bias=bias, reading_noise=noise)


def energy_per(energies: Sequence[Energy], counts: Sequence[float]) -> Estimate | None:
    """Estimate the energy of one of what was counted; ``None`` where nothing was."""
    if not energies:
        return None
    return ratio_of_sums(
        [energy.joules for energy in energies],
        list(counts),
        bias=shared_bias(energies),
        reading_noise=reading_noise(energies),
    )


def reading_noise(energies: Sequence[Energy]) -> float:
    """Give the typical noise of one of several energies, J."""
    return math.sqrt(sum(energy.noise**2 for energy in energies) / len(energies))


def _duration(group: Sequence[Reading]) -> Estimate | None:
    known = [each.duration_s for each in group if each.duration_s is not None]
    if not known:
        return None
    edges = [w.edge_s for each in group for w in each.run.windows if w.name == MEASURED]
    noise = math.sqrt(2 * sum(edge**2 for edge in edges) / len(known))
    return mean_estimate(known, reading_noise=noise)


def _power(group: Sequence[Reading]) -> Estimate | None:
    timed = [(each.energy, each.duration_s) for each in group if each.duration_s]
    return mean_energy([energy / length for energy, length in timed if length])


def _per_token(group: Sequence[Reading]) -> Estimate | None:
    counted = [(each.energy, each.tokens) for each in group if each.tokens]
    return energy_per([energy for energy, _ in counted], [tokens for _, tokens in counted])


def per_correct(group: Sequence[Reading], times: Times) -> Estimate | None:
    """Divide the energy of an answer by the chance that it is right; none where none was right.

    The chance is known from a sample of items, so that its interval is that of the accuracy, and
    what holds of the graded answers is taken to hold of those that were not.

    Args:
        group: The readings of a cell.
        times: How often a run asked each of its prompts.
    """
    scored = [each for each in group if graded(each.run)]
    share = accuracy([each.run for each in scored], times)
    per_answer = energy_per([e.energy for e in scored], [_answers(e) for e in scored])
    if share is None or per_answer is None or share.value == 0 or per_answer.value <= 0:
        return None
    if not per_answer.bounded:
        value = per_answer.value / share.value
        return Estimate(value, math.nan, math.nan, per_answer.n, method=per_answer.method)
    return quotient(per_answer, share)


def _answers(each: Reading) -> int:
    """Give the answers of a run; where they were not counted, those that were graded."""
    return each.requests or graded(each.run)
