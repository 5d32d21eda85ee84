"""The Kruskal-Wallis test against R's kruskal.test, with epsilon squared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from rank_oracles import agree, only, oracle, published, published_table

from joulebench.stats.groups import groups_of
from joulebench.stats.kruskal import kruskal, resampled_shares, shares_of
from joulebench.stats.refused import Refused

NAMES = list(oracle()["kruskal"])


def frame(name: str) -> pd.DataFrame:
    case = oracle()["kruskal"][name]
    return pd.DataFrame({"y": case["y"], "g": case["g"]})


@pytest.mark.parametrize("name", NAMES)
def test_statistic_p_effect_and_mean_ranks(name: str) -> None:
    case, row = oracle()["kruskal"][name], only(kruskal("y ~ g", frame(name)))
    agree([row["value"], row["df1"], row["p"]], [case["H"], case["df"], case["p"]])
    agree([row["effect"], row["eta_squared_h"]], [case["epsilon"], case["eta_h"]])
    agree([row[f"mean_rank[{level}]"] for level in sorted(set(case["g"]))], case["mean_ranks"])
    assert row["n"] == len(case["y"])


@pytest.mark.parametrize("name", NAMES)
def test_the_interval_is_that_of_a_share_of_the_variance_of_ranks(name: str) -> None:
    row = only(kruskal("y ~ g", frame(name), alternative="two-sided"))
    # R's noncentral F gives some eight digits.
    agree([row["ci_low"], row["ci_high"]], oracle()["kruskal"][name]["rank_share_ci"], rel=1e-7)


def test_a_lower_bound_stands_alone_unless_asked() -> None:
    both = only(kruskal("y ~ g", frame("plain"), alternative="two-sided", confidence=0.9))
    bound = only(kruskal("y ~ g", frame("plain")))
    assert bound["ci_low"] == pytest.approx(both["ci_low"])
    assert bound["ci_high"] == 1.0
    assert only(kruskal("y ~ g", frame("plain"), alternative="less"))["ci_low"] == 0.0


def test_resamples_are_ranked_without_sorting() -> None:
    rng = np.random.default_rng(5)
    drawn = [rng.multinomial(size, [0.1, 0.5, 0.1, 0.3], 20).astype(float) for size in (4, 9, 6)]
    shares = shares_of(drawn)
    for place, share in enumerate(shares):
        parts = [np.repeat(np.arange(4), one[place].astype(int)) for one in drawn]
        data = pd.DataFrame({"y": np.concatenate(parts), "g": np.repeat(list("abc"), (4, 9, 6))})
        assert share == pytest.approx(only(kruskal("y ~ g", data))["effect"], rel=1e-12)


def test_the_bootstrap_ends_are_percentiles_of_one_seed() -> None:
    data = frame("plain")
    ends = [
        only(kruskal("y ~ g", data, rng=np.random.default_rng(1), alternative="two-sided"))
        for _ in range(2)
    ]
    assert ends[0]["ci_low"] == ends[1]["ci_low"] < ends[0]["effect"] < ends[0]["ci_high"] < 1
    groups = groups_of("y ~ g", data)
    shares = resampled_shares(groups, 2000, np.random.default_rng(1))
    assert ends[0]["ci_low"] == pytest.approx(np.quantile(shares, 0.025))


def test_the_interval_covers_a_known_share() -> None:
    rng = np.random.default_rng(2)
    big = pd.DataFrame({"g": np.repeat(["a", "b", "c"], 20_000)})
    big["y"] = rng.normal(size=60_000) + np.repeat([0.0, 0.5, 1.0], 20_000)
    truth = only(kruskal("y ~ g", big))["effect"]
    covered = 0
    for _ in range(300):
        small = pd.DataFrame({"g": np.repeat(["a", "b", "c"], 15)})
        small["y"] = rng.normal(size=45) + np.repeat([0.0, 0.5, 1.0], 15)
        row = only(kruskal("y ~ g", small, alternative="two-sided"))
        covered += row["ci_low"] <= truth <= row["ci_high"]
    assert covered / 300 >= 0.92


def test_a_transformed_response_has_the_same_ranks() -> None:
    data = frame("all_apart")
    assert only(kruskal("log(y) ~ g", data))["value"] == only(kruskal("y ~ g", data))["value"]


def test_groups_of_one_leave_the_share_unknown() -> None:
    row = only(kruskal("y ~ g", pd.DataFrame({"y": [1.0, 2, 3], "g": ["a", "b", "c"]})))
    assert (row["ci_low"], row["ci_high"]) == (0.0, 1.0)
    assert np.isnan(row["eta_squared_h"])


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("one ~ g", "one is 1 in all 4 rows: there is nothing to rank"),
        ("y ~ one", "has one level"),
        ("y ~ gg", "did you mean 'g'"),
        ("y ~ g + h", "must name one grouping"),
        ("hole ~ g", "values are missing: 'hole' in 1 of 4 rows"),
        ("text ~ g", "holds text, not numbers"),
    ],
)
def test_refuses_what_has_no_groups_to_rank(formula: str, said: str) -> None:
    data = pd.DataFrame(
        {"y": [1.0, 2, 3, 4], "g": list("aabb"), "h": list("abab"), "one": 1.0,
         "hole": [1, None, 2, 3], "text": list("wxyz")}
    )  # fmt: skip
    with pytest.raises(Refused, match=said):
        kruskal(formula, data)


@pytest.mark.parametrize("asked", [{"resamples": 0}, {"rng": 3}])
def test_refuses_a_bootstrap_without_draws(asked: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=r"a bootstrap needs rng|resamples must be"):
        kruskal("y ~ g", frame("plain"), **{"rng": np.random.default_rng(1), **asked})


@pytest.mark.parametrize(("key", "of"), [("kruskal_rep", ""), ("kruskal_run", "_run")])
def test_agrees_with_the_published_study(key: str, of: str) -> None:
    found = published("RQ3")["RQ3_1"][key]
    row = only(kruskal("energy_per_token ~ generation", published_table(of)))
    agree([row["value"], row["p"]], [found["H"], found["p"]])
    agree([row["effect"], row["eta_squared_h"]], [found["epsilon_sq_rank"], found["eta_sq_H"]])
    for level, rank in found["mean_ranks"].items():
        agree(row[f"mean_rank[{level}]"], rank)
