"""Where runs were made, if that can be taken for an effect of what is compared."""

from __future__ import annotations

from collections.abc import Iterator

from joulebench.analysis.analysis_frame import AnalysisFrame

_PLACES = ("testbed", "host")


def place_notes(frame: AnalysisFrame) -> Iterator[str]:
    """Say where rows come from several places that are no factor.

    Args:
        frame: Repetitions.
    """
    for name in _PLACES:
        if name in frame.factors or name not in frame.frame:
            continue
        count = frame.frame[name].nunique()
        if count > 1:
            factors = ",".join((*frame.factors, name))
            yield (
                f"rows come from {count} {name}s, which is no factor here: what these differ by is "
                f"counted as scatter; type --factors {factors} to take it apart"
            )
            return


def place_doubts(frame: AnalysisFrame, unit: str) -> Iterator[str]:
    """Say where units were run in different places, so that these may make the difference.

    Args:
        frame: Repetitions.
        unit: Column of the units.
    """
    for name in _PLACES:
        if name == unit or name not in frame.frame or name in frame.units.get(unit, ()):
            continue
        seen = frame.frame.groupby(unit, observed=True)[name].agg(frozenset)
        alone = [(str(a), str(b)) for a in seen.index for b in seen.index
                 if str(a) < str(b) and not seen[a] & seen[b]]  # fmt: skip
        if alone:
            first, second = alone[0]
            more = f" (and {len(alone) - 1} more pairs)" if len(alone) > 1 else ""
            yield (
                f"{first} and {second} were run on different {name}s{more}: what differs may be "
                f"the {name}"
            )
            return
