"""Pairs of cells of a design that differ in one factor alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from joulebench.audit.design_factors import Codes, DesignFactor, TableDesign, level_key
from joulebench.audit.design_outcomes import cell_means, logs
from joulebench.audit.table import Floats

_BITS = {
    "fp64": 64, "float64": 64, "double": 64, "fp32": 32, "float32": 32, "float": 32, "tf32": 32,
    "full": 32, "none": 32, "fp16": 16, "float16": 16, "half": 16, "bf16": 16, "bfloat16": 16,
    "fp8": 8, "int8": 8, "8bit": 8, "w8a8": 8, "int4": 4, "nf4": 4, "fp4": 4, "4bit": 4, "awq": 4,
    "gptq": 4,
}  # fmt: skip
"""Precision -> bits of a weight: what memory has to hold and move of it."""


_MOST_APART = 8


@dataclass(frozen=True, eq=False)
class MatchedPairs:
    """Pairs of cells that differ in one factor alone.

    Args:
        design: Of the table.
        factor: The factor.
        first: Cell at the lower level, shape (pairs,).
        second: Cell at the higher level, shape (pairs,).
        first_level: Lower level, shape (pairs,).
        second_level: Higher level, shape (pairs,).
    """

    design: TableDesign
    factor: DesignFactor
    first: Codes
    second: Codes
    first_level: Codes
    second_level: Codes

    def __len__(self) -> int:
        return len(self.first)

    def means(self, column: str) -> tuple[Floats, Floats]:
        """Give the means of a column at the lower and at the higher level, each (pairs,)."""
        mean, _ = cell_means(self.design, column)
        return mean[self.first], mean[self.second]

    def log_ratios(self, column: str) -> Floats:
        """Give the logarithm of higher over lower level, shape (pairs,); NaN where one lacks."""
        one, two = self.means(column)
        return logs(two) - logs(one)

    def rows(self, pair: int) -> list[int]:
        """Give one row of each of the two cells of a pair."""
        return [int(self.design.first_row[each[pair]]) for each in (self.first, self.second)]

    def kept(self, keep: np.ndarray) -> MatchedPairs:
        """Give some of the pairs: ``keep`` has shape (pairs,)."""
        chosen = (self.first, self.second, self.first_level, self.second_level)
        return MatchedPairs(self.design, self.factor, *(each[keep] for each in chosen))

    def by_levels(self) -> Iterator[MatchedPairs]:
        """Give the pairs of each two levels by themselves."""
        both = np.stack([self.first_level, self.second_level])
        for one, two in np.unique(both, axis=1).T.tolist():
            yield self.kept((both[0] == one) & (both[1] == two))

    def work_ratios(self) -> Floats:
        """Give the logarithm of the ratio of amounts, or of bits, of each pair; NaN if unknown."""
        if self.factor.kind == "precision":
            amounts = np.array([bits(level) for level in self.factor.levels])
        else:
            amounts = self.factor.amounts
        return np.abs(logs(amounts)[self.second_level] - logs(amounts)[self.first_level])


def bits(level: str) -> float:
    """Give the bits that a precision takes for a weight; NaN where its name is not known."""
    name = level_key(level).removeprefix("torch.").replace("-", "").replace("_", "")
    return float(_BITS.get(name, np.nan))


def matched_pairs(design: TableDesign, factor: DesignFactor, which: str) -> MatchedPairs:
    """Pair cells that differ in one factor alone.

    Args:
        design: Of the table.
        factor: The factor.
        which: "ends" pairs the lowest level with the highest of each group, "next" each with the
            next, "all" each with each, up to eight levels apart.
    """
    row = design.first_row
    rank = _ranks(factor)[factor.codes[row]]
    group = design.without(factor)[row]
    order = np.lexsort((rank, group))
    order = order[rank[order] >= 0]
    if which == "ends":
        one, two = _ends(order, group)
    else:
        one, two = _apart(order, group, 1 if which == "next" else _MOST_APART)
    level = factor.codes[row]
    return MatchedPairs(design, factor, one, two, level[one], level[two])


def _apart(order: Codes, group: Codes, most: int) -> tuple[Codes, Codes]:
    """Give cells of one group up to so many places apart."""
    found = [(order[:-step], order[step:]) for step in range(1, most + 1)]
    here, there = (np.concatenate(each) for each in zip(*found, strict=True))
    same = group[here] == group[there]
    return here[same], there[same]


def _ends(order: Codes, group: Codes) -> tuple[Codes, Codes]:
    """Give the first and the last of each group that has more than one."""
    sorted_group = group[order]
    starts = np.flatnonzero(np.r_[True, np.diff(sorted_group) != 0][: len(order)])
    stops = np.r_[starts[1:], len(order)] - 1
    several = stops > starts
    return order[starts[several]], order[stops[several]]


def _ranks(factor: DesignFactor) -> Codes:
    """Give the place of each level in their order, -1 where a row does not say it."""
    known = [place for place, level in enumerate(factor.levels) if level]
    amounts = factor.amounts
    if factor.kind == "precision":
        amounts = np.array([bits(level) for level in factor.levels])
    if np.isfinite(amounts[known]).all():
        known.sort(key=lambda place: float(amounts[place]))
    rank = np.full(len(factor.levels), -1, dtype=np.intp)
    rank[known] = np.arange(len(known))
    return rank
