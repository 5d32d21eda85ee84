"""Rank-sum tests two by two, against R's pairwise.wilcox.test."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rank_oracles import agree, oracle, published, published_table, values

from joulebench.stats.pairwise_ranks import pairwise_wilcoxon
from joulebench.stats.wilcoxon import wilcoxon_rank_sum

NAMES = list(oracle()["kruskal"])


@pytest.mark.parametrize("name", NAMES)
def test_adjusted_p_is_that_of_r(name: str) -> None:
    case = oracle()["kruskal"][name]
    data = pd.DataFrame({"y": case["y"], "g": case["g"]})
    table = pairwise_wilcoxon("y ~ g", data, adjust="holm")
    np.testing.assert_allclose(
        np.sort(table["p_adjusted"]), values(case["pairwise_holm"]), rtol=1e-11
    )


def test_a_row_is_that_of_its_two_samples() -> None:
    data = pd.DataFrame({"y": [1.0, 5, 2, 8, 3, 9, 4, 7, 6], "g": list("aaabbbccc")})
    row = pairwise_wilcoxon("y ~ g", data, pairs="consecutive").iloc[1]
    alone = wilcoxon_rank_sum(data["y"][3:6], data["y"][6:]).iloc[0]
    assert row["contrast"] == "b - c"
    for column in ("estimate", "value", "p", "effect", "estimate_low", "n", "method"):
        assert row[column] == alone[column]


def test_two_groups_of_one_value_have_no_p_and_do_not_count() -> None:
    data = pd.DataFrame({"y": [1, 1, 1, 1, 2, 3.0], "g": list("aabbcc")})
    table = pairwise_wilcoxon("y ~ g", data, adjust="bonferroni").set_index("contrast")
    alike = table.loc["a - b"]
    assert np.isnan(alike["p"])
    assert alike["note"] == "all 4 values are 1: there is nothing to rank"
    assert table.loc["a - c", "p_adjusted"] == pytest.approx(2 * table.loc["a - c", "p"])  # type: ignore[operator]


@pytest.mark.parametrize(
    ("key", "of", "method", "correct"),
    [
        ("pairwise_wilcox_rep", "", "asymptotic", True),
        ("pairwise_wilcox_rep_nocorrect", "", "asymptotic", False),
        ("pairwise_wilcox_run_exact", "_run", "exact", True),
    ],
)
def test_agrees_with_the_published_study(key: str, of: str, method: str, correct: bool) -> None:
    found = published("RQ3")["RQ3_1"][key]
    table = pairwise_wilcoxon(
        "energy_per_token ~ generation",
        published_table(of),
        method=method,  # type: ignore[arg-type]
        correct=correct,
    )
    assert table["contrast"].tolist() == found["comparison"]
    agree(table["value"], found["W"])
    agree(table["p"], found["p"])
    agree(table["p_adjusted"], found["p_BH"])
