"""What a plan can show: claims, grouping, the smallest difference and the chance to find one."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import stdtrit

from joulebench.stats.power_ratio import smallest_detectable_ratio
from joulebench.study_design import carry_over, grouping, planned_frame
from joulebench.study_file import StudyFile
from joulebench.study_pilot import Pilot
from joulebench.study_plan import design_of, plan
from joulebench.study_power import POWER, Comparison, comparisons, floor
from joulebench.study_prospect import Prospect, prospect
from joulebench.study_read import load
from planned_runs import GAIN, as_run, asked

RATIO, SCATTER = 1.5, 0.04


def compared(study: StudyFile) -> dict[str, Comparison]:
    frame = planned_frame(study, plan(study))
    assert frame is not None
    return {each.name: each for each in comparisons(frame, design_of(study))}


def ahead(study: StudyFile, pilot: Path | None = None) -> Prospect:
    return prospect(study, plan(study), Pilot.read(pilot) if pilot else None)


def scattered(seed: int, sd: float = SCATTER) -> Any:
    rng = np.random.default_rng(seed)

    def joules(trial: dict[str, Any]) -> float:
        size = RATIO if trial["levels"]["model"] == "large" else 1.0
        task = {"boolq": 100.0, "copa": 60.0, "rte": 80.0}[trial["levels"]["task"]]
        return float(size * task * math.exp(sd * rng.standard_normal()))

    return joules


def test_the_published_matrix_is_900_trials_and_says_what_it_can_carry() -> None:
    study = load("llama-generations")
    plans = plan(study)
    assert len(plans) == 900
    models = {(p["trial"]["levels"]["generation"], p["trial"]["levels"]["model_size"]): p["model"]
              for p in plans}  # fmt: skip
    assert sorted(models) == [("2", "7B"), ("3", "8B"), ("3.1", "8B"), ("3.2", "1B"), ("3.2", "3B")]
    assert models["3.2", "1B"] == "meta-llama/Llama-3.2-1B-Instruct"
    assert {p["engine"]["max_model_len"] for p in plans} == {10240}
    assert {p["protocol"]["cooldown"]["fixed_s"] for p in plans} == {30.0}
    assert {p["tasks"]["items"] for p in plans} == {80}
    facts = ahead(study).facts
    assert facts is not None
    # As the facts of the study have it: one degree of freedom, from 1B against 3B.
    assert facts.claim("generation").df == 1
    assert facts.claim("generation").from_levels == {"3.2": ("1B", "3B")}
    assert [pair.filled for pair in facts.aliased] == [5]
    assert {(each.factors, each.df) for each in facts.saturated} >= {(("generation", "task"), 6)}


def test_tied_factors_are_compared_as_the_unit_that_they_make_up() -> None:
    found = compared(load("llama-generations"))
    assert list(found) == ["model", "task"]
    model, task = found["model"], found["task"]
    assert (model.levels, model.pairs, model.conditions) == (5, 10, 6)
    assert (task.levels, task.pairs, task.conditions) == (6, 15, 5)
    assert model.df == task.df == 29 * 29
    assert model.confidence == pytest.approx(1 - 0.05 / 10)


def test_one_condition_and_two_cells_are_the_ratio_of_the_statistics() -> None:
    found = compared(asked(factors={"model": ["a", "b"]}, task="boolq", repetitions=8))["model"]
    row = smallest_detectable_ratio(0.05, 1, blocks=8, power=POWER).iloc[0]
    assert found.smallest(0.05) == pytest.approx(row["effect"])
    two = smallest_detectable_ratio(0.05, 1, blocks=8, gain=0.03, paired_on_one_meter=False)
    assert found.smallest(0.05, gain=0.03) == pytest.approx(two.iloc[0]["effect"])
    assert floor(0.03) == pytest.approx(two.iloc[0]["floor"])


@pytest.mark.parametrize("repetitions", [2, 3, 10])
def test_the_smallest_difference_is_found_as_often_as_said(repetitions: int) -> None:
    """Simulate the study, and test the ratio of two models by log(y) ~ cell + block."""
    found = compared(asked(repetitions=repetitions))["task"]
    ratio = found.smallest(0.05)
    assert ratio is not None
    rng, studies = np.random.default_rng(11), 4000
    log_sd = math.sqrt(math.log1p(0.05**2))
    y = rng.normal(0.0, log_sd, (studies, 2, 3, repetitions))  # model, task, block
    y[:, :, 1] += math.log(ratio)
    y += rng.normal(0.0, 1.0, (studies, 1, 1, repetitions))  # blocks take out what they share
    cells = y.reshape(studies, 6, repetitions)
    rest = (cells - cells.mean(2, keepdims=True) - cells.mean(1, keepdims=True)
            + cells.mean((1, 2), keepdims=True))  # fmt: skip
    df = 5 * (repetitions - 1)
    se = np.sqrt((rest**2).sum((1, 2)) / df * 2 / (2 * repetitions))
    change = (y[:, :, 1] - y[:, :, 0]).mean((1, 2))
    share = float(np.mean(change > stdtrit(df, 0.5 + found.confidence / 2) * se))
    assert found.df == df
    assert share == pytest.approx(POWER, abs=0.025)
    assert found.power(ratio, 0.05) == pytest.approx(POWER, abs=1e-6)


def test_one_repetition_shows_nothing() -> None:
    found = compared(asked(repetitions=1))["model"]
    assert found.df == 0
    assert found.smallest(0.01) is None
    assert found.power(2.0, 0.01) is None
    assert found.to_dict()["smallest_ratio"] == dict.fromkeys(("0.01", "0.02", "0.05", "0.1"))


def test_a_study_in_which_nothing_varies_has_nothing_to_tell() -> None:
    found = ahead(asked(factors={}, model="a", task="boolq"))
    assert found.facts is None
    assert found.comparisons == ()


def test_without_blocks_their_degrees_of_freedom_stay_with_the_scatter() -> None:
    assert compared(asked(order={"kind": "shuffle"}))["model"].df == 6 * 2
    assert compared(asked(order={"kind": "latin"}))["model"].df == 5 * 2


def test_grouping_counts_stretches_not_trials() -> None:
    study = asked(repetitions=4, order={"group_by": ["model"]})
    cost = grouping(design_of(study))
    assert cost is not None
    assert (cost.groups, cost.blocks, cost.df) == (2, 4, 3)
    # Two stretches a block; where two blocks meet, the model may stay.
    assert 4 <= cost.changes <= 7 < cost.changes_ungrouped
    assert "confounded with time" in cost.sentence
    found = compared(study)
    assert found["model"].df == 3
    assert found["task"].df == 4 * 3
    assert grouping(design_of(asked())) is None


def test_a_grouped_shuffle_leaves_nothing_to_judge_the_groups_by() -> None:
    study = asked(repetitions=4, order={"kind": "shuffle", "group_by": ["model"]})
    cost = grouping(design_of(study))
    assert cost is not None
    assert (cost.blocks, cost.df, cost.changes) == (1, 0, 1)
    assert "nothing is left" in cost.sentence
    assert compared(study)["model"].smallest(0.01) is None


def test_a_latin_order_says_how_far_it_is_balanced() -> None:
    def said(repetitions: int) -> str:
        return carry_over(design_of(asked(repetitions=repetitions, order={"kind": "latin"})))

    assert said(12).startswith("latin: each cell is 2 times at each place, and equally often after")
    assert said(3).startswith("latin: no cell is at one place more than 1 times; carry-over is")
    assert said(9).startswith("latin: no cell is at one place more than 2 times")
    odd = asked(factors={"model": ["a", "b", "c"]}, task="rte", order={"kind": "latin"})
    assert carry_over(design_of(odd)).startswith("latin: each cell is at each place equally often;")
    assert carry_over(design_of(asked())) == ""


def test_a_pilot_tells_the_scatter_and_its_own_differences(tmp_path: Path) -> None:
    study = asked(repetitions=20)
    found = ahead(study, as_run(tmp_path / "pilot", study, scattered(3)))
    shown = {each.response: each for each in found.shown}
    spread = shown["energy_j"].spread
    assert spread.df == 6 * 19
    assert spread.low < SCATTER < spread.high
    assert spread.cv == pytest.approx(SCATTER, rel=0.15)
    expected = {(each.name, each.pair): each for each in shown["energy_j"].expected}
    ratio = expected["model", ("small", "large")].ratio
    assert ratio == pytest.approx(RATIO, rel=0.03)
    assert expected["task", ("boolq", "copa")].ratio == pytest.approx(0.6, rel=0.03)
    assert all((each.power or 0) > 0.999 for each in expected.values())
    assert shown["energy_j"].smallest["model"] == compared(study)["model"].smallest(spread.cv)
    assert found.gain == pytest.approx(GAIN)
    assert found.gain_origin == "pilot"


def test_a_pilot_of_one_repetition_tells_no_scatter(tmp_path: Path) -> None:
    pilot = as_run(tmp_path / "pilot", asked(repetitions=1), scattered(3))
    assert ahead(asked(), pilot).shown == ()


def test_scatter_intervals_cover(tmp_path: Path) -> None:
    inside = 0
    for seed in range(60):
        pilot = as_run(tmp_path / str(seed), asked(), scattered(seed))
        spread = Pilot.read(pilot).spread("energy_j")
        assert spread is not None
        inside += spread.low <= math.sqrt(math.expm1(SCATTER**2)) <= spread.high
    assert inside >= 52  # of 60 at 95 %: fewer in 0.7 % of cases


def test_several_testbeds_have_a_floor() -> None:
    beds = [{"url": "http://a:8020"}, {"url": "http://b:8020"}]
    found = ahead(asked(testbeds=beds))
    assert found.places == 2
    assert found.floor == pytest.approx(floor(found.gain)) and found.floor > 1.1  # noqa: PT018


def test_everything_is_ready_for_json(tmp_path: Path) -> None:
    import json

    study = asked(order={"kind": "latin", "group_by": ["model"], "drift_every": 5})
    content = ahead(study, as_run(tmp_path / "pilot", study, scattered(1))).to_dict()
    assert json.loads(json.dumps(content, allow_nan=False)) is not None
    assert content["controls"] == 3
