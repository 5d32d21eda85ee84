"""Hypotheses of types I, II and III against car and lmerTest, and tables of a mixed model."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kr_oracles import deviation, in_python, oracle, term_deviation
from numpy.typing import NDArray

from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.linear_model import lm
from joulebench.stats.lmm import lmm
from joulebench.stats.lmm_anova import anova_table
from joulebench.stats.lmm_hypotheses import _qr_triangle, hypotheses
from joulebench.stats.lmm_model import MixedModel
from joulebench.stats.noncentral_tails import f_tails
from joulebench.stats.refused import Refused

ORACLE = oracle("kr_types")
CASES = {case["formula"]: case for case in ORACLE["cases"]}
# Of terms whose margins are not all in the model lmerTest tests the first level of the other
# factor alone (its containment overlooks factors coded by all their levels); car tests the average.
MARGIN_MISSING = {"y ~ a/b", "y ~ b + a:b + c", "y ~ 0 + a + b", "y ~ b * c + a:c"}
COMPLETE = [formula for formula in CASES if formula not in MARGIN_MISSING]


@cache
def frame() -> pd.DataFrame:
    return pd.DataFrame(ORACLE["data"])


@cache
def mixed(formula: str) -> MixedModel:
    return lmm(in_python(formula) + " + (1 | g)", frame())


def right(formula: str) -> str:
    return in_python(formula).split("~")[1].strip()


@pytest.mark.parametrize("type_", [1, 2, 3])
@pytest.mark.parametrize("formula", CASES)
def test_linear_models_are_tested_as_car_does(formula: str, type_: int) -> None:
    expected = CASES[formula][f"type{type_}"]
    model = lm(in_python(formula), frame())
    rows = [k for k, row in enumerate(expected["row"]) if row not in ("(Intercept)", "Residuals")]
    found = [model.joint_test(one) for one in hypotheses(model.design, type_).values()]
    assert deviation([one.F for one in found], [expected["F value"][k] for k in rows]) < 1e-10
    assert [one.df1 for one in found] == [expected["Df"][k] for k in rows]


def test_units_do_not_change_what_is_tested() -> None:
    case = ORACLE["units"]
    large = lm(case["formula"], pd.DataFrame(case["data"]))
    small = lm(case["formula"], frame().assign(x=frame()["x"] + 3))
    for type_ in (1, 2, 3):
        expected = case[f"type{type_}"]
        rows = [k for k, r in enumerate(expected["row"]) if r not in ("(Intercept)", "Residuals")]
        found = [large.joint_test(one).F for one in hypotheses(large.design, type_).values()]
        plain = [small.joint_test(one).F for one in hypotheses(small.design, type_).values()]
        assert deviation(found, plain) < 1e-9
        # In these units car's own type II is off by 1e-6.
        assert deviation(found, [expected["F value"][k] for k in rows]) < 1e-5


@pytest.mark.parametrize("type_", [1, 2, 3])
@pytest.mark.parametrize("formula", COMPLETE)
def test_mixed_models_are_tested_as_lmertest_does(formula: str, type_: int) -> None:
    functions = hypotheses(mixed(formula).design, type_, margin="factors")
    for found, expected in zip(
        functions.values(), CASES[formula]["L"][type_ - 1].values(), strict=True
    ):
        # lmerTest rounds its functions to 7 digits.
        assert np.abs(found - np.atleast_2d(expected)).max() < 2e-6 * np.abs(found).max()


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
@pytest.mark.parametrize("type_", [1, 2, 3])
@pytest.mark.parametrize("formula", COMPLETE)
def test_tables_of_mixed_models_are_those_of_lmertest(formula: str, type_: int, ddf: str) -> None:
    found = anova_table(mixed(formula), type_, ddf)
    expected = CASES[formula][("kr" if ddf == "kenward-roger" else "sat") + str(type_)]
    names = [row.replace(" ", "") for row in expected["row"]]
    assert [term.replace(" ", "") for term in found["term"]] == names
    assert max(term_deviation(found, expected).values()) < 1e-5


@pytest.mark.parametrize("formula", CASES)
def test_type_three_is_that_of_car_with_contrasts_that_sum_to_0(formula: str) -> None:
    expected = CASES[formula]["car3_kr"]
    rows = [k for k, row in enumerate(expected["row"]) if row != "(Intercept)"]
    found = anova_table(mixed(formula), 3, "kenward-roger")
    for ours, theirs in {"value": "F", "df1": "Df", "df2": "Df.res", "p": "Pr(>F)"}.items():
        assert deviation(found[ours], [expected[theirs][k] for k in rows]) < 1e-5


def test_the_margin_of_a_covariate_is_asked_for() -> None:
    # The factor beside its slopes: at covariate 0 for lmerTest, beyond the covariate alone for car.
    design = FixedDesign.of("a * x", frame())
    whole, factors = hypotheses(design, 2, "all"), hypotheses(design, 2, "factors")
    assert np.abs(factors["a"]).sum() == 2
    assert np.abs(whole["a"][:, 4:]).max() > 0
    assert whole["x"] == pytest.approx(factors["x"], rel=1e-12)


def test_a_number_that_is_also_a_factor_is_told_from_it() -> None:
    few = frame().assign(k=lambda d: d.index % 4)
    design = FixedDesign.of("k + C(k) + a + a:k", few)
    kinds = {term.name: term.variables for term in design.terms}
    assert list(kinds) == ["k", "C(k)", "a", "k:a"]
    with pytest.raises(Refused, match=r"C\(k\)"):
        hypotheses(design, 3)


def test_coding_does_not_change_what_is_tested() -> None:
    summed = lmm("y ~ C(a, contr.sum) * C(b, contr.sum) * x + (1 | g)", frame()).anova()
    plain = lmm("y ~ a * b * x + (1 | g)", frame()).anova()
    assert deviation(summed["value"], plain["value"]) < 1e-9


def test_of_many_rows_some_tell_the_contrasts() -> None:
    large = pd.concat([frame()] * 60, ignore_index=True).sort_values("a", ignore_index=True)
    for fixed in ("a * b * x", "a * log(z + 3)", "x * z"):
        found = hypotheses(FixedDesign.of(fixed, large), 3)
        for one, other in zip(
            found.values(), hypotheses(FixedDesign.of(fixed, frame()), 3).values(), strict=True
        ):
            assert one == pytest.approx(other, abs=1e-9)


def test_a_triangle_in_blocks_is_that_of_the_whole() -> None:
    x = np.random.default_rng(0).normal(size=(4321, 5))
    assert np.abs(_qr_triangle(x)) == pytest.approx(np.abs(np.linalg.qr(x, mode="r")), rel=1e-10)


def test_empty_cells_are_refused_with_what_can_be_done() -> None:
    empty = pd.DataFrame(ORACLE["empty"]["data"])
    design = FixedDesign.of("a * b", empty)
    for type_ in (2, 3):
        with pytest.raises(Refused, match=r"a:b.*a\[r\]:b\[top\].*8 of the 9 cells of a x b"):
            hypotheses(design, type_)
    expected = ORACLE["empty"]["type1"]
    model = lm("y ~ a * b", empty)
    found = [model.joint_test(one) for one in hypotheses(design, 1).values()]
    assert deviation([one.F for one in found], expected["F value"][:3]) < 1e-10
    assert [one.df1 for one in found] == expected["Df"][:3]


def test_a_covariate_that_repeats_another_is_refused() -> None:
    doubled = frame().assign(w=lambda d: 2 * d["x"] + 1)
    with pytest.raises(Refused, match="leave out what others already say"):
        hypotheses(FixedDesign.of("x + w", doubled), 3)
    assert list(hypotheses(FixedDesign.of("x + w", doubled), 1)) == ["x"]
    table = lmm("y ~ x + w + (1 | g)", doubled).anova(1)
    assert "nothing new beyond the terms before: w" in table["note"][0]


def test_partial_eta_squared_is_the_share_that_f_stands_for() -> None:
    row = mixed("y ~ a * b").anova().iloc[0]
    share = row["value"] * row["df1"] / (row["value"] * row["df1"] + row["df2"])
    assert row["effect_size"] == "partial eta squared"
    assert row["effect"] == pytest.approx(share, rel=1e-12)
    assert row["ci_high"] == 1.0
    noncentrality = row["df2"] * row["ci_low"] / (1 - row["ci_low"])
    if row["ci_low"] > 0:
        upper = f_tails(row["value"], row["df1"], row["df2"], noncentrality)[1]
        assert upper == pytest.approx(0.05, rel=1e-6)


def test_asymptotic_tests_have_no_share() -> None:
    expected = CASES["y ~ a * b"]["car2_chisq"]
    table = anova_table(mixed("y ~ a * b"), 2, "asymptotic")
    assert np.isinf(table["df2"]).all()
    assert table["effect"].isna().all()
    # The interaction is tested the same way by car: chi-square over its degrees of freedom.
    assert table["value"][2] * table["df1"][2] == pytest.approx(expected["Chisq"][2], rel=1e-5)


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"type": 4}, "type 1, 2 or 3"),
    ({"ddf": "sattertwaite"}, "satterthwaite, kenward-roger"),
    ({"confidence": 95}, "between 0 and 1"),
    ({"alternative": "more"}, "choose one of"),
]


@pytest.mark.parametrize(("asked", "said"), REFUSALS)
def test_what_cannot_be_asked_is_refused(asked: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        anova_table(mixed("y ~ a * b"), **asked)


def test_a_model_without_terms_is_refused() -> None:
    with pytest.raises(Refused, match="no term to test"):
        lmm("y ~ 1 + (1 | g)", frame()).anova()


def span(functions: NDArray[np.float64]) -> NDArray[np.float64]:
    _, size, rows = np.linalg.svd(functions, full_matrices=False)
    kept = rows[size > 1e-10 * size[0]]
    return np.asarray(kept.T @ kept)


def test_terms_without_their_margins_are_averaged_over_the_other_factor() -> None:
    design = FixedDesign.of("a / b", frame())
    levels = [["p", "q", "r"], ["low", "mid", "top"]]
    grid = pd.MultiIndex.from_product(levels, names=["a", "b"]).to_frame(index=False)
    averages = design.rows(grid).reshape(3, 3, -1).mean(axis=1)
    expected = span(np.diff(averages, axis=0))
    assert span(hypotheses(design, 3)["a"]) == pytest.approx(expected, abs=1e-9)
