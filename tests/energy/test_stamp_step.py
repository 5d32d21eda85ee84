"""Stamps that were rounded one by one: what that does to power and to counters is covered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from joulebench.energy import Channel, Energy, Trace, Window

FloatArray = npt.NDArray[np.float64]

WINDOW = Window("m", 4.0, 13.0)


def _power_w(t_s: FloatArray, load: str) -> FloatArray:
    if load == "ramp":
        return np.asarray(60 + 145 * (np.clip(t_s, 5, 9) - 5))
    return np.where((t_s >= 5.5) & (t_s < 9.5), 350.0, 60.0)


def _used_j(t_s: FloatArray, load: str) -> FloatArray:
    if load == "ramp":
        up_s = np.clip(t_s, 5, 9) - 5
        return np.asarray(60 * t_s + 72.5 * up_s**2 + 580 * np.maximum(t_s - 9, 0))
    return np.asarray(60 * t_s + 290 * (np.clip(t_s, 5.5, 9.5) - 5.5))


def _read(
    rng: np.random.Generator, channel: Channel, load: str, wander_s: float
) -> tuple[Energy, float]:
    """Read a load every 100 ms, more or less, with stamps rounded to the channel's step."""
    true_s = rng.uniform(0, 0.1) + 0.1 * np.arange(160, dtype=np.float64)
    true_s = np.sort(true_s + rng.uniform(-wander_s, wander_s, true_s.size))
    step_s = channel.stamp_step_s
    shown_s = np.round(true_s / step_s) * step_s
    v = _power_w(true_s, load) if channel.unit == "W" else _used_j(true_s, load) + 5
    first, last = _used_j(np.array([WINDOW.start_s, WINDOW.stop_s]), load)
    return Trace(channel, shown_s, v).energy(WINDOW), float(last - first)


@pytest.mark.parametrize("unit", ["W", "J"])
@pytest.mark.parametrize("load", ["burst", "ramp"])
@pytest.mark.parametrize("wander_s", [0.0, 0.005])
@pytest.mark.parametrize("step_s", [0.03, 0.05])
def test_rounded_stamps_are_covered(unit: str, load: str, wander_s: float, step_s: float) -> None:
    rng = np.random.default_rng(3)
    channel = Channel("gpu0:x", unit, stamp_step_s=step_s)
    found = [_read(rng, channel, load, wander_s) for _ in range(300)]
    covered = [abs(e.joules - truth_j) <= e.half_width_95_j + 1e-9 for e, truth_j in found]
    assert np.mean(covered) >= 0.93


@pytest.mark.parametrize("unit", ["W", "J"])
def test_a_ramp_with_rounded_stamps_is_not_covered_without_their_step(unit: str) -> None:
    rng = np.random.default_rng(3)
    channel = Channel("gpu0:x", unit, stamp_step_s=0.05)
    missed = 0
    for _ in range(100):
        true_s = rng.uniform(0, 0.1) + 0.1 * np.arange(160, dtype=np.float64)
        shown_s = np.round(true_s / 0.05) * 0.05
        v = _power_w(true_s, "ramp") if unit == "W" else _used_j(true_s, "ramp") + 5
        bare = Trace(replace(channel, stamp_step_s=0.0), shown_s, v).energy(WINDOW)
        first, last = _used_j(np.array([WINDOW.start_s, WINDOW.stop_s]), "ramp")
        missed += abs(bare.joules - float(last - first)) > bare.half_width_95_j
    assert missed > 50
