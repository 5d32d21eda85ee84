"""Profile, Wald and bootstrap intervals of mixed models against lme4."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kr_oracles import deviation, oracle

from joulebench.stats.lmm import lmm
from joulebench.stats.lmm_bootstrap import simulated
from joulebench.stats.lmm_intervals import lmm_intervals, parameter_names, parameters
from joulebench.stats.lmm_model import MixedModel
from joulebench.stats.lmm_profile_parameters import profiles
from joulebench.stats.lmm_surface import Surface
from joulebench.stats.refused import Refused

ORACLE = oracle("kr_compare")
PROFILED = [m for m in ORACLE["models"] if "profile" in m and not m["singular"]]


@cache
def table(name: str) -> pd.DataFrame:
    return pd.DataFrame(ORACLE["data"][name])


@cache
def fitted(formula: str, name: str, reml: bool = True) -> MixedModel:
    return lmm(formula, table(name), reml=reml)


def in_order(found: pd.DataFrame, terms: list[str]) -> pd.DataFrame:
    names = found["term"].str.replace("f[b]", "fb", regex=False)
    return found.set_index(names).loc[terms]


@pytest.mark.parametrize("case", PROFILED, ids=lambda case: case["formula"])
def test_profiles_are_those_of_lme4(case: dict[str, Any]) -> None:
    model = fitted(case["formula"], case["data"])
    for expected in case["profile"]:
        table_of_r = expected["table"]
        low, high = (key for key in table_of_r if key != "row")
        found = in_order(lmm_intervals(model, "profile", expected["confidence"]), table_of_r["row"])
        # Ends that lme4 reads off a spline: 2e-5 at the worst; test_ends_are_exact is closer.
        assert deviation(found["ci_low"], table_of_r[low]) < 3e-5
        assert deviation(found["ci_high"], table_of_r[high]) < 3e-5


@pytest.mark.parametrize("case", ORACLE["exact"], ids=lambda case: case["name"])
def test_ends_are_exact(case: dict[str, Any]) -> None:
    found = lmm_intervals(fitted(case["formula"], case["data"]))
    row = found[found["term"] == case["name"]].iloc[0]
    assert row["ci_low"] == pytest.approx(case["low"], rel=1e-8)
    assert row["ci_high"] == pytest.approx(case["high"], rel=1e-8)


def test_wald_intervals_are_those_of_lme4() -> None:
    for case in ORACLE["models"]:
        low, high = (key for key in case["wald"] if key != "row")
        model = fitted(case["formula"], case["data"], case["reml"])
        found = lmm_intervals(model, "wald")
        tolerance = 1e-4 if case["singular"] else 1e-5
        assert deviation(found["ci_low"], case["wald"][low]) < tolerance
        assert deviation(found["ci_high"], case["wald"][high]) < tolerance


def test_wald_by_t_is_that_of_the_table_of_fixed_effects() -> None:
    model = fitted("Reaction ~ Days + (Days | Subject)", "sleepstudy")
    found = lmm_intervals(model, "wald", ddf="kenward-roger")
    assert list(found["ci_low"]) == list(model.fixed("kenward-roger")["ci_low"])
    assert list(found["df1"]) == pytest.approx([17, 17], rel=1e-8)


def test_units_do_not_matter() -> None:
    frame = table("sleepstudy")
    plain = lmm_intervals(fitted("Reaction ~ Days + (Days | Subject)", "sleepstudy"))
    scaled = frame.assign(Reaction=frame["Reaction"] * 1e9, Days=frame["Days"] * 1e-6)
    found = lmm_intervals(lmm("Reaction ~ Days + (Days | Subject)", scaled))
    factor = np.array([1e9, 1e15, 1, 1e9, 1e9, 1e15])
    assert deviation(found["ci_low"], plain["ci_low"] * factor) < 1e-7
    assert deviation(found["ci_high"], plain["ci_high"] * factor) < 1e-7


def test_slopes_of_the_surface_are_its_slopes() -> None:
    fit = fitted("y ~ x + z + (x + z | g)", "own", reml=False).fit
    surface = Surface.of(fit.problem).first(0, 2, 1)
    rng = np.random.default_rng(1)
    at = np.concatenate([rng.uniform(0.3, 1, 3), rng.uniform(0.5, 2.5, 3)])
    height = surface.height(at, 0.3)
    for k in range(len(at)):
        move = np.zeros(6)
        move[k] = 1e-5
        rise = surface.height(at + move, 0.3).value - surface.height(at - move, 0.3).value
        assert rise / 2e-5 == pytest.approx(height.slope[k], rel=1e-5, abs=1e-5)
    rise = surface.height(at, 0.3 + 1e-5).value - surface.height(at, 0.3 - 1e-5).value
    assert rise / 2e-5 == pytest.approx(height.slope_log_variance, rel=1e-6)


def test_the_surface_at_the_estimates_is_the_fit() -> None:
    for formula in ("y ~ x + z + (x + z | g)", "y ~ x + f + (x | g) + (1 | k)"):
        fit = fitted(formula, "own", reml=False).fit
        for surface in (Surface.of(fit.problem), Surface.of(fit.problem).first(0, 1, 0)):
            height = surface.height(surface.coordinates(fit.factors))
            expected = fit.criterion - fit.n * np.log(2 * np.pi)
            assert height.value == pytest.approx(expected, abs=1e-7)


def test_names_are_those_of_lme4() -> None:
    fit = fitted("y ~ x + z + (x + z | g)", "own").fit
    assert parameter_names(fit) == [
        "sd_(Intercept)|g", "sd_x|g", "sd_z|g", "cor_x.(Intercept)|g", "cor_z.(Intercept)|g",
        "cor_z.x|g", "sigma",
    ]  # fmt: skip


def test_ends_of_three_correlated_effects_are_where_likelihood_fell() -> None:
    # By a general search over the elements of the triangle, held to one correlation by a penalty.
    from scipy.optimize import minimize

    fit = fitted("y ~ x + z + (x + z | g)", "own", reml=False).fit
    made = {one.name: one for one in profiles(fit, ["a", "b", "c"])}
    one = made["sd_x|g"]
    low, high = one.interval(0.9)
    scaling = fit.problem.scaling

    def beyond(theta: np.ndarray[Any, Any], end: float) -> float:
        sigma = end / np.hypot(theta[1], theta[3])  # the residual deviation that the end asks for
        solution = fit.problem.solution(fit.problem.inner(theta))
        s2 = (sigma / scaling.spread) ** 2
        value = solution.log_det + fit.n * np.log(s2) + solution.rss / s2
        return float(value + 2 * fit.n * np.log(scaling.spread))

    best = fit.criterion - fit.n * np.log(2 * np.pi)
    for end in (low, high):
        start = fit.theta + np.array([0, 0, 0, 0, 0, 0.05])
        for _ in range(4):
            options = {"maxiter": 8000, "maxfev": 8000, "xatol": 1e-9, "fatol": 1e-11}
            start = minimize(beyond, start, (end,), method="Nelder-Mead", options=options).x
        assert beyond(start, end) - best == pytest.approx(2.705543454095404, abs=1e-5)


def test_a_variance_of_0_has_an_interval_from_0() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"g": np.repeat(range(6), 4), "y": rng.normal(size=24)})
    frame["y"] -= frame.groupby("g")["y"].transform("mean")
    found = lmm_intervals(lmm("y ~ 1 + (1 | g)", frame))
    assert found["ci_low"][0] == 0.0
    assert 0 < found["ci_high"][0] < 1
    assert "the limit of the parameter" in found["note"][0]
    assert "singular" in found["note"][0]


def test_an_interval_that_leaves_the_estimate_out_says_why() -> None:
    rng = np.random.default_rng(4)
    run = np.repeat(np.arange(12), 10)
    frame = pd.DataFrame({"run": run, "cell": [f"c{k}" for k in run // 2]})
    frame["y"] = rng.normal(size=12)[run] * 5 + rng.normal(size=120)
    found = lmm_intervals(lmm("y ~ cell + (1 | run)", frame), confidence=0.5).iloc[0]
    assert found["estimate"] > found["ci_high"]
    assert "bootstrap" in found["note"]


def test_a_bootstrap_repeats_itself_and_covers_about_as_profiles_do() -> None:
    model = fitted("y ~ x + f + (1 | g) + (1 | k)", "own")
    one, other = (
        lmm_intervals(model, "bootstrap", resamples=60, rng=np.random.default_rng(7))
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(one, other)
    profile = lmm_intervals(model, "profile")
    width = profile["ci_high"] - profile["ci_low"]
    assert (abs(one["ci_low"] - profile["ci_low"]) < 0.5 * width).all()
    assert (abs(one["ci_high"] - profile["ci_high"]) < 0.5 * width).all()


def test_simulated_responses_have_the_variances_of_the_model() -> None:
    # Effects that all but determine one another: a triangle that is far from symmetric.
    model = fitted("y ~ x + z + (x + z | g)", "own")
    fit, rng = model.fit, np.random.default_rng(3)
    drawn = np.array([simulated(fit, rng) for _ in range(4000)])
    block = fit.blocks[0]
    z = block.z.toarray()
    between = np.kron(np.eye(len(block.levels)), fit.covariances[0])
    expected = z @ between @ z.T + fit.sigma**2 * np.eye(fit.n)
    size = np.sqrt(np.diag(expected))
    # Correlations of 4000 draws have a standard error of 0.016; the largest of 7000 is 4 times it.
    assert np.abs((np.cov(drawn.T) - expected) / np.outer(size, size)).max() < 0.12
    assert np.abs((drawn.mean(axis=0) - fit.x @ fit.beta) / size).max() < 0.08
    assert parameters(fit)[-3:] == pytest.approx(fit.beta)


REFUSALS: list[tuple[dict[str, Any], str]] = [
    ({"method": "likelihood"}, "choose profile, wald, bootstrap"),
    ({"confidence": 95}, "between 0 and 1"),
    ({"method": "bootstrap"}, "give rng="),
    ({"method": "bootstrap", "rng": np.random.default_rng(1), "resamples": 5}, "at least 20"),
    ({"method": "bootstrap", "rng": 7}, "give rng="),
    ({"method": "wald", "ddf": "kr"}, "satterthwaite"),
]


@pytest.mark.parametrize(("asked", "said"), REFUSALS)
def test_what_cannot_be_asked_is_refused(asked: dict[str, Any], said: str) -> None:
    model = fitted("Reaction ~ Days + (1 | Subject)", "sleepstudy")
    with pytest.raises(Refused, match=said):
        lmm_intervals(model, **asked)


def test_no_warning_leaks_at_a_correlation_of_1() -> None:
    model = fitted("y ~ x + f + (x | g) + (1 | k)", "own")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = lmm_intervals(model)
    row = found[found["term"] == "cor_x.(Intercept)|g"].iloc[0]
    assert row["ci_high"] == 1.0
    assert -1 <= row["ci_low"] < 1
