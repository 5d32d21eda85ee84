"""The wait between trials: long enough that one does not warm the next, and no longer."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from joulebench.clock import VirtualClock
from joulebench.errors import UsageError
from joulebench.record import Run
from joulebench.study_plan import plan
from joulebench.study_read import parse
from joulebench.testbed import adaptive_bands, adaptive_idle
from joulebench.testbed.adaptive_bands import Idle
from joulebench.testbed.adaptive_idle import SensorProbe, processor_c, summed_up
from joulebench.testbed.cooldown import CoolDown, cool_down
from joulebench.testbed.local import LocalTestbed
from joulebench.testbed.recording import Recording
from joulebench.testbed.sensors import sensors

IDLE_W, REST_C = 60.0, 30.0


class Machine:
    """Heat that falls exponentially; leakage makes the idle power follow it.

    Args:
        tau_s: Time in which the heat falls to a third, s.
        noise: Relative scatter of the mean power of one second.
    """

    def __init__(self, tau_s: float = 60.0, noise: float = 0.0, seed: int = 0) -> None:
        self.clock = VirtualClock()
        self.tau_s = tau_s
        self.noise = noise
        self.random = Random(seed)
        self.heat = 0.0  # excess of the idle power, relative
        self.at_s = 0.0
        self.probes = 0
        self.power = self.thermometer = True

    def works(self, heat: float, length_s: float = 30.0) -> None:
        self.clock.wait(length_s)
        self.heat, self.at_s = heat, self.clock.now_s()

    def excess(self, at_s: float) -> float:
        return self.heat * math.exp(-(at_s - self.at_s) / self.tau_s)

    def mean_excess(self, start_s: float, stop_s: float) -> float:
        return self.tau_s * (self.excess(start_s) - self.excess(stop_s)) / (stop_s - start_s)

    def cooling(self) -> CoolDown:
        return CoolDown(lambda _meters, _interval_s: HeatProbe(self), self.clock.now_s)


class HeatProbe:
    """Looks at a machine as its sensors would."""

    shortest_s, first_s = 3.0, 3.2

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.begun_s = math.inf

    def start(self) -> None:
        self.begun_s = self.machine.clock.now_s()
        self.machine.probes += 1

    def look(self, length_s: float) -> Idle | None:
        machine, stop_s = self.machine, self.machine.clock.now_s()
        if stop_s - length_s < self.begun_s:
            return None
        edges = [stop_s - length_s * (1 - k / 5) for k in range(6)]
        scatter = machine.noise / math.sqrt(length_s / 5)
        parts = [
            IDLE_W * (1 + machine.mean_excess(a, b) + machine.random.gauss(0, scatter))
            for a, b in pairwise(edges)
        ]
        warm = {"gpu0": REST_C + 100 * machine.excess(stop_s)} if machine.thermometer else {}
        falls = {"gpu0": 100 * (machine.excess(stop_s - length_s) - machine.excess(stop_s))}
        seen = summed_up(parts, warm, falls if warm else {})
        return seen if machine.power else Idle(temperatures=warm, falls_c=falls if warm else {})

    def stop(self) -> None:
        self.machine.probes -= 1


def protocol(fixed_s: float = 0.0, **adaptive: Any) -> dict[str, Any]:
    bands = {"min_s": 5.0, "max_s": 600.0, "power_band": 0.05, "temperature_band_c": 50.0}
    cooldown = {"fixed_s": fixed_s, "adaptive": bands | adaptive}
    return {"cooldown": cooldown, "interval_s": 0.1, "clock": "real"}


def noted(cooling: CoolDown) -> tuple[dict[str, Any], list[str]]:
    run = Run("r", "s", {})
    cooling.note(run)
    return run.facts.get("cooldown", {}), [f.rule for f in run.findings]


def test_the_fixed_time_alone_is_waited_and_computed_time_is_not() -> None:
    waited: list[float] = []
    assert cool_down({"cooldown": {"fixed_s": 4}}, waited.append) == 4
    assert cool_down({"cooldown": {"fixed_s": 0.0}}, waited.append) == 0
    assert cool_down({"cooldown": {"fixed_s": 9}, "clock": "virtual"}, waited.append) == 9
    assert waited == [4]


def test_it_waits_until_the_heat_is_gone() -> None:
    machine = Machine(tau_s=60)
    cooling = machine.cooling()
    cooling.begin(protocol(), [], machine.clock.wait)
    facts, rules = noted(cooling)
    assert facts["reference_w"] == pytest.approx(IDLE_W)
    assert rules == []
    machine.works(heat=0.4)
    begun_s = machine.clock.now_s()
    cooling.between(protocol(), [], machine.clock.wait)
    waited_s = machine.clock.now_s() - begun_s
    needed_s = 60 * math.log(0.4 / 0.05)
    assert needed_s <= waited_s <= needed_s + 6
    facts, rules = noted(cooling)
    assert (facts["within"], rules) == (True, [])
    assert facts["waited_s"] == pytest.approx(waited_s, abs=0.01)
    assert facts["idle_w"] <= 1.05 * facts["reference_w"]
    assert facts["temperatures"]["gpu0"]["reference_c"] == pytest.approx(REST_C)
    assert noted(cooling) == ({}, [])  # told once, in the next run
    assert machine.probes == 0


def test_a_cool_machine_waits_for_the_least_time_after_the_fixed_one() -> None:
    machine = Machine()
    cooling = machine.cooling()
    cooling.begin(protocol(), [], machine.clock.wait)
    begun_s = machine.clock.now_s()
    cooling.between(protocol(fixed_s=10.0, min_s=20.0), [], machine.clock.wait)
    assert machine.clock.now_s() - begun_s == pytest.approx(30, abs=0.6)


def test_a_machine_that_stays_hot_is_told_of_in_the_next_run() -> None:
    machine = Machine(tau_s=5000)
    cooling = machine.cooling()
    cooling.begin(protocol(), [], machine.clock.wait)
    noted(cooling)
    machine.works(heat=0.3)
    begun_s = machine.clock.now_s()
    cooling.between(protocol(max_s=40.0), [], machine.clock.wait)
    assert machine.clock.now_s() - begun_s == pytest.approx(40, abs=0.6)
    run = Run("r", "s", {})
    cooling.note(run)
    assert run.facts["cooldown"]["within"] is False
    assert run.facts["cooldown"]["outside"] == ["power"]
    [finding] = run.findings
    assert (finding.rule, finding.severity, finding.possible) == ("not-cooled", "warning", "60 W")
    assert "not back" in finding.message
    assert "after 40 s" in finding.message


def test_the_temperature_has_a_band_of_its_own() -> None:
    machine = Machine(tau_s=60)
    machine.power = False
    cooling = machine.cooling()
    cooling.begin(protocol(), [], machine.clock.wait)
    assert "reference_w" not in noted(cooling)[0]
    machine.works(heat=0.4)
    begun_s = machine.clock.now_s()
    cooling.between(protocol(temperature_band_c=3.0), [], machine.clock.wait)
    needed_s = 60 * math.log(40 / 3)
    assert needed_s <= machine.clock.now_s() - begun_s <= needed_s + 6
    facts, rules = noted(cooling)
    assert facts["temperatures"]["gpu0"]["now_c"] <= 33
    assert rules == []


def test_noise_does_not_end_the_wait_by_luck() -> None:
    """Of many noisy machines nearly all are really back in the band when the wait ends."""
    back = 0
    for seed in range(60):
        machine = Machine(tau_s=120, noise=0.04, seed=seed)
        cooling = machine.cooling()
        cooling.begin(protocol(), [], machine.clock.wait)
        machine.works(heat=0.3)
        cooling.between(protocol(max_s=2000.0), [], machine.clock.wait)
        assert noted(cooling)[0]["within"]
        back += machine.excess(machine.clock.now_s()) <= 0.055
    assert back >= 57, f"{back} of 60"


def test_a_machine_that_is_warm_at_first_is_let_come_to_rest() -> None:
    machine = Machine(tau_s=120)
    machine.works(heat=0.5)
    cooling = machine.cooling()
    cooling.begin(protocol(), [], machine.clock.wait)
    facts, rules = noted(cooling)
    assert facts["waited_s"] > 200
    assert IDLE_W <= facts["reference_w"] <= 1.07 * IDLE_W
    assert rules == []


def test_the_lowest_idle_seen_becomes_the_reference() -> None:
    machine = Machine(tau_s=100)
    machine.works(heat=0.5)
    cooling = machine.cooling()
    cooling.begin(protocol(max_s=5.0), [], machine.clock.wait)
    facts, rules = noted(cooling)
    assert facts["reference_w"] > 1.4 * IDLE_W
    assert facts["outside"] == ["reference"]
    assert rules == ["not-cooled"]
    machine.clock.wait(1000)
    cooling.between(protocol(), [], machine.clock.wait)
    facts, rules = noted(cooling)
    assert facts["reference_w"] == pytest.approx(IDLE_W, rel=0.01)
    assert rules == []


def test_a_machine_that_tells_nothing_is_refused_with_what_to_do() -> None:
    machine = Machine()
    machine.power = machine.thermometer = False
    with pytest.raises(UsageError, match=r"use protocol\.cooldown\.fixed_s") as refused:
        machine.cooling().begin(protocol(), [], machine.clock.wait)
    assert "\n" not in str(refused.value)
    assert machine.probes == 0


@pytest.mark.parametrize("where", ["begin", "between"])
def test_a_stop_ends_the_wait_and_lets_the_sensors_go(where: str) -> None:
    machine = Machine(tau_s=200)
    cooling = machine.cooling()
    if where == "between":
        cooling.begin(protocol(), [], machine.clock.wait)
        noted(cooling)
    machine.works(heat=30.0, length_s=10.0)
    stopped = threading.Event()

    def wait(length_s: float) -> bool:
        machine.clock.wait(length_s)
        if machine.clock.now_s() > 50:
            stopped.set()
        return stopped.is_set()

    getattr(cooling, where)(protocol(), [], wait)
    assert machine.clock.now_s() < 60
    assert noted(cooling) == ({}, [])
    assert machine.probes == 0


def test_an_interrupted_wait_lets_the_sensors_go() -> None:
    machine = Machine()

    def wait(_length_s: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        machine.cooling().begin(protocol(), [], wait)
    assert machine.probes == 0


def test_computed_time_needs_no_cool_down() -> None:
    machine = Machine()
    cooling = machine.cooling()
    virtual = protocol(fixed_s=30.0) | {"clock": "virtual"}
    cooling.begin(virtual, [], machine.clock.wait)
    cooling.between(virtual, [], machine.clock.wait)
    assert machine.clock.now_s() == 0
    assert noted(cooling) == ({}, [])


def spec(**options: Any) -> list[dict[str, Any]]:
    return sensors([{"simulated": options}]).specs


def looked(probe: SensorProbe, length_s: float) -> Idle:
    probe.start()
    try:
        stop_s = time.monotonic() + 30
        while (seen := probe.look(length_s)) is None:
            assert time.monotonic() < stop_s
            time.sleep(0.05)
        return seen
    finally:
        probe.stop()


@pytest.mark.parametrize("board", ["counter", "a100", "rapl"])
def test_real_sensors_are_looked_at_over_a_stretch(
    board: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptive_idle, "SHORTEST_S", 0.5)
    probe = SensorProbe(spec(board=board, watts=80), 0.02)
    seen = looked(probe, 0.7)
    assert seen.watts == pytest.approx(80, rel=0.02)
    assert seen.half_width_w < 4
    assert seen.temperatures == {}
    assert probe.look(0.7) is None
    assert not probe._folder.exists()


def test_a_look_has_the_recorder_write_down_what_it_holds_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []
    sample = Recording.sample
    monkeypatch.setattr(adaptive_idle, "SHORTEST_S", 0.3)

    def counted(recording: Recording) -> None:
        asked.append("sample")
        sample(recording)

    monkeypatch.setattr(Recording, "sample", counted)
    looked(SensorProbe(spec(board="volta"), 0.02), 0.3)
    assert asked


def test_a_falling_power_is_seen_to_fall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptive_idle, "SHORTEST_S", 0.5)
    fall = [[0.02 * k, 60 + 200 * math.exp(-0.02 * k / 0.8)] for k in range(300)]
    seen = looked(SensorProbe(spec(board="volta", watts=fall, repeat=False), 0.02), 0.7)
    assert seen.watts is not None
    assert seen.fall_w > 0.2 * seen.watts


def test_an_estimate_of_the_load_is_no_power_that_cools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptive_idle, "SHORTEST_S", 0.2)
    monkeypatch.setattr(adaptive_idle, "processor_c", lambda: 41.0)
    seen = looked(SensorProbe(sensors(["estimate"]).specs, 0.02), 0.3)
    assert seen.watts is None
    assert seen.temperatures == {"cpu": 41.0}


def test_the_warmest_processor_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    chips: Mapping[str, Any] = {
        "nvme": [SimpleNamespace(current=90.0)],
        "coretemp": [SimpleNamespace(current=c) for c in (40.0, None, 47.0)],
    }
    monkeypatch.setattr(psutil, "sensors_temperatures", lambda: chips, raising=False)
    assert processor_c() == 47.0
    monkeypatch.setattr(psutil, "sensors_temperatures", dict, raising=False)
    assert processor_c() is None


def test_a_study_on_this_machine_says_how_long_it_cooled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adaptive_idle, "SHORTEST_S", 1.0)
    monkeypatch.setattr(adaptive_bands, "REST_S", 1.0)
    adaptive = {"min_s": 0.1, "max_s": 20.0}
    raw = {
        "study": "s",
        "workload": "command",
        "command": ["true"],
        "repetitions": 2,
        "protocol": {
            "idle_s": 0.1,
            "idle_after_s": 0.1,
            "interval_s": 0.02,
            "cooldown": {"fixed_s": 0.1, "adaptive": adaptive},
        },
        "meters": [{"simulated": {"board": "counter", "watts": 60}}],
    }
    first, second = plan(parse(raw, "s"))
    testbed = LocalTestbed(tmp_path)
    told: list[dict[str, Any]] = []
    try:
        testbed.prepare([first])
        runs = [testbed.run(first, 1, told.append)]
        testbed.cool_down(first, told.append)
        runs.append(testbed.run(second, 1, told.append))
    finally:
        testbed.close()
    for run in runs:
        assert run.status == "done"
        facts = run.facts["cooldown"]
        assert facts["within"] is True
        assert facts["reference_w"] == pytest.approx(60, rel=0.03)
        assert facts["waited_s"] > 0.5
    assert [m["phase"] for m in told if m["event"] == "phase"].count("cool-down") == 2
