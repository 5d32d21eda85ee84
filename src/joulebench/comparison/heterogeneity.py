"""Whether the ratio is the same in all cells, and on which factor it depends."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from joulebench.comparison.cell_values import CellValues, Spreads, added, cell_effect
from joulebench.comparison.effect import Effect
from joulebench.stats.adjust import adjusted
from joulebench.stats.mean import Noise

LEAST_OF_OWN = 3
"""Values that every side of every cell must have to be weighted by its own variance."""


@dataclass(frozen=True)
class Dependence:
    """A test of whether the difference is the same everywhere, or at all levels of a factor.

    Args:
        of: The factor; empty for all cells.
        groups: Cells, or levels.
        f: F statistic; ``nan`` where nothing was repeated.
        df1: Its degrees of freedom above.
        df2: Its degrees of freedom below.
        p: p value, after Holm's adjustment over the factors; ``nan`` where there is no test.
    """

    of: str
    groups: int
    f: float
    df1: float
    df2: float
    p: float


@dataclass(frozen=True)
class LevelEffect:
    """The difference at one level of a factor.

    Args:
        factor: The factor.
        level: The level, as A writes it.
        cells: Cells behind it.
        effect: Over these very cells; over cells like them where nothing was repeated.
    """

    factor: str
    level: str
    cells: int
    effect: Effect


@dataclass(frozen=True)
class Heterogeneity:
    """How the difference varies over cells.

    Args:
        least: Cell with the least difference, and that difference.
        most: Cell with the largest.
        spread: Standard deviation of the true differences over cells, scatter of runs taken off.
        overall: Test over all cells.
        by_factor: Test of each factor that groups the cells.
        levels: The difference at each level of these factors.
    """

    least: tuple[str, float]
    most: tuple[str, float]
    spread: float
    overall: Dependence
    by_factor: tuple[Dependence, ...]
    levels: tuple[LevelEffect, ...]


def heterogeneity(
    cells: Sequence[CellValues],
    factors: Sequence[str],
    noises: Sequence[Noise | None],
    pooled: bool,
    over: Callable[[list[int]], Effect],
) -> Heterogeneity | None:
    """Test whether cells differ in the difference of B and A, and by which factor.

    The interaction of side and cell: the weighted squares of the cells' differences about their
    mean against the scatter of runs, ``F = sum w (d - mean)^2 / (k - 1)`` with ``w`` the reciprocal
    of the variance of ``d`` and Welch's degrees of freedom (Welch 1951, Biometrika 38, 330; where
    variances are pooled, without his correction). Of a factor: the same for the means of its
    levels.

    Args:
        cells: The cells.
        factors: The factors that were matched, in the order of the cells' levels.
        noises: Standard uncertainty of the difference of each cell with its degrees of freedom;
            ``None`` where it is not known.
        pooled: Whether these share one variance.
        over: Gives the effect over cells, by their places.

    Returns:
        ``None`` with one cell.
    """
    if len(cells) < 2:
        return None
    d = [each.difference for each in cells]
    order = np.argsort(d, kind="stable")
    tests, levels = [], []
    for place, name in enumerate(factors):
        groups = _groups(cells, place)
        if 1 < len(groups) < len(cells):
            parts = [[d[i] for i in g] for g in groups.values()]
            doubts = [[noises[i] for i in g] for g in groups.values()]
            tests.append(_test(name, parts, doubts, pooled=pooled))
            levels += [LevelEffect(name, k, len(g), over(g)) for k, g in groups.items()]
    told = [each for each in noises if each is not None]
    within = math.fsum(noise**2 for noise, _ in told) / len(told) if told else 0.0
    return Heterogeneity(
        (cells[order[0]].cell.label, d[order[0]]),
        (cells[order[-1]].cell.label, d[order[-1]]),
        math.sqrt(max(0.0, float(np.var(d, ddof=1)) - within)),
        _test("", [[each] for each in d], [[each] for each in noises], pooled=pooled),
        _adjusted(tests),
        tuple(levels),
    )


def _groups(cells: Sequence[CellValues], place: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, each in enumerate(cells):
        found.setdefault(each.cell.levels[place], []).append(number)
    return found


def cell_noises(cells: Sequence[CellValues], spreads: Spreads) -> tuple[list[Noise | None], bool]:
    """Give the uncertainty of each cell's difference by the scatter of its runs.

    Each cell has its own, by Welch, where every side of every cell has three values; else one
    variance a side, pooled over cells, since variances of two values are too rough to weight by.
    Never less than the readings' own noise.

    Returns:
        Standard uncertainties with degrees of freedom, ``None`` where none is known, and whether
        they are pooled.
    """
    least = min(len(c.pairs) if c.pairs is not None else min(len(c.a), len(c.b)) for c in cells)
    if least >= LEAST_OF_OWN:
        own = [cell_effect(each, spreads, 0.0).scatter for each in cells]
        return [_no_less(noise, each) for noise, each in zip(own, cells, strict=True)], False
    return [_no_less(_pooled(each, spreads), each) for each in cells], True


def _no_less(noise: Noise | None, cell: CellValues) -> Noise | None:
    return None if noise is None else (max(noise[0], cell.known), noise[1])


def _pooled(cell: CellValues, spreads: Spreads) -> Noise | None:
    if cell.pairs is not None and spreads.pairs is not None:
        parts = [(spreads.pairs, len(cell.pairs))]
    else:
        parts = [(spreads.a, len(cell.a)), (spreads.b, len(cell.b))]
    if not all(spread.dof for spread, _ in parts):
        return None
    return added([(math.sqrt(s.variance / n), float(s.dof)) for s, n in parts])


def _test(
    name: str, groups: list[list[float]], noises: list[list[Noise | None]], *, pooled: bool
) -> Dependence:
    k = len(groups)
    means = np.array([math.fsum(group) / len(group) for group in groups])
    told = [[noise for noise in group if noise is not None] for group in noises]
    known = all(len(some) == len(group) for some, group in zip(told, groups, strict=True))
    parts = [added(some) for some in told if some]
    if not known or not all(noise > 0 for noise, _ in parts):
        return Dependence(name, k, math.nan, k - 1.0, math.nan, math.nan)
    weights = np.array([(len(g) / u) ** 2 for g, (u, _) in zip(groups, parts, strict=True)])
    mean = float(np.sum(weights * means) / np.sum(weights))
    f = float(np.sum(weights * (means - mean) ** 2)) / (k - 1)
    dofs = np.array([dof for _, dof in parts])
    if pooled:  # one variance stands for all, with the degrees of freedom of each
        return _with_p(Dependence(name, k, f, k - 1.0, min(n[1] for g in told for n in g), 1.0))
    doubt = float(np.sum((1 - weights / np.sum(weights)) ** 2 / dofs))
    f /= 1 + 2 * (k - 2) / (k * k - 1) * doubt
    return _with_p(
        Dependence(name, k, f, k - 1.0, (k * k - 1) / (3 * doubt) if doubt else math.inf, 1.0)
    )


def _with_p(test: Dependence) -> Dependence:
    from scipy.special import chdtrc, fdtrc

    if math.isinf(test.df2):
        return replace(test, p=float(chdtrc(test.df1, test.f * test.df1)))
    return replace(test, p=float(fdtrc(test.df1, test.df2, test.f)))


def _adjusted(tests: Sequence[Dependence]) -> tuple[Dependence, ...]:
    if not tests:
        return ()
    found = adjusted([each.p for each in tests], "holm").tolist()
    return tuple(replace(each, p=p) for each, p in zip(tests, found, strict=True))
