"""The rank-sum test against R's wilcox.test, with shifts and effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rank_oracles import (
    agree,
    agrees_in_value_and_p,
    asked_as_in_r,
    only,
    oracle,
    published,
    published_table,
    values,
)

from joulebench.stats.groups import groups_of
from joulebench.stats.refused import Refused
from joulebench.stats.wilcoxon import wilcoxon_rank_sum

NAMES = list(oracle()["rank_sum"])


@pytest.mark.parametrize("name", NAMES)
def test_statistic_and_p_are_those_of_r(name: str) -> None:
    case = oracle()["rank_sum"][name]
    for asked in case["tests"]:
        row = asked_as_in_r(wilcoxon_rank_sum, case, asked)
        agrees_in_value_and_p(row, asked, "W")


@pytest.mark.parametrize("name", NAMES)
def test_the_interval_of_the_shift_is_that_of_r(name: str) -> None:
    case = oracle()["rank_sum"][name]
    for asked in case["tests"]:
        row = asked_as_in_r(wilcoxon_rank_sum, case, asked)
        assert row["estimate"] == pytest.approx(case["median_difference"], rel=1e-13)
        if asked["ci"] is None:
            continue
        found = [row["estimate_low"], row["estimate_high"]]
        if asked["is_exact"]:
            agree([*found, row["estimate"]], [*asked["ci"], asked["estimate"]], rel=1e-13)
        else:  # R searches the ends to 1e-4; here they are exact
            np.testing.assert_allclose(found, values(asked["ci"]), rtol=0, atol=1.1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_the_effect_is_that_of_effectsize(name: str) -> None:
    case = oracle()["rank_sum"][name]
    x, y = values(case["x"]), values(case["y"])
    expected = case["rank_biserial"]
    if expected is None or len(expected) < 3:
        return
    row = only(wilcoxon_rank_sum(x, y))
    agree([row["effect"], row["ci_low"], row["ci_high"]], expected)


def test_the_scale_does_not_matter() -> None:
    # R's search to 1e-4 leaves nothing of data this small.
    case = oracle()["rank_sum"]["rounded"]
    x, y = values(case["x"]), values(case["y"])
    plain, small = only(wilcoxon_rank_sum(x, y)), only(wilcoxon_rank_sum(x * 1e-9, y * 1e-9))
    assert small["p"] == plain["p"]
    for end in ("estimate", "estimate_low", "estimate_high"):
        assert small[end] == pytest.approx(1e-9 * plain[end], rel=1e-12)


def test_a_tested_shift_moves_the_test_and_not_the_estimate() -> None:
    x, y = np.arange(10.0) + 0.1, np.arange(8.0)
    moved = only(wilcoxon_rank_sum(x, y, mu=2.0))
    assert moved["value"] == only(wilcoxon_rank_sum(x - 2.0, y))["value"]
    assert moved["estimate"] == only(wilcoxon_rank_sum(x, y))["estimate"]


@pytest.mark.parametrize("size", [8, 49, 50, 90])
def test_fewer_than_fifty_values_are_judged_exactly(size: int) -> None:
    x = np.arange(float(size))
    assert only(wilcoxon_rank_sum(x, [0.5, 4.5]))["method"].startswith("exact") == (size < 50)


@pytest.mark.parametrize("steps", [0, 1, 2])
@pytest.mark.parametrize("size", [8, 60])
def test_the_interval_holds_the_shifts_that_are_not_rejected(size: int, steps: int) -> None:
    rng = np.random.default_rng(7)
    for _ in range(4):
        x, y = rng.normal(size=size), rng.normal(size=size + 3)
        if steps:  # values of y in few steps, tied with one another and no x
            y = np.round(y * steps) / steps
        row = only(wilcoxon_rank_sum(x, y))
        for end, outwards in (("estimate_low", -1), ("estimate_high", 1)):
            inside = only(wilcoxon_rank_sum(x, y, mu=row[end] - 1e-9 * outwards))["p"]
            outside = only(wilcoxon_rank_sum(x, y, mu=row[end] + 1e-9 * outwards))["p"]
            assert outside <= 0.05 < inside


def test_many_values_need_no_table_of_pairs() -> None:
    # 2e5 by 2e5 differences would take 320 GB.
    x = np.arange(200_000.0)
    row = only(wilcoxon_rank_sum(x, x[::-1] + 0.5))
    assert row["value"] == 200_000 * 199_999 / 2
    assert row["estimate"] == -0.5


def test_ties_are_exact_where_asked() -> None:
    row = only(wilcoxon_rank_sum([1, 2, 2], [2, 3, 4], method="exact"))
    # Of 20 equally likely draws of three ranks from 1, 3, 3, 3, 5, 6 three sum to 7, none to less,
    # and three to 14, as far above the mean of 10.5.
    assert row["value"] == 1.0
    assert row["method"] == "exact, conditional on ties"
    assert row["p"] == pytest.approx(6 / 20)


def test_too_few_values_for_the_confidence_say_so() -> None:
    note = only(wilcoxon_rank_sum([1.0, 2.0], [3.5, 4.5, 5.5]))["note"]
    assert note == "confidence 0.95 of the estimate cannot be reached: its interval has 0.8"


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1, 1], [1, 1, 1], "all 5 values are 1"),
        ([], [1], "x has 0 values"),
        ([1, np.nan], [1, 2], 'missing="drop"'),
        ([1, np.inf], [1, 2], "x is infinite at place 1"),
        (["a"], [1, 2], "x must be numbers"),
        ([[1, 2]], [1, 2], "shape"),
        ([1e200, 1], [1, 2], "too large"),
    ],
)
def test_refuses_what_cannot_be_ranked(x: Any, y: Any, said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        wilcoxon_rank_sum(x, y)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"method": "fast"}, "no method is called 'fast'"),
        ({"alternative": "up"}, "no alternative is called 'up'"),
        ({"confidence": 95}, "confidence lies between 0 and 1"),
        ({"mu": np.nan}, "mu must be a finite number"),
    ],
)
def test_refuses_words_it_does_not_know(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        wilcoxon_rank_sum([1, 2, 3], [2.5, 4, 5], **asked)


def test_drops_what_is_missing_where_asked() -> None:
    row = only(wilcoxon_rank_sum([1, np.nan, 2], [3, 4, None], missing="drop"))
    assert (row["n_x"], row["n_y"]) == (2, 2)


def test_agrees_with_the_published_study() -> None:
    found = published("RQ3")["RQ3_1"]
    levels = groups_of("energy_per_token ~ generation", published_table()).samples
    first, second = levels[1], levels[2]
    row = only(wilcoxon_rank_sum(first, second))
    place = found["pairwise_wilcox_rep"]["comparison"].index("3 - 3.1")
    agree(row["p"], found["pairwise_wilcox_rep"]["p"][place])
    plain = only(wilcoxon_rank_sum(first, second, correct=False))
    agree(plain["p"], found["pairwise_wilcox_rep_nocorrect"]["p"][place])
