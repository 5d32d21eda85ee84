"""How long a planned study takes and what it uses: from a pilot, computed, or not known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulebench.errors import UsageError
from joulebench.study_estimate import Estimate, estimate
from joulebench.study_file import StudyFile
from joulebench.study_pilot import Pilot
from joulebench.study_plan import plan
from joulebench.study_read import load
from planned_runs import ASKED, IDLE_W, as_run, asked


def estimated(study: StudyFile, pilot: Path | None = None) -> Estimate:
    return estimate(study, plan(study), Pilot.read(pilot) if pilot else None)


def steady(trial: dict[str, Any]) -> float:
    return 1000.0 if trial["levels"]["model"] == "small" else 3000.0


def test_without_a_pilot_only_the_waits_are_known() -> None:
    found = estimated(load("llama-generations"))
    assert found.waits_s == 900 * (10 + 2) + 899 * 30
    assert (found.duration_s, found.energy_j, found.origin) == (None, None, "protocol")


def test_the_time_of_an_echo_engine_is_computed() -> None:
    protocol = {"idle_s": 2.0, "idle_after_s": 1.0, "warmup_prompts": 2, "cooldown": {"fixed_s": 5}}
    sampling = {"max_tokens": 10, "min_tokens": 10}
    engine = {"kind": "echo", "token_s": 0.5, "prefill_s": 1.0}
    study = asked(protocol=protocol, sampling=sampling, engine=engine)
    found = estimated(study)
    assert found.origin == "computed"
    assert found.duration_s is not None
    # 4 items, 2 warm-up prompts and the last of these once more to compare: 6 s each.
    assert found.duration_s.value == pytest.approx(18 * (3.0 + 7 * 6.0) + 17 * 5)
    assert found.duration_s.low is None


def test_an_echo_engine_on_items_of_the_hub_fetches_nothing() -> None:
    assert estimated(asked(tasks={"data": "hub", "items": 4})).duration_s is None


def test_a_pilot_of_the_same_cells_gives_time_and_energy(tmp_path: Path) -> None:
    found = estimated(asked(repetitions=10), as_run(tmp_path / "pilot", asked(), steady))
    assert found.cells == {"same": 6}
    # 20 s a trial as it was timed, and 5 s between two.
    assert found.duration_s is not None
    assert found.duration_s.value == pytest.approx(60 * 20 + 59 * 5)
    assert found.energy_j is not None
    assert found.energy_j.value == pytest.approx(30 * 1000 + 30 * 3000)
    assert (found.energy_j.low, found.energy_j.high) == (found.energy_j.value,) * 2
    assert found.all_energy_j is not None
    # Loading takes 100 J, waiting 3 s in and 5 s after a trial.
    assert found.all_energy_j.value == pytest.approx(120_000 + 60 * (100 + 8 * IDLE_W))


def test_more_items_take_longer_to_measure_and_no_longer_to_load(tmp_path: Path) -> None:
    found = estimated(asked(tasks={"items": 12}), as_run(tmp_path / "pilot", asked(), steady))
    assert found.duration_s is not None
    assert found.duration_s.value == pytest.approx(18 * (20 + 2 * 10) + 17 * 5)
    assert found.energy_j is not None
    assert found.energy_j.value == pytest.approx(3 * 18 * 2000)


def test_cells_that_the_pilot_lacks_take_the_nearest(tmp_path: Path) -> None:
    factors = {**ASKED["factors"], "task": ["boolq", "wic"]}
    found = estimated(asked(factors=factors), as_run(tmp_path / "pilot", asked(), steady))
    assert found.cells == {"same": 2, "nearest": 2}
    assert found.energy_j is not None
    assert found.energy_j.value == pytest.approx(3 * 2 * 4000)


def test_a_pilot_of_one_repetition_gives_no_interval(tmp_path: Path) -> None:
    found = estimated(asked(), as_run(tmp_path / "pilot", asked(repetitions=1), steady))
    assert found.energy_j is not None
    assert found.energy_j.low is None


def test_controls_take_time_too(tmp_path: Path) -> None:
    pilot = as_run(tmp_path / "pilot", asked(order={"drift_every": 2}), steady)
    assert len(Pilot.read(pilot).runs) == 18
    found = estimated(asked(order={"drift_every": 9}), pilot)
    assert found.trials == 20
    assert found.energy_j is not None
    assert found.energy_j.value == pytest.approx(9 * 4000 + 2 * 1000)


def test_several_testbeds_share_the_time_and_not_the_energy(tmp_path: Path) -> None:
    pilot = as_run(tmp_path / "pilot", asked(), steady)
    beds = [{"url": "http://a"}, {"slurm": {"jobs": 3}}]
    one, four = estimated(asked(), pilot), estimated(asked(testbeds=beds), pilot)
    assert four.places == 4
    assert one.duration_s is not None
    assert four.duration_s is not None
    assert four.duration_s.value == pytest.approx(one.duration_s.value / 4)
    assert four.energy_j == one.energy_j


def test_adaptive_cool_downs_come_on_top() -> None:
    cooldown = {"fixed_s": 1.0, "adaptive": {"min_s": 2.0, "max_s": 10.0}}
    found = estimated(asked(protocol={**ASKED["protocol"], "cooldown": cooldown}))
    assert found.adaptive_s == (17 * 2.0, 17 * 10.0)


def test_intervals_of_the_energy_cover(tmp_path: Path) -> None:
    rng, sd, inside = np.random.default_rng(4), 0.1, 0

    def drawn(trial: dict[str, Any]) -> float:
        return float(steady(trial) * math.exp(sd * rng.standard_normal()))

    study = asked(repetitions=5)
    for place in range(100):
        found = estimated(study, as_run(tmp_path / str(place), asked(), drawn)).energy_j
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        total = sum(drawn(each["trial"]) for each in plan(study))
        inside += found.low <= total <= found.high
    assert inside >= 89  # of 100 at 95 %: fewer in 0.4 % of cases


def test_loading_after_another_model_is_told_apart(tmp_path: Path) -> None:
    study = asked(order={"kind": "sequential"})
    pilot = Pilot.read(as_run(tmp_path / "pilot", study, steady))
    assert pilot.reload_s(["model"]) == 0.0
    assert pilot.reload_s([]) is None


def test_other_settings_are_told_and_items_are_not(tmp_path: Path) -> None:
    pilot = Pilot.read(as_run(tmp_path / "pilot", asked(), steady))
    from joulebench.study_read import dump

    assert pilot.other_settings(dump(asked(tasks={"items": 9}))) == []
    engine = {"kind": "echo", "token_s": 0.1}
    assert pilot.other_settings(dump(asked(engine=engine))) == [
        "engine.token_s is None there and 0.1 now"
    ]


def test_a_pilot_without_a_run_is_refused(tmp_path: Path) -> None:
    from joulebench.record import RunTable
    from joulebench.study_read import dump

    RunTable.create(tmp_path / "pilot", dump(asked()))
    with pytest.raises(UsageError, match="no run of it is done"):
        Pilot.read(tmp_path / "pilot")
