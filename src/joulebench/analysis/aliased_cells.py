"""Which factors cannot be told apart, because combinations of their levels were never run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.cells import cell_counts, codes_of
from joulebench.stats.crossing import crossing

_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class AliasedPair:
    """Two factors whose crossing has empty cells.

    Args:
        first: One factor.
        second: The other.
        filled: Cells with a row.
        possible: All cells.
        lost_main: Contrasts of either factor that are the same as contrasts of the other.
        lost_interaction: Parameters of their interaction that cannot be estimated.
        comparable: For each of the two, its levels that can be compared with the other held: one
            tuple a group, at least two levels each.
    """

    first: str
    second: str
    filled: int
    possible: int
    lost_main: int
    lost_interaction: int
    comparable: dict[str, tuple[tuple[str, ...], ...]]

    @property
    def nested(self) -> str:
        """The factor that is nested in the other: each of its levels stands in one; else empty."""
        return next((name for name, groups in self.comparable.items() if not groups), "")

    @property
    def sentence(self) -> str:
        """What is lost, and what can still be compared."""
        crossed = f"{self.first} x {self.second} has {self.filled} of {self.possible} cells"
        if not self.lost_main:
            lost = self.lost_interaction
            return (
                f"{crossed}: {lost} parameter{'s' if lost > 1 else ''} of the interaction cannot "
                "be estimated; the main effects can, if there is no interaction"
            )
        kept = "; ".join(self._kept())
        return (
            f"{crossed}: {self.lost_main} contrast{'s' if self.lost_main > 1 else ''} of "
            f"{self.first} cannot be told from {self.second}; {kept}"
        )

    def _kept(self) -> Iterator[str]:
        for held, name in ((self.second, self.first), (self.first, self.second)):
            groups = self.comparable[name]
            if not groups:
                yield f"at one {held}, no two levels of {name} can be compared"
                continue
            shown = ", or ".join(" with ".join(group) for group in groups[:_MOST_NAMED])
            yield f"at one {held}, {name} can be compared only for {shown}"


def aliased_pairs(frame: AnalysisFrame, factors: Sequence[str] = ()) -> list[AliasedPair]:
    """Find the pairs of factors whose crossing has empty cells, of all factors if none is named.

    Two factors are estimable together if and only if the graph of their filled cells is connected
    (Weeks and Williams 1964, Technometrics 6, 319); within each connected part they are.
    """
    names = tuple(factors) or frame.factors
    found = [_pair(frame, *pair) for pair in combinations(names, 2)]
    return [pair for pair in found if pair is not None]


def _pair(frame: AnalysisFrame, first: str, second: str) -> AliasedPair | None:
    counts = cell_counts(frame, (first, second))
    if not counts.empty:
        return None
    codes = codes_of(frame, (first, second))
    crossed = crossing(codes[first], codes[second])
    cells = list(counts.counts)
    comparable = {
        first: comparable_levels(cells),
        second: comparable_levels([(b, a) for a, b in cells]),
    }
    return AliasedPair(
        first,
        second,
        crossed.filled,
        crossed.cells,
        crossed.lost_main,
        crossed.lost_interaction,
        comparable,
    )


def comparable_levels(cells: Sequence[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Give the groups of first levels that share a second one, directly or through others.

    Args:
        cells: The filled cells: level of the first factor, of the second.
    """
    groups: dict[str, set[str]] = {}
    order = list(dict.fromkeys(first for first, _ in cells))
    for level in order:
        groups[level] = {level}
    shared: dict[str, list[str]] = {}
    for first, second in cells:
        shared.setdefault(second, []).append(first)
    for firsts in shared.values():
        merged = set().union(*(groups[first] for first in firsts))
        for member in merged:
            groups[member] = merged
    kept = dict.fromkeys(
        tuple(level for level in order if level in group) for group in groups.values()
    )
    return tuple(group for group in kept if len(group) > 1)


def joint_factors(frame: AnalysisFrame, factors: Sequence[str] = ()) -> list[tuple[str, ...]]:
    """Group factors that empty cells tie together; each group is one thing that was varied.

    Of ``generation`` and ``model_size`` with five filled cells of 16 it makes one group, whose
    levels are the five models; ``task``, crossed with them in full, stands alone.
    """
    names = tuple(factors) or frame.factors
    tied = {name: {name} for name in names}
    for pair in aliased_pairs(frame, names):
        if pair.lost_main:
            merged = tied[pair.first] | tied[pair.second]
            for member in merged:
                tied[member] = merged
    kept = dict.fromkeys(tuple(name for name in names if name in group) for group in tied.values())
    return list(kept)
