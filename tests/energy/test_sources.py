"""Every source of uncertainty, one at a time: what it adds covers the truth, and is needed for it.

Each case simulates sensors that err from one source alone, and integrates them with a channel that
states it. The 95 % intervals must cover the truth; without the share of that source they must not,
so that a source that is lost on the way fails its case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from joulebench.energy import Channel, Energy, Trace, Window

FloatArray = npt.NDArray[np.float64]
Rng = np.random.Generator
Case = Callable[[Rng], tuple[Energy, float]]
"""Draws a sensor and a load, and gives the energy that was integrated and the true one, J."""


def _constant(rng: Rng, channel: Channel, error: Callable[[FloatArray], FloatArray]) -> Trace:
    t_s = np.arange(rng.uniform(0, 0.1), 12, 0.1)
    return Trace(channel, t_s, error(np.full(t_s.size, 200.0)))


def gain(rng: Rng) -> tuple[Energy, float]:
    """A board that reads a fixed share too much or too little."""
    off = 1 + rng.normal(0, 0.03)
    trace = _constant(rng, Channel("gpu0:power", "W", gain=0.03), lambda v: v * off)
    return trace.energy(Window("m", 2, 8)), 1200.0


def gain_of_a_counter(rng: Rng) -> tuple[Energy, float]:
    """A counter that counts a fixed share too much or too little."""
    off = 1 + rng.normal(0, 0.03)
    trace = _constant(rng, Channel("cpu0:package", "J", gain=0.03), lambda v: np.cumsum(v * off))
    trace = Trace(trace.channel, trace.t_s, 0.1 * trace.v)
    return trace.energy(Window("m", 2, 8)), 1200.0


def offset(rng: Rng) -> tuple[Energy, float]:
    """A board that reads some watts too much or too little."""
    off_w = rng.normal(0, 4)
    trace = _constant(rng, Channel("gpu0:power", "W", offset=4.0), lambda v: v + off_w)
    return trace.energy(Window("m", 2, 8)), 1200.0


def resolution(rng: Rng) -> tuple[Energy, float]:
    """A steady power, rounded to one side at every sample."""
    power_w = rng.uniform(195, 205)
    channel = Channel("gpu0:power", "W", resolution=5.0)
    trace = _constant(rng, channel, lambda v: np.round(power_w / 5 + 0 * v) * 5)
    return trace.energy(Window("m", 2, 8)), 6 * power_w


def resolution_of_a_counter(rng: Rng) -> tuple[Energy, float]:
    """A counter of whole tens of joules."""
    power_w, begin_j = rng.uniform(195, 205), rng.uniform(0, 10)
    t_s = np.arange(rng.uniform(0, 0.1), 12, 0.1)
    v = np.floor((begin_j + power_w * t_s) / 10) * 10
    # The steps themselves look like a power that comes and goes; resolved in time they do not.
    start_s, stop_s = float(t_s[20]), float(t_s[80])
    trace = Trace(Channel("cpu0:package", "J", resolution=10.0), t_s, v)
    return trace.energy(Window("m", start_s, stop_s)), power_w * (stop_s - start_s)


def stamps(rng: Rng) -> tuple[Energy, float]:
    """All stamps late by the same unknown delay, in a window that ends at a higher power."""
    t_s = np.arange(rng.uniform(0, 0.01), 12, 0.01)
    late_s = rng.normal(0, 0.05)
    trace = Trace(
        Channel("gpu0:power", "W", stamp_s=0.05), t_s, np.where(t_s - late_s < 5, 60.0, 300.0)
    )
    return trace.energy(Window("m", 2, 8)), 3 * 60 + 3 * 300.0


def stamps_of_a_counter(rng: Rng) -> tuple[Energy, float]:
    """The same of a counter."""
    t_s = np.arange(rng.uniform(0, 0.01), 12, 0.01)
    at_s = t_s - rng.normal(0, 0.05)
    counter = 60 * at_s + 240 * np.maximum(at_s - 5, 0) + 10
    trace = Trace(Channel("gpu0:energy", "J", stamp_s=0.05), t_s, counter)
    return trace.energy(Window("m", 2, 8)), 3 * 60 + 3 * 300.0


def sampling(rng: Rng) -> tuple[Energy, float]:
    """Steps between samples, at random places inside the window."""
    steps_s = np.sort(rng.uniform(3, 7, 6))
    watts = np.concatenate(([100.0], rng.uniform(50, 400, 5), [100.0]))
    t_s = np.arange(rng.uniform(0, 0.1), 12, 0.1)
    trace = Trace(Channel("gpu0:power", "W"), t_s, watts[np.searchsorted(steps_s, t_s)])
    truth_j = float(np.diff([2.0, *steps_s, 8.0]) @ watts)
    return trace.energy(Window("m", 2, 8)), truth_j


def scatter(rng: Rng) -> tuple[Energy, float]:
    """Readings that scatter independently around a steady power."""
    trace = _constant(rng, Channel("gpu0:power", "W"), lambda v: v + rng.normal(0, 20, v.size))
    return trace.energy(Window("m", 2, 8)), 1200.0


def leak_at_edges(rng: Rng) -> tuple[Energy, float]:
    """Work that begins and ends exactly at the edges of its window."""
    t_s = np.arange(rng.uniform(0, 0.2), 12, 0.2)
    trace = Trace(Channel("gpu0:power", "W"), t_s, np.where((t_s >= 4) & (t_s < 7), 350.0, 60.0))
    return trace.energy(Window("m", 4, 7)), 3 * 350.0


def doubtful_edges(rng: Rng) -> tuple[Energy, float]:
    """Edges of a window that were noted too early or too late."""
    trace = _constant(rng, Channel("gpu0:power", "W"), lambda v: v)
    start_s, stop_s = 2 + rng.normal(0, 0.05), 8 + rng.normal(0, 0.05)
    return trace.energy(Window("m", start_s, stop_s, edge_s=0.05)), 1200.0


def doubtful_edges_of_a_counter(rng: Rng) -> tuple[Energy, float]:
    """The same of a counter."""
    t_s = np.arange(rng.uniform(0, 0.1), 12, 0.1)
    trace = Trace(Channel("gpu0:energy", "J"), t_s, 200 * t_s)
    start_s, stop_s = 2 + rng.normal(0, 0.05), 8 + rng.normal(0, 0.05)
    return trace.energy(Window("m", start_s, stop_s, edge_s=0.05)), 1200.0


def counter_at_edges(rng: Rng) -> tuple[Energy, float]:
    """A counter whose power changes between the readings around the edges."""
    t_s = np.arange(rng.uniform(0, 0.2), 12, 0.2)
    used_j = 60 * t_s + 290 * (np.clip(t_s, 4, 7) - 4)
    trace = Trace(Channel("gpu0:energy", "J"), t_s, used_j)
    return trace.energy(Window("m", 4, 7)), 3 * 350.0


def polls_of_a_counter(rng: Rng) -> tuple[Energy, float]:
    """A counter polled faster than it updates: when it did is known to a poll."""
    polls_s = np.arange(rng.uniform(0, 0.04), 12, 0.04)
    phase_s = rng.uniform(0, 0.1)
    shown_s = np.floor((polls_s - phase_s) / 0.1) * 0.1 + phase_s
    trace = Trace(Channel("gpu0:energy", "J", period_s=0.1), polls_s, 200 * (shown_s + 1))
    start_s, length_s = rng.uniform(2, 2.5), rng.uniform(3, 4)
    return trace.energy(Window("m", start_s, start_s + length_s)), 200 * length_s


def bridged_gap(rng: Rng) -> tuple[Energy, float]:
    """A hole in the trace in which the power changed."""
    step_s = rng.uniform(4, 7)
    t_s = np.concatenate((np.arange(0, 4, 0.1), np.arange(7, 12, 0.1)))
    trace = Trace(Channel("gpu0:power", "W"), t_s, np.where(t_s < step_s, 60.0, 300.0))
    truth_j = 60 * (step_s - 2) + 300 * (8 - step_s)
    return trace.energy(Window("m", 2, 8), gaps="bridge"), truth_j


def _averaged(
    t_s: FloatArray, averaging_s: float, steps_s: FloatArray, w: FloatArray
) -> FloatArray:
    edges = np.concatenate(([-1e3], steps_s, [1e3]))
    used = np.concatenate(([0.0], np.cumsum(np.diff(edges) * w)))
    now, before = np.interp(t_s, edges, used), np.interp(t_s - averaging_s, edges, used)
    return np.asarray((now - before) / averaging_s)


def averaging(rng: Rng) -> tuple[Energy, float]:
    """A sensor that averages over a second, in work that steps within it."""
    stop_s = 6 + rng.uniform(0.4, 4)
    steps_s = np.sort(np.concatenate(([6.0, stop_s], rng.uniform(6, stop_s, 4))))
    watts = np.concatenate(([60.0], rng.uniform(100, 400, 5), [60.0]))
    t_s = np.arange(rng.uniform(0, 0.1), 16, 0.1)
    channel = Channel("gpu0:power", "W", period_s=0.1, averaging_s=1.0)
    trace = Trace(channel, t_s, _averaged(t_s, 1.0, steps_s, watts))
    start_s = float(rng.uniform(6, stop_s - 0.3))
    inside = np.clip(np.concatenate((steps_s, [99.0])), start_s, stop_s)
    truth_j = float(np.diff(np.concatenate(([start_s], inside))) @ watts)
    return trace.energy(Window("m", start_s, stop_s)), truth_j


def averaging_time(rng: Rng) -> tuple[Energy, float]:
    """A sensor whose averaging time is not quite the one that its data sheet states."""
    real_s = 1 + rng.normal(0, 0.04)
    t_s = np.arange(rng.uniform(0, 0.1), 20, 0.1)
    steps_s, watts = np.array([6.0, 11.0]), np.array([60.0, 350.0, 60.0])
    channel = Channel("gpu0:power", "W", period_s=0.1, averaging_s=1.0)
    trace = Trace(channel, t_s, _averaged(t_s, real_s, steps_s, watts))
    return trace.energy(Window("m", 6, 11)), 5 * 350.0


NOISE = "noise"
"""Stands for the noise as a whole."""

EDGES = "noise and edge"
"""Doubtful times of updates look like steps of power as well."""

CASES: list[tuple[Case, str, int]] = [
    (gain, "gain", 400),
    (gain_of_a_counter, "gain", 400),
    (offset, "offset", 400),
    (resolution, "resolution", 400),
    (resolution_of_a_counter, NOISE, 400),
    (stamps, "stamp", 400),
    (stamps_of_a_counter, "stamp", 400),
    (sampling, NOISE, 400),
    (scatter, NOISE, 400),
    (leak_at_edges, "edge", 400),
    (doubtful_edges, NOISE, 400),
    (doubtful_edges_of_a_counter, NOISE, 400),
    (counter_at_edges, "edge", 400),
    (polls_of_a_counter, EDGES, 400),
    (bridged_gap, NOISE, 400),
    (averaging, "averaging", 30),
    (averaging_time, "averaging", 30),
]


def _without(energy: Energy, source: str) -> Energy:
    if source == NOISE:
        return replace(energy, noise=0.0)
    if source == EDGES:
        return _without(_without(energy, NOISE), "edge")
    assert any(name.startswith(f"{source} ") for name in energy.biases), energy
    kept = {n: bias for n, bias in energy.biases.items() if not n.startswith(f"{source} ")}
    return replace(energy, biases=kept)


def _covers(energy: Energy, truth_j: float) -> bool:
    low, high = energy.interval_95
    return low - 1e-9 <= truth_j <= high + 1e-9


def _id(part: object) -> str:
    return str(getattr(part, "__name__", part)).replace("_", "-")


@pytest.mark.parametrize(("case", "source", "draws"), CASES, ids=_id)
def test_the_source_covers_the_truth_and_is_needed(case: Case, source: str, draws: int) -> None:
    rng = np.random.default_rng(20261121)
    found = [case(rng) for _ in range(draws)]
    covered = np.mean([_covers(energy, truth_j) for energy, truth_j in found])
    assert covered >= 0.95 - 2.5 * np.sqrt(0.95 * 0.05 / draws), f"{covered:.1%} covered"
    bare = np.mean([_covers(_without(energy, source), truth_j) for energy, truth_j in found])
    assert bare < 0.85, f"{bare:.1%} covered without {source}"
    # No wider than needed: errors are not all far inside the interval.
    errors = np.abs([energy.joules - truth_j for energy, truth_j in found])
    halves = np.array([energy.half_width_95_j for energy, _ in found])
    assert np.quantile(errors / halves, 0.98) > 0.2


@pytest.mark.parametrize("phase", ["prefill", "decode"])
def test_phases_of_many_requests_are_covered_between_the_polls_of_a_counter(phase: str) -> None:
    # A counter polled ten times a second smears each step of power: a short phase of high power
    # loses some of its energy to the next at every request, and always to the same side.
    rng = np.random.default_rng(20261121)
    powers_w = {"prefill": 400.0, "decode": 250.0}
    covered = []
    for _ in range(60):
        lengths_s = {"prefill": 0.31, "decode": 1.9}
        edges = [5.0]
        for _ in range(12):
            for length_s in lengths_s.values():
                edges.append(edges[-1] + length_s)
        steps_w = [60.0, *(list(powers_w.values()) * 12), 60.0]
        t_s = np.arange(rng.random() * 0.1, edges[-1] + 5.0, 0.1)
        knots = np.array([0.0, *edges, edges[-1] + 6.0])
        true_j = np.concatenate(([0.0], np.cumsum(np.diff(knots) * steps_w)))
        channel = Channel("cpu0:energy", "J", scope="cpu package", period_s=0.001)
        trace = Trace(channel, t_s, np.interp(t_s, knots, true_j))
        first = list(powers_w).index(phase)
        windows = [Window(phase, *edges[i : i + 2]) for i in range(first, 24, 2)]
        energy = trace.energy(windows)
        covered.append(_covers(energy, 12 * lengths_s[phase] * powers_w[phase]))
        assert energy.half_width_95_j < 0.25 * energy.joules
    assert np.mean(covered) >= 0.9, f"{np.mean(covered):.1%}"
