"""What a report is made from: a study's records, read once and put in order."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulebench.energy import Energy
from joulebench.errors import UsageError
from joulebench.exclusion import level_text
from joulebench.record import Run, RunTable
from joulebench.report.numbers import ABSENT
from joulebench.run_row import MEASURED, duration_s, headline_energy


@dataclass(frozen=True)
class Reading:
    """One run that is done and has an energy, with what the estimates need of it.

    Args:
        run: The record.
        levels: Factor -> level, as printed.
        energy: Of the measured windows, gross.
        idle: What idling as long would have used, or ``None`` where idle was not measured.
        duration_s: Length of the measured windows, s.
    """

    run: Run
    levels: dict[str, str]
    energy: Energy
    idle: Energy | None
    duration_s: float | None

    @property
    def origin(self) -> tuple[str, str]:
        """Method and scope: only energies that share both may be averaged or compared."""
        return self.energy.method, self.energy.scope

    @property
    def requests(self) -> int | None:
        """Answers given; ``None`` where they were not counted or there were none."""
        return self.run.work.get("requests") or None

    @property
    def partly_graded(self) -> bool:
        """Whether some answers of the run were graded and some were not."""
        graded = int((self.run.score or {}).get("n_graded", 0))
        return graded > 0 and graded != self.requests

    @property
    def tokens(self) -> int | None:
        """Output tokens; ``None`` where they were not counted or there were none."""
        return self.run.work.get("tokens_out") or None

    @property
    def above_idle(self) -> Energy | None:
        """Energy less what idling as long would have used; their shared biases cancel."""
        return None if self.idle is None else self.energy - self.idle


class Evidence:
    """The records of a study in the form that tables and figures read.

    Control trials are not among ``runs`` and ``readings``: no mean or comparison is made of them.

    Args:
        table: The study.

    Raises:
        UsageError: The study holds no run yet.
        EnergyError: The energies of a run cannot be added.
    """

    def __init__(self, table: RunTable) -> None:
        if not table.runs:
            raise UsageError(
                f"{table.folder} holds no run yet; run it first: joulebench run "
                f"{table.folder / 'study.yaml'}"
            )
        self.table = table
        self.all_runs = sorted(table.runs, key=lambda run: run.trial.get("order", 0))
        self.runs = [run for run in self.all_runs if not run.control]
        self.failed = [run for run in self.runs if run.status != "done"]
        found = [reading(run) for run in self.runs if run.status == "done"]
        self.readings = [each for each in found if each is not None]
        controls = [reading(run) for run in self.all_runs if run.control and run.status == "done"]
        self.controls = [each for each in controls if each is not None]
        self._asked_times: dict[str, float] = {}

    @classmethod
    def of(cls, folder: Path) -> Evidence:
        """Read a study's folder.

        Raises:
            UsageError: It is not a study, or holds no run.
        """
        return cls(RunTable.load(folder))

    @property
    def study(self) -> dict[str, Any]:
        """What was asked."""
        return self.table.study

    @property
    def factors(self) -> dict[str, list[str]]:
        """Factor -> levels that were run, in the order of the study file."""
        asked = self.study.get("factors") or {}
        seen: dict[str, list[str]] = {name: [] for name in asked}
        for run in self.runs:
            for name, level in printed_levels(run).items():
                seen.setdefault(name, [])
                if level not in seen[name]:
                    seen[name].append(level)
        return {name: _as_asked(levels, asked.get(name)) for name, levels in seen.items() if levels}

    @property
    def cell_order(self) -> dict[tuple[str, ...], int]:
        """Levels of a cell -> its place in tables and figures."""
        rank = {name: {v: i for i, v in enumerate(vs)} for name, vs in self.factors.items()}
        cells = {tuple(printed_levels(run).items()) for run in self.runs}
        ordered = sorted(cells, key=lambda cell: [rank[name][level] for name, level in cell])
        return {tuple(level for _, level in cell): place for place, cell in enumerate(ordered)}

    def asked_times(self, run: Run) -> float:
        """Give how often a run asked each of its prompts; above 1 where its load took them again.

        Only runs whose load states a number of requests can have: the answers of these are read.
        """
        if not (run.facts.get("load") or {}).get("requests"):
            return 1.0
        if run.run_id not in self._asked_times:
            self._asked_times[run.run_id] = _asked_times(self.table.responses_path(run.run_id))
        return self._asked_times[run.run_id]

    @property
    def origin_words(self) -> str:
        """``live``, ``imported``, or both."""
        return " and ".join(sorted({run.origin for run in self.runs}))

    @property
    def random_weights(self) -> bool:
        """Whether any engine ran weights that were never trained."""
        return any((run.facts.get("engine") or {}).get("random_weights") for run in self.runs)


def energy_of(run: Run, window: str = MEASURED) -> Energy | None:
    """Give a run's headline energy, with biases that only runs of one machine share."""
    energy = headline_energy(run, window)
    return energy.at(run.host) if energy is not None and run.host else energy


def reading(run: Run) -> Reading | None:
    """Give a run's headline energy with its idle share; ``None`` where it has no energy."""
    energy = energy_of(run)
    if energy is None:
        return None
    length = duration_s(run)
    return Reading(run, printed_levels(run), energy, _idle(run, length), length)


def printed_levels(run: Run) -> dict[str, str]:
    """Give the levels of a run as they are printed."""
    return {name: level_text(level) for name, level in run.levels.items()}


def in_columns(levels: Mapping[str, str], factors: Iterable[str]) -> list[str]:
    """Give levels in the columns of all factors; a run may not have a level of each."""
    return [levels.get(name, ABSENT) for name in factors]


def by_cell(readings: Iterable[Reading]) -> dict[tuple[Any, ...], list[Reading]]:
    """Group readings by levels, method and scope."""
    groups: dict[tuple[Any, ...], list[Reading]] = defaultdict(list)
    for each in readings:
        groups[(tuple(each.levels.values()), each.origin)].append(each)
    return dict(groups)


def cell_groups(evidence: Evidence) -> list[list[Reading]]:
    """Give the readings of each cell, in the order of the factors' levels."""
    order = evidence.cell_order
    groups = sorted(by_cell(evidence.readings).items(), key=lambda item: order[item[0][0]])
    return [group for _, group in groups]


def _asked_times(path: Path) -> float:
    """Count the answers in a file for each different prompt; 1 where there is no file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        prompts = [json.loads(line).get("prompt") for line in lines if line.strip()]
    except (OSError, ValueError, AttributeError):
        return 1.0  # what was asked is then only known from the record
    return len(prompts) / len(set(map(str, prompts))) if prompts else 1.0


def groups_of_runs(evidence: Evidence, runs: Iterable[Run]) -> list[list[Run]]:
    """Give runs by cell, also those without an energy, in the order of the factors' levels."""
    origins = {each.run.run_id: each.origin for each in evidence.readings}
    groups: dict[tuple[Any, ...], list[Run]] = defaultdict(list)
    for run in runs:
        levels = tuple(printed_levels(run).values())
        groups[(levels, origins.get(run.run_id, ("", "")))].append(run)
    order = evidence.cell_order
    return [group for _, group in sorted(groups.items(), key=lambda item: order[item[0][0]])]


def _idle(run: Run, length_s: float | None) -> Energy | None:
    """Scale the energy of the idle windows to the length of the measured ones."""
    found, idle_s = None, 0.0
    for window in ("idle", "idle_after"):
        energy, stretch_s = energy_of(run, window), duration_s(run, window)
        if energy is not None and stretch_s:
            found, idle_s = (energy if found is None else found + energy), idle_s + stretch_s
    if found is None or length_s is None:
        return None
    return found * (length_s / idle_s)


def _as_asked(levels: list[str], asked: Any) -> list[str]:
    order = [level_text(level) for level in asked] if isinstance(asked, list) else []
    return sorted(levels, key=lambda level: order.index(level) if level in order else len(order))


__all__ = [
    "MEASURED",
    "Evidence",
    "Reading",
    "by_cell",
    "cell_groups",
    "energy_of",
    "groups_of_runs",
    "in_columns",
    "printed_levels",
    "reading",
]
