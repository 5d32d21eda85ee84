"""What a pilot tells of a plan: how long trials take, what they use, how they scatter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import Any

from joulebench.engines.shapes import PREFIX
from joulebench.errors import UsageError
from joulebench.exclusion import Levels, level_text
from joulebench.record import Run, RunTable
from joulebench.run_row import duration_s, headline_energy, idle_power_w
from joulebench.study_read import differences

_SETTINGS = ("workload", "command", "model", "engine", "tasks", "load", "sampling", "meters")
_CORRECTED = ("tasks.items", "sampling.seed")
"""Settings whose difference needs no word: one is corrected for, the other is to differ."""

_WORK = ("load", "warmup")


@dataclass(frozen=True)
class PilotRun:
    """One run of a pilot.

    Args:
        levels: Of its factors, and model and task where the pilot did not vary them.
        order: Its place in the pilot's order; ``None`` if unknown.
        trial_s: Time from start to end without the idle windows, s.
        measured_s: Length of the measured windows, s.
        load_s: Length of the load window, s; ``None`` without one.
        energy_j: Of the measured windows; ``None`` if unknown.
        work_j: Of loading and warming up; 0 if unknown.
        idle_w: Idle power, W; ``None`` if unknown.
        tokens: Output tokens; ``None`` if not counted.
        items: Items of its task; ``None`` if unknown.
        bias: Relative standard uncertainty of its energy that repetitions do not shrink.
        method: How the energy is known.
    """

    levels: dict[str, str]
    order: int | None
    trial_s: float
    measured_s: float
    load_s: float | None
    energy_j: float | None
    work_j: float
    idle_w: float | None
    tokens: int | None
    items: int | None
    bias: float
    method: str

    @property
    def cell(self) -> tuple[str, ...]:
        """Its levels, to tell cells apart."""
        return tuple(self.levels.values())

    def value(self, response: str) -> float | None:
        """Give ``energy_j`` or ``energy_per_token_j``; ``None`` if unknown or not above 0."""
        known = self.energy_j
        if known is not None and response == "energy_per_token_j":
            known = known / self.tokens if self.tokens else None
        return known if known is not None and known > 0 else None


@dataclass(frozen=True)
class Spread:
    """Run-to-run scatter of a response, pooled over the cells of a pilot.

    Args:
        cv: Coefficient of variation.
        low: Lower end of its 95 % interval.
        high: Upper end.
        df: Degrees of freedom behind it.
    """

    cv: float
    low: float
    high: float
    df: int


@dataclass(frozen=True)
class Pilot:
    """The runs of a pilot that are done.

    Args:
        folder: Of the pilot.
        study: What was asked there.
        runs: At least one.
    """

    folder: Path
    study: Mapping[str, Any]
    runs: tuple[PilotRun, ...]

    @classmethod
    def read(cls, folder: Path) -> Pilot:
        """Read the folder of a study as a pilot.

        Raises:
            UsageError: It is no study, or no run of it is done.
        """
        table = RunTable.load(folder)
        found = [_pilot_run(run, table.study) for run in table.cell_runs if run.status == "done"]
        runs = tuple(run for run in found if run is not None)
        if not runs:
            raise UsageError(
                f"--pilot {folder}: no run of it is done, so that it tells nothing; run it first: "
                f"joulebench run {folder}"
            )
        return cls(folder, table.study, runs)

    @property
    def origins(self) -> str:
        """How its energies are known."""
        return " and ".join(sorted({run.method for run in self.runs if run.method}))

    @property
    def gain(self) -> float:
        """Typical relative standard uncertainty of an energy that repetitions do not shrink."""
        return median(run.bias for run in self.runs)

    def nearest(self, levels: Mapping[str, str]) -> list[PilotRun]:
        """Give the runs that share most levels with a cell."""
        shared = {run.cell: _shared(run.levels, levels) for run in self.runs}
        most = max(shared.values())
        return [run for run in self.runs if shared[run.cell] == most]

    def spread(self, response: str) -> Spread | None:
        """Pool the scatter of repetitions over cells; ``None`` where no cell was repeated."""
        groups = [group for group in self._logs(response).values() if len(group) > 1]
        df = sum(len(group) - 1 for group in groups)
        squares = sum(math.fsum((x - fmean(group)) ** 2 for x in group) for group in groups)
        if not df or squares <= 0:
            return None
        from scipy.special import chdtri

        ends = [math.sqrt(squares / float(chdtri(df, share))) for share in (0.025, 0.975)]
        low, cv, high = (_cv(sd) for sd in (ends[0], math.sqrt(squares / df), ends[1]))
        return Spread(cv, low, high, df)

    def ratio(self, response: str, a: Mapping[str, str], b: Mapping[str, str],
              others: Sequence[str]) -> float | None:  # fmt: skip
        """Give the ratio of two levels, over the conditions that both were run in.

        Args:
            response: ``energy_j`` or ``energy_per_token_j``.
            a: Levels of the one.
            b: Levels of the other.
            others: Factors that make up a condition.
        """
        means = [self._means(response, each, others) for each in (a, b)]
        shared = means[0].keys() & means[1].keys()
        if not shared:
            return None
        return math.exp(fmean(means[1][place] - means[0][place] for place in shared))

    def _means(
        self, response: str, levels: Mapping[str, str], others: Sequence[str]
    ) -> dict[tuple[str, ...], float]:
        found: dict[tuple[str, ...], list[float]] = {}
        for run in self.runs:
            value = run.value(response)
            if value is not None and levels.items() <= run.levels.items():
                place = tuple(run.levels.get(other, "") for other in others)
                found.setdefault(place, []).append(math.log(value))
        return {place: fmean(logs) for place, logs in found.items()}

    def _logs(self, response: str) -> dict[tuple[str, ...], list[float]]:
        found: dict[tuple[str, ...], list[float]] = {}
        for run in self.runs:
            value = run.value(response)
            if value is not None:
                found.setdefault(run.cell, []).append(math.log(value))
        return found

    def responses(self) -> list[str]:
        """Name the responses that all its runs have."""
        names = ("energy_j", "energy_per_token_j")
        return [name for name in names if all(run.value(name) is not None for run in self.runs)]

    def other_settings(self, study: Mapping[str, Any]) -> list[str]:
        """Say in which settings the plan differs from the pilot, other than what is corrected."""
        both = [key for key in _SETTINGS if key in self.study and key in study]
        found = differences({k: self.study[k] for k in both}, {k: study[k] for k in both})
        return [each for each in found if not each.startswith(_CORRECTED)]

    def reload_s(self, group_by: Sequence[str]) -> float | None:
        """Give what loading takes longer after another level than after the same one, s.

        ``None`` where the pilot does not tell: no load windows, no order, or only one of the two.
        """
        runs = sorted(
            (r for r in self.runs if r.order is not None and r.load_s is not None),
            key=lambda r: r.order or 0,
        )
        after: dict[bool, list[float]] = {True: [], False: []}
        for before, run in pairwise(runs):
            if (run.order or 0) - (before.order or 0) == 1:
                same = all(before.levels.get(n) == run.levels.get(n) for n in group_by)
                after[same].append(run.load_s or 0.0)
        if not (after[True] and after[False]):
            return None
        return median(after[False]) - median(after[True])


def _cv(log_sd: float) -> float:
    return math.sqrt(math.expm1(log_sd**2))


def _shared(a: Mapping[str, str], b: Mapping[str, str]) -> int:
    return sum(a.get(name) == level for name, level in b.items())


def _pilot_run(run: Run, study: Mapping[str, Any]) -> PilotRun | None:
    """Give what a run tells; ``None`` for one without a duration."""
    measured_s = duration_s(run)
    if measured_s is None:
        return None
    energy = headline_energy(run)
    idle_s = sum(duration_s(run, window) or 0.0 for window in ("idle", "idle_after"))
    work = [headline_energy(run, window) for window in _WORK]
    return PilotRun(
        levels=_levels(run.levels, study),
        order=run.trial.get("order"),
        trial_s=max(_wall_s(run) - idle_s, measured_s),
        measured_s=measured_s,
        load_s=duration_s(run, "load"),
        energy_j=None if energy is None else energy.joules,
        work_j=sum(each.joules for each in work if each is not None),
        idle_w=idle_power_w(run),
        tokens=run.work.get("tokens_out") or None,
        items=_items(run, study),
        bias=energy.bias / energy.joules if energy is not None and energy.joules > 0 else 0.0,
        method="" if energy is None else energy.method,
    )


def _wall_s(run: Run) -> float:
    """Give how long a trial took, s: as it was timed, but not on computed time."""
    span_s = 0.0
    if run.windows:
        span_s = max(w.stop_s for w in run.windows) - min(w.start_s for w in run.windows)
    return max(float(run.facts.get("wall_s", 0.0)), span_s)


def _levels(levels: Levels, study: Mapping[str, Any]) -> dict[str, str]:
    fixed = {name: study[name] for name in ("model", "task") if isinstance(study.get(name), str)}
    if isinstance(study.get("model"), Mapping) and "shape" in study["model"]:
        fixed["model"] = PREFIX + str(study["model"]["shape"])
    return {name: level_text(level) for name, level in {**fixed, **levels}.items()}


def _items(run: Run, study: Mapping[str, Any]) -> int | None:
    tasks = study.get("tasks")
    asked = run.levels.get("items", tasks.get("items") if isinstance(tasks, Mapping) else None)
    return asked if isinstance(asked, int) and asked > 0 else None
