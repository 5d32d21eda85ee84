"""Readings that no device can give are left out and told; possible ones are not touched."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.errors import EnergyError
from joulebench.testbed.plausible import (
    FloatArray,
    Impossible,
    Mask,
    plausible,
    refuse_impossible,
)

AnyArray = npt.NDArray[np.floating[Any]]

POWER = Channel("gpu0:power", "W", 1e-3, period_s=0.1, limit_w=400.0)
COUNTER = Channel("gpu0:energy", "J", 1e-3, period_s=0.1, limit_w=400.0)
FREE = Channel("cpu0:package", "J", 2.0**-14, period_s=1e-3, wrap_j=2.0**18)
NO_WRAP = Channel("node:energy", "J")


def screened(channel: Channel, v: AnyArray, step_s: float = 0.1) -> tuple[Mask, Impossible | None]:
    t_s = 100 + step_s * np.arange(len(v), dtype=np.float64)
    return plausible(channel, t_s, v.astype(np.float64), 100.0)


def counted(power_w: float = 300.0, start_j: float = 5e4, n: int = 50) -> AnyArray:
    return start_j + 0.1 * power_w * np.arange(n)


def test_possible_power_is_kept_whole() -> None:
    keep, found = screened(POWER, np.array([0.0, 60.0, 799.0, 400.0]))
    assert keep.all()
    assert found is None


def test_impossible_power_is_left_out_and_told() -> None:
    v = np.full(300, 100.0)
    v[20], v[40] = 5000.0, -3.0
    keep, found = screened(POWER, v)
    assert list(np.flatnonzero(~keep)) == [20, 40]
    assert found is not None
    finding = found.finding()
    assert (finding.rule, finding.severity, finding.where) == (
        "power-above-limit",
        "warning",
        "gpu0:power",
    )
    assert "2 of 300 readings" in finding.message
    assert "5000 W (2.0 s to 4.0 s into the recording)" in finding.message
    assert finding.possible == "0 to 800 W (2 x its limit)"


def test_many_impossible_readings_put_the_sensor_in_doubt() -> None:
    v = np.full(100, 100.0)
    v[10:15] = 900.0
    _, found = screened(POWER, v)
    assert found is not None
    assert found.finding().severity == "error"


def test_without_a_limit_only_negative_power_is_impossible() -> None:
    keep, found = screened(Channel("wall:power", "W"), np.array([10.0, 1e7, -1.0, 10.0]))
    assert list(np.flatnonzero(~keep)) == [2]
    assert found is not None
    assert found.finding().possible == "at least 0 W"


def test_a_sensor_with_an_offset_may_show_a_little_less_than_nothing() -> None:
    hall = Channel("rail:power", "W", offset=0.5)
    keep, found = screened(hall, np.array([0.2, -1.4, 0.1]))
    assert keep.all()
    assert found is None


@pytest.mark.parametrize("slip_j", [0.0, 9e12])
@pytest.mark.parametrize("channel", [COUNTER, NO_WRAP, FREE])
def test_a_lone_slip_of_a_counter_is_left_out(channel: Channel, slip_j: float) -> None:
    v = counted()
    v[20] = slip_j
    keep, found = screened(channel, v)
    assert list(np.flatnonzero(~keep)) == [20]
    assert found is not None
    assert found.jumped_s == ()


@pytest.mark.parametrize("channel", [COUNTER, NO_WRAP, FREE])
def test_a_counter_that_starts_again_is_not_a_slip(channel: Channel) -> None:
    v = counted()
    v[20:] -= v[20]
    keep, found = screened(channel, v)
    assert keep.all()
    assert found is None


def test_a_counter_that_jumps_and_stays_is_an_error() -> None:
    v = counted()
    v[20:] += 1e5
    keep, found = screened(COUNTER, v)
    assert keep.all()
    assert found is not None
    finding = found.finding()
    assert finding.severity == "error"
    assert "rose by more than the device can draw, at 2.0 s" in finding.message


def test_a_wrap_is_possible_and_a_reset_that_looks_like_one_is_not() -> None:
    wrapping = Channel("a", "J", 1e-3, period_s=0.1, wrap_j=2.0**18, limit_w=400.0)
    v = counted(start_j=2.0**18 - 300) % 2.0**18
    keep, found = screened(wrapping, v)
    assert keep.all()
    assert found is None
    reset = counted(start_j=2.0**18 - 9e4)
    reset[20:] -= reset[20]
    _, found = screened(wrapping, reset)
    assert found is not None
    assert found.jumped_s == pytest.approx((2.0,))


def test_a_counter_that_stalled_may_catch_up() -> None:
    v = counted()
    v[10:25] = v[10]
    keep, found = screened(COUNTER, v)
    assert keep.all()
    assert found is None


def test_a_slow_counter_polled_fast_may_step() -> None:
    t_s = 0.001 * np.arange(1000, dtype=np.float64)
    v: FloatArray = 35.0 * np.floor(t_s / 0.1)
    keep, found = plausible(COUNTER, t_s, v, 0.0)
    assert keep.all()
    assert found is None


def test_bursts_of_a_counter_without_a_limit_are_kept() -> None:
    power_w = np.where(np.arange(400) % 40 == 7, 500.0, 0.5)
    keep, found = screened(NO_WRAP, np.cumsum(0.1 * power_w))
    assert keep.all()
    assert found is None


def test_only_windows_with_the_jump_are_refused() -> None:
    v = counted(n=200)
    v[100:] += 700.0
    t_s = 0.1 * np.arange(200, dtype=np.float64)
    trace = Trace(COUNTER, t_s, v)
    for start_s, stop_s, refused in ((1.0, 9.0, False), (11.0, 19.0, False), (1.0, 19.0, True)):
        window = Window("measure", start_s, stop_s)
        energy = trace.energy(window)
        assert energy.joules < 800.0 * window.duration_s  # the mean alone would pass
        if refused:
            with pytest.raises(EnergyError, match=r"a rise at 10\.000 s that no power explains"):
                refuse_impossible(trace, energy, [window])
        else:
            refuse_impossible(trace, energy, [window])


@pytest.mark.parametrize("channel", [COUNTER, NO_WRAP])
def test_a_young_counter_that_starts_again_soon_passes_where_it_was(channel: Channel) -> None:
    v = counted(start_j=0.0)
    v[3:] -= v[3]
    keep, found = screened(channel, v)
    assert keep.all()
    assert found is None
