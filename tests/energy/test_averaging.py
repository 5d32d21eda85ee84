"""Undoing a moving average: exact where the data say all, honest where they do not."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from joulebench.averaging import above_zero, reading_noise_w
from joulebench.banded import Banded
from joulebench.energy import Channel, Trace, Window
from joulebench.errors import EnergyError

FloatArray = npt.NDArray[np.float64]


def _averaged(t_s: FloatArray, averaging_s: float, steps: list[tuple[float, float]]) -> FloatArray:
    """Average a power that steps at the given times to the given watts, from 60 W."""
    edges = np.array([-1e3, *(at for at, _ in steps), 1e3])
    watts = np.array([60.0, *(w for _, w in steps)])
    used = np.concatenate(([0.0], np.cumsum(np.diff(edges) * watts)))
    now, before = np.interp(t_s, edges, used), np.interp(t_s - averaging_s, edges, used)
    return np.asarray((now - before) / averaging_s)


def test_a_one_second_average_of_a_short_burst_is_undone() -> None:
    t_s = np.arange(0.03, 12, 0.1)
    v = _averaged(t_s, 1.0, [(5.0, 300.0), (5.7, 60.0)])
    channel = Channel("gpu0:power", "W", period_s=0.1, averaging_s=1.0)
    window = Window("measure", 5.0, 5.7)
    undone = Trace(channel, t_s, v).energy(window)
    plain = Trace(Channel("gpu0:power", "W", period_s=0.1), t_s, v).energy(window)
    assert undone.joules == pytest.approx(210, rel=0.01)
    assert plain.joules < 0.7 * 210
    assert abs(undone.joules - 210) < undone.half_width_95_j < 0.15 * 210


def test_adjoining_windows_add_up_within_their_doubt() -> None:
    t_s = np.arange(0.03, 40, 0.1)
    v = _averaged(t_s, 1.0, [(5.0, 300.0), (17.0, 180.0), (30.0, 60.0)])
    trace = Trace(Channel("gpu0:power", "W", period_s=0.1, averaging_s=1.0), t_s, v)
    first, second = (trace.energy(Window("m", *ends)) for ends in ((5, 16.4), (16.4, 30)))
    whole = trace.energy(Window("m", 5, 30))
    assert first.joules + second.joules == pytest.approx(whole.joules, abs=3 * whole.uncertainty)
    assert whole.joules == pytest.approx(12 * 300 + 13 * 180, rel=0.001)


def test_a_constant_needs_no_correction() -> None:
    t_s = np.arange(0, 20, 0.1)
    trace = Trace(Channel("gpu0:power", "W", averaging_s=1.0), t_s, np.full(t_s.size, 250.0))
    for stop_s in (5.3, 15.0):
        energy = trace.energy(Window("m", 5.0, stop_s))
        assert energy.joules == pytest.approx(250 * (stop_s - 5), rel=1e-3)


@settings(max_examples=60)
@given(st.data())
def test_any_averaged_trace_gives_a_finite_energy_or_a_refusal(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 40))
    scale = data.draw(st.floats(1e-3, 2.0))
    steps = data.draw(hnp.arrays(np.float64, n, elements=st.floats(0.2, 1.8)))
    watts = st.one_of(st.just(0.0), st.floats(0, 700))
    v = data.draw(hnp.arrays(np.float64, n, elements=watts))
    t_s = np.cumsum(steps) * scale + data.draw(st.floats(0, 1e5))
    averaging_s = data.draw(st.floats(1e-3, 10.0))
    period_s = data.draw(st.sampled_from([0.0, scale, 5 * scale]))
    trace = Trace(Channel("g", "W", period_s=period_s, averaging_s=averaging_s), t_s, v)
    low, high = sorted((data.draw(st.floats(0, 0.5)), data.draw(st.floats(0.5, 1))))
    start, stop = (float(t_s[0] + share * (t_s[-1] - t_s[0])) for share in (low, high))
    if stop <= start:
        return
    try:
        energy = trace.energy(Window("m", start, stop), gaps="bridge")
    except EnergyError:
        return
    assert energy.joules >= 0
    assert math.isfinite(energy.joules)
    assert math.isfinite(energy.uncertainty)


@given(st.integers(2, 40), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_the_banded_inverse_is_the_dense_one(size: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    reach = np.zeros((size, size))
    for row in range(size):
        reach[row, row : row + width + 1] = rng.uniform(0.1, 1, min(width + 1, size - row))
    matrix = reach.T @ reach + np.eye(size)
    banded, dense = Banded(matrix, reach), np.linalg.inv(matrix)
    diagonal, beside = banded.variances()
    assert diagonal == pytest.approx(np.diag(dense))
    assert beside == pytest.approx(np.diag(dense, 1))
    right = rng.standard_normal(size)
    assert banded.solve(right) == pytest.approx(dense @ right)


@pytest.mark.parametrize(
    ("mean", "deviation", "expected"),
    [(10, 0.1, 10), (0, 1, math.sqrt(2 / math.pi)), (-3, 1, 0.283), (5, 0, 5), (-5, 0, 0)],
)
def test_only_the_part_above_zero_is_possible(
    mean: float, deviation: float, expected: float
) -> None:
    assert above_zero(mean, deviation) == pytest.approx(expected, abs=1e-3)


def test_the_noise_of_readings_is_found_beside_steps() -> None:
    rng = np.random.default_rng(3)
    t_s = np.arange(0, 120, 0.1)
    clean = _averaged(t_s, 1.0, [(20.0 + 5 * k, 100.0 + 150 * (k % 2)) for k in range(10)])
    found = [reading_noise_w(clean + 2 * rng.standard_normal(t_s.size)) for _ in range(50)]
    assert np.mean(found) == pytest.approx(2, rel=0.1)
    assert reading_noise_w(clean) < 0.01
