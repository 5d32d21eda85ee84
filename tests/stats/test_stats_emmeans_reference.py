"""The published study's marginal means and contrasts, against R's values of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from emmeans_oracles import deviation, r_column

from joulebench.stats.emmeans import emmeans
from joulebench.stats.linear_model import lm
from joulebench.stats.lmm import lmm

CLOSED = 1e-8
MIXED = 1e-5
FLAT = 1e-4  # the second derivatives of a flat likelihood, taken in R by differences
TASKS = ["BoolQ", "CB", "COPA", "RTE", "WiC", "WSC"]


@pytest.fixture(scope="module")
def oracles(reference: Path) -> Path:
    folder = reference.parent / "oracles"
    if not folder.is_dir():
        pytest.skip(f"values of R absent: {folder}")
    return folder


def read(oracles: Path, question: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(
        (oracles / "json" / f"greenlab_published_{question}.json").read_text("utf-8")
    )
    return loaded


def table(oracles: Path, name: str) -> pd.DataFrame:
    data = pd.read_csv(oracles / "csv" / f"{name}.csv", dtype={"generation": str, "run": str})
    task = pd.Categorical(data["task"], TASKS)
    return data.assign(gen=data["generation"], modelf=data["model"], task=task)


def compare(found: pd.DataFrame, theirs: dict[str, Any], limit: float) -> None:
    estimate = r_column(theirs, "estimate", "emmean", "ratio", "response")
    assert deviation(found["estimate"], estimate) < limit
    assert deviation(found["se"], r_column(theirs, "SE")) < limit
    assert deviation(found["df1"], r_column(theirs, "df")) < limit
    if "p.value" in theirs:
        assert deviation(found["value"], r_column(theirs, "t.ratio")) < limit
        assert deviation(found["p_adjusted"], r_column(theirs, "p.value")) < limit
    if "lower.CL" in theirs:
        assert deviation(found["ci_low"], r_column(theirs, "lower.CL")) < limit
        assert deviation(found["ci_high"], r_column(theirs, "upper.CL")) < limit


def test_models_in_blocks_of_tasks(oracles: Path) -> None:
    expected = read(oracles, "RQ1_1")["blocked"]
    model = lm("log(energy_j) ~ task + modelf", table(oracles, "greenlab_published_run"))
    means = emmeans(model, "modelf")
    compare(means.frame(), expected["emmeans_model"], CLOSED)
    tukey, theirs = means.contrasts("pairwise", "tukey"), expected["tukey_model"]
    assert list(tukey["contrast"]) == theirs["contrast"]
    assert tukey["p_adjusted"].to_numpy() == pytest.approx(theirs["p.value"], abs=1e-7)
    assert tukey["value"].to_numpy() == pytest.approx(theirs["t.ratio"], rel=CLOSED)


def test_planned_contrasts_of_models(oracles: Path) -> None:
    expected = read(oracles, "RQ1_2")
    runs = table(oracles, "greenlab_published_run")
    planned = {
        "3.2: 3B-1B": [0, 0, 0, -1, 1],
        "8B: 3.1-3": [0, -1, 1, 0, 0],
        "3-8B minus 2-7B": [-1, 1, 0, 0, 0],
    }
    for formula, theirs in (
        ("log(energy_j) ~ modelf", expected["planned_log"]["contrasts"]),
        ("log(energy_j) ~ task + modelf", expected["planned_log_task_blocked"]),
    ):
        compare(emmeans(lm(formula, runs), "modelf").contrasts(planned), theirs, CLOSED)


def test_sizes_and_generations_that_stand_for_one_another(oracles: Path) -> None:
    theirs = read(oracles, "RQ1_2")["additive"]["emmeans"]
    model = lm("energy_j ~ gen + size", table(oracles, "greenlab_published_run").rename(
        columns={"model_size": "size"}
    ))  # fmt: skip
    found = emmeans(model, "gen").frame()
    known = ~np.isnan(r_column(theirs, "emmean"))
    assert found["estimate"].notna().tolist() == known.tolist()
    assert found["note"].str.contains("cannot be estimated").tolist() == (~known).tolist()


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_generations_within_tasks(oracles: Path, ddf: str) -> None:
    expected = read(oracles, "RQ2")["published_like"]
    model = lmm("log(energy_j) ~ gen * task + (1 | run)", table(oracles, "greenlab_published"))
    within = emmeans(model, "gen", by="task", ddf=ddf)
    compare(within.frame(), expected[f"emmeans_gen_within_task_{ddf}"], FLAT)
    steps = within.contrasts("consecutive")
    compare(steps, expected[f"consec_BH_within_task_{ddf}"], FLAT)
    over = within.contrasts("consecutive", families="all")
    compare(over, expected[f"consec_BH_all_tasks_{ddf}"], FLAT)
    response = emmeans(model, "gen", by="task", ddf=ddf, scale="response")
    compare(response.frame(), expected[f"response_scale_{ddf}"], FLAT)
    compare(response.contrasts("consecutive"), expected[f"ratio_consec_BH_{ddf}"], FLAT)
    all_tasks = emmeans(model, "gen", ddf=ddf)
    compare(all_tasks.frame(), expected[f"emmeans_gen_{ddf}"], FLAT)
    ratios = all_tasks.contrasts("consecutive", scale="response")
    compare(ratios, expected[f"gen_ratio_consec_BH_{ddf}"], FLAT)


def test_task_as_a_block_of_its_own(oracles: Path) -> None:
    expected = read(oracles, "RQ1_1")["lmm_task_block"]["emmeans_consec_BH_satterthwaite"]
    model = lmm("log(energy_j) ~ gen + (1 | task)", table(oracles, "greenlab_published_run"))
    compare(emmeans(model, "gen").contrasts("consecutive"), expected, MIXED)


def test_models_within_tasks_over_repetitions(oracles: Path) -> None:
    expected = read(oracles, "RQ2")["fixed_model_x_task"]
    model = lm("log(energy_j) ~ modelf * task", table(oracles, "greenlab_published"))
    means = emmeans(model, "modelf", by="task")
    compare(means.frame(), expected["emmeans"], CLOSED)
    ratios = means.contrasts("consecutive", scale="response")
    assert list(ratios["contrast"]) == expected["consec_BH_response"]["contrast"]
    compare(ratios, expected["consec_BH_response"], CLOSED)
