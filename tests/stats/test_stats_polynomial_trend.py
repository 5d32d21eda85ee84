"""Polynomial trends over ordered levels, against R's contr.poly and summary.lm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anova_oracles import data_of, deviation, oracle, published, published_runs

from joulebench.stats.anova import anova
from joulebench.stats.polynomial_trend import orthogonal_polynomials, polynomial_trend
from joulebench.stats.refused import Refused

TRENDS = oracle()["trends"]
COLUMNS = {
    "estimate": "estimate",
    "se": "se",
    "value": "t",
    "p": "p",
    "ci_low": "low",
    "ci_high": "high",
}


@pytest.mark.parametrize("case", TRENDS["cases"])
def test_agrees_with_an_ordered_factor_of_r(case: dict[str, Any]) -> None:
    frame = pd.DataFrame(TRENDS["data"])
    ours = polynomial_trend(case["formula"], frame, scores=case["scores"])
    for column, name in COLUMNS.items():
        assert deviation(ours[column], case[name]) < 1e-11, column
    assert list(ours["contrast"]) == ["linear", "quadratic", "cubic"]
    assert set(ours["df1"]) == {case["df"]}


@pytest.mark.parametrize("case", oracle()["contr_poly"])
def test_polynomials_are_those_of_contr_poly(case: dict[str, Any]) -> None:
    ours = orthogonal_polynomials(np.array(case["scores"], dtype=float))
    assert np.abs(ours - np.array(case["matrix"])).max() < 1e-12


def test_polynomials_of_many_levels_stay_orthogonal() -> None:
    ours = orthogonal_polynomials(np.arange(90.0) * 1e6)
    assert np.abs(ours @ ours.T - np.eye(89)).max() < 1e-12


def test_trends_share_the_variation_between_levels() -> None:
    frame = data_of("warpbreaks").assign(
        tension=lambda d: pd.Categorical(d["tension"], ["L", "M", "H"])
    )
    trend = polynomial_trend("breaks ~ tension", frame)
    table = anova("breaks ~ tension", frame)
    # Equal numbers a level: the squares of t add up to F times its degrees of freedom.
    assert float((trend["value"] ** 2).sum()) == pytest.approx(2 * table["value"][0], rel=1e-11)


def test_levels_that_are_numbers_may_be_the_scores() -> None:
    frame = pd.DataFrame(TRENDS["data"])
    ours = polynomial_trend("y ~ dose", frame, scores="levels")
    given = polynomial_trend("y ~ dose", frame, scores=[2, 3, 3.1, 3.2])
    assert deviation(ours["p"], given["p"]) < 1e-12


def test_a_lower_degree_gives_the_first_rows() -> None:
    frame = pd.DataFrame(TRENDS["data"])
    whole, part = (polynomial_trend("y ~ dose", frame, degree) for degree in (None, 2))
    pd.testing.assert_frame_equal(whole.iloc[:2], part)


def test_the_order_is_that_of_the_levels_and_not_of_text() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"g": ["2", "9", "10"] * 5, "y": rng.normal(size=15)})
    frame["y"] += frame["g"].map({"2": 0.0, "9": 5.0, "10": 10.0})
    row = polynomial_trend("y ~ g", frame).iloc[0]
    assert row["estimate"] == pytest.approx(10 / np.sqrt(2), rel=0.2)


def test_values_far_from_zero_keep_their_digits() -> None:
    frame = data_of("far_from_zero")
    near = frame.assign(y=frame["y"] - 1e9)
    ours, theirs = (polynomial_trend("y ~ g + h", table)["estimate"] for table in (frame, near))
    assert deviation(ours, theirs) < 1e-11


def test_high_degrees_have_names() -> None:
    frame = pd.DataFrame({"g": list("abcde") * 2, "y": np.random.default_rng(2).normal(size=10)})
    assert list(polynomial_trend("y ~ g", frame)["contrast"])[-1] == "degree 4"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"degree": 3}, "from 1 to 2"),
        ({"degree": 0}, "from 1 to 2"),
        ({"degree": 1.5}, "whole number"),
        ({"scores": "levels"}, "need one number each"),
        ({"scores": [1, 2]}, "as many different"),
        ({"scores": [1, 2, 2]}, "as many different"),
        ({"scores": [1, 2, np.inf]}, "as many different"),
        ({"scores": 3}, "need one number each"),
        ({"adjust": "tukey"}, "no adjustment"),
    ],
)
def test_what_is_not_a_trend_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        polynomial_trend("breaks ~ tension", data_of("warpbreaks"), **options)


@pytest.mark.parametrize(
    ("topic", "part", "formula"),
    [
        ("RQ1_1", "energy", "energy_j ~ generation"),
        ("RQ1_1", "log_energy", "log(energy_j) ~ generation"),
        ("RQ1_2", "oneway_model", "energy_j ~ model"),
    ],
)
def test_the_published_study(topic: str, part: str, formula: str) -> None:
    found = published(topic)[part]["poly_trend_contr_poly"]
    ours = polynomial_trend(formula, published_runs())
    for column, name in {"estimate": "estimate", "se": "se", "value": "t", "p": "p"}.items():
        assert deviation(ours[column], found[name][1:]) < 1e-10
