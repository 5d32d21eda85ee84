"""R squared and intraclass correlations of mixed models against performance."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kr_oracles import deviation, oracle

from joulebench.stats.lmm import lmm
from joulebench.stats.lmm_model import MixedModel
from joulebench.stats.lmm_r2 import icc, r_squared, random_variances
from joulebench.stats.refused import Refused

ORACLE = oracle("kr_compare")
# performance leaves out the variance of effects that the fixed part does not have under the same
# name: of the slopes of (Days || Subject), and of the first level in (0 + f | g).
OVERLOOKED = {"Reaction ~ Days + (Days || Subject)", "y ~ x + f + (0 + f | g)"}
CASES = [m for m in ORACLE["models"] if "r2" in m and m["formula"] not in OVERLOOKED]


@cache
def table(name: str) -> pd.DataFrame:
    return pd.DataFrame(ORACLE["data"][name])


@cache
def fitted(formula: str, name: str, reml: bool = True) -> MixedModel:
    return lmm(formula, table(name), reml=reml)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['formula']}-{case['reml']}")
def test_they_are_those_of_performance(case: dict[str, Any]) -> None:
    model = fitted(case["formula"], case["data"], case["reml"])
    # lme4 holds the parameters of slopes to about 1e-5.
    tolerance = 5e-5
    expected = [case["r2"]["marginal"], case["r2"]["conditional"]]
    assert deviation(r_squared(model)["effect"], expected) < tolerance
    shares = icc(model)
    adjusted = [case["icc"]["adjusted"], case["icc"]["unadjusted"]]
    assert deviation(shares["effect"][:2], adjusted) < tolerance


def test_shares_of_groupings_are_those_of_performance() -> None:
    for formula, name in (
        ("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin"),
        ("y ~ x + f + (1 | g) + (1 | k)", "own"),
    ):
        case = next(m for m in ORACLE["models"] if m["formula"] == formula)
        found = icc(fitted(formula, name)).iloc[2:]
        assert list(found["term"]) == case["by_group"]["Group"]
        assert deviation(found["effect"], case["by_group"]["ICC"]) < 1e-4


def test_a_slope_counts_with_the_mean_variance_that_it_gives_a_row() -> None:
    model = fitted("Reaction ~ Days + (Days || Subject)", "sleepstudy")
    days = table("sleepstudy")["Days"].to_numpy(dtype=float)
    (intercept,), (slope,) = (one[0] for one in model.fit.covariances)
    expected = intercept + slope * np.mean(days**2)
    assert random_variances(model.fit)["Subject"] == pytest.approx(expected, rel=1e-12)
    assert icc(model)["effect"][0] == pytest.approx(expected / (expected + model.sigma**2))


def test_coding_by_levels_or_by_contrasts_makes_no_difference() -> None:
    levels = fitted("y ~ x + f + (0 + f | g)", "own")
    contrasts = fitted("y ~ x + f + (f | g)", "own")
    assert deviation(r_squared(levels)["effect"], r_squared(contrasts)["effect"]) < 1e-7


def test_the_profile_of_one_intercept_is_that_of_the_ratio_of_variances() -> None:
    # sd over sigma is one parameter: its profile is -2 log likelihood over theta itself.
    model = fitted("Reaction ~ Days + (1 | Subject)", "sleepstudy")
    row = icc(model, "profile").iloc[0]
    best = model.fit.refit(reml=False)
    for end in (row["ci_low"], row["ci_high"]):
        theta = np.sqrt([end / (1 - end)])
        assert best.criterion_at(theta) - best.criterion == pytest.approx(
            3.841458820694124, abs=1e-7
        )


def test_the_profile_of_several_terms_rises_by_the_quantile_at_its_ends() -> None:
    from scipy.optimize import minimize_scalar

    model = fitted("diameter ~ 1 + (1 | plate) + (1 | sample)", "Penicillin")
    best = model.fit.refit(reml=False)
    row = icc(model, "profile").iloc[0]
    for end in (row["ci_low"], row["ci_high"]):
        ratio = end / (1 - end)

        def along(part: float, ratio: float = ratio) -> float:
            return best.criterion_at(np.sqrt([ratio * part, ratio * (1 - part)]))

        least = minimize_scalar(
            along, bounds=(0, 1), method="bounded", options={"xatol": 1e-10}
        ).fun
        assert least - best.criterion == pytest.approx(3.841458820694124, abs=1e-6)


def test_a_variance_of_0_gives_an_interval_from_0() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"g": np.repeat(range(6), 4), "y": rng.normal(size=24)})
    frame["y"] -= frame.groupby("g")["y"].transform("mean")
    row = icc(lmm("y ~ 1 + (1 | g)", frame), "profile").iloc[0]
    assert (row["effect"], row["ci_low"]) == (0.0, 0.0)
    assert "singular" in row["note"]


def test_bootstrap_intervals_hold_the_estimates() -> None:
    model = fitted("Reaction ~ Days + (Days | Subject)", "sleepstudy")
    for ask in (r_squared, icc):
        found = ask(model, "bootstrap", resamples=40, rng=np.random.default_rng(5))
        assert (found["ci_low"] < found["effect"]).all()
        assert (found["effect"] < found["ci_high"]).all()
        again = ask(model, "bootstrap", resamples=40, rng=np.random.default_rng(5))
        pd.testing.assert_frame_equal(found, again)


def test_units_do_not_matter() -> None:
    frame = table("own")
    scaled = frame.assign(y=frame["y"] * 1e-9, x=frame["x"] * 1e9)
    plain = r_squared(fitted("y ~ x + f + (x || g)", "own"))["effect"]
    assert deviation(r_squared(lmm("y ~ x + f + (x || g)", scaled))["effect"], plain) < 1e-8


def test_what_cannot_be_asked_is_refused() -> None:
    model = fitted("Reaction ~ Days + (1 | Subject)", "sleepstudy")
    with pytest.raises(Refused, match="no profile interval"):
        r_squared(model, "profile")
    with pytest.raises(Refused, match="choose none, profile, bootstrap"):
        icc(model, "boot")  # type: ignore[arg-type]
    with pytest.raises(Refused, match="give rng="):
        icc(model, "bootstrap")
    with pytest.raises(Refused, match="between 0 and 1"):
        icc(model, confidence=2)
