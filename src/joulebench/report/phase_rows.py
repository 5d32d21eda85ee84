"""The table of phases as printed text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.report.evidence import in_columns
from joulebench.report.numbers import ABSENT, Unit, best_unit, count, plus_minus
from joulebench.report.phases import PHASES, TOKENS, CellPhases
from joulebench.run_row import WINDOWS_APART
from joulebench.stats import Estimate

TITLES = {
    "load": "Load",
    "warmup": "Warm\u2011up",
    "prefill": "Prefill",
    "decode": "Decode",
    "forward": "Forward",
    "backward": "Backward",
    "train": "Training",
    "eval": "Evaluation",
}

_PER_TOKEN = {"prefill": "per input token", "decode": "per output token"}


@dataclass(frozen=True)
class Column:
    """One quantity of one phase.

    Args:
        phase: Name of the phase.
        name: Key of its estimates.
        unit: What the column is printed in.
    """

    phase: str
    name: str
    unit: Unit

    @property
    def title(self) -> str:
        """Heading without the unit."""
        words = {"energy_j": "", "per_token_j": _PER_TOKEN.get(self.phase, ""), "share": "share"}
        return f"{TITLES[self.phase]} {words[self.name]}".strip()

    def estimates(self, cells: Sequence[CellPhases]) -> Iterator[Estimate]:
        """Give the estimates of the cells that have one."""
        for cell in cells:
            phase = cell.phases.get(self.phase)
            if phase is not None and self.name in phase.estimates:
                yield phase.estimates[self.name]


def columns(cells: Sequence[CellPhases]) -> list[Column]:
    """Give the quantities that at least one cell has, each in the unit that suits it."""
    found = []
    for phase in PHASES:
        for name in ("energy_j", "share", "per_token_j"):
            values = [e.value for e in Column(phase, name, Unit("")).estimates(cells)]
            unit = Unit("%", 100) if name == "share" else best_unit(values, "J")
            if values:
                found.append(Column(phase, name, unit))
    return found


def phase_heads(cells: Sequence[CellPhases]) -> list[dict[str, str]]:
    """Give the headings of the quantities with their units."""
    return [{"title": column.title, "unit": column.unit.symbol} for column in columns(cells)]


def phase_rows(cells: Sequence[CellPhases], factors: Sequence[str]) -> list[dict[str, Any]]:
    """Give one row a cell: levels, printed quantities with sort keys and what is in doubt."""
    shown = columns(cells)
    return [
        {
            "levels": in_columns(cell.levels, factors),
            "figures": [_figure(cell, column) for column in shown],
            "method": cell.method,
            "scope": cell.scope,
        }
        for cell in cells
    ]


def phase_notes(cells: Sequence[CellPhases]) -> list[str]:
    """Say what a reader of the table must know and it does not show."""
    found = {name for cell in cells for name in cell.phases}
    notes = []
    if any(phase.below for cell in cells for phase in cell.phases.values()):
        notes.append(
            "† below resolution: in at least one run these windows, pooled, are too short or too "
            "small for the sensor. The value is the best estimate there is; it is not zero, and a "
            "single run of it is in doubt by its own size."
        )
    if found & set(TOKENS):
        notes.append("Shares are of the measured energy.")
    if found & {"load", "warmup"}:
        notes.append("Load and warm-up lie outside the measured windows: no share, no tokens.")
    if found & set(WINDOWS_APART):
        apart = ", ".join(TITLES[name].lower() for name in WINDOWS_APART if name in found)
        notes.append(f"Windows that stand for themselves ({apart}) are in no measured window.")
    if "decode" in found:
        notes.append("The first token of each answer comes out of its prefill; the energy of the "
                     "decode is divided by all output tokens.")  # fmt: skip
    return notes


def _figure(cell: CellPhases, column: Column) -> dict[str, str]:
    phase = cell.phases.get(column.phase)
    estimate = phase.estimates.get(column.name) if phase is not None else None
    if phase is None or estimate is None:
        return {"text": ABSENT, "key": "", "below": ""}
    below = f"below resolution in {phase.below} of {count(phase.runs, 'run')}"
    return {
        "text": plus_minus(estimate, column.unit),
        "key": f"{estimate.value:.9g}",
        "below": below if phase.below else "",
    }
