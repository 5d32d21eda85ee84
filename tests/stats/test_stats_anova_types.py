"""Sums of squares of types I, II and III, against R's anova and car's Anova."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anova_oracles import by_term, data_of, deviation, model_of, oracle, r_table

from joulebench.stats.anova import anova, anova_of
from joulebench.stats.linear_model import lm
from joulebench.stats.lmm_hypotheses import hypotheses

NAMES = (
    "ToothGrowth_unbalanced", "warpbreaks", "npk", "three_way_covariate", "far_from_zero", "tiny",
    "many_rows",
)  # fmt: skip
CASES = [(name, case) for name in NAMES for case in oracle()[name]["cases"]]
IDS = [f"{name}-{case['formula']}" for name, case in CASES]


def agrees(table: pd.DataFrame, found: dict[str, object], within: float = 1e-11) -> None:
    ours, theirs = by_term(table), r_table(found)
    assert set(ours.index) == set(theirs.index)
    terms = [name for name in theirs.index if name != "Residuals"]
    assert deviation(ours.loc[theirs.index, ["sum_sq", "df1"]], theirs[["sum_sq", "df1"]]) < within
    assert deviation(ours.loc[terms, ["value", "p"]], theirs.loc[terms, ["value", "p"]]) < within
    assert (ours.loc[terms, "df2"] == theirs.loc["Residuals", "df1"]).all()


@pytest.mark.parametrize(("name", "case"), CASES, ids=IDS)
@pytest.mark.parametrize("type_", [1, 2, 3])
def test_tables_are_those_of_r(name: str, case: dict[str, dict[str, object]], type_: int) -> None:
    found = case[f"type{type_}"]
    if "error" in found:
        assert found["error"] == "there are aliased coefficients in the model"
        return
    agrees(anova_of(model_of(name, str(case["formula"])), type_), found["table"])  # type: ignore[arg-type]


@pytest.mark.parametrize("type_", [1, 2, 3])
def test_nearly_perfect_fits_keep_the_digits_that_residuals_have(type_: int) -> None:
    case = oracle()["near_perfect"]["cases"][0]
    agrees(
        anova(case["formula"], data_of("near_perfect"), type_), case[f"type{type_}"]["table"], 1e-9
    )


@pytest.mark.parametrize("type_", [1, 2])
def test_a_nested_factor_is_tested_within_the_outer_one(type_: int) -> None:
    found = oracle()["nested"]["site_plot"][f"type{type_}"]
    agrees(anova("y ~ site / plot + w", data_of("nested"), type_), found)


def test_randomised_blocks() -> None:
    agrees(anova("y ~ site + w", data_of("nested"), 1), oracle()["nested"]["plain"]["type1"])


@pytest.mark.parametrize("type_", [1, 2, 3])
def test_hypotheses_of_mixed_models_say_the_same(type_: int) -> None:
    frame = data_of("three_way_covariate")
    model = lm("y ~ a * b + c * x", frame)
    table = by_term(model.anova(type_))
    for term, functions in hypotheses(model.design, type_).items():
        joint = model.joint_test(functions)
        assert pytest.approx(table.loc[term, "value"], rel=1e-10) == joint.F
        assert joint.df1 == table.loc[term, "df1"]


def test_type_three_does_not_depend_on_the_contrasts_that_the_formula_names() -> None:
    frame = data_of("ToothGrowth_unbalanced")
    plain = anova("len ~ supp * dose", frame, 3)
    named = anova("len ~ supp * C(dose, contr.helmert)", frame, 3)
    assert deviation(plain["sum_sq"], named["sum_sq"]) < 1e-12
    reversed_levels = frame.assign(dose=pd.Categorical(frame["dose"], ["2", "0.5", "1"]))
    assert (
        deviation(anova("len ~ supp * dose", reversed_levels, 3)["value"], plain["value"]) < 1e-12
    )


@pytest.mark.parametrize("type_", [1, 2, 3])
@pytest.mark.parametrize(("factor", "shift"), [(1e-9, 0.0), (1e9, 0.0), (-3.0, 0.0), (1.0, 1e7)])
def test_units_and_a_shift_change_no_f(factor: float, shift: float, type_: int) -> None:
    frame = data_of("ToothGrowth_unbalanced")
    moved = frame.assign(len=frame["len"] * factor + shift)
    plain, other = (anova("len ~ supp * dose", table, type_) for table in (frame, moved))
    assert deviation(other["value"], plain["value"]) < (1e-7 if shift else 1e-11)
    assert deviation(other["sum_sq"], plain["sum_sq"] * factor**2) < (1e-7 if shift else 1e-11)


def test_units_of_a_covariate_change_nothing() -> None:
    frame = data_of("three_way_covariate")
    moved = frame.assign(x=frame["x"] * 1e-9)
    assert deviation(anova("y ~ a * x", moved)["value"], anova("y ~ a * x", frame)["value"]) < 1e-11


def test_order_matters_to_type_one_alone() -> None:
    frame = data_of("ToothGrowth_unbalanced")
    one, other = (by_term(anova(f, frame, 1)) for f in ("len ~ supp + dose", "len ~ dose + supp"))
    assert deviation(one.loc["supp", "sum_sq"], other.loc["supp", "sum_sq"]) > 1e-3
    for type_ in (2, 3):
        first = by_term(anova("len ~ supp + dose", frame, type_))
        second = by_term(anova("len ~ dose + supp", frame, type_)).loc[first.index]
        assert deviation(first["sum_sq"], second["sum_sq"]) < 1e-12


def test_balanced_types_are_one() -> None:
    frame = data_of("warpbreaks")
    tables = [anova("breaks ~ wool * tension", frame, type_)["sum_sq"] for type_ in (1, 2, 3)]
    assert deviation(tables[1], tables[0]) < 1e-12
    assert deviation(tables[2], tables[0]) < 1e-12
    total = float(np.var(frame["breaks"]) * len(frame))
    assert float(tables[0].sum()) == pytest.approx(total, rel=1e-12)
