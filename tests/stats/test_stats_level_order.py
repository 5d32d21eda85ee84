"""Whether levels go with time."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kruskal, spearmanr

from joulebench.stats.level_order import level_order_test, midranks, trend_order_test


@pytest.mark.parametrize(("rows", "levels"), [(12, 3), (30, 5), (120, 3), (400, 40)])
def test_random_orders_are_called_so_at_the_stated_rate(rows: int, levels: int) -> None:
    rng = np.random.default_rng(rows)
    codes = np.arange(rows) % levels
    orders = 400 if rows >= 100 else 200
    found = [
        level_order_test(codes, rng.permutation(np.arange(1.0, rows + 1))).p < 0.05
        for _ in range(orders)
    ]
    # Three standard deviations of a binomial above 5 %; fewer is no fault with coarse p values.
    assert np.mean(found) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / orders)


def test_agrees_with_kruskal_wallis_and_with_spearman() -> None:
    rng = np.random.default_rng(4)
    codes = np.repeat(np.arange(4), 50)
    time = rng.normal(0, 1, 200) + 0.2 * codes
    groups = [time[codes == code] for code in range(4)]
    test = level_order_test(codes, midranks(time))
    expected = kruskal(*groups)
    assert test.share * 199 == pytest.approx(expected.statistic)
    assert test.p == pytest.approx(expected.pvalue)
    trend = trend_order_test(midranks(codes.astype(float)), midranks(time))
    known = spearmanr(codes, time)
    assert trend.share == pytest.approx(known.statistic**2)
    assert trend.p == pytest.approx(known.pvalue, rel=1e-3)


def test_few_rows_are_judged_by_permutation() -> None:
    blocks = level_order_test(np.repeat([0, 1], 5), np.arange(1.0, 11.0))
    # Two of the 252 arrangements part the levels completely.
    assert blocks.p == pytest.approx(2 / 252, abs=0.005)
    assert level_order_test(np.repeat([0, 1], 3), np.arange(1.0, 7.0)).p > 0.05


def test_one_level_has_no_order() -> None:
    assert level_order_test(np.zeros(5, dtype=np.intp), np.arange(5.0)).p == 1.0
    assert level_order_test(np.arange(5), np.arange(5.0)).p == 1.0
    assert trend_order_test(np.zeros(5), np.arange(5.0)).p == 1.0


def test_midranks_of_equal_values_are_their_mean() -> None:
    assert midranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]
