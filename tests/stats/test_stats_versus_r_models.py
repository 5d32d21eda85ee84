"""Mixed models and formulas of data sets that no other oracle has, against R.

R's data sets (packages nlme, MASS, datasets) and made ones: unbalanced, crossed and nested, groups
of one row, variances of 0 and of 25 times the residual's. ``versus_models.R`` says what is asked.
"""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.emmeans import emmeans
from joulebench.stats.emmeans_trends import trends
from joulebench.stats.linear_model import lm
from joulebench.stats.lmm import lmm
from joulebench.stats.lmm_model import MixedModel
from joulebench.stats.lmm_random_tests import random_tests

FOLDER = Path(__file__).parent / "oracles"
ORACLE: dict[str, Any] = json.loads((FOLDER / "versus_models.json").read_text("utf-8"))
MODELS = {key: value for key, value in ORACLE.items() if "log_likelihood" in value}
EXACT, FLAT = 1e-8, 1e-6
"""Of what depends on first derivatives alone, and on R's numerical second ones."""

SAME_MODEL = pytest.mark.parametrize(
    "key", MODELS, ids=[f"{key}-{v['data']}-{v['formula']}" for key, v in MODELS.items()]
)
WAYS = {"Satterthwaite": "satterthwaite", "Kenward-Roger": "kenward-roger"}


@cache
def table(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / "data" / f"versus_{name}.csv")


@cache
def fitted(key: str) -> MixedModel:
    return lmm(MODELS[key]["formula"], table(MODELS[key]["data"]))


def plain(name: str) -> str:
    """Write a name as R and this package both would: ``factor(dose)2`` as ``dose2``."""
    bare = re.sub(r"[\s\[\]]", "", name).replace("**", "^")
    return re.sub(r"(?:as\.)?factor\(([\w.]+)\)", r"\1", bare)


def in_order(ours: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Give the rows of a table of terms in the order of R's names."""
    return ours.set_index(ours["term"].map(plain)).loc[[plain(name) for name in names]]


def each(value: Any) -> Any:
    return [value] if isinstance(value, float | int | str) else value


def apart(found: Any, expected: Any, floor: Any = 0.0) -> float:
    """Give the largest deviation, of what is expected or of ``floor`` where that is more."""
    ours = np.asarray(found, dtype=np.float64)
    theirs = np.asarray(each(expected), dtype=np.float64)
    assert ours.shape == theirs.shape
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    size = np.maximum(np.maximum(np.abs(theirs), floor), 1e-300)
    return float(np.max(np.where(same, 0.0, np.abs(ours - theirs) / size), initial=0.0))


def tails_apart(found: Any, expected: Any) -> float:
    """Compare probabilities by their logarithms: 1e-30 and 2e-30 differ by one in a hundred."""
    ours, theirs = (np.log(np.asarray(each(p), dtype=np.float64)) for p in (found, expected))
    return float(np.max(np.abs(ours - theirs) / (1 + np.abs(theirs)), initial=0.0))


@SAME_MODEL
def test_likelihood_and_variances(key: str) -> None:
    model, r = fitted(key), MODELS[key]
    assert model.converged
    assert model.singular == r["singular"]
    assert model.n == r["n"]
    assert abs(model.log_likelihood - r["log_likelihood"]) < 1e-7
    assert apart([model.aic, model.bic], [r["aic"], r["bic"]]) < 1e-9
    assert apart([model.sigma], [r["sigma"]]) < EXACT
    theta, variances = np.sort(np.abs(each(r["theta"]))), sorted(each(r["variances"]), key=abs)
    assert apart(np.sort(np.abs(model.theta)), theta, 1e-2 * theta.max()) < EXACT
    ours = sorted(model.variance_components()["variance"], key=abs)
    assert apart(ours, variances, 1e-4 * max(map(abs, variances))) < EXACT


@SAME_MODEL
def test_maximum_likelihood(key: str) -> None:
    r = MODELS[key]
    model = lmm(r["formula"], table(r["data"]), reml=False)
    assert abs(model.log_likelihood - r["ml"]["log_likelihood"]) < 1e-7
    assert apart([model.aic, model.bic], [r["ml"]["aic"], r["ml"]["bic"]]) < 1e-9


@SAME_MODEL
@pytest.mark.parametrize("way", WAYS)
def test_fixed_effects(key: str, way: str) -> None:
    r = MODELS[key][f"fixed {way}"]
    ours = in_order(fitted(key).fixed(WAYS[way]), each(r["row"]))
    error = np.array(each(r["Std. Error"]))
    assert apart(ours["estimate"], r["Estimate"], error) < EXACT
    assert apart(ours["se"], error) < EXACT
    assert apart(ours["value"], r["t value"], 1.0) < EXACT
    assert apart(ours["df1"], r["df"]) < FLAT
    assert tails_apart(ours["p"], r["Pr(>|t|)"]) < FLAT


@SAME_MODEL
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("type_", [1, 2, 3])
def test_analysis_of_variance(key: str, way: str, type_: int) -> None:
    r = MODELS[key][f"anova {type_} {way}"]
    ours = in_order(fitted(key).anova(type=type_, ddf=WAYS[way]), each(r["row"]))
    assert apart(ours["value"], r["F value"], 1e-3) < EXACT
    assert apart(ours["sum_sq"], r["Sum Sq"], 1e-3 * fitted(key).sigma ** 2) < EXACT
    assert apart(ours["df1"], r["NumDF"]) == 0
    assert apart(ours["df2"], r["DenDF"]) < FLAT
    assert tails_apart(ours["p"], r["Pr(>F)"]) < FLAT


@SAME_MODEL
def test_tests_of_random_terms(key: str) -> None:
    def groups(name: str) -> str:
        return ":".join(sorted(re.sub(r"[\s()]", "", name).split("|")[-1].split(":")))

    r, ours = MODELS[key]["ranova"], random_tests(fitted(key))
    asked = [groups(name) for name in each(r["row"])]
    if len(set(asked)) == len(asked):  # R writes a nested grouping in the other order
        ours = ours.set_index(ours["term"].map(groups)).loc[asked]
    assert apart(ours["value"], r["LRT"], 1e-3) < FLAT
    assert apart(ours["df1"], r["Df"]) == 0
    assert tails_apart(ours["p"], r["Pr(>Chisq)"]) < FLAT


@SAME_MODEL
def test_shares_of_variance(key: str) -> None:
    conditional, marginal = MODELS[key]["r2"]
    ours = fitted(key).r_squared().set_index("term")["effect"]
    if "0 + x | id" not in MODELS[key]["formula"]:  # of which performance takes one variance alone
        assert apart(ours.loc[["marginal", "conditional"]], [marginal, conditional]) < EXACT
        assert apart(fitted(key).icc()["effect"][:2], MODELS[key]["icc"]) < EXACT


@pytest.mark.parametrize("key", [key for key, r in MODELS.items() if "ranef" in r])
def test_predicted_effects(key: str) -> None:
    r, ours = MODELS[key]["ranef"], fitted(key).random_effects()
    known = set(ours["group"])

    def turned(text: str, group: str) -> str:
        return text if group in known else ":".join(reversed(text.split(":")))

    given = zip(ours["group"], ours["level"], ours["effect"].map(plain), strict=True)
    figures = dict(zip(given, ours[["estimate", "se"]].to_numpy(), strict=True))
    named = zip(r["group"], r["level"], map(plain, r["effect"]), strict=True)
    found = np.array([figures[turned(g, g), turned(level, g), e] for g, level, e in named])
    assert apart(found[:, 0], r["mode"], 0.1 * np.max(np.abs(r["mode"]))) < EXACT
    assert apart(found[:, 1], r["sd"]) < EXACT


@SAME_MODEL
def test_intervals_of_fixed_effects(key: str) -> None:
    r = MODELS[key]["wald"]
    ours = in_order(fitted(key).intervals("wald"), each(r["row"]))
    ends = np.array([each(r["2.5 %"]), each(r["97.5 %"])])
    width = ends[1] - ends[0]
    assert apart(ours[["ci_low", "ci_high"]].to_numpy().T, ends, width) < EXACT


@pytest.mark.parametrize("key", [key for key, r in MODELS.items() if "profile" in r])
def test_profile_intervals(key: str) -> None:
    r, ours = MODELS[key]["profile"], fitted(key).intervals("profile")
    rows = in_order(ours, r["row"])
    ends = np.array([r["2.5 %"], r["97.5 %"]])
    # R draws a spline through the points of a profile; here the ends are solved for.
    found = rows[["ci_low", "ci_high"]].to_numpy().T
    assert apart(found, ends, ends[1] - ends[0]) < 1e-5


@pytest.mark.parametrize("key", ORACLE["ends"])
def test_ends_of_profiles_beyond_a_spline(key: str) -> None:
    """Where the likelihood has a valley along a variance of 0, lme4's own ends are far off."""
    r = ORACLE["ends"][key]
    ours = lmm(r["formula"], table(r["data"])).intervals("profile")
    row = ours.set_index("term").loc[
        ["sd_(Intercept)|Subject", ours["term"][2], ours["term"][1], "sigma"][r["row"] - 1]
    ]
    assert min(abs(row["ci_low"] / r["end"] - 1), abs(row["ci_high"] / r["end"] - 1)) < 1e-6


def test_a_profile_of_crossed_variances_is_one_curve() -> None:
    """Beside a variance of 0 a search that may not pass 0 ends on a saddle, and the curve jumps."""
    text = "logDens ~ sample + dilut + (1 | Block) + (1 | Block:sample) + (1 | Block:dilut)"
    ours = lmm(text, table("assay")).intervals("profile").set_index("term")
    # The rise of -2 log likelihood over (Intercept), each point the best of a dozen searches.
    assert ours.loc["(Intercept)", "ci_low"] == pytest.approx(-0.22067545, rel=1e-6)
    assert ours.loc["(Intercept)", "ci_high"] == pytest.approx(-0.13739956, rel=1e-6)


MEANS = [(key, call) for key, r in MODELS.items() for call in r.get("emmeans", {})]
KINDS = {"consec": "consecutive", "poly": "polynomial"}


def means_table(model: MixedModel, call: str) -> pd.DataFrame:
    way, factor, what, *more = call.split("|")
    if what == "trend":
        return trends(model, more[0], factor, ddf=way).frame()
    if what == "by":
        return emmeans(model, factor, by=more[0], ddf=way).contrasts("pairwise", "tukey")
    if not more:
        weights = what if what in ("equal", "proportional", "cells") else "equal"
        scale = "response" if what == "response" else "model"
        return emmeans(model, factor, ddf=way, weights=weights, scale=scale).frame()
    return emmeans(model, factor, ddf=way).contrasts(KINDS.get(what, what), more[0])


@SAME_MODEL
def test_marginal_means(key: str) -> None:
    for call, r in MODELS[key].get("emmeans", {}).items():
        ours = means_table(fitted(key), call)
        if "estimate" in r:
            assert apart(ours["estimate"], r["estimate"], each(r["SE"])) < EXACT, call
            assert apart(ours["se"], r["SE"]) < EXACT, call
            assert apart(ours["df1"], r["df"]) < FLAT, call
        low, high = np.array(each(r["lower.CL"])), np.array(each(r["upper.CL"]))
        assert apart(ours["ci_low"], low, high - low) < FLAT, call
        assert apart(ours["ci_high"], high, high - low) < FLAT, call
        if "p.value" in r and ("tukey" in call or "|by|" in call):  # R's ptukey: 10 places, no more
            assert np.max(np.abs(ours["p_adjusted"] - each(r["p.value"]))) < EXACT, call
        elif "p.value" in r:
            assert tails_apart(ours["p_adjusted"], r["p.value"]) < FLAT, call


def test_every_kind_of_mean_is_compared() -> None:
    asked = {call.split("|")[2] for call in chain(*(r.get("emmeans", {}) for r in MODELS.values()))}
    assert {"equal", "cells", "response", "pairwise", "poly", "del.eff", "by", "trend"} <= asked


@pytest.mark.parametrize("key", ["v1", "v5", "v24", "v25"])
@pytest.mark.parametrize("unit", [1e-9, 1e6])
def test_units_of_the_response_change_nothing(key: str, unit: float) -> None:
    """In lmerTest they do: it takes derivatives with steps of a fixed size."""
    r = MODELS[key]
    column = fitted(key).formula.response.column
    frame = table(r["data"])
    scaled = lmm(r["formula"], frame.assign(**{column: frame[column] * unit}))
    columns = ["value", "df1", "df2", "p"]
    logged = r["formula"].startswith("log")
    first = scaled.anova()[columns] if logged else scaled.anova(ddf="kenward-roger")[columns]
    second = fitted(key).anova() if logged else fitted(key).anova(ddf="kenward-roger")
    assert apart(first.to_numpy(), second[columns].to_numpy(), 1e-12) < 1e-6
    assert apart(scaled.fixed()["df1"], fitted(key).fixed()["df1"]) < 1e-6


@pytest.mark.parametrize("key", ORACLE["formulas"])
def test_formulas_mean_what_r_means(key: str) -> None:
    r = ORACLE["formulas"][key]
    text = r["text"][0].replace("\\n", "\n").replace("\\t", "\t")
    model = lm(f"y ~ {text}", table("made2"))
    names = [plain(name) for name in model.design.columns]
    # R names the settings of a function with blanks, and what is in I() without brackets.
    assert sorted(names) == sorted(plain(name) for name in r["names"])
    order = [names.index(plain(name)) for name in r["names"]]
    scale = np.max(np.abs(r["estimate"]))
    assert apart(model.beta[order], r["estimate"], 1e-6 * scale) < 1e-8
