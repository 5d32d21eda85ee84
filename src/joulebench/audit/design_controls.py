"""Whether the control trials of a study rise or fall while it runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from joulebench.audit.digest import RunDigest
from joulebench.audit.evidence import Evidence, Unit
from joulebench.audit.rule import Rule
from joulebench.finding import Finding
from joulebench.run_row import headline_energy
from joulebench.stats.estimate import Estimate
from joulebench.stats.trend import within_group_slope

_FEWEST = 4
_LEVEL = 0.99
_LEAST = 0.005
"""A smaller drift over the whole study, as a log ratio, hides no difference that is looked for."""


def _drifts(evidence: Evidence) -> Iterator[Finding]:
    """Find studies whose control trials, the same work again and again, change with time."""
    for unit in evidence.units:
        known = [(d, joules) for d in unit.controls if (joules := _joules(d)) is not None]
        if len(known) < _FEWEST:
            continue
        change = _change([d for d, _ in known], [math.log(joules) for _, joules in known])
        if change is not None and change.excludes(0.0) and abs(change.value) >= _LEAST:
            yield _finding(unit, len(known), change)


def _joules(digest: RunDigest) -> float | None:
    """Give the energy of a control, per token where they were counted; ``None`` if unknown."""
    run = digest.run
    energy = headline_energy(run) if run.status == "done" else None
    if energy is None or energy.joules <= 0 or "order" not in run.trial:
        return None
    return energy.joules / (run.work.get("tokens_out") or 1)


def _change(controls: Sequence[RunDigest], logs: Sequence[float]) -> Estimate | None:
    """Give the log ratio of the last to the first control, each against others of its machine."""
    orders = [float(each.run.trial["order"]) for each in controls]
    places = [f"{each.run.testbed}/{each.run.host}" for each in controls]
    slope = within_group_slope(logs, orders, places, level=_LEVEL)
    if slope is None or not slope.bounded:
        return None
    return slope.scaled(max(orders) - min(orders))


def _finding(unit: Unit, count: int, change: Estimate) -> Finding:
    way = "rose" if change.value > 0 else "fell"
    low, high = sorted((abs(math.expm1(change.low)), abs(math.expm1(change.high))))
    size = abs(math.expm1(change.value))
    return Finding(
        "control-drift",
        "warning",
        f"{unit.name}: controls",
        f"the energy of {count} control trials, the same work each time, {way} by {size:.1%} from "
        f"the first to the last ({_LEVEL:.0%} interval {low:.1%} to {high:.1%}): so did the "
        "energies of all cells, and levels that were run at different times differ by it",
        "compare levels within blocks only, in which it is the same for all; find the cause "
        "(temperature, another process, clocks) and cool down adaptively",
        seen=f"{math.expm1(change.value):+.1%}",
        possible="0 within the interval",
    )


RULES = (Rule("control-drift", "design", evidence=_drifts),)
