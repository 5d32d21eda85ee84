"""What is made of the state of devices: a summary, and findings on limits, heat and guests."""

from __future__ import annotations

from typing import Any

import pytest

from joulebench.channel import Window
from joulebench.testbed.guests import shared_device
from joulebench.testbed.observed import hot_start, summary, throttled

MEASURE = [Window("measure", 10.0, 20.0)]


def seen(t_s: float, **state: Any) -> dict[str, Any]:
    return {"t_s": t_s, "device": "gpu0", **state}


def test_a_summary_is_of_the_measured_window_alone() -> None:
    states = [seen(t_s, temperature_c=40 + t_s, sm_clock_mhz=1980) for t_s in range(30)]
    found = summary(states, MEASURE)
    assert found == {
        "gpu0": {
            "observations": 11,
            "temperature_c": {"min": 50.0, "mean": 55.0, "max": 60.0},
            "sm_clock_mhz": {"min": 1980.0, "mean": 1980.0, "max": 1980.0},
        }
    }


def test_a_window_too_short_for_an_observation_takes_the_last_before_its_end() -> None:
    states = [seen(1.0, temperature_c=40), seen(2.0, temperature_c=41), seen(3.0, temperature_c=42)]
    short = [Window("measure", 2.2, 2.3)]
    assert summary(states, short)["gpu0"]["temperature_c"]["mean"] == 41.0
    assert summary(states, [Window("measure", 30.0, 31.0)]) == {}


def test_what_was_not_told_is_absent() -> None:
    assert summary([seen(11.0)], MEASURE) == {"gpu0": {"observations": 1}}
    assert summary([], MEASURE) == {}


def test_a_power_cap_is_a_note_and_heat_a_warning() -> None:
    states = [seen(10.0 + t_s, throttle=["power cap"]) for t_s in range(4)]
    states += [seen(15.0 + t_s, throttle=[]) for t_s in range(4)]
    states += [seen(19.5, throttle=["hardware temperature", "power cap"])]
    shares = summary(states, MEASURE)["gpu0"]["throttle"]
    assert shares == {"power cap": pytest.approx(5 / 9, abs=1e-4), "hardware temperature": 0.1111}
    found = {f.severity: f for f in throttled(states, MEASURE)}
    assert found["note"].message == "gpu0 was held back by power cap in 56% of the time measured"
    assert "hardware temperature in 11%" in found["warning"].message


def test_what_held_back_before_the_work_is_no_finding() -> None:
    assert not list(
        throttled([seen(5.0, throttle=["temperature"]), seen(11, throttle=[])], MEASURE)
    )


def test_a_device_that_cools_while_idle_was_hot() -> None:
    idle = [Window("idle", 0.0, 10.0)]
    states = [seen(t_s, temperature_c=70 - t_s) for t_s in range(10)]
    [finding] = hot_start(states, idle)
    assert "cooled from 70 to 61 °C" in finding.message
    assert not list(hot_start([seen(1, temperature_c=50), seen(9, temperature_c=46)], idle))


def guest(pid: int, name: str = "python", **more: Any) -> dict[str, Any]:
    return {"pid": pid, "name": name, **more}


def test_our_own_processes_are_no_guests() -> None:
    ours = guest(7, ours=True)
    states = [seen(1.0, processes=[], utilisation=0.0), seen(12.0, processes=[ours])]
    assert not list(shared_device(states, 5.0, MEASURE))


def test_a_guest_that_comes_while_we_measure_is_named() -> None:
    states = [
        seen(1.0, processes=[], utilisation=0.0),
        seen(12.0, processes=[guest(7, ours=True), guest(8, "ollama", ours=False)]),
        seen(13.0, processes=[guest(8, "ollama", ours=False, memory_bytes=5_300_000_000)]),
    ]
    [finding] = shared_device(states, 5.0, MEASURE)
    assert (finding.rule, finding.severity, finding.where) == ("shared-device", "warning", "gpu0")
    assert "ollama (pid 8) with 5.3 GB" in finding.message


def test_a_guest_on_an_idle_device_is_a_note_and_on_a_busy_one_a_warning() -> None:
    display = guest(3, "Xorg", ours=False)
    for used, severity in ((0.01, "note"), (0.4, "warning")):
        states = [seen(t_s, processes=[display], utilisation=used) for t_s in (1.0, 2.0, 12.0)]
        [finding] = shared_device(states, 5.0, MEASURE)
        assert finding.severity == severity
        assert "Xorg (pid 3)" in finding.message
    assert "40% busy before our work began" in finding.message


def test_work_of_others_that_shows_no_process_is_told() -> None:
    states = [seen(t_s, utilisation=0.9) for t_s in (1.0, 2.0, 12.0)]
    [finding] = shared_device(states, 5.0, MEASURE)
    assert "none that can be seen from here" in finding.message


def test_the_tail_of_our_own_last_trial_is_not_others_work() -> None:
    states = [seen(1.0, utilisation=0.7), seen(2.0, utilisation=0.0), seen(12.0, utilisation=0.9)]
    assert not list(shared_device(states, 5.0, MEASURE))


def test_in_a_container_whoever_was_there_before_is_a_guest() -> None:
    """Its process ids are not those of the driver, so that nobody can be told by them."""
    states = [
        seen(1.0, processes=[guest(901)], utilisation=0.0),
        seen(12.0, processes=[guest(901), guest(950)]),
    ]
    [finding] = shared_device(states, 5.0, MEASURE)
    assert "pid 901" in finding.message
    assert "pid 950" not in finding.message
    assert not list(shared_device(states, 0.0, MEASURE))  # nothing is known of the time before
