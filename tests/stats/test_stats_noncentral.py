"""Noncentral tails and their inversion, against integrals and effectsize of R."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulebench.stats.noncentral import (
    noncentral_chi2_interval,
    noncentral_f_interval,
    noncentral_t_interval,
)
from joulebench.stats.noncentral_tails import chi2_tail, f_tails, t_tails
from joulebench.stats.refused import Refused

ORACLE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "oracles" / "twosample.json").read_text()
)

# From integrals of 30 digits.
T_TAILS = [
    (0.5, 1, 0.2, 0.5740729089825238, 0.42592709101747617),
    (5, 1, 12, 0.018602929901135764, 0.9813970700988642),
    (1.3, 1.5, 3, 0.06240308433348731, 0.9375969156665127),
    (50, 900, 47, 0.9736255654437618, 0.026374434556238186),
    (1000, 1, 1, 0.9991356398556017, 0.0008643601443983206),
    (300, 1.3, -1, 0.9999607332206829, 3.9266779317054296e-05),
    (10, 40, 3, 0.9999992662428486, 7.337571513510707e-07),
    (500, 1e4, 480, 0.999999977584568, 2.2415431941337404e-08),
    (-3, 4, -5, 0.9321641614883922, 0.06783583851160778),
    (2, 1e6, 0, 0.9772497330743404, 0.022750266925659603),
]
F_TAILS = [
    (24.8, 3, 26, 30, 0.9709434623026713, 0.029056537697328754),
    (111, 4, 20, 900, 0.005367448135527308, 0.9946325518644727),
    (0.1, 2, 10, 3, 0.022929431391810366, 0.9770705686081896),
    (5, 1, 7.5, 0.5, 0.8921861252304962, 0.10781387476949371),
]


@pytest.mark.parametrize(("t", "df", "delta", "lower", "upper"), T_TAILS)
def test_tails_of_t(t: float, df: float, delta: float, lower: float, upper: float) -> None:
    assert t_tails(t, df, delta) == pytest.approx((lower, upper), rel=1e-13)


@pytest.mark.parametrize(("f", "df1", "df2", "size", "lower", "upper"), F_TAILS)
def test_tails_of_f(
    f: float, df1: float, df2: float, size: float, lower: float, upper: float
) -> None:
    assert f_tails(f, df1, df2, size) == pytest.approx((lower, upper), rel=1e-12)


def test_tails_of_a_large_noncentrality_are_those_of_a_sum_over_every_count() -> None:
    # Far out every so many counts stand for all; beside it the sum over all of them.
    from scipy.special import gammainc, gammaln

    half = 4.0e5
    count = np.arange(half - 9e3, half + 9e3)
    weight = np.exp(count * math.log(half) - half - gammaln(count + 1))
    lower = float(weight @ gammainc(1.5 + count, 801_000 / 2) / weight.sum())
    assert chi2_tail(801_000.0, 3, 2 * half, upper=False) == pytest.approx(lower, rel=1e-9)


@pytest.mark.parametrize("case", ORACLE["noncentral_t"], ids=lambda case: f"{case['t']}")
def test_interval_of_t(case: dict[str, Any]) -> None:
    found = noncentral_t_interval(case["t"], case["df"], case["confidence"])
    scale = max(1.0, abs(case["t"]))
    assert found == pytest.approx(case["interval"], rel=1e-9, abs=1e-10 * scale)
    if abs(case["t"]) < 30 and case["confidence"] < 0.99:
        # effectsize's search stops early; beyond 37.62 R's pt() is an approximation.
        assert found == pytest.approx(case["effectsize"], rel=1e-4, abs=1e-6)


def test_interval_of_t_with_known_spread_is_the_normal_one() -> None:
    found = noncentral_t_interval(2.0, math.inf)
    assert found == pytest.approx((2 - 1.959963984540054, 2 + 1.959963984540054), rel=1e-12)


def test_one_sided_interval_of_t() -> None:
    both = noncentral_t_interval(3.0, 12.0, 0.9)
    above = noncentral_t_interval(3.0, 12.0, 0.95, "greater")
    below = noncentral_t_interval(3.0, 12.0, 0.95, "less")
    assert (above[0], below[1]) == pytest.approx(both)
    assert (below[0], above[1]) == (-math.inf, math.inf)


def test_interval_of_t_covers_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    values = rng.normal(1.1, 1.0, (1500, 6))
    t = values.mean(axis=1) / (values.std(axis=1, ddof=1) / math.sqrt(6))
    delta = 1.1 * math.sqrt(6)
    covered = sum(low < delta < high for low, high in (noncentral_t_interval(v, 5) for v in t))
    assert covered / 1500 == pytest.approx(0.95, abs=0.017)


@pytest.mark.parametrize("case", ORACLE["noncentral_f"], ids=lambda case: f"{case['f']}")
def test_interval_of_f(case: dict[str, Any]) -> None:
    found = noncentral_f_interval(case["f"], case["df1"], case["df2"], case["confidence"])
    assert found == pytest.approx(case["interval"], rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("case", ORACLE["noncentral_chi2"], ids=lambda case: f"{case['chi2']}")
def test_interval_of_chi_square(case: dict[str, Any]) -> None:
    found = noncentral_chi2_interval(case["chi2"], case["df"], case["confidence"])
    assert found == pytest.approx(case["interval"], rel=1e-8, abs=1e-10)


def test_one_sided_interval_of_f() -> None:
    low, high = noncentral_f_interval(24.8, 3, 26, 0.9)
    above = noncentral_f_interval(24.8, 3, 26, 0.95, "greater")
    below = noncentral_f_interval(24.8, 3, 26, 0.95, "less")
    assert (above[0], below[1]) == pytest.approx((low, high))
    assert (below[0], above[1]) == (0.0, math.inf)


def test_extreme_statistics_have_an_interval() -> None:
    for t, df in ((1e6, 2.0), (1e12, 1.0), (1e4, 1e5), (1e-9, 30.0)):
        low, high = noncentral_t_interval(t, df)
        assert low < t < high
        assert t_tails(t, df, low)[1] == pytest.approx(0.025, rel=1e-6)
        assert t_tails(t, df, high)[0] == pytest.approx(0.025, rel=1e-6)
    low, high = noncentral_f_interval(1e9, 2, 5)
    assert low < 2e9 < high


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ((math.inf, 3), "the spread behind it is 0"),
        ((math.nan, 3), "no interval"),
        ((1.0, 0), "degrees of freedom must be above 0"),
        ((1.0, 3, 1.5), "confidence lies between 0 and 1"),
        ((1.0, 3, 0.95, "up"), "choose one of 'two-sided'"),
    ],
)
def test_bad_input_is_refused(given: Any, said: str) -> None:
    with pytest.raises(Refused, match=said):
        noncentral_t_interval(*given)
    with pytest.raises(Refused):
        noncentral_f_interval(-1.0, 2, 3)
    with pytest.raises(Refused):
        noncentral_chi2_interval(math.nan, 2)
