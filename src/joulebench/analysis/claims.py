"""What stands behind a claim about a factor: the units that are independent evidence for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulebench.analysis.aliased_cells import aliased_pairs
from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.cells import codes_of
from joulebench.analysis.units import unit_of, unit_word
from joulebench.errors import unknown

Codes = NDArray[np.intp]

FEW_DF = 3
"""Up to 3 degrees of freedom an honest interval is half as wide again as one of many: t(0.975) is
3.18 at 3, 2.78 at 4, 1.96 for many."""

_MOST_NAMED = 4


@dataclass(frozen=True, slots=True)
class ClaimSupport:
    """The evidence behind "FACTOR makes a difference", beyond the very things that were run.

    Args:
        factor: What the claim is about.
        unit: What one piece of independent evidence is, in a word: ``model``.
        parts: Factors that make up a unit; empty where each row is one.
        levels: Levels of the factor.
        units: Number of units.
        df: Degrees of freedom between units that are left once the levels of the factor are fitted.
        df_held: The same once the unit's other factors are fitted too.
        saturated: Whether no degree of freedom is left.
        aliased_with: Factors that it cannot be told from.
        from_levels: Levels of the factor that have more than one unit: all of ``df`` is from them.
        rows_df: Degrees of freedom of the narrower claim, that the very units that were run differ.
        crossed: Factors that it is crossed with: what the claim is to hold for more of.
        crossed_word: One of their combinations, in a word.
        crossed_units: Number of their combinations.
        crossed_df: Degrees of freedom of the claim that it holds for other such combinations:
            those of the interaction.
    """

    factor: str
    unit: str
    parts: tuple[str, ...]
    levels: int
    units: int
    df: int
    df_held: int
    saturated: bool
    aliased_with: tuple[str, ...]
    from_levels: dict[str, tuple[str, ...]]
    rows_df: int
    crossed: tuple[str, ...] = ()
    crossed_word: str = ""
    crossed_units: int = 0
    crossed_df: int = 0

    @property
    def weak(self) -> bool:
        """Whether a claim about the factor in general has almost nothing behind it."""
        return self.df <= FEW_DF

    @property
    def sentence(self) -> str:
        """What can be claimed of the factor, and on how much evidence."""
        if not self.parts:
            return f"{self.factor}: {self._rows()}{self._beyond()}"
        return f"{self._narrow()}; {self._wide()}{self._held()}"

    def _rows(self) -> str:
        if self.df <= 0:
            return "no cell was repeated, so that rows give no degree of freedom"
        over = f" in these {self.crossed_units} {plural(self.crossed_word)}" if self.crossed else ""
        return f"that its {self.levels} levels differ{over} rests on {degrees(self.df)}"

    def _beyond(self) -> str:
        if not self.crossed:
            return ""
        words = plural(self.crossed_word)
        told = (
            f"; that they differ in other {words} too rests on these {self.crossed_units} {words}, "
            f"{degrees(self.crossed_df)}"
        )
        return told if self.df > 0 else f"{told}, if the two do not interact"

    def _narrow(self) -> str:
        return (
            f"{self.factor}: that these {self.units} {plural(self.unit)} differ rests on "
            f"{degrees(self.rows_df)}"
        )

    def _wide(self) -> str:
        told = (
            f"that {self.factor} makes the difference rests on {self.units} "
            f"{plural(self.unit)} at {self.levels} levels, {degrees(self.df)}"
        )
        if self.df <= 0:
            return f"{told}: nothing is left to judge it by"
        if len(self.from_levels) == self.levels:
            return told
        others = " · ".join(part for part in self.parts if part != self.factor)
        shown = [f"{others} {' and '.join(units)} at {self.factor} {level}"
                 for level, units in list(self.from_levels.items())[:_MOST_NAMED]]  # fmt: skip
        return f"{told}, which come{'s' if self.df == 1 else ''} only from {', and '.join(shown)}"

    def _held(self) -> str:
        others = [part for part in self.parts if part != self.factor]
        if not others or self.df_held >= self.df:
            return ""
        left = str(self.df_held) if self.df_held > 0 else "none"
        return f"; with {' and '.join(others)} held, {left} is left"

    def to_dict(self) -> dict[str, Any]:
        """Give what stands behind the claim as a JSON-ready dict."""
        return asdict(self) | {"weak": self.weak, "sentence": self.sentence}


def all_claims(frame: AnalysisFrame) -> Iterator[ClaimSupport]:
    """Give what stands behind a claim about each factor."""
    for factor in frame.factors:
        yield claim_support(frame, factor)


def claim_support(
    frame: AnalysisFrame, factor: str, unit: Sequence[str] | None = None
) -> ClaimSupport:
    """Count the evidence behind a claim about a factor.

    Repetitions of a unit say how that unit scatters, nothing of others at the same level: the
    degrees of freedom of a factor between units are ``units - rank`` of what is fitted to them
    (Hurlbert 1984, Ecological Monographs 54, 187; Montgomery, Design and Analysis of Experiments,
    on nested designs). For a factor whose levels were set run by run, rows are the units.

    Args:
        frame: The repetitions, or run means.
        factor: What the claim is about.
        unit: Factors whose combinations are the units; found by :func:`unit_of` if ``None``, rows
            if empty.

    Raises:
        UsageError: A name that is no factor.
    """
    if factor not in frame.factors:
        raise unknown("factor", factor, frame.factors)
    parts = unit_of(frame, factor) if unit is None else tuple(unit)
    codes = codes_of(frame, tuple(dict.fromkeys([factor, *frame.factors, *parts])))
    cells = len(np.unique(_crossed([codes[name] for name in frame.factors])))
    rows_df = len(frame) - cells
    aliased = tuple(
        pair.second if pair.first == factor else pair.first
        for pair in aliased_pairs(frame)
        if pair.lost_main and factor in (pair.first, pair.second)
    )
    levels = len(frame.levels(factor))
    if not parts:
        return ClaimSupport(
            factor, "row", (), levels, len(frame), rows_df, rows_df, rows_df <= 0, aliased, {},
            rows_df, **_crossing(frame, factor),
        )  # fmt: skip
    names = tuple(dict.fromkeys([factor, *parts]))
    units = np.unique(np.column_stack([codes[name] for name in names]), axis=0)
    df = len(units) - levels
    return ClaimSupport(
        factor,
        unit_word(frame, names),
        names,
        levels,
        len(units),
        df,
        len(units) - additive_rank([units[:, at] for at in range(len(names))]),
        df <= 0,
        aliased,
        _with_several(frame, names, units),
        rows_df,
    )


def _crossing(frame: AnalysisFrame, factor: str) -> dict[str, Any]:
    """Give what a factor is crossed with, and the degrees of freedom of their interaction."""
    others = tuple(name for name in frame.factors if name != factor)
    if not others:
        return {}
    codes = codes_of(frame, frame.factors)
    rest = np.unique(_crossed([codes[name] for name in others]), return_inverse=True)[1]
    cells = np.unique(np.column_stack([codes[factor], rest]), axis=0)
    return {
        "crossed": others,
        "crossed_word": unit_word(frame, others),
        "crossed_units": int(rest.max()) + 1,
        "crossed_df": len(cells) - additive_rank([cells[:, 0], cells[:, 1]]),
    }


def plural(word: str) -> str:
    """Give the plural of a unit's word."""
    first, _, rest = word.partition(" of ")
    if not (first.isascii() and first.isalpha()) or first.endswith("s"):
        return f"levels of {word}"  # a column's name is no word that has a plural
    if first.endswith(("x", "ch", "sh")):
        many = f"{first}es"
    elif first.endswith("y") and first[-2:-1] not in "aeiou":
        many = f"{first[:-1]}ies"
    else:
        many = f"{first}s"
    return f"{many} of {rest}" if rest else many


def degrees(df: int) -> str:
    """Give degrees of freedom in words."""
    return f"{df} degree{'' if df == 1 else 's'} of freedom"


def additive_rank(codes: Sequence[Codes]) -> int:
    """Give the rank of a model with an intercept and the main effects of some factors.

    Args:
        codes: Level of each unit, from 0, by factor, shape (units,) each.
    """
    columns = [np.ones(len(codes[0]))]
    for each in codes:
        columns += [(each == level).astype(float) for level in range(1, int(each.max()) + 1)]
    return int(np.linalg.matrix_rank(np.column_stack(columns)))


def _crossed(codes: Sequence[Codes]) -> Codes:
    flat: Codes = np.ravel_multi_index(tuple(codes), tuple(int(c.max()) + 1 for c in codes))
    return flat


def _with_several(
    frame: AnalysisFrame, names: Sequence[str], units: Codes
) -> dict[str, tuple[str, ...]]:
    """Give the levels of the first factor that have several units, with what tells these apart."""
    levels = [frame.levels(name) for name in names]
    found: dict[str, list[str]] = {}
    for unit in units.tolist():
        named = [level[at] for level, at in zip(levels, unit, strict=True)]
        found.setdefault(named[0], []).append(" · ".join(named[1:]))
    return {level: tuple(units) for level, units in found.items() if len(units) > 1}
