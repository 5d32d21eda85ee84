"""Whether runs of two sides may be paired by their blocks."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from itertools import pairwise

from joulebench.comparison.places import one_meter
from joulebench.comparison.side import Side
from joulebench.record import Run

Moments = dict[str, list[float]]


def interleaved_blocks(a: Side, b: Side) -> tuple[str, ...]:
    """Give the blocks in which both sides were measured together, in the order of time.

    Only runs of one session share what a block does to them (a warm room, a neighbour): both sides
    on the same testbed and boards, overlapping in time, and each block over on both sides
    before the next begins on either. Repetitions of equal number in two sessions share nothing, and
    are never pairs.

    Returns:
        Nothing where the runs are no pairs, or where the sources do not say when they began.
    """
    moments = [_moments(side) for side in (a, b)]
    if not one_meter(a, b) or _testbeds(a) != _testbeds(b) or not all(moments):
        return ()
    shared = [block for block in moments[0] if block in moments[1]]
    spans = sorted((_span(moments, block), block) for block in shared)
    apart = all(one[0][1] <= other[0][0] for one, other in pairwise(spans))
    return tuple(block for _, block in spans) if apart and _overlap(*moments) else ()


def block_of(run: Run) -> str:
    """Give the block of a run; empty if it has none."""
    block = run.trial.get("block")
    return "" if block is None else str(block)


def _moments(side: Side) -> Moments:
    """Give the starts of the runs of each block; nothing where one is unknown."""
    found: Moments = defaultdict(list)
    for run in side.records:
        try:
            started = datetime.fromisoformat(run.started_at).timestamp()
        except ValueError:
            return {}
        if not block_of(run):
            return {}
        found[block_of(run)].append(started)
    return dict(found)


def _testbeds(side: Side) -> set[str]:
    return {run.testbed for run in side.records}


def _span(moments: list[Moments], block: str) -> tuple[float, float]:
    inside = [*moments[0][block], *moments[1][block]]
    return min(inside), max(inside)


def _overlap(a: Moments, b: Moments) -> bool:
    first, second = ([t for starts in each.values() for t in starts] for each in (a, b))
    return max(min(first), min(second)) <= min(max(first), max(second))
