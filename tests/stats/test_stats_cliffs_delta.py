"""Cliff's delta against the table of all pairs in R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rank_oracles import agree, only, oracle, published, published_table, values

from joulebench.stats.cliffs_delta import cliffs_delta, dominance, vargha_delaney
from joulebench.stats.groups import groups_of
from joulebench.stats.refused import Refused

NAMES = list(oracle()["cliff"])


@pytest.mark.parametrize("name", NAMES)
def test_delta_variances_and_intervals(name: str) -> None:
    case, data = oracle()["cliff"][name], oracle()["rank_sum"][name]
    x, y = values(data["x"]), values(data["y"])
    row = only(cliffs_delta(x, y))
    agree(row["effect"], case["delta"])
    agree([row["variance_consistent"], row["variance_unbiased"]],
          [case["consistent"], case["unbiased"]])  # fmt: skip
    agree([row["ci_low"], row["ci_high"]], case["normal"])
    t = only(cliffs_delta(x, y, quantile="t"))
    agree([t["ci_low"], t["ci_high"]], case["t"])
    unbiased = only(cliffs_delta(x, y, variance="unbiased"))
    agree([unbiased["ci_low"], unbiased["ci_high"]], case["unbiased_normal"])
    other = only(cliffs_delta(x, y, variance="unbiased", quantile="t", confidence=0.9))
    agree([other["ci_low"], other["ci_high"]], case["unbiased_t_90"])


def test_a_of_vargha_and_delaney_is_delta_on_another_scale() -> None:
    x, y = [1, 2, 4, 4, 7], [3, 4, 5, 5]
    delta, a = only(cliffs_delta(x, y)), only(vargha_delaney(x, y))
    assert a["effect"] == delta["vargha_delaney_a"] == pytest.approx((delta["effect"] + 1) / 2)
    assert a["ci_high"] == pytest.approx((delta["ci_high"] + 1) / 2)


def test_many_values_need_no_table_of_pairs() -> None:
    # 1e5 by 1e5 pairs: their number squared has no place in 64 bits.
    x = np.arange(100_000.0)
    row = only(cliffs_delta(x, x + 0.5))
    assert row["effect"] == -1e-5
    assert row["variance_consistent"] == pytest.approx(2 / 3 / 1e5, rel=1e-4)


def test_the_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(11)
    truth = 2 * 0.7602499389065233 - 1  # P(N(1, 1) > N(0, 1))
    covered = 0
    for _ in range(600):
        row = only(cliffs_delta(rng.normal(1, 1, 25), rng.normal(0, 1, 25)))
        covered += row["ci_low"] <= truth <= row["ci_high"]
    assert 0.92 <= covered / 600 <= 0.975


@pytest.mark.parametrize(
    ("x", "y", "note"),
    [
        ([1, 2], [3, 4], "no value of one sample reaches the other"),
        ([1, 1], [1, 1], "all pairs are alike"),
        ([1], [2, 3], "a sample of one value"),
        ([1, 2, 3], [1.5, 2.5], ""),
    ],
)
def test_an_interval_without_width_says_so(x: Any, y: Any, note: str) -> None:
    assert only(cliffs_delta(x, y))["note"].startswith(note)


def test_the_unbiased_variance_is_unbiased_for_unequal_samples() -> None:
    rng = np.random.default_rng(3)
    found = [dominance(rng.normal(0.7, 1, 3), rng.normal(0, 2, 20)) for _ in range(4000)]
    seen = np.var([one.delta for one in found], ddof=1)
    assert np.mean([one.unbiased for one in found]) == pytest.approx(seen, rel=0.07)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"variance": "large"}, "no variance is called 'large'"),
        ({"quantile": "z"}, "no quantile is called 'z'"),
        ({"confidence": 0}, "confidence lies between 0 and 1"),
    ],
)
def test_refuses_words_it_does_not_know(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        cliffs_delta([1, 2], [1, 3], **asked)


def test_agrees_with_the_published_study() -> None:
    found = published("RQ3")["RQ3_1"]["cliffs"]
    samples = groups_of("energy_per_token ~ generation", published_table()).samples
    for place, name in enumerate(("2->3", "3->3.1", "3.1->3.2")):
        row = only(cliffs_delta(samples[place], samples[place + 1]))
        agree([row["effect"], row["vargha_delaney_a"]], [found[name]["delta"], found[name]["vda"]])
        agree([row["ci_low"], row["ci_high"]], found[name]["ci_feng_cliff_normal"])
