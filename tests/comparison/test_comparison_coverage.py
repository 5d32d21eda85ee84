"""Intervals of comparisons against the truth, over many made-up comparisons."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest

from joulebench.comparison.cell_values import CellValues, Spreads, cell_effect
from joulebench.comparison.effect import MeanEffect
from joulebench.comparison.heterogeneity import cell_noises, heterogeneity
from joulebench.comparison.matching import SharedCell
from joulebench.comparison.overall import of_others, of_these

Floats = npt.NDArray[np.float64]

ROUNDS = 1000
NO_ROWS = np.arange(0)


def always(effect: MeanEffect, places: list[int]) -> MeanEffect:
    return effect


def cells_of(
    rng: np.random.Generator, truths: Floats, n: int, m: int, sds: Floats, shift: float
) -> list[CellValues]:
    return [
        CellValues(
            SharedCell((str(place // 2), str(place % 2)), NO_ROWS, NO_ROWS),
            rng.normal(5 + place, sd, n),
            rng.normal(5 + place + truth + shift, sd, m),
            0.0,
            0.0,
        )
        for place, (truth, sd) in enumerate(zip(truths, sds, strict=True))
    ]


@pytest.mark.parametrize(
    ("cells", "n", "m", "bias"),
    [(6, 4, 4, 0.0), (6, 3, 5, 0.0), (6, 4, 4, 0.03), (12, 2, 3, 0.0), (1, 5, 5, 0.0)],
)
def test_intervals_cover_at_the_stated_rate(cells: int, n: int, m: int, bias: float) -> None:
    rng = np.random.default_rng(11)
    these, others = [], []
    for _ in range(ROUNDS):
        truths = rng.normal(-0.12, 0.05, cells)
        sds = np.exp(rng.normal(math.log(0.03), 0.4, cells))
        made = cells_of(rng, truths, n, m, sds, rng.normal(0, bias) if bias else 0.0)
        effect = of_these(made, Spreads.of(made), bias)
        low, high = effect.ends()
        these.append(low <= truths.mean() <= high)
        wide = of_others(made, bias, effect.scatter)
        if wide is not None:
            low, high = wide.ends()
            others.append(low <= -0.12 <= high)
    assert 0.93 <= np.mean(these) <= 0.975
    assert not others or 0.93 <= np.mean(others) <= 0.985


def test_one_cell_of_two_values_each_is_covered() -> None:
    rng = np.random.default_rng(12)
    held = []
    for _ in range(ROUNDS):
        made = cells_of(rng, np.array([-0.1] * 3), 2, 3, np.array([0.02, 0.03, 0.05]), 0.0)
        low, high = cell_effect(made[0], Spreads.of(made), 0.0).ends()
        held.append(low <= -0.1 <= high)
    assert np.mean(held) > 0.93


def test_a_p_value_is_where_the_interval_ends_at_none() -> None:
    rng = np.random.default_rng(13)
    made = cells_of(rng, np.full(4, -0.03), 3, 3, np.full(4, 0.03), 0.0)
    for bias in (0.0, 0.02):
        effect = of_these(made, Spreads.of(made), bias)
        ends = effect.ends(1 - effect.p)
        assert min(map(abs, ends)) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("spread", "least", "most"), [(0.0, 0.02, 0.09), (0.08, 0.8, 1.0)])
def test_unlike_cells_are_found_and_equal_ones_are_not(
    spread: float, least: float, most: float
) -> None:
    rng = np.random.default_rng(14)
    found = []
    for _ in range(ROUNDS // 2):
        truths = rng.normal(-0.1, spread, 8) if spread else np.full(8, -0.1)
        made = cells_of(rng, truths, 4, 4, np.exp(rng.normal(math.log(0.03), 0.5, 8)), 0.0)
        spreads = Spreads.of(made)
        whole = of_these(made, spreads, 0.0)
        tested = heterogeneity(
            made, ("f", "g"), *cell_noises(made, spreads), partial(always, whole)
        )
        assert tested is not None
        found.append(tested.overall.p < 0.05)
    assert least <= np.mean(found) <= most
