"""Where the energy of a cell goes: load, warm-up, prefill and decode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.energy import Energy, total
from joulebench.record import Run
from joulebench.report.cells import energy_per, mean_energy, reading_noise
from joulebench.report.evidence import (
    Evidence,
    Reading,
    by_cell,
    cell_groups,
    energy_of,
    printed_levels,
)
from joulebench.run_row import WINDOWS_APART
from joulebench.stats import Estimate, ratio_of_sums

PHASES = ("load", "warmup", "prefill", "decode", *WINDOWS_APART)
"""Windows that are phases of a trial, in the order in which they happen, and those apart."""

TOKENS = {"prefill": "tokens_in", "decode": "tokens_out"}
"""Phases inside the measured windows, with the count that their energy is divided by."""

Measured = tuple[Reading, Energy]


@dataclass(frozen=True)
class Phase:
    """One phase of a cell's runs.

    Args:
        energy: Mean over runs, J; a run's windows of one name are pooled.
        per_token: J per input token of a prefill, per output token of a decode; ``None`` where
            tokens were not counted, and for phases outside the measured windows.
        share: Part of the measured energy, 0 to 1; ``None`` for phases outside it.
        runs: Runs behind it.
        below: Runs among them whose windows are below the sensor's resolution.
    """

    energy: Estimate
    per_token: Estimate | None
    share: Estimate | None
    runs: int
    below: int

    @property
    def estimates(self) -> dict[str, Estimate]:
        """The estimates that there are, by name."""
        found = {"energy_j": self.energy, "per_token_j": self.per_token, "share": self.share}
        return {name: estimate for name, estimate in found.items() if estimate is not None}


@dataclass(frozen=True)
class CellPhases:
    """The phases of one combination of levels that were measured.

    Args:
        levels: Factor -> level.
        method: Weakest method among its channels.
        scope: What its joules cover.
        phases: Name in :data:`PHASES` -> phase.
    """

    levels: dict[str, str]
    method: str
    scope: str
    phases: dict[str, Phase]

    def to_dict(self) -> dict[str, Any]:
        """Give the phases as a JSON-ready dict."""
        phases = {
            name: {
                "runs": phase.runs,
                "runs_below_resolution": phase.below,
                **{key: found.to_dict() for key, found in phase.estimates.items()},
            }
            for name, phase in self.phases.items()
        }
        return {"levels": self.levels, "method": self.method, "scope": self.scope, **phases}


def cell_phases(evidence: Evidence) -> list[CellPhases]:
    """Estimate the phases of every cell that has one, in the order of the cells."""
    groups = [*cell_groups(evidence), *_groups_apart(evidence)]
    rows = [_of_cell(group) for group in groups]
    return [row for row in rows if row.phases]


def _groups_apart(evidence: Evidence) -> list[list[Reading]]:
    """Give the runs by cell that have no measured window, but windows that stand for themselves."""
    measured = {each.run.run_id for each in evidence.readings}
    others = [r for r in evidence.runs if r.status == "done" and r.run_id not in measured]
    found = [each for run in others if (each := _reading_apart(run)) is not None]
    return list(by_cell(found).values())


def _reading_apart(run: Run) -> Reading | None:
    """Give a run with the energies of its windows that stand for themselves, added."""
    energies = [energy_of(run, name) for name in WINDOWS_APART]
    known = [energy for energy in energies if energy is not None]
    return Reading(run, printed_levels(run), total(known), None, None) if known else None


def _of_cell(group: Sequence[Reading]) -> CellPhases:
    phases = {}
    for name in PHASES:
        energies = [(each, energy_of(each.run, name)) for each in group]
        found = [(each, energy) for each, energy in energies if energy is not None]
        estimate = mean_energy([energy for _, energy in found])
        if estimate is not None:
            phases[name] = _phase(name, found, estimate)
    return CellPhases(group[0].levels, *group[0].origin, phases)


def _phase(name: str, found: Sequence[Measured], energy: Estimate) -> Phase:
    inside = name in TOKENS
    return Phase(
        energy=energy,
        per_token=_per_token(TOKENS[name], found) if inside else None,
        share=share_of_measured(found) if inside else None,
        runs=len(found),
        below=sum(energy.below_resolution for _, energy in found),
    )


def _per_token(count: str, found: Sequence[Measured]) -> Estimate | None:
    counted = [(energy, each.run.work[count]) for each, energy in found if each.run.work.get(count)]
    return energy_per([energy for energy, _ in counted], [tokens for _, tokens in counted])


def share_of_measured(found: Sequence[Measured]) -> Estimate | None:
    """Divide by the measured energy: what errs alike in part and whole, as a gain, cancels."""
    parts, wholes = [energy for _, energy in found], [each.energy for each, _ in found]
    whole = total(wholes)
    if whole.joules <= 0:
        return None
    left = total(parts).ratio(whole).bias * whole.joules / len(wholes)
    return ratio_of_sums(
        [part.joules for part in parts],
        [each.joules for each in wholes],
        bias=left,
        reading_noise=reading_noise(parts),
    )
