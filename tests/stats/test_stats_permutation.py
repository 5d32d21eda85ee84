"""Permutation tests against every arrangement in R, vegan and lm on given shuffles."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from joulebench.stats.permutation import permutation_test
from joulebench.stats.permutation_anova import permutation_anova
from joulebench.stats.permutation_arrangements import shuffles
from joulebench.stats.permutation_contrasts import max_t, permutation_contrasts
from joulebench.stats.refused import Refused

ORACLE = json.loads((Path(__file__).parent / "oracles" / "permutation.json").read_text())
FRAME = pd.DataFrame(ORACLE["frame"])
X, Y = ORACLE["two"]["x"], ORACLE["two"]["y"]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def given_shuffles(*_: object) -> Iterator[Any]:
    yield np.array(ORACLE["shuffles"])


@pytest.mark.parametrize("statistic", ["mean", "median"])
@pytest.mark.parametrize(("place", "alternative"), [(0, "two-sided"), (1, "greater")])
def test_p_over_every_arrangement_is_that_of_r(
    statistic: Any, place: int, alternative: Any
) -> None:
    asked: dict[str, Any] = {"statistic": statistic, "alternative": alternative}
    two = permutation_test(X, Y, **asked)
    assert two["p"][0] == pytest.approx(ORACLE["two"][statistic][place], rel=1e-14)
    assert (two["arrangements"][0], bool(two["exact"][0])) == (462, True)
    d = np.array(ORACLE["pairs"]["d"])
    pairs = permutation_test(d + 5, np.full(8, 5.0), paired=True, **asked)
    assert pairs["p"][0] == pytest.approx(ORACLE["pairs"][statistic][place], rel=1e-14)


def test_less_is_greater_the_other_way_round() -> None:
    less, greater = (
        permutation_test(X, Y, alternative="less"),
        permutation_test(Y, X, alternative="greater"),
    )
    assert less["p"][0] == greater["p"][0]
    assert less["ci_high"][0] == pytest.approx(-greater["ci_low"][0])
    assert less["ci_low"][0] == -np.inf


@pytest.mark.parametrize("paired", [False, True])
def test_the_interval_holds_the_shifts_that_are_not_rejected(paired: bool) -> None:
    made = rng(4)
    x, y = made.normal(1, 1, 9), made.normal(0, 1, 9)
    found = permutation_test(x, y, paired=paired, confidence=0.9).iloc[0]
    for end, side, outwards in (("ci_low", "greater", -1), ("ci_high", "less", 1)):
        inside = permutation_test(
            x - found[end] + outwards * 1e-7,
            y,
            paired=paired,
            alternative=side,  # type: ignore[arg-type]
        )
        outside = permutation_test(
            x - found[end] - outwards * 1e-7,
            y,
            paired=paired,
            alternative=side,  # type: ignore[arg-type]
        )
        assert outside["p"][0] <= 0.05 < inside["p"][0]


def test_many_values_are_drawn_and_the_observed_one_counts() -> None:
    made = rng(2)
    x, y = made.normal(3, 1, 40), made.normal(0, 1, 40)
    far = permutation_test(x, y, rng=rng(), resamples=999).iloc[0]
    assert far["p"] == 1 / 1000
    assert not far["exact"]
    alike = permutation_test(x, x + 0.05, rng=rng(), resamples=4000).iloc[0]
    assert alike["p"] == pytest.approx(stats.ttest_ind(x, x + 0.05).pvalue, abs=0.03)
    welch = stats.ttest_ind(x, y).confidence_interval()
    assert [far["ci_low"], far["ci_high"]] == pytest.approx(list(welch), abs=0.08)
    again = permutation_test(x, y, rng=rng(), resamples=999).iloc[0]
    assert again["ci_low"] == far["ci_low"]


def test_a_function_is_tested_at_twice_its_smaller_tail() -> None:
    def quotient(a: Any, b: Any) -> float:
        return float(a.mean() / b.mean())

    two = permutation_test(X, Y, statistic=quotient)
    one = permutation_test(X, Y, statistic=quotient, alternative="greater")
    assert two["p"][0] == 2 * one["p"][0]
    assert "ci_low" not in two
    assert one["p"][0] == ORACLE["two"]["mean"][1]  # the quotient rises with the difference


def test_few_arrangements_say_what_they_cannot_show() -> None:
    found = permutation_test([1.0, 2.0, 3.0], [7.0, 8.0, 9.0]).iloc[0]
    assert found["p"] == 0.1
    assert "no p below 0.1" in found["note"]
    assert (found["ci_low"], found["ci_high"]) == (-np.inf, np.inf)


def test_units_do_not_matter() -> None:
    for shift, scale in ((1e9, 1.0), (0.0, 1e-9), (-3.0, 1e9)):
        moved = permutation_test(shift + scale * np.array(X), shift + scale * np.array(Y)).iloc[0]
        assert moved["p"] == pytest.approx(ORACLE["two"]["mean"][0], rel=1e-12)


def test_freedman_and_lane_on_given_shuffles_is_vegan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[permutation_anova.__module__], "shuffles", given_shuffles)
    found = permutation_anova(
        "y ~ g + x + block", FRAME, rng=rng(), block="block", resamples=199
    ).set_index("term")
    for term in ORACLE["terms"]:
        assert found.loc[term["term"], "value"] == pytest.approx(term["F"], rel=1e-11)
        assert found.loc[term["term"], "p"] == pytest.approx(term["p"], rel=1e-13)


def test_types_two_and_three_are_those_of_least_squares() -> None:
    two = permutation_anova("y ~ g * h", FRAME, rng=rng(), resamples=199).set_index("term")
    three = permutation_anova("y ~ g * h", FRAME, rng=rng(), resamples=199, type=3).set_index(
        "term"
    )
    assert two.loc["g:h", "value"] == pytest.approx(three.loc["g:h", "value"])
    assert two["value"]["g"] != pytest.approx(three["value"]["g"], rel=1e-3)
    plain = permutation_anova("y ~ g", FRAME, rng=rng(), resamples=199).iloc[0]
    groups = [list(part["y"]) for _, part in FRAME.groupby("g")]
    assert plain["value"] == pytest.approx(stats.f_oneway(*groups).statistic, rel=1e-11)
    assert plain["effect"] == pytest.approx(plain["value"] * 2 / (plain["value"] * 2 + 19))


def test_max_t_on_given_shuffles_is_that_of_lm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[permutation_contrasts.__module__], "shuffles", given_shuffles)
    weights: Any = {
        "b - a": {"b": 1, "a": -1},
        "c - b": {"c": 1, "b": -1},
        "c - ab": {"c": 1, "a": -0.5, "b": -0.5},
    }
    found = permutation_contrasts("x ~ g", FRAME, weights, rng=rng(), block="block", resamples=199)
    expected = ORACLE["contrasts"]
    assert list(found["value"]) == pytest.approx(expected["t"], rel=1e-10)
    assert list(found["p"]) == pytest.approx(expected["p"], rel=1e-13)
    assert list(found["p_adjusted"]) == pytest.approx(expected["adjusted"], rel=1e-13)
    assert (found["p_adjusted"] > found["p"]).any()


def test_one_contrast_needs_no_adjustment_and_more_only_raise_p() -> None:
    one = permutation_contrasts("y ~ g", FRAME, {"c": 1, "a": -1}, rng=rng(), resamples=500)
    assert one["p"][0] == one["p_adjusted"][0]
    found, observed = np.abs(rng(3).normal(size=(500, 4))), np.array([3.0, 0.5, 2.0, 2.0])
    alone, adjusted = max_t(found, observed)
    assert (adjusted >= alone).all()
    assert adjusted[0] == ((found.max(axis=1) >= 3.0).sum() + 1) / 501
    assert (adjusted[2], adjusted[1]) == (adjusted[3], adjusted.max())


def test_missing_values_are_refused_or_dropped() -> None:
    holes = FRAME.assign(block=FRAME["block"].mask(FRAME.index == 3))
    for test in (permutation_anova, permutation_contrasts):
        asked: dict[str, Any] = {"block": "block", "resamples": 99}
        with pytest.raises(Refused, match="missing"):
            test("y ~ g", holes, rng=rng(), **asked)
        dropped = test("y ~ g", holes, rng=rng(), missing="drop", **asked)
        whole = test("y ~ g", FRAME.drop([3]), rng=rng(), **asked)
        pd.testing.assert_frame_equal(dropped, whole)


def test_rows_stay_in_their_blocks() -> None:
    blocks = np.array([2, 0, 1, 0, 2, 2, 1, 0])
    drawn = np.vstack(list(shuffles(blocks, 300, rng())))
    assert (blocks[drawn] == blocks).all()
    assert (np.sort(drawn, axis=1) == np.arange(8)).all()
    within = {tuple(row[[1, 3, 7]]) for row in drawn}
    assert len(within) == 6


def test_error_rates_hold_where_nothing_differs() -> None:
    made = rng(8)
    ps = [
        permutation_test(made.exponential(size=4), made.exponential(size=6))["p"][0]
        for _ in range(600)
    ]
    assert np.mean(np.array(ps) <= 0.1) == pytest.approx(0.1, abs=0.03)
    families = []
    for _ in range(600):
        alike = np.abs(made.normal(size=(200, 6)) + made.normal(size=(200, 1)))
        families.append(max_t(alike[:199], alike[199])[1].min())
    assert np.mean(np.array(families) <= 0.1) == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize(
    ("x", "y", "asked", "said"),
    [
        ([1.0], [2.0, 3.0], {}, "x"),
        ([1.0, 1.0], [1.0, 1.0], {}, "all values are 1"),
        ([1.0, 2.0], [1.0, 2.0], {"paired": True}, "every pair are equal"),
        ([1.0, 2.0, 3.0], [1.0, 2.0], {"paired": True}, "one length"),
        ([1.0, np.nan], [1.0, 2.0], {}, "missing"),
        (list(range(30)), list(range(1, 31)), {}, "default_rng"),
        (X, Y, {"statistic": "mode"}, "no statistic"),
        (X, Y, {"statistic": lambda a, b: [len(a), len(b)]}, "one number"),
        (X, Y, {"alternative": "more"}, "alternative"),
        (X, Y, {"resamples": 9}, "99 or more"),
        (X, Y, {"confidence": 2}, "confidence"),
    ],
)
def test_samples_that_cannot_be_tested(x: Any, y: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        permutation_test(x, y, **asked)
    assert "\n" not in str(refused.value)


HOLES = FRAME[~((FRAME["g"] == "a") & (FRAME["h"] == "v"))]


@pytest.mark.parametrize(
    ("formula", "frame", "asked", "said"),
    [
        ("y ~ g * h", HOLES, {}, "filled cells"),
        ("y ~ 1", FRAME, {}, "no term"),
        ("y ~ 0 + g", FRAME, {}, "no intercept"),
        ("y ~ g + (1 | block)", FRAME, {}, "random term"),
        ("y ~ gg", FRAME, {}, "did you mean 'g'"),
        ("y ~ g", FRAME, {"block": "blok"}, "did you mean 'block'"),
        ("y ~ g", FRAME.assign(id=range(22)), {"block": "id"}, "one row"),
        ("y ~ g", FRAME, {"type": 1}, "type"),
        ("y ~ g", FRAME, {"rng": None}, "default_rng"),
        ("block ~ g", FRAME, {}, "text"),
        ("y ~ g", FRAME.assign(y=1.0), {}, "nothing varies"),
    ],
)
def test_models_that_cannot_be_tested(
    formula: str, frame: pd.DataFrame, asked: dict[str, Any], said: str
) -> None:
    with pytest.raises(Refused, match=said) as refused:
        permutation_anova(formula, frame, **{"rng": rng(), **asked})
    assert "\n" not in str(refused.value)


def test_contrasts_that_cannot_be_tested() -> None:
    apart = FRAME.assign(block=FRAME["g"])
    cases: list[tuple[pd.DataFrame, Any, str]] = [
        (apart, "successive", "never meet"),
        (FRAME, {"z": 1, "a": -1}, "no level 'z'"),
        (FRAME.assign(y=FRAME["g"].map({"a": 1.0, "b": 2.0, "c": 3.0})), "successive", "vary"),
        (FRAME.iloc[[0, 1, 5]], "successive", "nothing to judge"),
    ]
    for frame, weights, said in cases:
        with pytest.raises(Refused, match=said):
            permutation_contrasts("y ~ g", frame, weights, rng=rng(), block="block")
