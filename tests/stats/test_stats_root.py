"""Roots and minima of functions of one number."""

from __future__ import annotations

import math

import pytest

from joulebench.stats.refused import Refused
from joulebench.stats.root import least_between, root_between


@pytest.mark.parametrize("root", [0.0, 1e-9, 0.3, -7.0, 4e6])
@pytest.mark.parametrize(
    "shape", [lambda d: d, lambda d: d**3 + d, math.tanh, lambda d: math.expm1(min(d, 50.0))]
)
@pytest.mark.parametrize("turned", [False, True])
def test_roots_are_found_to_the_last_digits(root: float, shape: object, turned: bool) -> None:
    assert callable(shape)
    ends = (root - 2.3, root + 5.1)
    near, far = ends[::-1] if turned else ends
    found = root_between(lambda x: float(shape(x - root)), near, far, xtol=1e-14)
    assert found == pytest.approx(root, rel=1e-14, abs=2e-14)


def test_an_end_that_is_the_root_is_it() -> None:
    assert root_between(lambda x: x - 2, 2.0, 3.0) == 2.0
    assert root_between(lambda x: x - 3, 2.0, 3.0) == 3.0


def test_few_evaluations_are_enough_for_what_is_nearly_straight() -> None:
    seen = []

    def bent(x: float) -> float:
        seen.append(x)
        return x + 0.01 * x * x - 1.0

    assert root_between(bent, -1.0, 3.0) == pytest.approx((math.sqrt(1.04) - 1) / 0.02, rel=1e-14)
    assert len(seen) < 10


def test_ends_of_one_sign_are_refused() -> None:
    with pytest.raises(Refused, match="no root lies between 1 and 2"):
        root_between(lambda x: x, 1.0, 2.0)


@pytest.mark.parametrize("at", [-3.0, 0.0, 0.01, 1.7])
@pytest.mark.parametrize("shape", [lambda d: d * d, math.cosh, lambda d: -math.exp(-d * d / 8)])
def test_minima_are_found_to_half_of_the_digits(at: float, shape: object) -> None:
    assert callable(shape)
    found = least_between(lambda x: float(shape(x - at)), at - 1.3, at + 0.4, 1e-10)
    assert found == pytest.approx(at, abs=5e-8)


def test_a_minimum_at_an_end_is_near_it() -> None:
    assert least_between(lambda x: x, 2.0, 5.0, 1e-8) == pytest.approx(2.0, abs=1e-6)
