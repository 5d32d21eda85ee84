"""Welch's analysis of variance, against R's oneway.test."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anova_oracles import data_of, deviation, oracle, published, published_runs

from joulebench.stats.refused import Refused
from joulebench.stats.t_test import t_test
from joulebench.stats.welch import welch_anova

CASES = oracle()["welch"]
COLUMNS = {"value": "F", "df1": "df1", "df2": "df2", "p": "p", "effect": "eta", "omega_sq": "omega"}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_agrees_with_oneway_test(case: dict[str, Any]) -> None:
    row = welch_anova("y ~ g", pd.DataFrame(case["data"])).iloc[0]
    for column, name in COLUMNS.items():
        assert deviation(row[column], case[name]) < 1e-11, column
    assert row["ci_low"] == pytest.approx(case["eta_low"], abs=1e-8)
    assert row["omega_sq_low"] == pytest.approx(case["omega_low"], abs=1e-8)
    assert (row["ci_high"], row["n"]) == (1.0, len(case["data"]["y"]))


def test_of_two_groups_it_is_welch_s_t() -> None:
    frame = data_of("warpbreaks")
    x, y = (frame["breaks"][frame["wool"] == level] for level in "AB")
    t, row = t_test(x, y).iloc[0], welch_anova("breaks ~ wool", frame).iloc[0]
    assert row["value"] == pytest.approx(t["value"] ** 2, rel=1e-12)
    assert row["p"] == pytest.approx(t["p"], rel=1e-11)


@pytest.mark.parametrize("factor", [1e-150, 1e-9, 1e9, 1e148])
def test_units_change_nothing(factor: float) -> None:
    frame = data_of("warpbreaks")
    plain = welch_anova("breaks ~ tension", frame)
    scaled = welch_anova("breaks ~ tension", frame.assign(breaks=frame["breaks"] * factor))
    assert deviation(scaled[["value", "df2", "p"]], plain[["value", "df2", "p"]]) < 1e-10


def test_a_number_is_taken_by_its_levels() -> None:
    frame = data_of("ToothGrowth_unbalanced").assign(dose=lambda d: d["dose"].astype(float))
    assert welch_anova("len ~ dose", frame)["df1"][0] == 2


@pytest.mark.parametrize(
    ("g", "y", "said"),
    [
        ("aab", [1.0, 2.0, 3.0], "'b' of g has one value"),
        ("aabb", [1.0, 2.0, 3.0, 3.0], "'b' of g is 3 in all 2 rows"),
        ("aaaa", [1.0, 2.0, 3.0, 4.0], "one level"),
        ("aabb", [1.0, 2.0, np.nan, 3.0], "missing"),
        ("aabb", [1.0, 2.0, np.inf, 3.0], "infinite"),
    ],
)
def test_bad_input_is_refused(g: str, y: list[float], said: str) -> None:
    with pytest.raises(Refused, match=said):
        welch_anova("y ~ g", pd.DataFrame({"g": list(g), "y": y}))


def test_several_terms_are_refused() -> None:
    with pytest.raises(Refused, match="one grouping"):
        welch_anova("breaks ~ wool + tension", data_of("warpbreaks"))


@pytest.mark.parametrize(
    ("part", "formula"),
    [("energy", "energy_j ~ generation"), ("log_energy", "log(energy_j) ~ generation")],
)
def test_the_published_study(part: str, formula: str) -> None:
    found = published("RQ1_1")[part]["welch"]
    row = welch_anova(formula, published_runs()).iloc[0]
    ours = [row[column] for column in ("value", "df1", "df2", "p")]
    assert deviation(ours, [found[key] for key in ("F", "num_df", "denom_df", "p")]) < 1e-10
