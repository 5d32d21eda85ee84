"""The quotient of two estimates covers the truth, and says where it has no end."""

from __future__ import annotations

import math

import numpy as np
import pytest

from joulebench.stats import Estimate, quotient, wilson_interval


def _normal(value: float, deviation: float) -> Estimate:
    half = 1.959964 * deviation
    return Estimate(value, value - half, value + half, 10, deviation)


def test_a_denominator_known_exactly_only_scales() -> None:
    found = quotient(_normal(100, 5), Estimate(4, 4, 4, 1))
    assert (found.value, found.low, found.high) == pytest.approx((25, 22.55, 27.45), abs=0.001)


def test_small_relative_errors_add_in_quadrature() -> None:
    found = quotient(_normal(100, 1), _normal(50, 0.5))
    assert found.half_width == pytest.approx(1.96 * 2 * math.hypot(0.01, 0.01), rel=0.01)


def test_a_denominator_that_may_be_zero_leaves_the_upper_end_open() -> None:
    found = quotient(_normal(100, 1), Estimate(0.1, 0.0, 0.4, 5))
    assert found.high == math.inf
    assert found.low >= 0


@pytest.mark.parametrize("bad", [Estimate(0, -1, 1, 3), Estimate(1, 0, math.inf, 3)])
def test_parts_that_have_no_quotient_are_refused(bad: Estimate) -> None:
    with pytest.raises(ValueError, match="bounded parts above 0"):
        quotient(_normal(1, 0.1), bad)


def test_the_interval_covers_energy_per_correct_answer() -> None:
    rng = np.random.default_rng(4)
    energy, accuracy, items, covered, rounds = 50.0, 0.7, 40, 0, 2000
    for _ in range(rounds):
        joules = _normal(rng.normal(energy, 2.0), 2.0)
        right = max(int(rng.binomial(items, accuracy)), 1)
        found = quotient(joules, wilson_interval(right, items))
        covered += found.low <= energy / accuracy <= found.high
    assert covered / rounds == pytest.approx(0.95, abs=0.02)
