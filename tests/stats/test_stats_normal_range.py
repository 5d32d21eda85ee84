"""The range of normal values: polynomials against the sums that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from joulebench.stats.normal_range import many_normal_range_sf, normal_range_sf


@pytest.mark.parametrize("means", [2, 3, 5, 24, 100, 200])
def test_polynomials_give_the_sums(means: float) -> None:
    w = np.linspace(0.0, 47.9, 1501)
    exact = normal_range_sf(w, np.full(len(w), float(means)))
    assert many_normal_range_sf(w, means) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("means", [2.5, 201.0, 1e6])
def test_what_has_no_polynomials_is_summed(means: float) -> None:
    w = np.array([0.001, 0.4, 3.0, 9.9])
    assert (many_normal_range_sf(w, means) == normal_range_sf(w, np.full(4, means))).all()


def test_two_values_are_as_far_apart_as_a_normal_one_is_wide() -> None:
    w = np.array([[0.0, 0.3, 2.0], [9.0, 30.0, 50.0]])
    assert many_normal_range_sf(w, 2) == pytest.approx(2 * norm.sf(w / np.sqrt(2)), rel=1e-12)


def test_nothing_gives_nothing() -> None:
    assert many_normal_range_sf(np.empty((0, 3)), 4).shape == (0, 3)
