"""Mixed models of the published study and of classic data against the shared reference values."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any

import pandas as pd
import pytest
from lmm_oracles import apart, each, fixed_like, shared_folder

from joulebench.stats.lmm import lmm
from joulebench.stats.lmm_model import MixedModel

CASES = [
    ("greenlab_published_RQ1_1", "lmm_task_block"),
    ("greenlab_published_RQ2", "published_like"),
    ("greenlab_published_RQ2", "plus_repetition"),
    ("greenlab_published_RQ2", "raw_energy"),
    ("greenlab_published_RQ2", "model_random"),
    ("greenlab_published_RQ2", "size_covariate"),
    ("cake", "recipe_x_temperature"),
    ("cake", "log_angle"),
    ("sleepstudy", "random_slope"),
    ("sleepstudy", "random_intercept"),
    ("sleepstudy", "random_slope_ML"),
    ("sleepstudy", "days_factor_random_intercept"),
]
RENAMED = {"generation": "gen", "model": "modelf", "Days": "Dayf"}


@cache
def reference(topic: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((shared_folder() / "json" / f"{topic}.json").read_text())
    return loaded


@cache
def frame(topic: str) -> pd.DataFrame:
    folder = shared_folder() / "csv"
    if topic.startswith("greenlab"):
        name = "greenlab_published_run" if topic.endswith("RQ1_1") else "greenlab_published"
        read = pd.read_csv(folder / f"{name}.csv", dtype={"generation": str})
        return read.assign(gen=read["generation"], modelf=read["model"])
    read = pd.read_csv(folder / f"{topic}.csv")
    factors = {"temperature", "replicate", "Days"} & set(read.columns)
    texts = {("Dayf" if name == "Days" else name): read[name].astype(str) for name in factors}
    return read.assign(**texts)


def model_of(topic: str, name: str) -> tuple[MixedModel, dict[str, Any]]:
    found = reference(topic)[name]
    return lmm(found["formula"], frame(topic), reml=found["REML"]), found


@pytest.mark.parametrize(("topic", "name"), CASES)
def test_model(topic: str, name: str) -> None:
    model, found = model_of(topic, name)
    fixed = found["fixed_satterthwaite"]
    ours = fixed_like(model, each(fixed["term"]))
    assert apart(model.fit.criterion, found["deviance_or_REMLcrit"]) < 1e-8
    assert apart(ours["estimate"], fixed["estimate"], 1e-3) < 1e-5
    assert apart(ours["se"], fixed["se"]) < 1e-4
    # With one degree of freedom between models R is 2e-4 off what is exactly 1.
    assert apart(ours["df1"], fixed["df"]) < 3e-4
    assert apart(model.sigma, found["sigma"]) < 1e-5
    assert model.singular == found["singular"]
    variances = sorted(model.variance_components()["variance"], key=abs)
    theirs = sorted(each(found["varcomp"]["vcov"]), key=abs)
    assert apart(variances, theirs, 1e-6 * max(theirs)) < 1e-4


@pytest.mark.parametrize(("topic", "name"), CASES)
@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_type_three(topic: str, name: str, ddf: str) -> None:
    model, found = model_of(topic, name)
    theirs = found.get(f"anova_type3_{ddf.replace('-', '_')}")
    if theirs is None:
        pytest.skip(f"R gave no {ddf} table")
    ours = model.anova(3, ddf).set_index("term").loc[each(theirs["_row"])]
    # An F with a denominator of 2 is R's rule where a part of it has fewer.
    assert apart(ours["value"], theirs["F value"]) < 1e-4
    assert apart(ours["df1"], theirs["NumDF"]) == 0
    assert apart(ours["df2"], theirs["DenDF"]) < 2e-4


def test_the_published_structure_is_a_two_way_table_of_run_means() -> None:
    model, _ = model_of("greenlab_published_RQ2", "published_like")
    exact = reference("greenlab_published_RQ2")["runmean_two_way"]["Anova_type3"]
    theirs = dict(zip(exact["_row"], exact["F value"], strict=True))
    ours = model.anova(3).set_index("term")
    for term in ("gen", "task", "gen:task"):
        assert ours.loc[term, "value"] == pytest.approx(theirs[term], rel=1e-8)
        assert ours.loc[term, "df2"] == pytest.approx(6, rel=1e-7)
    assert re.search("run", str(model))
