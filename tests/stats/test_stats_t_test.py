"""t tests against R's t.test."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.refused import Refused
from joulebench.stats.t_test import t_test

CASES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "oracles" / "twosample.json").read_text()
)["cases"]
EXACT = 1e-10


def close(frame: pd.DataFrame, wanted: dict[str, Any]) -> None:
    row = frame.iloc[0]
    found = [row["value"], row["df1"], row["p"], row["se"]]
    assert found == pytest.approx([wanted[k] for k in ("t", "df", "p", "se")], rel=EXACT)
    for end, said in zip(("ci_low", "ci_high"), wanted["ci"], strict=True):
        assert row[end] == pytest.approx(said, rel=EXACT, abs=1e-9 * abs(row["se"]))


@pytest.mark.parametrize("name", CASES)
def test_as_r_tests(name: str) -> None:
    case = CASES[name]
    x, y = case["x"], case["y"]
    close(t_test(x, mu=case["mu"]), case["one"])
    close(t_test(x, y), case["welch"])
    close(t_test(x, y, equal_variances=True), case["student"])
    close(t_test(x, y, alternative="less", confidence=0.9), case["less"])
    close(t_test(x, y, alternative="greater", mu=case["shift"]), case["greater"])
    if "paired" in case:
        close(t_test(x, y, paired=True), case["paired"])


def test_the_row_says_what_was_done() -> None:
    case = CASES["unbalanced"]
    row = t_test(case["x"], case["y"]).iloc[0]
    assert list(row.index) == [
        "test", "estimate", "se", "statistic", "value", "df1", "p", "ci_low", "ci_high",
        "confidence", "n", "mu", "alternative", "mean_x", "mean_y", "hedges_g", "hedges_low",
        "hedges_high",
    ]  # fmt: skip
    assert row["test"] == "Welch t test"
    assert row["n"] == 45
    assert row["estimate"] == pytest.approx(np.mean(case["x"]) - np.mean(case["y"]))
    assert row["hedges_g"] == pytest.approx(case["hedges_pooled"]["effect"], rel=1e-12)
    assert row["hedges_low"] == pytest.approx(case["hedges_pooled"]["low"], rel=1e-5)


def test_a_large_level_costs_no_digits() -> None:
    x, y = np.array([1.0, 2.0, 4.0, 7.0]), np.array([2.0, 5.0, 6.0, 9.0])
    near, far = t_test(x, y).iloc[0], t_test(x + 2.0**33, y + 2.0**33).iloc[0]
    for name in ("estimate", "se", "value", "df1", "p", "hedges_g", "hedges_low"):
        assert far[name] == pytest.approx(near[name], rel=1e-12)


def test_two_values_have_a_t_but_no_unbiased_effect() -> None:
    row = t_test([1.0, 2.0]).iloc[0]
    assert row["value"] == pytest.approx(3.0)
    assert math.isnan(row["hedges_g"])


def test_what_is_missing_is_dropped_where_asked() -> None:
    x, y = [1.0, math.nan, 3.0, 5.0], [2.0, 4.0, 3.5, math.nan]
    apart, pairs = (t_test(x, y, missing="drop", paired=paired).iloc[0] for paired in (False, True))
    assert (apart["n"], pairs["n"]) == (6, 2)
    with pytest.raises(Refused, match="1 of 4 values of x"):
        t_test(x, y)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (([1.0], None), "at least 2 values in x, got 1"),
        (([1.0, 2.0], [1.0]), "at least 2 values in y"),
        (([1.0, 1.0], [1.0, 1.0]), "do not vary"),
        (([3.1, 3.1, 3.1], None), "do not vary"),
        (([1e9 + 1e-9] * 3, [1e9] * 3), "do not vary"),
        ((["a", "b"], [1.0, 2.0]), "x must be numbers"),
        (([1.0, math.inf], [1.0, 2.0]), "x is infinite at place 1"),
        (([], [1.0, 2.0]), "x has 0 values"),
        (([[1.0, 2.0]], [1.0, 2.0]), "one row of numbers"),
    ],
)
def test_bad_samples_are_refused(arguments: tuple[Any, Any], said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        t_test(*arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"confidence": 95}, "between 0 and 1"),
        ({"alternative": "two.sided"}, "no alternative is called"),
        ({"mu": math.nan}, "mu must be a finite number"),
        ({"paired": True, "y": [1.0, 2.0]}, "pairs need"),
        ({"paired": True, "y": None}, "give y"),
        ({"paired": True, "y": [2.0, 3.0, 5.0], "x": [1.0, 2.0, 4.0]}, "differences do not vary"),
    ],
)
def test_bad_arguments_are_refused(options: dict[str, Any], said: str) -> None:
    given = {"x": [1.0, 2.0, 4.0], "y": [2.0, 3.0, 5.5], **options}
    with pytest.raises(Refused, match=said):
        t_test(**given)


def test_student_takes_one_value_against_many() -> None:
    # R: t.test(c(5), c(1, 2, 4), var.equal = TRUE)
    row = t_test([5.0], [1.0, 2.0, 4.0], equal_variances=True).iloc[0]
    assert row["value"] == pytest.approx(1.5118578920369088, rel=1e-12)
    assert row["p"] == pytest.approx(0.26970325665977846, rel=1e-12)
