"""Equivalence and non-inferiority against one-sided t tests of R."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.refused import Refused
from joulebench.stats.tost import equivalence, non_inferiority

CASES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "oracles" / "twosample.json").read_text()
)["cases"]


def close(frame: pd.DataFrame, wanted: dict[str, Any], back: bool = False) -> None:
    row = frame.iloc[0]
    for found, said in (("p_lower", "p_lower"), ("p_upper", "p_upper"), ("p", "p"), ("df1", "df")):
        assert row[found] == pytest.approx(wanted[said], rel=1e-9)
    assert row["p_difference"] == pytest.approx(wanted["p_difference"], rel=1e-9)
    ends = [math.exp(end) for end in wanted["ci"]] if back else wanted["ci"]
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(ends, rel=1e-9, abs=1e-18)


@pytest.mark.parametrize("name", CASES)
def test_as_one_sided_tests_of_r(name: str) -> None:
    case = CASES[name]
    x, y, margin = case["x"], case["y"], case["margin"]
    close(equivalence(x, y, margin=margin), case["tost"])
    lopsided = equivalence(x, y, margin=(-margin, 2 * margin), equal_variances=True, alpha=0.025)
    close(lopsided, case["tost_student"])
    if "tost_paired" in case:
        close(equivalence(x, y, margin=margin, paired=True), case["tost_paired"])
    if "tost_ratio" in case:
        found = equivalence(x, y, ratio_margin=1.25)
        close(found, case["tost_ratio"], back=True)
        assert found.iloc[0]["estimate"] == pytest.approx(case["ratio"], rel=1e-10)


@pytest.mark.parametrize(
    ("shift", "noise", "verdict"),
    [
        (0.0, 0.2, "equivalent"),
        (0.5, 0.2, "different within the margin"),
        (2.0, 0.2, "different beyond the margin"),
        (-2.0, 0.2, "different beyond the margin"),
        (1.1, 1.0, "different"),
        (0.3, 3.0, "undecided"),
    ],
)
def test_the_verdict_in_words(shift: float, noise: float, verdict: str) -> None:
    steps = noise * np.array([-1.3, -0.8, -0.3, 0.0, 0.3, 0.8, 1.3])
    row = equivalence(10 + shift + steps, 10 + steps[::-1], margin=1.0).iloc[0]
    assert row["verdict"] == verdict
    within = row["margin_low"] < row["ci_low"] and row["ci_high"] < row["margin_high"]
    assert within == (row["p"] < 0.05)
    # The statistic is that of the test that decides: towards the margin that is nearer.
    from scipy.special import stdtr

    assert stdtr(row["df1"], -abs(row["value"])) == pytest.approx(min(row["p"], 1 - row["p"]))
    nearer = row["margin_high"] if row["estimate"] > 0 else row["margin_low"]
    assert row["value"] == pytest.approx((row["estimate"] - nearer) / row["se"])


def test_what_lies_at_the_margin_is_called_equivalent_in_one_case_of_twenty() -> None:
    rng = np.random.default_rng(11)
    called = 0
    for _ in range(500):
        x, y = rng.normal(1.0, 1.0, 40), rng.normal(0.0, 1.0, 40)
        called += equivalence(x, y, margin=1.0).iloc[0]["p"] < 0.05
    assert called / 500 == pytest.approx(0.05, abs=0.03)


def test_a_ratio_margin_means_both_ways() -> None:
    row = equivalence([1.0, 2.0, 4.0], [1.1, 2.3, 3.9], ratio_margin=1.05, paired=True).iloc[0]
    assert (row["margin_low"], row["margin_high"]) == pytest.approx((1 / 1.05, 1.05))
    assert row["n"] == 3
    assert row["confidence"] == pytest.approx(0.9)
    logs = np.log([1 / 1.1, 2 / 2.3, 4 / 3.9])
    assert row["se"] == pytest.approx(row["estimate"] * logs.std(ddof=1) / math.sqrt(3), rel=1e-10)


@pytest.mark.parametrize(
    ("shift", "noise", "verdict"),
    [
        (-1.0, 0.5, "superior"),
        (0.2, 0.5, "non-inferior"),
        (3.0, 0.5, "inferior"),
        (0.9, 2.0, "undecided"),
    ],
)
def test_non_inferiority_either_way(shift: float, noise: float, verdict: str) -> None:
    steps = noise * np.array([-1.3, -0.8, -0.3, 0.0, 0.3, 0.8, 1.3])
    x, y = 10 + shift + steps, 10 + steps[::-1]
    row = non_inferiority(x, y, margin=1.0).iloc[0]
    mirrored = non_inferiority(-x, -y, margin=1.0, worse="lower").iloc[0]
    assert row["verdict"] == mirrored["verdict"] == verdict
    assert row["p"] == pytest.approx(mirrored["p"], rel=1e-12)
    assert (row["p"] < 0.05) == (verdict in ("superior", "non-inferior"))
    assert (row["margin_low"], row["margin_high"]) == (-math.inf, 1.0)


def test_non_inferiority_is_one_of_the_two_tests() -> None:
    case = CASES["near"]
    row = non_inferiority(case["x"], case["y"], margin=case["margin"]).iloc[0]
    assert row["p"] == pytest.approx(case["tost"]["p_upper"], rel=1e-9)
    ratio = non_inferiority(case["x"], case["y"], ratio_margin=1.25, worse="lower").iloc[0]
    assert ratio["p"] == pytest.approx(case["tost_ratio"]["p_lower"], rel=1e-9)
    assert (ratio["margin_low"], ratio["margin_high"]) == (pytest.approx(0.8), math.inf)


X, Y = [1.0, 2.0, 4.0], [2.0, 3.0, 5.5]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give one margin"),
        ({"margin": 1.0, "ratio_margin": 1.1}, "give one margin"),
        ({"margin": -1.0}, "must leave 0 between"),
        ({"margin": (1.0, 2.0)}, "must leave 0 between"),
        ({"margin": math.inf}, "must be finite"),
        ({"margin": "5 %"}, "one number or a tuple"),
        ({"ratio_margin": 0.05}, "ratio above 1, such as 1.05"),
        ({"ratio_margin": 0.0}, "must be finite|ratio above 1"),
        ({"margin": 1.0, "alpha": 0.5}, "alpha lies between"),
    ],
)
def test_bad_margins_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        equivalence(X, Y, **options)


def test_other_bad_input_is_refused() -> None:
    with pytest.raises(Refused, match="the least of y is 0"):
        equivalence(X, [0.0, 1.0, 2.0], ratio_margin=1.1)
    with pytest.raises(Refused, match='"higher" or "lower"'):
        non_inferiority(X, Y, margin=1.0, worse="up")  # type: ignore[arg-type]
    with pytest.raises(Refused, match="one margin, not two ends"):
        non_inferiority(X, Y, margin=(-1.0, 1.0))  # type: ignore[arg-type]
    with pytest.raises(Refused, match="do not vary"):
        equivalence([1.0, 1.0], [1.0, 1.0], margin=1.0)


def test_pairs_with_a_value_missing_are_dropped_whole() -> None:
    row = equivalence(
        [1.0, math.nan, 4.0, 5.0], [2.0, 3.0, 5.5, 5.0], ratio_margin=1.1, paired=True,
        missing="drop",
    ).iloc[0]  # fmt: skip
    assert row["n"] == 3
