"""A slope common to groups."""

from __future__ import annotations

import numpy as np
import pytest

from joulebench.stats import within_group_slope


def test_agrees_with_least_squares_with_one_intercept_a_group() -> None:
    rng = np.random.default_rng(3)
    x = np.arange(12.0)
    groups = list("abc") * 4
    offsets = np.array([{"a": 0.0, "b": 10.0, "c": -5.0}[g] for g in groups])
    y = offsets + 0.4 * x + rng.normal(0, 0.1, 12)
    design = np.column_stack([x, *[[g == name for g in groups] for name in "abc"]]).astype(float)
    expected = np.linalg.lstsq(design, y)[0][0]
    slope = within_group_slope(y, x, groups)
    assert slope is not None
    assert slope.value == pytest.approx(expected)
    assert slope.dof == 8
    assert slope.excludes(0.0)
    assert slope.low < 0.4 < slope.high


def test_no_slope_without_repeats() -> None:
    assert within_group_slope([1.0, 2.0], [1.0, 2.0], ["a", "b"]) is None


def test_refuses_unequal_lengths() -> None:
    with pytest.raises(ValueError, match="equal lengths"):
        within_group_slope([1.0, 2.0], [1.0, 2.0], ["a"])


def test_covers_no_trend() -> None:
    rng = np.random.default_rng(5)
    groups = ["a", "b", "c"] * 4
    misses = 0
    for _ in range(1000):
        slope = within_group_slope(rng.normal(0, 1, 12), np.arange(12.0), groups)
        assert slope is not None
        misses += slope.excludes(0.0)
    assert 25 <= misses <= 80
