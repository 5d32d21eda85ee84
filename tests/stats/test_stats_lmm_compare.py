"""Likelihood-ratio tests of mixed models against lme4 and lmerTest."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kr_oracles import deviation, oracle
from scipy.special import chdtrc

from joulebench.stats.linear_model import LinearModel, lm
from joulebench.stats.lmm import lmm
from joulebench.stats.lmm_boundary import boundary_p
from joulebench.stats.lmm_compare import compare
from joulebench.stats.lmm_model import MixedModel
from joulebench.stats.lmm_random_tests import random_tests
from joulebench.stats.refused import Refused

ORACLE = oracle("kr_compare")


@cache
def table(name: str) -> pd.DataFrame:
    return pd.DataFrame(ORACLE["data"][name])


@cache
def fitted(formula: str, name: str, reml: bool = True) -> MixedModel | LinearModel:
    return lmm(formula, table(name), reml=reml) if "|" in formula else lm(formula, table(name))


@pytest.mark.parametrize("case", ORACLE["pairs"], ids=lambda case: case["formulas"][-1])
def test_comparisons_are_those_of_anova(case: dict[str, Any]) -> None:
    found = compare(*(fitted(formula, case["data"]) for formula in reversed(case["formulas"])))
    expected = dict(zip(case["names"], case["table"], strict=True))
    assert list(found["term"]) == case["formulas"]
    pairs = {"parameters": "npar", "aic": "AIC", "bic": "BIC", "log_likelihood": "logLik",
             "deviance": "deviance"}  # fmt: skip
    for ours, theirs in pairs.items():
        assert deviation(found[ours], expected[theirs]) < 1e-9
    tests = {"value": "Chisq", "df1": "Df", "p": "Pr(>Chisq)"}
    for ours, theirs in tests.items():
        assert deviation(found[ours][1:], expected[theirs][1:]) < 1e-7
        assert np.isnan(found[ours][0])


@pytest.mark.parametrize("case", ORACLE["models"], ids=lambda m: f"{m['formula']}-{m['reml']}")
def test_random_terms_are_tested_as_ranova_does(case: dict[str, Any]) -> None:
    model = fitted(case["formula"], case["data"], case["reml"])
    assert isinstance(model, MixedModel)
    found = random_tests(model)
    expected = pd.DataFrame(case["ranova"]).iloc[1:]
    assert len(found) == len(expected)
    expected = expected.sort_values("LRT", ignore_index=True)
    found = found.sort_values("value", ignore_index=True)
    # (0 + x | g) gives way to (1 | g) in lmerTest, which is no special case: here to nothing.
    comparable = expected["Df"].astype(float) > 0
    if comparable.all():
        for ours, theirs in {"value": "LRT", "df1": "Df", "p": "Pr(>Chisq)"}.items():
            assert deviation(found[ours], expected[theirs].astype(float)) < 1e-5
        assert deviation(found["log_likelihood"], expected["logLik"]) < 1e-9
        assert deviation(found["aic"], expected["AIC"]) < 1e-9
    assert (found["p_boundary"] <= found["p"]).all()


def test_a_slope_alone_is_compared_with_no_group_at_all() -> None:
    model = fitted("Reaction ~ Days + (0 + Days | Subject)", "sleepstudy")
    assert isinstance(model, MixedModel)
    found = random_tests(model).iloc[0]
    assert found["term"] == "Days in (0 + Days | Subject)"
    plain = compare(
        fitted("Reaction ~ Days", "sleepstudy"),
        lmm("Reaction ~ Days + (0 + Days | Subject)", table("sleepstudy")),
        refit=False,
    )
    assert found["value"] == pytest.approx(plain["value"][1], rel=1e-9)


def test_restricted_likelihoods_of_the_same_fixed_effects() -> None:
    models = [fitted(f"Reaction ~ Days + ({e} | Subject)", "sleepstudy") for e in ("1", "Days")]
    found = compare(*models, refit=False)
    assert deviation(found["log_likelihood"], ORACLE["restricted"]["logLik"]) < 1e-9
    assert found["value"][1] == pytest.approx(ORACLE["restricted"]["Chisq"][1], rel=1e-8)


def test_one_variance_of_0_has_half_the_p() -> None:
    found = compare(
        fitted("Reaction ~ Days", "sleepstudy"),
        fitted("Reaction ~ Days + (1 | Subject)", "sleepstudy"),
    )
    assert found["p_boundary"][1] == pytest.approx(found["p"][1] / 2, rel=1e-12)
    assert "mixture" in found["note"][1]


def test_mixtures_of_chi_squares() -> None:
    assert boundary_p(3.0, 2, [1])[0] == pytest.approx((chdtrc(1, 3.0) + chdtrc(2, 3.0)) / 2)
    both, _ = boundary_p(3.0, 2, [1, 1])
    assert both == pytest.approx(chdtrc(1, 3.0) / 2 + chdtrc(2, 3.0) / 4)
    assert boundary_p(0.0, 1, [1])[0] == 1.0
    assert boundary_p(4.0, 1, [])[0] == pytest.approx(chdtrc(1, 4.0))
    unknown, why = boundary_p(3.0, 3, [2])
    assert np.isnan(unknown)
    assert "one by one" in why


def test_the_corrected_p_is_uniform_where_the_variance_is_0() -> None:
    rng = np.random.default_rng(11)
    g = np.repeat(np.arange(40), 5)
    ps = []
    for _ in range(150):
        frame = pd.DataFrame({"g": g, "y": rng.normal(size=200)})
        ps.append(random_tests(lmm("y ~ 1 + (1 | g)", frame))["p_boundary"][0])
    rejected = np.mean(np.array(ps) < 0.2)
    assert 0.1 < rejected < 0.3  # the plain chi-square rejects about half as often


def test_models_that_are_no_special_cases_have_no_p() -> None:
    # The same rows, two groupings: one parameter each.
    found = compare(fitted("y ~ x + (1 | g)", "own"), fitted("y ~ x + (1 | k)", "own"))
    assert np.isnan(found["p"][1])
    assert "compare their AIC" in found["note"][1]
    other = compare(fitted("y ~ x + (1 | g)", "own"), fitted("y ~ z + f + (1 | g)", "own"))
    assert np.isnan(other["p"][1])


def test_uncorrelated_effects_lie_within_correlated_ones() -> None:
    found = compare(fitted("y ~ x + (x || g)", "own"), fitted("y ~ x + (x | g)", "own"))
    assert found["df1"][1] == 1
    # A correlation of 0 is no edge: nothing is corrected.
    assert found["p_boundary"][1] == found["p"][1]


def test_a_group_within_a_group_is_a_further_term() -> None:
    found = compare(fitted("y ~ x + (1 | g)", "own"), fitted("y ~ x + (1 | g/k)", "own"))
    assert found["p_boundary"][1] == pytest.approx(found["p"][1] / 2)


def test_other_rows_are_refused() -> None:
    model, frame = fitted("y ~ x + (1 | g)", "own"), table("own")
    with pytest.raises(Refused, match="different rows"):
        compare(model, lmm("y ~ x + f + (1 | g)", frame.iloc[1:]))
    with pytest.raises(Refused, match="different rows"):
        compare(model, lmm("y ~ x + f + (1 | g)", frame.assign(y=frame["y"] + 1)))
    with pytest.raises(Refused, match="same response"):
        compare(model, lmm("log(y) ~ x + (1 | g)", frame))
    with pytest.raises(Refused, match="two or more"):
        compare(model)
    with pytest.raises(Refused, match="only models"):
        compare(model, "y ~ x")  # type: ignore[arg-type]


def test_restricted_likelihoods_of_other_fixed_effects_are_refused() -> None:
    models = [fitted("y ~ x + (1 | g)", "own"), fitted("y ~ x + f + (1 | g)", "own")]
    with pytest.raises(Refused, match="refit=True"):
        compare(*models, refit=False)
    with pytest.raises(Refused, match="all fitted by REML"):
        compare(models[0], fitted("y ~ x + (x | g)", "own", reml=False), refit=False)


def test_a_singular_fit_says_so() -> None:
    found = random_tests(lmm("y ~ x + z + (x + z | g)", table("own")))
    assert found["note"].str.contains("singular").all()
