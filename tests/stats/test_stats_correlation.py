"""Correlations against R's cor.test."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rank_oracles import ALTERNATIVES, agree, only, oracle, published, published_table, values

from joulebench.stats.correlation import kendall, pearson, spearman
from joulebench.stats.correlation_by import spearman_by
from joulebench.stats.kendall_null import concordance_tail, discordant
from joulebench.stats.refused import Refused
from joulebench.stats.spearman_null import spearman_tail

NAMES = list(oracle()["correlation"])
MEASURES: dict[str, Callable[..., pd.DataFrame]] = {
    "pearson": pearson,
    "spearman": spearman,
    "kendall": kendall,
}


def asked_of(name: str, measure: str) -> list[tuple[dict[str, Any], Any]]:
    """Give what R found for a case, each beside the row found here."""
    case = oracle()["correlation"][name]
    found = []
    for asked in case["tests"]:
        # R has no t for two pairs, and no z.
        if asked["method"] != measure or (name == "n2" and asked["exact"] != "auto"):
            continue
        how = "auto" if asked["exact"] == "auto" else "asymptotic"
        more = {} if measure == "pearson" else {"method": how}
        table = MEASURES[measure](
            values(case["x"]), values(case["y"]), alternative=ALTERNATIVES[asked["alternative"]],
            **more,
        )  # fmt: skip
        found.append((asked, only(table)))
    return found


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("measure", MEASURES)
def test_estimate_statistic_and_p(name: str, measure: str) -> None:
    for asked, row in asked_of(name, measure):
        agree(row["effect"], asked["estimate"])
        agree(row["value"], asked["statistic"])
        if measure == "spearman" and asked["p"] == 0 and asked["exact"] == "auto":
            # Where its series falls below 0, R gives 0; the chance is small and not 0.
            assert 0 < row["p"] < 1e-5
        else:  # R takes Kendall's upper tail from 1, and loses digits of small ones
            agree(row["p"], asked["p"], atol=1e-14 if measure == "kendall" else 0.0)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("n2", "n3")])
def test_the_interval_of_pearson(name: str) -> None:
    for asked, row in asked_of(name, "pearson"):
        agree([row["ci_low"], row["ci_high"]], asked["ci"])


def test_intervals_of_spearman() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=30)
    y = x + rng.normal(size=30)
    row = only(spearman(x, y))
    z, rho = 1.959963984540054, row["effect"]
    wide = z * math.sqrt((1 + rho**2 / 2) / 27)
    assert row["ci_low"] == pytest.approx(math.tanh(math.atanh(rho) - wide), rel=1e-12)
    fisher = math.tanh(math.atanh(rho) + z / math.sqrt(27))
    assert row["fisher_high"] == pytest.approx(fisher, rel=1e-12)
    assert only(spearman(x, y, interval="fisher"))["ci_high"] == row["fisher_high"]


def test_the_interval_of_kendall() -> None:
    row = only(kendall([1, 2, 3, 4, 5, 6], [2, 1, 3, 4, 6, 5]))
    half = 1.959963984540054 * math.sqrt(0.437 / 2)
    assert row["effect"] == pytest.approx(11 / 15)
    assert row["ci_low"] == pytest.approx(math.tanh(math.atanh(11 / 15) - half), rel=1e-12)


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9)), min_size=2, max_size=25),
)
def test_discordant_pairs_are_counted(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=float).T
    apart = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
    assert discordant(x, y) == int(np.sum(apart < 0)) // 2


@pytest.mark.parametrize("n", [2, 3, 6])
def test_exact_tails_count_all_orders(n: int) -> None:
    order = np.arange(n)
    sums = np.array([np.sum((order - p) ** 2) for p in map(np.array, permutations(range(n)))])
    for s in np.unique(sums):
        assert spearman_tail(s, n, lower=True) == pytest.approx(np.mean(sums <= s), rel=1e-13)
        assert spearman_tail(s, n, lower=False) == pytest.approx(np.mean(sums >= s), rel=1e-13)
    pairs = n * (n - 1) // 2
    agreeing = np.array(
        [pairs - discordant(order.astype(float), np.array(p, float)) for p in permutations(order)]
    )
    for t in range(pairs + 1):
        found = concordance_tail(t, n, lower=True)
        assert found == pytest.approx(np.mean(agreeing <= t), rel=1e-13)


def test_a_tail_beyond_the_series_is_not_nothing() -> None:
    # Ten ranks with two neighbours exchanged: 10 of 10! orders are as close or closer.
    assert spearman_tail(2, 10, lower=True) == pytest.approx(10 / math.factorial(10))
    order = 1 / math.factorial(30)
    assert spearman_tail(0, 30, lower=True) == pytest.approx(order, rel=1e-12)


def test_a_perfect_correlation_has_its_ends() -> None:
    row = only(pearson([1, 2, 3, 4], [2, 4, 6, 8]))
    assert (row["effect"], row["value"], row["p"]) == (1.0, math.inf, 0.0)
    assert (row["ci_low"], row["ci_high"]) == (1.0, 1.0)
    assert only(spearman([1, 2, 3, 4], [8, 6, 4, 2]))["p"] == pytest.approx(2 / 24)


def test_extreme_scales_do_not_matter() -> None:
    x, y = np.array([1.0, 2, 4, 8, 9]), np.array([2.0, 1, 5, 6, 4])
    plain = only(pearson(x, y))["effect"]
    assert only(pearson(x * 1e140, y * 1e-140))["effect"] == pytest.approx(plain, rel=1e-14)


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(
    ("x", "y", "said"),
    [
        ([1, 1, 1], [1, 2, 3], "x is 1 in all 3 pairs"),
        ([1, 2, 3], [1, 2], "of one length"),
        ([1], [2], "needs at least"),
        ([1, 2, np.nan], [1, 2, 3], "missing"),
        (["a", "b", "c"], [1, 2, 3], "must be numbers"),
    ],
)
def test_refuses_what_has_no_correlation(measure: str, x: Any, y: Any, said: str) -> None:
    with pytest.raises(Refused, match=said):
        MEASURES[measure](x, y)


def test_refuses_methods_that_cannot_be() -> None:
    with pytest.raises(Refused, match="values are tied"):
        spearman([1, 1, 2, 3], [1, 2, 3, 4], method="exact")
    with pytest.raises(Refused, match="up to 200 pairs"):
        kendall(np.arange(300), np.arange(300), method="exact")
    with pytest.raises(Refused, match="no method is called 'quick'"):
        kendall([1, 2, 3], [1, 3, 2], method="quick")  # type: ignore[arg-type]
    with pytest.raises(Refused, match="no interval is called"):
        spearman([1, 2, 3], [1, 3, 2], interval="wald")  # type: ignore[arg-type]


def test_groups_are_adjusted_together() -> None:
    rng = np.random.default_rng(8)
    data = pd.DataFrame({"x": rng.normal(size=60), "g": np.repeat([2, 10, 1], 20)})
    data["y"] = data["x"] + rng.normal(size=60)
    table = spearman_by(data, "x", "y", "g")
    assert table.columns[1] == "g"
    assert table["g"].tolist() == ["1", "2", "10"]
    own = data[data["g"] == 10]
    assert table["p"].iloc[2] == only(spearman(own["x"], own["y"]))["p"]
    agree(table["p_adjusted"], np.minimum(1, table["p"] * 3 / [3, 2, 1]).tolist(), rel=2.1)
    bonferroni = spearman_by(data, "x", "y", "g", adjust="bonferroni")
    agree(bonferroni["p_adjusted"], np.minimum(1, 3 * table["p"]).tolist())


def test_a_group_that_does_not_vary_says_so_and_does_not_count() -> None:
    data = pd.DataFrame({"x": [1, 2, 3, 4, 2, 9.0], "y": [1, 1, 1, 3, 2, 5.0], "g": list("aaabbb")})
    table = spearman_by(data, "x", "y", "g", adjust="bonferroni")
    assert table["note"].iloc[0] == "no correlation: y does not vary"
    assert np.isnan(table["p_adjusted"].iloc[0])
    assert table["p_adjusted"].iloc[1] == table["p"].iloc[1]


@pytest.mark.parametrize(
    ("section", "key", "other"),
    [
        ("RQ3_1", "spearman_energy_tokens", "tokens"),
        ("RQ3_2", "spearman_energy_duration", "duration_s"),
        ("RQ3_3", "spearman_energy_accuracy", "accuracy"),
    ],
)
def test_agrees_with_the_published_study(section: str, key: str, other: str) -> None:
    found = published("RQ3")[section]
    data = published_table()
    table = spearman_by(data, "energy_j", other, "generation")
    agree(table["p_adjusted"], found.get("p_BH", found.get("spearman_p_BH")), rel=1e-10)
    for level, row in zip(table["generation"], table.to_dict("records"), strict=True):
        expected = found[key][level]
        agree([row["effect"], row["value"]], [expected["rho"], expected["S"]])
        agree(row["p"], expected["p_default"], rel=1e-10)
        agree([row["ci_low"], row["ci_high"]], expected["ci_bonett_wright"])
        agree([row["fisher_low"], row["fisher_high"]], expected["ci_fisher"])
        own = data[data["generation"] == level]
        tau = only(kendall(own["energy_j"], own[other]))
        agree([tau["effect"], tau["p"]], [expected["kendall_tau_b"], expected["kendall_p_asymp"]])
        r = only(pearson(own["energy_j"], own[other]))
        agree([r["effect"], r["p"]], [expected["pearson"], expected["pearson_p"]], rel=1e-10)
