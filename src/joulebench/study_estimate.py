"""How long a planned study takes and what it uses: from a pilot, or from times that are known."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean, median
from typing import Any

from joulebench.exclusion import level_text
from joulebench.study_file import StudyFile
from joulebench.study_pilot import Pilot, PilotRun

Plan = Mapping[str, Any]


@dataclass(frozen=True)
class Range:
    """A figure with its 95 % interval.

    Args:
        value: Best estimate.
        low: Lower end; ``None`` where nothing tells it.
        high: Upper end.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Estimate:
    """What a plan will take.

    Args:
        trials: How many, controls included.
        waits_s: Idle windows and fixed cool-downs of the whole study, s.
        duration_s: From the first trial to the last, s; ``None`` where the work is not known.
        adaptive_s: Shortest and longest time of all adaptive cool-downs, s, which come on top.
        energy_j: Of the measured windows, J; ``None`` if unknown.
        all_energy_j: The same with loading, warming up and waiting, J.
        places: How many trials run at a time.
        origin: Where the figures come from: ``pilot``, ``computed`` or ``protocol``.
        cells: Planned cells that the pilot ran too (``same``), and those whose figures are of the
            runs that share most levels with them (``nearest``).
    """

    trials: int
    waits_s: float
    duration_s: Range | None
    adaptive_s: tuple[float, float] | None
    energy_j: Range | None
    all_energy_j: Range | None
    places: int
    origin: str
    cells: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the estimate as a JSON-ready dict."""
        return asdict(self)


@dataclass(frozen=True)
class _Part:
    """Trials whose figure is known from the same runs.

    Args:
        count: How many trials.
        values: The figure of each run behind it.
    """

    count: int
    values: tuple[float, ...]

    @property
    def sum(self) -> float:
        """The typical figure, times the trials."""
        return self.count * median(self.values)


def estimate(study: StudyFile, plans: Sequence[Plan], pilot: Pilot | None) -> Estimate:
    """Estimate how long a study takes and what it uses.

    Args:
        study: A checked study file.
        plans: Of its trials.
        pilot: What a pilot tells; without one, times are computed where the engine's are known.
    """
    waits_s = _idle_s(plans) + _cool_downs_s(plans)
    if pilot is not None:
        return _from_pilot(study, plans, pilot, waits_s)
    work = _computed_s(plans)
    places = places_of(study)
    if work is None:
        return Estimate(len(plans), waits_s, None, _adaptive_s(plans), None, None, places,
                        "protocol")  # fmt: skip
    return Estimate(
        len(plans), waits_s, Range((waits_s + work) / places), _adaptive_s(plans), None, None,
        places, "computed",
    )  # fmt: skip


def places_of(study: StudyFile) -> int:
    """Count the trials that run at a time: one on each testbed."""
    return max(1, sum(bed.slurm.jobs if bed.slurm else 1 for bed in study.testbeds))


def _from_pilot(study: StudyFile, plans: Sequence[Plan], pilot: Pilot, waits_s: float) -> Estimate:
    times: list[_Part] = []
    energies: list[_Part] = []
    alls: list[_Part] = []
    near: Counter[str] = Counter()
    grouped = _by_source(plans, pilot)
    for runs, members in grouped.values():
        cells = {level_key(plan): plan for plan in members}
        near.update("same" if _is_same(runs, plan) else "nearest" for plan in cells.values())
        plan, count = members[0], len(members)
        times.append(_Part(count, tuple(_work_s(run, plan) for run in runs)))
        if all(run.energy_j is not None for run in runs):
            energies.append(_Part(count, tuple(_measured_j(run, plan) for run in runs)))
            if all(run.idle_w is not None for run in runs):
                alls.append(_Part(count, tuple(_whole_j(run, plan) for run in runs)))
    places = places_of(study)
    whole = len(grouped)
    return Estimate(
        len(plans),
        waits_s,
        _scaled(_summed(times, waits_s), 1 / places),
        _adaptive_s(plans),
        _summed(energies) if len(energies) == whole else None,
        _summed(alls) if len(alls) == whole else None,
        places,
        "pilot",
        dict(near),
    )


def _by_source(plans: Sequence[Plan], pilot: Pilot) -> dict[Any, tuple[list[PilotRun], list[Plan]]]:
    """Put trials together whose figures are known from the same runs, and of as many items."""
    found: dict[Any, tuple[list[PilotRun], list[Plan]]] = {}
    known: dict[tuple[str, ...], list[PilotRun]] = {}
    for plan in plans:
        key = level_key(plan)
        if key not in known:
            known[key] = pilot.nearest(levels_of(plan))
        runs = known[key]
        place = tuple(map(id, runs)), _items(plan), _wait_s(plan)
        found.setdefault(place, (runs, []))[1].append(plan)
    return found


def _is_same(runs: Sequence[PilotRun], plan: Plan) -> bool:
    """Say whether runs are of the very cell of a trial."""
    levels = {name: level_text(level) for name, level in plan["trial"]["levels"].items()}
    return all(levels.items() <= run.levels.items() for run in runs)


def levels_of(plan: Plan) -> dict[str, str]:
    """Give the levels of a trial as text, its model and task among them."""
    named = {name: plan[name] for name in ("model", "task") if name in plan}
    levels = {name: level_text(level) for name, level in plan["trial"]["levels"].items()}
    return {**{name: str(text) for name, text in named.items()}, **levels}


def level_key(plan: Plan) -> tuple[str, ...]:
    """Give the levels of a trial, to tell cells apart."""
    return tuple(level_text(level) for level in plan["trial"]["levels"].values())


def _work_s(run: PilotRun, plan: Plan) -> float:
    return run.trial_s + run.measured_s * (_share(run, plan) - 1)


def _measured_j(run: PilotRun, plan: Plan) -> float:
    return (run.energy_j or 0.0) * _share(run, plan)


def _whole_j(run: PilotRun, plan: Plan) -> float:
    waiting_s = _wait_s(plan) + float(plan["protocol"]["cooldown"]["fixed_s"])
    return _measured_j(run, plan) + run.work_j + (run.idle_w or 0.0) * waiting_s


def _share(run: PilotRun, plan: Plan) -> float:
    """Give how many times the pilot's items a trial has."""
    items = _items(plan)
    return float(items / run.items) if items and run.items else 1.0


def _items(plan: Plan) -> int | None:
    items = plan["tasks"].get("items") if plan["workload"] == "generate" else None
    return None if items is None else int(items)


def _wait_s(plan: Plan) -> float:
    return float(plan["protocol"]["idle_s"] + plan["protocol"]["idle_after_s"])


def _idle_s(plans: Sequence[Plan]) -> float:
    return math.fsum(_wait_s(plan) for plan in plans)


def _cool_downs_s(plans: Sequence[Plan]) -> float:
    """Give the fixed waits between trials, s; there is none before the first."""
    return math.fsum(float(plan["protocol"]["cooldown"]["fixed_s"]) for plan in plans[1:])


def _adaptive_s(plans: Sequence[Plan]) -> tuple[float, float] | None:
    waits = [plan["protocol"]["cooldown"].get("adaptive") for plan in plans[1:]]
    known = [wait for wait in waits if wait]
    if not known:
        return None
    return math.fsum(w["min_s"] for w in known), math.fsum(w["max_s"] for w in known)


def _summed(parts: Sequence[_Part], known: float = 0.0) -> Range:
    """Add up parts, each the typical figure of its runs times its trials.

    The relative scatter is pooled over the runs of one source. What a source is wrong by counts for
    all its trials at once; what the trials will scatter by, for each alone.

    Args:
        parts: What is known from runs.
        known: What is added without doubt.
    """
    value = known + math.fsum(part.sum for part in parts)
    groups = [[math.log(x) for x in part.values if x > 0] for part in parts]
    df = sum(len(group) - 1 for group in groups if group)
    if df < 1:
        return Range(value)
    from scipy.special import stdtrit

    squares = math.fsum((x - fmean(group)) ** 2 for group in groups if group for x in group)
    # The median of three values or more is that much less certain than their mean.
    wider = [math.pi / 2 if len(part.values) > 2 else 1.0 for part in parts]
    variance = (squares / df) * math.fsum(
        part.sum**2 * (more / len(part.values) + 1 / part.count)
        for part, more in zip(parts, wider, strict=True)
    )
    half = float(stdtrit(df, 0.975)) * math.sqrt(variance)
    return Range(value, max(known, value - half), value + half)


def _scaled(found: Range, factor: float) -> Range:
    low, high = (None if end is None else end * factor for end in (found.low, found.high))
    return Range(found.value * factor, low, high)


def _computed_s(plans: Sequence[Plan]) -> float | None:
    """Give the time of all work, s, where it is that of an echo engine; ``None`` otherwise."""
    known: dict[tuple[str, ...], float] = {}
    total_s = 0.0
    for plan in plans:
        key = level_key(plan)
        if key not in known:
            length_s = _echo_s(plan)
            if length_s is None:
                return None
            known[key] = length_s
        total_s += known[key]
    return total_s


def _echo_s(plan: Plan) -> float | None:
    """Run the work of a trial on computed time, s; ``None`` where it takes real time."""
    from joulebench.clock import VirtualClock
    from joulebench.engines.echo import EchoEngine
    from joulebench.workloads.generate import GenerateWorkload
    from joulebench.workloads.registry import build_workload

    if plan["workload"] != "generate" or (plan.get("engine") or {}).get("kind") != "echo":
        return None
    if plan["tasks"]["data"] == "hub":
        return None  # reading the items would fetch them
    workload = build_workload(plan)
    if not (isinstance(workload, GenerateWorkload) and isinstance(workload.engine, EchoEngine)):
        return None
    clock = VirtualClock()
    workload.engine.use_clock(clock)
    workload.load()
    workload.warm_up()
    workload.run()
    return clock.now_s()
