"""How often rounded measurements agree by chance."""

from __future__ import annotations

import numpy as np
import pytest

from joulebench.stats.coincidence import (
    chance_of_as_many,
    chance_of_equal,
    rounding_step,
    significant_digits,
)


@pytest.mark.parametrize(
    ("values", "step", "digits"),
    [([1.25, 3.5], 0.01, 3), ([1200.0, 300.0], 100.0, 2), ([0.0123], 0.0001, 3), ([7.0], 1.0, 1)],
)
def test_the_step_is_the_smallest_that_holds_all(
    values: list[float], step: float, digits: int
) -> None:
    assert rounding_step(np.array(values)) == pytest.approx(step)
    assert significant_digits(np.array(values)) == digits


def test_full_precision_has_no_step() -> None:
    assert rounding_step(np.array([1 / 3, np.pi])) == 0.0
    assert significant_digits(np.array([1 / 3])) == 15
    assert rounding_step(np.array([0.0, np.nan])) == 0.0


def test_the_chance_is_that_of_drawn_pairs() -> None:
    rng = np.random.default_rng(1)
    drawn = np.round(rng.normal(100, 2.0, (2, 200_000)), 1)
    seen = np.mean(drawn[0] == drawn[1])
    assert chance_of_equal(0.1, 2.0) == pytest.approx(seen, rel=0.1)
    assert chance_of_equal(0.1, 0.0) == 1.0
    assert chance_of_equal(0.0, 2.0) == 0.0


def test_the_chance_of_many_is_binomial() -> None:
    assert chance_of_as_many(0, 5, 0.1) == 1.0
    assert chance_of_as_many(1, 2, 0.1) == pytest.approx(1 - 0.9**2)
    assert chance_of_as_many(2, 2, 0.1) == pytest.approx(0.01)
