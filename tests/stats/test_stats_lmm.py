"""What a mixed model says of itself, and which questions it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from lmm_oracles import apart, table

from joulebench.stats.lmm import lmm
from joulebench.stats.lmm_model import MixedModel
from joulebench.stats.lmm_satterthwaite import joint_df
from joulebench.stats.refused import Refused


def data(seed: int = 3) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    run = np.repeat(np.arange(10), 6)
    y = rng.normal(size=10)[run] + rng.normal(size=60)
    return pd.DataFrame(
        {
            "y": y,
            "x": rng.normal(size=60),
            "task": np.array(["a", "b", "c"])[rng.integers(0, 3, 60)],
            "run": run,
            "name": [f"r{k}" for k in run],
            "half": run < 5,
            "row": np.arange(60),
            "one": "same",
            "constant": 1.0,
            "by_run": np.sin(run),
        }
    )


REFUSALS = [
    ("y ~ x", "no random term"),
    ("y ~ x + (1 | one)", "one has one group"),
    ("y ~ x + (1 | row)", "as many groups as there are rows"),
    ("constant ~ x + (1 | run)", "nothing varies"),
    ("y ~ x + (1 | rum)", "did you mean 'run'"),
    ("y ~ z + (1 | run)", "no column 'z'"),
    ("y ~ x + (z | run)", "no column 'z'"),
    ("task ~ x + (1 | run)", "holds text"),
    ("log(y) ~ x + (1 | run)", "needs values above 0"),
    ("by_run ~ x + (1 | run)", "residual variance is 0"),
    ("y ~ y + (1 | run)", "without a residual"),
    ("y ~ name + (1 | run)", "the fixed effects explain"),
    ("y ~ half + x + (1 | half)", "the fixed effects explain"),
    ("y ~ x + (1 | run) + (1 | run)", "in two random terms"),
    ("y ~ x + (1 | run) + (x | run)", "in two random terms"),
    ("y ~ x + (0 | run)", "lets nothing vary"),
    ("y ~ x + (constant | run)", "repeats others"),
    ("y ~ x + (x * task | run)", "random effects and the data 60 rows"),
    ("y ~ 0 + (1 | run)", "no fixed effect"),
    ("y ~ x + 1 | run", "in brackets"),
]


@pytest.mark.parametrize(("formula", "said"), REFUSALS)
def test_refusals_say_what_and_where_in_one_line(formula: str, said: str) -> None:
    with pytest.raises(Refused) as caught:
        lmm(formula, data())
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_values_are_refused_or_dropped() -> None:
    frame = data()
    frame.loc[3, "x"] = np.nan
    frame.loc[7, "name"] = None
    with pytest.raises(Refused, match="missing"):
        lmm("y ~ x + (1 | name)", frame)
    dropped = lmm("y ~ x + (1 | name)", frame, missing="drop")
    assert dropped.n == 58
    assert apart(dropped.beta, lmm("y ~ x + (1 | name)", frame.drop(index=[3, 7])).beta) == 0


def test_too_few_rows_and_a_method_that_is_none() -> None:
    with pytest.raises(Refused, match="rows cannot carry"):
        lmm("y ~ x * row + I(x**2) + I(row**2) + (1 | half)", data().iloc[27:33])
    with pytest.raises(Refused, match="reml is True or False"):
        lmm("y ~ x + (1 | run)", data(), reml="ML")  # type: ignore[arg-type]
    model = lmm("y ~ x + (1 | run)", data())
    with pytest.raises(Refused, match="kenward-roger"):
        model.fixed("kr")
    with pytest.raises(Refused, match="between 0 and 1"):
        model.fixed(confidence=95)
    with pytest.raises(Refused, match="maximum likelihood"):
        _ = lmm("y ~ x + (1 | run)", data(), reml=False).reml_criterion


@pytest.mark.parametrize("group", ["run", "name"])
def test_a_grouping_is_taken_by_its_values_whatever_they_are(group: str) -> None:
    frame = data()
    expected = lmm("y ~ x + (1 | name)", frame)
    unused = pd.Categorical(frame["name"], [f"r{k}" for k in range(20)])
    for column in (frame[group], frame["run"] + 0.25, unused):
        model = lmm("y ~ x + (1 | g)", frame.assign(g=column))
        assert apart(model.fixed()["se"], expected.fixed()["se"]) < 1e-12
        assert len(model.random_effects()) == 10


def verdicts(model: MixedModel) -> dict[str, str]:
    found = model.diagnostics()
    return dict(zip(found["check"], found["verdict"], strict=True))


def test_a_sound_fit_has_no_note() -> None:
    model = lmm("y ~ x + (1 | run)", data())
    assert model.note == ""
    assert not model.singular
    assert set(verdicts(model).values()) == {"ok"}
    assert (model.fixed()["note"] == "").all()


def test_a_variance_of_zero_is_said_wherever_results_are() -> None:
    model = lmm("y ~ f + x + (1 | id)", table("no_icc"))
    assert model.singular
    assert "the variance of id is 0" in model.note
    assert (model.fixed()["note"] == model.note).all()
    assert "variance of id is 0" in str(model)
    assert verdicts(model)["singular"] == "doubtful"
    assert (model.random_effects()[["estimate", "se"]] == 0).all(axis=None)


def test_a_perfect_correlation_is_named() -> None:
    model = lmm("y ~ x + (x | id)", table("correlated"))
    rows = model.variance_components()
    found = float(rows.loc[rows["effect_2"] == "x", "correlation"].iloc[0])
    if model.singular:
        assert abs(found) == pytest.approx(1)
        assert "correlation of (Intercept) and x over id is 1" in model.note
    else:
        assert 0.9 < found < 1


def test_terms_that_say_the_same_are_found() -> None:
    model = lmm("y ~ x + (1 | run) + (1 | name)", data())
    assert "cannot be told from one another" in model.note
    alone = lmm("y ~ x + (1 | run)", data())
    # Their sum is known, and so is what the fixed effects need.
    assert model.log_likelihood == pytest.approx(alone.log_likelihood, abs=1e-8)
    assert apart(model.fixed()["df1"], alone.fixed()["df1"]) < 1e-6


def test_few_groups_are_weak_and_aliased_columns_are_named() -> None:
    frame = data()
    few = frame.assign(pair=frame["run"] // 4)
    found = lmm("y ~ x + (1 | pair)", few).diagnostics().set_index("check")
    assert found.loc["groups", "verdict"] == "weak"
    assert "3 groups of pair" in str(found.loc["groups", "note"])
    nested = lmm("y ~ half + (1 | run)", frame).diagnostics().set_index("check")
    assert "8 degrees of freedom between" in str(nested.loc["groups", "note"])
    model = lmm("y ~ x + twice + (1 | run)", frame.assign(twice=2 * frame["x"]))
    assert "left out: twice" in model.note
    assert len(model.beta) == 2


def test_unconverged_fits_are_not_reported_as_if_they_were_fine() -> None:
    from dataclasses import replace

    model = lmm("y ~ x + (1 | run)", data())
    broken = replace(model.fit, optimum=replace(model.fit.optimum, step=0.3, slope=5.0))
    doubtful = replace(model, fit=broken)
    assert not doubtful.converged
    assert "not converged" in doubtful.note
    saddle = replace(model.fit.optimum, curvature=-0.5)
    assert "at a saddle" in replace(model, fit=replace(model.fit, optimum=saddle)).note


def test_tables_add_up() -> None:
    model = lmm("y ~ x + (x || run) + (1 | task)", data())
    components = model.variance_components()
    assert components["share"].sum() == pytest.approx(1)
    assert list(components["group"]) == ["run", "run", "task", "Residual"]
    assert (components["sd"] ** 2).to_numpy() == pytest.approx(components["variance"].to_numpy())
    assert model.fitted + model.residuals == pytest.approx(model.fit.y)
    effects = model.random_effects().query("group == 'run' and effect == 'x'")
    assert len(effects) == 10
    fixed = model.fixed(confidence=0.9)
    half = (fixed["ci_high"] - fixed["ci_low"]) / 2
    assert (half < model.fixed()["ci_high"] - fixed["estimate"]).all()
    assert (model.fixed("asymptotic")["df1"] == np.inf).all()
    assert (model.fixed("asymptotic")["p"] < model.fixed()["p"]).all()


def test_predictions_are_means_over_groups() -> None:
    model = lmm("y ~ x * task + (1 | run)", data())
    grid = pd.DataFrame({"x": [0.0, 2.0], "task": ["a", "c"]})
    found = model.predict(grid)
    names = list(model.design.columns)
    assert found["estimate"][0] == pytest.approx(model.beta[names.index("(Intercept)")])
    assert (found["ci_low"] < found["estimate"]).all()
    with pytest.raises(Refused, match="no level"):
        model.predict(pd.DataFrame({"x": [0.0], "task": ["z"]}))
    with pytest.raises(Refused, match="need a column"):
        model.predict(pd.DataFrame({"x": [0.0]}))


@pytest.mark.parametrize("formula", ["y ~ x + (x | run)", "y ~ x + (1 | run) + (1 | task)"])
def test_refits_are_those_of_new_data(formula: str) -> None:
    frame = data()
    new = frame["y"].to_numpy() ** 2 + frame["x"].to_numpy()
    model = lmm(formula, frame)
    again = model.fit.refit(new)
    fresh = lmm(formula, frame.assign(y=new)).fit
    assert apart(again.theta, fresh.theta, 1e-3) < 1e-7
    assert apart(again.covariance, fresh.covariance) < 1e-7
    likely = model.fit.refit(reml=False)
    assert likely.criterion == pytest.approx(lmm(formula, frame, reml=False).fit.criterion)
    assert model.fit.criterion_at(model.theta) == pytest.approx(model.fit.criterion)
    assert model.fit.criterion_at(model.theta + 0.3) > model.fit.criterion


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([5.0, 5.0], 5.0),
        ([1.5, 1.5], 1.5),
        ([1.5, 9.0], 2.0),
        ([2.0, 9.0], 2.0),
        ([4.0, 8.0], 2 * (2 + 8 / 6) / (2 + 8 / 6 - 2)),
        ([np.inf, np.inf], np.inf),
    ],
)
def test_denominators_of_joint_tests(parts: list[float], expected: float) -> None:
    assert joint_df(np.array(parts)) == pytest.approx(expected)


def test_small_parts_that_agree_are_two_where_r_cannot_see_it() -> None:
    ones = np.array([1.0, 1.0])
    assert joint_df(ones) == 1.0
    assert joint_df(ones, alike=False) == 2.0
    assert joint_df(ones[:1], alike=False) == 1.0
    assert joint_df(np.array([7.0, 7.0]), alike=False) == 7.0


def test_functions_that_repeat_count_once() -> None:
    model = lmm("y ~ x + task + (1 | run)", data())
    p = len(model.beta)
    once = model.joint_test(np.eye(p)[1:3])
    twice = model.joint_test(np.vstack([np.eye(p)[1:3], np.eye(p)[1] + np.eye(p)[2]]))
    assert apart([twice.F, twice.df1], [once.F, once.df1]) < 1e-9
    single = model.joint_test(np.eye(p)[1])
    row: Any = model.fixed().iloc[1]
    assert pytest.approx(row["value"] ** 2) == single.F
    assert single.p == pytest.approx(row["p"])
    assert model.joint_test(np.eye(p)[1], "asymptotic").df2 == np.inf
    with pytest.raises(Refused, match="not 0 throughout"):
        model.joint_test(np.zeros((1, p)))
