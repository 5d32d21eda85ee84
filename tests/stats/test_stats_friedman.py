"""Friedman's and Quade's tests against R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from rank_oracles import agree, only, oracle, published, published_table

from joulebench.stats.friedman import friedman, quade
from joulebench.stats.refused import Refused

NAMES = list(oracle()["friedman"])


def frame(name: str) -> pd.DataFrame:
    case = oracle()["friedman"][name]
    found = np.reshape(case["values"], (case["b"], case["k"]))
    rows = [(found[i, j], f"t{j}", i) for i in range(case["b"]) for j in range(case["k"])]
    return pd.DataFrame(rows, columns=["y", "t", "b"]).sample(frac=1, random_state=3)


@pytest.mark.parametrize("name", NAMES)
def test_friedman_with_kendalls_w(name: str) -> None:
    case = oracle()["friedman"][name]
    row = only(friedman("y ~ t | b", frame(name), alternative="two-sided"))
    agree([row["value"], row["df1"], row["p"]], [case["chi2"], case["df"], case["p"]])
    agree([row["effect"], row["effect"]], [case["W"], case["W_effectsize"]])
    agree([row[f"mean_rank[t{j}]"] for j in range(case["k"])], case["mean_ranks"])
    if case["W_ci"]:
        agree([row["ci_low"], row["ci_high"]], case["W_ci"], rel=1e-7)
    else:
        assert (row["ci_low"], row["ci_high"]) == (1.0, 1.0)
    assert (row["n"], row["n_blocks"]) == (case["b"] * case["k"], case["b"])


@pytest.mark.parametrize("name", NAMES)
def test_quade(name: str) -> None:
    case, row = oracle()["friedman"][name], only(quade("y ~ t | b", frame(name)))
    agree(row["p"], case["quade_p"])
    if case["quade_F"] is None:  # all blocks alike: R gives NaN
        assert np.isinf(row["value"])
        assert row["note"] == "all blocks rank the treatments alike"
    else:
        agree(row["value"], case["quade_F"])


def test_cells_of_two_factors_may_be_the_treatments() -> None:
    data = frame("plain")
    data["u"], data["v"] = data["t"].str[0], data["t"].str[1]
    assert (
        only(friedman("y ~ u:v | b", data))["value"] == only(friedman("y ~ t | b", data))["value"]
    )


@pytest.mark.parametrize("test", [friedman, quade])
@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y ~ t", "must name treatments and blocks"),
        ("y ~ t | q", "no column 'q'"),
        ("flat ~ t | b", "every block holds one value"),
        ("y ~ t | t", "needs one"),
        ("y ~ one | b", "two of each are needed"),
    ],
)
def test_refuses_what_is_no_block_design(test: Any, formula: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        test(formula, frame("plain").assign(flat=1.0, one="x"))


def test_refuses_blocks_that_lack_or_repeat_a_treatment() -> None:
    data = frame("plain").sort_values(["b", "t"])
    with pytest.raises(Refused, match=r"block '0' has 0 rows of 't0' and needs one: drop"):
        friedman("y ~ t | b", data.iloc[1:])
    with pytest.raises(Refused, match="2 rows of 't0' and needs one: average"):
        friedman("y ~ t | b", pd.concat([data, data.iloc[:1]]))


def test_agrees_with_the_published_study() -> None:
    found, data = published("RQ1_1")["friedman"], published_table("_run")
    row = only(friedman("energy_j ~ model | task", data))
    agree([row["value"], row["p"]], [found["chi_sq"], found["p"]])
    agree(row["effect"], found["kendall_W"])
    other = only(quade("energy_j ~ model | task", data))
    agree([other["value"], other["p"]], [found["quade_F"], found["quade_p"]])
