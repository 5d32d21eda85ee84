"""The signed-rank test against R's wilcox.test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from rank_oracles import (
    agree,
    agrees_in_value_and_p,
    asked_as_in_r,
    only,
    oracle,
    values,
)

from joulebench.stats.rank_biserial import rank_biserial
from joulebench.stats.refused import Refused
from joulebench.stats.signed_rank import wilcoxon_signed_rank

NAMES = list(oracle()["signed"])


@pytest.mark.parametrize("name", NAMES)
def test_statistic_p_and_pseudomedian_are_those_of_r(name: str) -> None:
    case = oracle()["signed"][name]
    for asked in case["tests"]:
        row = asked_as_in_r(wilcoxon_signed_rank, case, asked)
        agrees_in_value_and_p(row, asked, "V")
        assert row["estimate"] == pytest.approx(case["pseudomedian"], rel=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_the_interval_is_that_of_r(name: str) -> None:
    case = oracle()["signed"][name]
    compared_with_r = 0
    for asked in case["tests"]:
        row = asked_as_in_r(wilcoxon_signed_rank, case, asked)
        # R lowers the confidence of too few values; so few are not compared.
        if asked["ci"] is None or abs(asked["confidence"] - 0.95) > 1e-9:
            continue
        compared_with_r += 1
        found = [row["estimate_low"], row["estimate_high"]]
        rel, apart = (1e-13, 0.0) if asked["is_exact"] else (0.0, 1.1e-4)
        agree(found, asked["ci"], rel=rel, atol=apart)
    assert compared_with_r == (0 if name in ("one", "tiny") else 1 if name == "zeroes" else 9)


@pytest.mark.parametrize("name", NAMES)
def test_the_effect_is_that_of_effectsize(name: str) -> None:
    case = oracle()["signed"][name]
    expected = case["rank_biserial"]
    if name == "one":
        return
    x, y = values(case["x"]), values(case["y"])
    for row in (only(rank_biserial(x, y, paired=True)), only(wilcoxon_signed_rank(x, y))):
        agree([row["effect"], row["ci_low"], row["ci_high"]], expected)


def test_differences_may_be_given_themselves() -> None:
    x, y = np.array([3.0, 1.0, 4.0, 1.5]), np.array([2.0, 3.0, 1.0, 1.0])
    pairs, alone = only(wilcoxon_signed_rank(x, y)), only(wilcoxon_signed_rank(x - y))
    pd.testing.assert_series_equal(pairs, alone)


def test_a_tested_difference_moves_the_test_and_not_the_estimate() -> None:
    x = np.array([1.0, 2.5, 4.5, 7.0, 8.0, 11.0, 12.5])
    moved, plain = only(wilcoxon_signed_rank(x, mu=3.25)), only(wilcoxon_signed_rank(x))
    assert moved["value"] == only(wilcoxon_signed_rank(x - 3.25))["value"]
    for end in ("estimate", "estimate_low", "estimate_high"):
        assert moved[end] == plain[end]


def test_zeroes_are_dropped_and_counted() -> None:
    row = only(wilcoxon_signed_rank([1, 2, 3, 5], [1, 1, 1, 1]))
    assert (row["n"], row["n_zero"], row["value"]) == (4, 1, 6.0)
    assert row["method"] == "normal, continuity corrected"


def test_many_differences_need_no_table_of_averages() -> None:
    row = only(wilcoxon_signed_rank(np.arange(-50_000.0, 50_001.0)))
    assert row["estimate"] == 0.0
    assert row["p"] == pytest.approx(1.0)


def test_too_few_pairs_for_the_confidence_say_so() -> None:
    row = only(wilcoxon_signed_rank([1.0, 2.0, 3.5]))
    assert row["note"].endswith("its interval has 0.75")


@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1, 2], [1, 2], "all 2 differences are 0"),
        ([1, 2], [1], "pairs need x and y of one length, got 2 and 1"),
        ([1, None], [1, 2], "1 of 2 values of x or y are missing"),
        ([1, 2], [1, None], "1 of 2 values of x or y are missing"),
    ],
)
def test_refuses_pairs_that_say_nothing(x: Any, y: Any, said: str) -> None:
    with pytest.raises(Refused, match=said):
        wilcoxon_signed_rank(x, y)
