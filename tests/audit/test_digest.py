"""What an audit keeps of a run once its traces are gone."""

from __future__ import annotations

import numpy as np
import pytest
from joint_study import CPU, WRAP_J, Study
from runs import view

from joulebench.audit.digest import digest
from joulebench.audit.variants import by_all_ways, nominal_s
from joulebench.channel import Channel, Window
from joulebench.energy import Trace

T_S = np.arange(0.0, 40.0, 0.25)
WINDOW = Window("measure", 10.1, 30.1, 0.1)


def board(number: int, power_w: float) -> Trace:
    channel = Channel(f"gpu{number}:power", "W", gain=0.02, scope="gpu board")
    return Trace(channel, T_S, np.full(T_S.size, power_w))


def test_parts_and_total_are_recomputed() -> None:
    run = Study().runs[0]
    kept = digest(run.view()).recomputed
    assert kept is not None
    assert kept.headline == ("gpu", "cpu")
    assert kept.parts["gpu"].joules["W:plain"] == pytest.approx(run.gpu, rel=1e-12)
    assert kept.parts["cpu"].joules["J:plain"] == pytest.approx(run.cpu, rel=1e-6)
    assert kept.parts["cpu"].wrap_j == WRAP_J
    assert kept.durations_s["window"] == pytest.approx(run.window.duration_s)
    assert kept.counts["tokens_out"] == run.tokens
    gpu = kept.parts["gpu"]
    assert gpu.stated_j == pytest.approx(np.hypot(gpu.apart_j, 0.029 * run.gpu), rel=1e-9)


def test_a_run_without_traces_has_nothing_recomputed() -> None:
    assert digest(view()).recomputed is None


def test_several_devices_are_added_and_the_first_is_kept_apart() -> None:
    kept = digest(view([board(0, 100.0), board(1, 300.0)], WINDOW)).recomputed
    assert kept is not None
    assert kept.parts["gpu"].joules["W:plain"] == pytest.approx(400 * 20)
    assert kept.parts["gpu"].joules["W:one-device"] == pytest.approx(100 * 20)
    assert kept.parts["gpu"].joules["W:inside"] == pytest.approx(400 * 19.75)


def test_idle_windows_give_the_energy_above_idle() -> None:
    made = view([board(0, 100.0)], WINDOW)
    made.run.windows.append(Window("idle", 0.0, 5.0))
    made.run.energy["gpu0:power"]["idle"] = {
        **made.run.energy["gpu0:power"]["measure"], "joules": 5 * 30.0,
    }  # fmt: skip
    kept = digest(made).recomputed
    assert kept is not None
    assert kept.parts["gpu"].joules["W:above-idle"] == pytest.approx(70 * 20)
    assert kept.parts["gpu"].by_window["idle"] == 150.0


def test_power_and_counter_of_one_board_are_both_kept() -> None:
    counter = Channel("gpu0:energy", "J", gain=0.02, scope="gpu board")
    counted = Trace(counter, T_S, 100.0 * T_S)
    kept = digest(view([board(0, 100.0), counted], WINDOW)).recomputed
    assert kept is not None
    assert kept.parts["gpu"].key == "J:plain"
    assert {"J:plain", "W:plain", "W:step"} <= set(kept.parts["gpu"].joules)


def test_answers_are_kept_as_hashes() -> None:
    responses = [{"prompt": "Why?", "text": "So."}, {"prompt": "Why?", "text": ""}]
    kept = digest(view(responses=responses)).responses
    assert kept[0][0] == kept[1][0] != kept[0][1]
    assert kept[1][1] == ""


def test_ways_of_a_counter_that_wraps() -> None:
    joules = (WRAP_J - 1000 + 50 * T_S) % WRAP_J
    ways = by_all_ways(Trace(CPU, T_S, joules), [Window("measure", 10.0, 30.0)])
    assert ways["J:inside"] == pytest.approx(1000)
    assert ways["J:raw"] == pytest.approx(1000 - WRAP_J)
    assert ways["J:absolute"] == pytest.approx(WRAP_J - 1000)
    assert ways["J:clipped"] == pytest.approx(1000 - 12.5)
    assert ways["J:outer"] == pytest.approx(1025)
    assert ways["J:whole"] == pytest.approx(50 * 39.75)
    assert ways["J:whole-but-last"] == pytest.approx(50 * 39.5)


def test_a_window_without_samples_has_only_ways_over_the_whole_log() -> None:
    ways = by_all_ways(board(0, 100.0), [Window("measure", 10.01, 10.02)])
    assert set(ways) == {"W:whole", "W:whole-step"}


@pytest.mark.parametrize(("step_s", "digits", "nominal"), [
    (0.2001, 1, 0.2), (0.227, 1, 0.2), (0.227, 2, 0.23), (0.05015, 1, 0.05), (1.0, 1, 1.0),
])  # fmt: skip
def test_nominal_steps(step_s: float, digits: int, nominal: float) -> None:
    assert nominal_s(step_s, digits) == nominal
