"""Limits of agreement: published numbers, formulas taken independently, coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulebench.stats import bland_altman

WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
"""Peak expiratory flow, l/min, first readings of two meters (Bland and Altman 1986, table I)."""

Z = 1.959963984540054


def test_the_numbers_of_bland_and_altman() -> None:
    """Mean difference -2.1 l/min, deviation 38.8, interval of the bias -22.0 to 17.8."""
    found = bland_altman(WRIGHT, MINI)
    assert found.bias.value == pytest.approx(-2.1, abs=0.05)
    assert found.sd == pytest.approx(38.8, abs=0.05)
    assert (found.bias.low, found.bias.high) == pytest.approx((-22.0, 17.8), abs=0.06)
    assert (found.lower.value, found.upper.value) == pytest.approx((-78.1, 73.9), abs=0.05)
    # They take 3 s^2 / n for the variance of a limit; the exact interval reaches further outwards.
    assert found.lower.noise == pytest.approx(38.8 * math.sqrt(3 / 17), rel=0.05)
    assert found.lower.value - found.lower.low > found.lower.high - found.lower.value
    assert found.slope is not None
    assert not found.slope.excludes(0.0)


def test_the_limits_intervals_are_those_of_the_noncentral_t_distribution() -> None:
    from scipy.stats import nct

    found = bland_altman(WRIGHT, MINI)
    root = math.sqrt(17)
    inner, outer = (float(nct.ppf(p, 16, Z * root)) / root for p in (0.025, 0.975))
    assert found.upper.low == pytest.approx(found.bias.value + inner * found.sd)
    assert found.upper.high == pytest.approx(found.bias.value + outer * found.sd)
    assert found.lower.low == pytest.approx(found.bias.value - outer * found.sd)


def test_a_limits_interval_covers_it() -> None:
    rng = np.random.default_rng(11)
    covered, tries = 0, 2000
    for _ in range(tries):
        difference = rng.normal(3, 2, 6)
        limit = bland_altman(100 + difference, np.full(6, 100.0)).upper
        covered += limit.low <= 3 + Z * 2 <= limit.high
    assert covered / tries == pytest.approx(0.95, abs=0.015)


def test_the_slope_is_that_of_least_squares() -> None:
    rng = np.random.default_rng(2)
    truth = rng.uniform(100, 1000, 12)
    a, b = 1.04 * truth + rng.normal(0, 3, 12), truth + rng.normal(0, 3, 12)
    slope = bland_altman(a, b).slope
    assert slope is not None
    expected = np.polyfit(0.5 * (a + b), a - b, 1)[0]
    assert slope.value == pytest.approx(expected)
    assert slope.low < 0.04 / 1.02 < slope.high
    assert slope.excludes(0.0)


def test_relative_differences_are_of_the_mean() -> None:
    found = bland_altman([110.0, 220.0, 1100.0], [100.0, 200.0, 1000.0], relative=True)
    assert found.bias.value == pytest.approx(10 / 105)
    assert found.sd == pytest.approx(0, abs=1e-12)


@given(st.lists(st.tuples(st.floats(1, 1e3), st.floats(1, 1e3)), min_size=3, max_size=20))
def test_turning_the_pairs_turns_the_signs(pairs: list[tuple[float, float]]) -> None:
    a, b = (list(side) for side in zip(*pairs, strict=True))
    one, other = bland_altman(a, b), bland_altman(b, a)
    assert one.bias.value == pytest.approx(-other.bias.value)
    assert one.lower.low == pytest.approx(-other.upper.high)
    assert one.sd == pytest.approx(other.sd)


@pytest.mark.parametrize(
    ("first", "second", "complaint"),
    [
        ([1.0, 2.0], [1.0, 2.0], "3 pairs"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], "3 and 2 values"),
    ],
)
def test_too_few_pairs_are_refused(first: list[float], second: list[float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        bland_altman(first, second)


def test_a_relative_difference_needs_a_mean() -> None:
    with pytest.raises(ValueError, match="not 0"):
        bland_altman([1.0, 2.0, 3.0], [-1.0, 2.0, 3.0], relative=True)


def test_equal_sizes_tell_of_no_slope() -> None:
    assert bland_altman([2.0, 2.0, 2.0], [1.0, 1.0, 1.0]).slope is None
