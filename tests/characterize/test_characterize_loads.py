"""Loads that are processes of their own: they follow a plan, say when, and never outlive us."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
import pytest

from joulebench.channel import Channel
from joulebench.characterize import overhead as overhead_module
from joulebench.characterize.choice import _cuda_names
from joulebench.characterize.follow import follow
from joulebench.characterize.followers import GpuLoad, ProcessorLoad
from joulebench.characterize.load import Switch, Wave, planned
from joulebench.characterize.overhead import no_one, overhead
from joulebench.characterize.points import Points
from joulebench.characterize.response import response
from joulebench.errors import Unavailable
from joulebench.meters.meter import MeterSpec


@pytest.fixture
def load() -> Iterator[ProcessorLoad]:
    load = ProcessorLoad()
    yield load
    load.close()


def _children() -> list[psutil.Process]:
    return [p for p in psutil.Process().children() if "joulebench.characterize" in str(p.cmdline())]


def test_busy_loops_follow_the_plan_and_say_when(load: ProcessorLoad) -> None:
    start_s = time.monotonic() + 0.2
    plan = [Switch(start_s, 1.0), Switch(start_s + 0.4, 0.0), Switch(start_s + 0.8, 0.0)]
    loops = _children()
    before_s = sum(sum(loop.cpu_times()[:2]) for loop in loops)
    load.start(plan)
    waves = load.waves()
    used_s = sum(sum(loop.cpu_times()[:2]) for loop in loops) - before_s
    assert set(waves) == {""}
    begun = waves[""].switches
    assert [switch.level for switch in begun] == [1.0, 0.0, 0.0]
    assert all(
        happened.at_s >= asked.at_s - 1e-4 for happened, asked in zip(begun, plan, strict=True)
    )
    assert 0.02 * len(loops) < used_s < 0.75 * len(loops)


def test_a_load_ends_when_it_is_closed_in_the_middle_of_a_plan(load: ProcessorLoad) -> None:
    load.start([Switch(time.monotonic(), 1.0), Switch(time.monotonic() + 60, 0.0)])
    loops = _children()
    assert loops
    load.close()
    assert not any(loop.is_running() for loop in loops)


def test_a_loop_ends_when_its_parent_dies() -> None:
    words = [sys.executable, "-P", "-m", "joulebench.characterize.follow", "0"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as loop:
        try:
            assert loop.stdin is not None
            assert loop.stdout is not None
            assert json.loads(loop.stdout.readline()) == {"ready": True}
            loop.stdin.write(json.dumps([[time.monotonic() + 60, 0.0]]).encode() + b"\n")
            loop.stdin.close()
            assert loop.wait(20) == 0
        finally:
            loop.kill()


def test_work_is_done_at_a_level_and_not_between() -> None:
    now_s = time.monotonic()
    worked: list[float] = []
    plan = [(now_s, 1.0), (now_s + 0.02, 0.0), (now_s + 0.04, 1.0), (now_s + 0.05, 0.0)]
    begun = follow(plan, worked.append, lambda: None)
    assert worked == [now_s + 0.02, now_s + 0.05]
    assert [level for _, level in begun] == [1.0, 0.0, 1.0, 0.0]


def test_a_gpu_load_without_a_gpu_says_what_to_install() -> None:
    with pytest.raises(Unavailable, match="torch") as refused:
        GpuLoad({"gpu0": "0"})
    assert "pytorch.org" in refused.value.remedy
    assert not _children()


def test_gpus_are_named_for_cuda_by_uuid_where_it_is_known() -> None:
    class Meter:
        channels = [Channel(f"gpu{n}:power", "W", scope="gpu board") for n in (0, 1, 12)]  # noqa: RUF012
        identities = {"gpu0": "GPU-5f", "gpu1": "odd"}  # noqa: RUF012

    meter: Any = Meter()
    assert _cuda_names(meter) == {"gpu0": "GPU-5f", "gpu1": "1", "gpu12": "12"}


def test_the_processor_load_drives_what_holds_the_processor(load: ProcessorLoad) -> None:
    assert load.drives(Channel("psys:energy", "J", scope="platform"))
    assert not load.drives(Channel("gpu0:power", "W", scope="gpu board"))


# The wave itself


def test_a_wave_knows_its_integral_also_with_a_rise() -> None:
    wave = Wave([Switch(1.0, 1.0), Switch(3.0, 0.0), Switch(3.5, 1.0), Switch(4.0, 0.25)])
    t_s = np.linspace(0, 6, 60_001)
    for shape in (wave, wave.risen(0.2)):
        level = shape.level(t_s)
        steps = 0.5 * (level[1:] + level[:-1]) * np.diff(t_s)
        summed = np.concatenate(([0.0], np.cumsum(steps)))
        assert np.abs(shape.integral(t_s) - shape.integral(t_s[:1]) - summed).max() < 2e-4
    assert wave.risen(0.2).level(np.array([3.0])) == pytest.approx(1.0, abs=1e-4)
    assert wave.risen(0.2).level(np.array([0.5])) == 0.0


@pytest.mark.parametrize(("rise_s", "averaging_s"), [(0.0, 0.01), (0.005, 0.01), (0.02, 0.1)])
def test_a_power_that_follows_its_load_slowly_is_not_taken_for_a_slow_sensor(
    rise_s: float, averaging_s: float
) -> None:
    wave = Wave(planned(0.0, 12.0))
    power = wave.risen(rise_s) if rise_s else wave
    at_s = np.arange(0.0, 13.0, 0.02)
    end_s = at_s - 0.03
    mean = (power.integral(end_s) - power.integral(end_s - averaging_s)) / averaging_s
    v = 80 + 220 * mean + np.random.default_rng(2).normal(0, 1.0, at_s.size)
    found = response(Points(at_s, v, np.full(at_s.size, 1e-5), np.zeros(at_s.size)), wave)
    assert found is not None
    assert found.averaging is not None
    assert found.rise_s == pytest.approx(rise_s, rel=0.1, abs=2e-4)
    for figure, truth_s in ((found.delay, 0.03), (found.averaging, averaging_s)):
        assert abs(figure.value - truth_s) < 4 * figure.standard_error
        assert figure.standard_error < 1e-3
    assert found.swing_w == pytest.approx(220, rel=0.01)


@pytest.mark.parametrize("length_s", [4.0, 15.0])
def test_a_plan_alternates_and_ends_with_a_steady_level(length_s: float) -> None:
    plan = planned(10.0, length_s)
    levels = [switch.level for switch in plan]
    assert levels == [float(place % 2 == 0) for place in range(len(plan))]
    holds_s = np.diff([switch.at_s for switch in plan])
    assert holds_s[-1] == pytest.approx(min(3.0, 0.2 * length_s))
    assert all(0.05 <= hold_s <= 0.9 for hold_s in holds_s[:-1])
    assert plan[-1].at_s - plan[0].at_s == pytest.approx(length_s, abs=1.0)


# What the recorder draws


def test_own_overhead_is_given_with_its_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead_module, "STRETCH_S", 0.15)
    spec = MeterSpec("estimate", {}, "joulebench.meters.estimate:EstimateMeter")
    told: list[str] = []
    (found,) = overhead([spec], 0.15 * 2.3 * 4, lambda what, _: told.append(what))
    assert found.channel == "cpu:estimate"
    assert found.pairs == 4
    assert found.baseline_w > 0.5 * os.cpu_count() * 0.74  # type: ignore[operator]
    assert 0 <= found.cpu_share < 0.5
    assert found.half_width_w >= 0
    assert found.resolved == (abs(found.watts) > found.half_width_w)
    assert set(told) == {"own overhead"}


def test_own_overhead_needs_a_counter_and_time() -> None:
    target = "joulebench.meters.simulated:SimulatedMeter"
    power, counter = (MeterSpec("simulated", {"board": b}, target) for b in ("ada", "counter"))
    with pytest.raises(Unavailable, match="none of these meters"):
        overhead([power], 20.0, no_one)
    with pytest.raises(Unavailable, match="--seconds"):
        overhead([counter], 3.0, no_one)
