"""Dunn's comparisons against his formula in R."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rank_oracles import agree, oracle, published, published_table

from joulebench.stats.dunn import dunn
from joulebench.stats.refused import Refused

NAMES = list(oracle()["kruskal"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("adjust", ["none", "BH", "holm"])
def test_z_and_adjusted_p(name: str, adjust: str) -> None:
    case = oracle()["kruskal"][name]
    table = dunn("y ~ g", pd.DataFrame({"y": case["y"], "g": case["g"]}), adjust=adjust)
    assert table["contrast"].tolist() == np.atleast_1d(case["contrast"]).tolist()
    agree(table["value"], case["z"])
    agree(table["p"], case["p_none"])
    agree(table["p_adjusted"], case[f"p_{adjust}"])
    assert (table["adjust"] == adjust).all()
    agree(table["estimate"] / table["se"], case["z"])


def test_consecutive_pairs_are_adjusted_among_themselves() -> None:
    case = oracle()["kruskal"]["ties"]
    data = pd.DataFrame({"y": case["y"], "g": case["g"]})
    every, steps = dunn("y ~ g", data), dunn("y ~ g", data, pairs="consecutive")
    assert steps["contrast"].tolist() == ["a - b", "b - c", "c - d"]
    own = every.set_index("contrast").loc[steps["contrast"]]
    assert steps["p"].tolist() == own["p"].tolist()
    assert (steps["p_adjusted"].to_numpy() <= own["p_adjusted"].to_numpy()).all()
    assert steps["n"].tolist() == [20, 45, 40]


@pytest.mark.parametrize(
    ("asked", "said"),
    [({"pairs": "some"}, "choose 'all' or 'consecutive'"), ({"adjust": "tukey"}, "tukey")],
)
def test_refuses_words_it_does_not_know(asked: dict[str, str], said: str) -> None:
    data = pd.DataFrame({"y": [1, 2, 3, 4], "g": list("aabb")})
    with pytest.raises(Refused, match=said):
        dunn("y ~ g", data, **asked)  # type: ignore[arg-type]


def test_agrees_with_the_published_study() -> None:
    found = published("RQ3")["RQ3_1"]["kruskal_rep"]["dunn"]
    table = dunn("energy_per_token ~ generation", published_table())
    assert table["contrast"].tolist() == found["comparison"]
    agree(table["value"], found["Z"])
    agree(table["p_adjusted"], found["p_BH"])
