"""The studentised range against R, closed forms and high-precision quadrature."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import norm, studentized_range, t

from joulebench.stats.refused import Refused
from joulebench.stats.tukey import studentised_range_isf, studentised_range_sf

R = json.loads((Path(__file__).parent / "oracles" / "emmeans_tukey.json").read_text("utf-8"))

# Nested composite Gauss-Legendre quadrature of order 20 with 34 digits.
EXACT = [
    (5.0, 3, 1.0, 0.2607078502166548),
    (25.0, 50, 2.0, 0.0324677482721993),
    (25.0, 5, 2.5, 0.003849295225874006),
    (9.0, 10, 3.7, 0.03687208169230852),
    (6.5, 4.5, 11.3, 0.004278835967904075),
    (30.0, 24, 120.5, 4.646197247350766e-40),
    (3.1, 24, np.inf, 0.87477824440907885975),
    (6.5, 4.5, np.inf, 3.3399432631264452932e-05),
    (14.0, 24, np.inf, 1.1547356603389368509e-20),
    (25.0, 100, np.inf, 3.0848723740331001082e-66),
    (40.0, 3, np.inf, 4.5709457871044864385e-187),
]
DFS = [0.5, 1.0, 2.0, 2.5, 7.3, 48.0, 1e3, 1e6, 1e9]


def test_r_where_it_is_precise() -> None:
    grid = {name: np.array(values) for name, values in R["ptukey"].items()}
    found = studentised_range_sf(grid["q"], grid["means"], grid["df"])
    assert np.abs(found - grid["p"]).max() < 2e-9


def test_quantiles_of_r_to_the_precision_of_its_steps() -> None:
    for p, means, df, q in zip(*(R["qtukey"][k] for k in ("p", "means", "df", "q")), strict=True):
        assert studentised_range_isf(p, means, df) == pytest.approx(q, rel=2e-6)


@pytest.mark.parametrize(("q", "means", "df", "exact"), EXACT)
def test_quadrature_with_many_digits(q: float, means: float, df: float, exact: float) -> None:
    assert studentised_range_sf(q, means, df) == pytest.approx(exact, rel=1e-11)


@pytest.mark.parametrize("df", DFS)
def test_two_means_are_a_t_test(df: float) -> None:
    q = np.array([0.1, 1, 3, 7, 15, 40, 200])
    exact = 2 * t.sf(q / np.sqrt(2), df)
    told = exact > 1e-290
    assert studentised_range_sf(q, 2, df)[told] == pytest.approx(exact[told], rel=1e-11)


def test_two_means_of_known_error_are_a_z_test() -> None:
    q = np.array([0.1, 1, 5, 12, 30, 50])
    exact = 2 * norm.sf(q / np.sqrt(2))
    assert studentised_range_sf(q, 2, np.inf) == pytest.approx(exact, rel=1e-12)


def test_scipy_agrees_where_its_integral_does() -> None:
    for q, means, df in [(3, 4, 20), (9, 5, 7.5), (14, 10, 2.0), (5, 3, 1.0), (50, 3, 0.5)]:
        expected = studentized_range.sf(q, means, df)
        assert studentised_range_sf(q, means, df) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("means", [2, 3, 24])
@pytest.mark.parametrize("p", [0.999, 0.5, 0.05, 1e-4, 1e-12])
def test_quantiles_give_their_probability_back(means: int, p: float) -> None:
    df = np.array([1.0, 2.5, 20, 300.5, np.inf])
    q = studentised_range_isf(p, means, df)
    assert studentised_range_sf(q, means, df) == pytest.approx(np.full(5, p), rel=1e-8)


def test_tails_fall_and_more_means_reach_further() -> None:
    q = np.linspace(0.01, 60, 60)
    for df in (9.5, np.inf):
        tail = studentised_range_sf(q, 7, df)
        assert (np.diff(tail) <= 0).all()
        assert (studentised_range_sf(q, 8, df) >= tail).all()


def test_edges() -> None:
    assert studentised_range_sf([0.0, -1.0], 3, 9).tolist() == [1.0, 1.0]
    assert studentised_range_sf(np.inf, 3, 9) == 0.0
    assert np.isnan(studentised_range_sf([np.nan, 1.0], 3, [9, np.nan])).all()
    assert np.isnan(studentised_range_isf(0.05, 3, np.nan))
    assert studentised_range_sf(1e-9, 3, 9) == pytest.approx(1.0)
    assert studentised_range_sf(1e8, 3, 1e3) < 1e-300


def test_huge_df_is_the_normal_range() -> None:
    q = np.array([0.5, 3.0, 6.0])
    normal = studentised_range_sf(q, 5, np.inf)
    assert studentised_range_sf(q, 5, 1e11) == pytest.approx(normal, rel=1e-9)
    assert studentised_range_sf(q, 5, 1e14) == pytest.approx(normal, rel=1e-13)


def test_what_comes_in_one_shape_goes_out_in_it() -> None:
    assert studentised_range_sf([[1.0, 2.0], [3.0, 4.0]], 3, 9).shape == (2, 2)
    assert studentised_range_isf(0.05, 3, [[5.0, 6.0]]).shape == (1, 2)


def test_what_is_refused() -> None:
    with pytest.raises(Refused, match="two means or more, got 1"):
        studentised_range_sf(3.0, 1, 9)
    with pytest.raises(Refused, match="above 0, got 0"):
        studentised_range_sf(3.0, 3, 0)
    with pytest.raises(Refused, match="between 0 and 1"):
        studentised_range_isf(1.0, 3, 9)
