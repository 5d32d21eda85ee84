"""Exact distributions of rank sums, against all assignments written out."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest
from rank_oracles import agree, only, oracle, values

from joulebench.stats.refused import Refused
from joulebench.stats.signed_rank import wilcoxon_signed_rank
from joulebench.stats.wilcoxon import wilcoxon_rank_sum
from joulebench.stats.wilcoxon_exact import rank_sum_distribution, signed_rank_distribution

SIDES = {"two-sided": "two_sided", "less": "less", "greater": "greater"}


@pytest.mark.parametrize("case", oracle()["exact_ties"])
@pytest.mark.parametrize("side", SIDES)
def test_rank_sum_with_ties_as_r_writes_all_of_them_out(case: dict[str, Any], side: Any) -> None:
    x, y = values(case["x"]), values(case["y"])
    row = only(wilcoxon_rank_sum(x, y, method="exact", alternative=side))
    agree([row["value"], row["p"]], [case["W"], case[SIDES[side]]])


@pytest.mark.parametrize("case", oracle()["exact_sign_ties"])
@pytest.mark.parametrize("side", SIDES)
def test_signed_rank_with_ties_as_r_writes_all_of_them_out(case: dict[str, Any], side: Any) -> None:
    row = only(wilcoxon_signed_rank(values(case["d"]), method="exact", alternative=side))
    agree([row["value"], row["p"]], [case["V"], case[SIDES[side]]])


@pytest.mark.parametrize("size", [0, 1, 3, 5, 6, 7])
def test_every_value_has_its_probability(size: int) -> None:
    ranks = np.array([1.0, 2.5, 2.5, 4.0, 6.0, 6.0, 6.0])
    sums = np.array([sum(drawn) for drawn in combinations(ranks, size)])
    found = rank_sum_distribution(ranks, size)
    for value in np.unique(sums):
        assert found.lower(value) == pytest.approx(np.mean(sums <= value), rel=1e-14)
        assert found.upper(value) == pytest.approx(np.mean(sums >= value), rel=1e-14)
    assert found.lower(sums.min() - 0.5) == 0
    assert found.upper(sums.max() + 0.5) == 0


def test_every_sum_of_signed_ranks_has_its_probability() -> None:
    ranks = np.array([1.5, 1.5, 3.0, 4.5, 4.5])
    sums = np.array([np.dot(signs, ranks) for signs in product([0, 1], repeat=5)])
    found = signed_rank_distribution(ranks)
    for value in np.unique(sums):
        assert found.lower(value) == pytest.approx(np.mean(sums <= value), rel=1e-14)


def test_far_tails_keep_their_digits() -> None:
    from math import comb

    found = rank_sum_distribution(np.arange(1.0, 99.0), 49)
    assert found.lower(49 * 50 / 2) == pytest.approx(1 / comb(98, 49), rel=1e-13)
    assert found.upper(50 * 49 / 2 + 49 * 49) == pytest.approx(1 / comb(98, 49), rel=1e-13)


def test_a_quantile_is_not_missed_for_rounding() -> None:
    found = rank_sum_distribution(np.arange(1.0, 5.0), 2)
    assert found.quantile(np.nextafter(1 / 6, 1)) == 0
    assert found.quantile(1 / 6 + 1e-9) == 1


def test_what_takes_too_long_is_refused() -> None:
    with pytest.raises(Refused, match='use method="asymptotic"'):
        rank_sum_distribution(np.arange(1.0, 5001.0), 2500)
    with pytest.raises(Refused, match='use method="asymptotic"'):
        signed_rank_distribution(np.arange(1.0, 5001.0))
