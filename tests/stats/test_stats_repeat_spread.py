"""The spread of repeats, and equivalence."""

from __future__ import annotations

import math

import numpy as np
import pytest

from joulebench.stats.log_ratio_equivalence import log_ratio_equivalence
from joulebench.stats.repeat_spread import medians, pooled_spread


def test_the_least_difference_is_exceeded_by_chance_in_one_case_of_twenty() -> None:
    rng = np.random.default_rng(2)
    groups = np.repeat(np.arange(4), 3)
    values = rng.normal(0, 1, (2000, 12))
    beyond = 0
    for row in values:
        spread = pooled_spread(row, groups)
        assert spread is not None
        beyond += abs(row[:3].mean() - row[3:6].mean()) > spread.least_difference(3, 3)
    assert beyond / 2000 == pytest.approx(0.05, abs=0.015)


def test_the_robust_spread_is_right_and_is_not_moved_by_a_few() -> None:
    rng = np.random.default_rng(3)
    for size, slack in ((3, 0.35), (5, 0.2), (30, 0.06)):
        groups = np.repeat(np.arange(400), size)
        values = rng.normal(0, 2.0, 400 * size)
        values[:: 20 * size] += 100.0
        spread = pooled_spread(values, groups, robust=True)
        assert spread is not None
        assert spread.sd == pytest.approx(2.0, rel=slack)


def test_one_value_a_group_has_no_spread() -> None:
    assert pooled_spread(np.array([1.0, 2.0]), np.array([0, 1])) is None


def test_medians_by_group() -> None:
    found = medians(np.array([5.0, 1.0, 3.0, 2.0, 8.0]), np.array([0, 0, 0, 2, 2]))
    assert found[0] == 3.0
    assert math.isnan(found[1])
    assert found[2] == 5.0


def test_an_effect_as_large_as_the_margin_is_seldom_called_none() -> None:
    rng = np.random.default_rng(4)
    called = 0
    for _ in range(2000):
        tested = log_ratio_equivalence(rng.normal(0.05, 0.02, 4))
        assert tested is not None
        called += tested.within(0.05)
    assert called / 2000 == pytest.approx(0.05, abs=0.015)
    assert log_ratio_equivalence(np.array([0.1])) is None
