"""The tests of a question: what units are, what they are crossed with, which files they go to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from long_table import read_rows
from runs_table import generations, write

from joulebench.analysis.analyse import Analysis, analyse
from joulebench.analysis.answer import Answer, answer
from joulebench.analysis.block_tests import (
    BLOCKED,
    ONE_STEP,
    ONE_STEP_HERE,
    PAIRS,
    PAIRS_HERE,
    REPEATED,
)
from joulebench.analysis.cells import run_means
from joulebench.analysis.question import Question, general_questions
from joulebench.analysis.read import Choices, read_analysis
from joulebench.analysis.unit_tests import HELD, TWO_WAY, UNIT_MEANS, unit_means
from joulebench.stats.emmeans import emmeans
from joulebench.stats.linear_model import lm

Effects = Mapping[str, Mapping[str, float]]


def rows_of(
    effects: Effects,
    repetitions: int = 3,
    noise: float = 0.01,
    seed: int = 1,
    leave_out: Sequence[tuple[str, ...]] = (),
) -> list[dict[str, Any]]:
    """Make rows of crossed factors, each level of which multiplies 100 J."""
    rng = np.random.default_rng(seed)
    return [
        dict(zip(effects, cell, strict=True))
        | {"repetition": r, "energy_j": 100.0 * float(np.prod(times)) * rng.lognormal(0, noise)}
        for r in range(repetitions)
        for cell in product(*effects.values())
        for times in [[by[level] for by, level in zip(effects.values(), cell, strict=True)]]
        if cell not in leave_out
    ]  # fmt: skip


def answered(
    tmp_path: Path, rows: Sequence[Mapping[str, Any]], groups: str, choices: Choices | None = None
) -> Answer:
    frame = read_analysis(write(tmp_path / "t.csv", rows), choices, audit=False)
    means = run_means(frame)
    asked = general_questions(frame, ("energy_j",))
    question = next(question for question in asked if question.groups == groups)
    return answer(question, frame, means)


def value(made: Answer, test: str, scale: str, term: str) -> dict[str, Any]:
    results = list(made.all_of(test, scale, "omnibus"))
    rows = [row for each in results if not each.reason for row in each.rows if row["term"] == term]
    assert rows, [each.reason for each in results]
    return rows[0]


SIMPLE: Effects = {"device": {"x": 1.0, "y": 1.5}, "task": {"p": 1.0, "q": 2.0, "r": 4.0}}


# Units and conditions


def test_units_are_compared_within_the_conditions_that_they_share(tmp_path: Path) -> None:
    made = answered(tmp_path, rows_of(SIMPLE), "device")
    layout = made.layout
    assert (layout.unit, layout.conditions, layout.places) == ("device", "task", 3)
    assert layout.joint
    assert layout.complete
    assert value(made, REPEATED, "log", "device")["df2"] == 18 - 6
    assert value(made, BLOCKED, "log", "device")["df2"] == 2
    pairs = made.find(PAIRS_HERE, "log", "pairwise")
    assert pairs is not None
    assert pairs.rows[0]["effect"] == pytest.approx(1 / 1.5, rel=0.02)


def test_several_other_factors_are_one_condition(tmp_path: Path) -> None:
    effects = {**SIMPLE, "mode": {"on": 1.0, "off": 1.1}}
    made = answered(tmp_path, rows_of(effects), "device")
    assert made.layout.conditions == "conditions"
    assert made.layout.places == 6
    assert set(made.sample("run", "raw").frame["conditions"]) == {
        f"{task} · {mode}" for task in "pqr" for mode in ("on", "off")
    }
    # The interaction of task and mode is no scatter of the devices' differences.
    assert value(made, BLOCKED, "log", "device")["df2"] == 5


def test_an_empty_cell_costs_a_degree_of_freedom_and_not_the_block(tmp_path: Path) -> None:
    made = answered(tmp_path, rows_of(SIMPLE, leave_out=[("y", "r")]), "device")
    assert not made.layout.complete
    assert made.layout.joint
    here = value(made, REPEATED, "log", "device")
    # Were the task no block, its fourfold would be the scatter.
    assert here["df2"] == 15 - 5
    assert here["value"] > 100
    assert value(made, BLOCKED, "log", "device")["df2"] == 1
    pairs = made.find(PAIRS_HERE, "log", "pairwise")
    assert pairs is not None
    assert pairs.rows[0]["effect"] == pytest.approx(1 / 1.5, rel=0.02)


def test_factors_that_follow_from_each_other_are_blocks_one_by_one(tmp_path: Path) -> None:
    every = rows_of({**SIMPLE, "mode": {"on": 1.0, "off": 1.3}})
    half = {True: "x", False: "y"}
    rows = [r for r in every if r["device"] == half[(r["task"] == "p") == (r["mode"] == "on")]]
    choices = Choices(factors=("device", "task", "mode"))
    made = answered(tmp_path, rows, "device", choices)
    assert not made.layout.joint
    assert made.layout.blocks == ("task", "mode")
    assert value(made, BLOCKED, "log", "device")["df2"] == 6 - 5
    assert made.find(PAIRS, "log", "pairwise") is not None


def test_rounds_of_a_study_are_taken_off_the_scatter(tmp_path: Path) -> None:
    drift = [1.0, 1.3, 1.7, 2.2]
    rows = rows_of(SIMPLE, 4)
    for row in rows:
        row |= {"block": row["repetition"], "energy_j": row["energy_j"] * drift[row["repetition"]]}
    made = answered(tmp_path, rows, "device")
    assert made.block == "block"
    blocked = value(made, REPEATED, "log", "device")
    plain = value(
        answered(tmp_path, [{**r, "block": 1} for r in rows], "device"), REPEATED, "log", "device"
    )
    assert (blocked["df2"], plain["df2"]) == (18 - 3, 18)
    assert blocked["value"] > 100 * plain["value"]


def test_runs_of_one_cell_are_the_scatter_where_there_are_several(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    rows = [
        {"device": d, "load": f"{d}{k}", "repetition": r,
         "energy_j": 100.0 * (1.1 if d == "y" else 1.0) * shift * rng.lognormal(0, 0.001)}
        for d in "xy" for k in range(4) for shift in [rng.lognormal(0, 0.1)] for r in range(5)
    ]  # fmt: skip
    choices = Choices(factors=("device",), run="load")
    made = answered(tmp_path, rows, "device", choices)
    assert value(made, REPEATED, "log", "device")["df2"] == 8 - 2


# Factors that make up units


def test_a_factor_of_units_is_judged_by_the_units_that_share_a_level(tmp_path: Path) -> None:
    made = answered(tmp_path, generations(), "model")
    found = value(made, UNIT_MEANS, "log", "generation")
    units = unit_means(made.cells("log"), made.layout)
    logs = (
        np.log(made.means.frame["energy_j"]).groupby(made.means.frame["model"].astype(str)).mean()
    )
    assert units["unit_mean"].to_numpy() == pytest.approx(
        [logs[name] for name in made.means.levels("model")]
    )
    assert (found["df1"], found["df2"]) == (3, 1)
    assert made.find(HELD, "log", "omnibus") is None
    (refused,) = [r for r in made.all_of(TWO_WAY, "log") if r.reason]
    assert "aliased: generation" in refused.reason


def test_units_that_cross_their_factors_hold_each_other(tmp_path: Path) -> None:
    effects: Effects = {
        "generation": {"2": 1.0, "3": 0.8}, "model_size": {"1B": 1.0, "3B": 2.0, "7B": 5.0},
        "task": {"p": 1.0, "q": 2.0, "r": 4.0},
    }  # fmt: skip
    made = answered(tmp_path, rows_of(effects), "model")
    held = value(made, HELD, "log", "generation")
    alone = value(made, UNIT_MEANS, "log", "generation")
    assert (held["df2"], alone["df2"]) == (2, 4)
    assert held["value"] > 50 * alone["value"]
    assert value(made, TWO_WAY, "log", "generation:model_size")["df2"] == 10


def test_unit_means_are_those_of_the_additive_model(tmp_path: Path) -> None:
    made = answered(tmp_path, rows_of(SIMPLE, leave_out=[("y", "r")]), "device")
    cells = made.cells("log")
    found = unit_means(cells, made.layout)["unit_mean"].to_numpy()
    model = lm("log(energy_j) ~ task + device", cells.frame)
    theirs = emmeans(model, "device").frame()["estimate"].to_numpy()
    assert found[1] - found[0] == pytest.approx(theirs[1] - theirs[0], rel=1e-10)


def test_steps_of_one_factor_hold_all_others(tmp_path: Path) -> None:
    made = answered(tmp_path, generations(), "model")
    assert made.steps == {
        "3.1-8B / 3-8B": {"3.1-8B": 1.0, "3-8B": -1.0},
        "3.2-3B / 3.2-1B": {"3.2-3B": 1.0, "3.2-1B": -1.0},
    }
    for test in (ONE_STEP, ONE_STEP_HERE):
        found = made.find(test, "log", "consec")
        assert found is not None
        assert [row["contrast"] for row in found.rows] == list(made.steps)


def test_units_that_are_the_runs_are_compared_too(tmp_path: Path) -> None:
    rows = [row for row in generations() if row["task"] == "RTE"]
    made = answered(tmp_path, rows, "model")
    assert value(made, REPEATED, "log", "model")["df2"] == 15
    assert made.find(BLOCKED, "log", "omnibus") is None
    assert value(made, UNIT_MEANS, "log", "model_size")["df2"] == 1


# Numbers behind units


def test_a_power_law_is_fitted_to_numbers_that_were_set(tmp_path: Path) -> None:
    effects: Effects = {
        "batch_size": {"1": 1.0, "2": 2**-0.8, "4": 4**-0.8, "8": 8**-0.8},
        "task": {"p": 1.0, "q": 2.0, "r": 4.0},
    }
    made = answered(tmp_path, rows_of(effects), "batch_size")
    found = made.find("power law", "log", "consec")
    assert found is not None
    slope = found.rows[1]
    assert slope["term"] == "log(batch_size_value)"
    assert slope["estimate"] == pytest.approx(-0.8, abs=0.02)
    assert slope["r_squared"] > 0.99
    missed = value(made, "power law, lack of fit", "log", "batch_size")
    rows = made.cells("log").frame.assign(x=lambda f: f["batch_size"].astype(str).astype(float))
    line = lm("log(energy_j) ~ log(x) + task", rows)
    full = lm("log(energy_j) ~ batch_size + task", rows)
    left = line.residual_sum_of_squares - full.residual_sum_of_squares
    assert (missed["df1"], missed["df2"]) == (2, 6)
    assert missed["value"] == pytest.approx(left / 2 / (full.residual_sum_of_squares / 6))
    assert answered(tmp_path, rows_of(effects), "task").numbers is None


def test_a_size_belongs_to_models_alone(tmp_path: Path) -> None:
    assert answered(tmp_path, generations(), "task").numbers is None
    numbers = answered(tmp_path, generations(), "model").numbers
    assert numbers is not None
    assert numbers.by_unit["3.2-1B"] == 1.0
    assert not numbers.set_by_run


# Files


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    folder = tmp_path_factory.mktemp("general")
    table = write(folder / "t.csv", rows_of(SIMPLE))
    return analyse(table, folder / "out", plots=False)


def test_each_question_has_files_of_its_own(found: Analysis) -> None:
    for question in found.questions:
        for ending in ("omnibus", "consec", "pairwise"):
            name = f"energy_j_by_{question.groups}_{ending}.csv"
            rows = read_rows(found.folder / "tables/Statistical_Tests/energy_j" / name)
            assert rows, name
            assert any(row["term"] == question.groups for row in rows) or ending != "omnibus"
    assert len(set(found.files)) == len(found.files)


def test_marginal_means_are_described(found: Analysis) -> None:
    place = found.folder / "tables/Descriptive_Data_Exploration/energy_j"
    rows = read_rows(place / "energy_j_by_device_marginal_means_desc.csv")
    here = [row for row in rows if row["test"] == f"{REPEATED}, marginal means"
            and row["scale"] == "raw"]  # fmt: skip
    assert {(row["device"], row["task"]) for row in here} == set(product("xy", "pqr"))


def test_the_chosen_test_is_marked_once_a_level(found: Analysis) -> None:
    rows = read_rows(
        found.folder / "tables/Statistical_Tests/energy_j/energy_j_by_device_omnibus.csv"
    )
    chosen = [(row["level"], row["test"]) for row in rows if row["chosen"]]
    assert {level for level, _ in chosen} == {"run", "repetition"}


def test_more_levels_than_can_be_paired_say_so(tmp_path: Path) -> None:
    effects: Effects = {"prompt": {f"q{k}": 1.0 + k / 10 for k in range(25)}}
    made = answered(tmp_path, rows_of(effects), "prompt", Choices(factors=("prompt",)))
    (refused,) = {r.reason for r in made.results if r.test == "Tukey"}
    assert refused.startswith("prompt has 25 levels, which are 300 pairs: too many to list")
    pairs = made.find(PAIRS_HERE, "log", "pairwise")
    assert pairs is not None
    (far,) = pairs.rows
    assert far["contrast"] == "q24 / q0"
    assert far["effect"] == pytest.approx(3.4, rel=0.02)
    assert far["ci_low"] < far["effect"] < far["ci_high"]
    assert far["p_adjusted"] < 1e-6


def test_the_extreme_pair_is_that_of_tukey(tmp_path: Path) -> None:
    from joulebench.analysis.extremes import extreme_pair
    from joulebench.stats.within_cells import within_cells

    made = answered(tmp_path, rows_of(SIMPLE, noise=0.3), "task")
    rows = made.repeats("log")
    fit = within_cells(rows.formula(made.layout.right()), rows.frame, made.layout.cell)
    (far,) = extreme_pair(lambda: fit, "task").to_dict("records")
    every = emmeans(fit, "task").contrasts("pairwise", adjust="tukey", scale="response")
    (same,) = every[every["contrast"] == "p / r"].to_dict("records")
    assert far["contrast"] == "r / p"
    assert far["effect"] == pytest.approx(1 / same["effect"])
    assert far["ci_low"] == pytest.approx(1 / same["ci_high"])
    assert far["p_adjusted"] == pytest.approx(same["p_adjusted"], rel=1e-6)


def test_a_question_without_repetitions_is_asked_of_runs(tmp_path: Path) -> None:
    frame = read_analysis(write(tmp_path / "t.csv", rows_of(SIMPLE, 1)), audit=False)
    question = Question("Q", "q", "energy_j", "device")
    assert answer(question, frame, run_means(frame)).question.levels == ("run",)
