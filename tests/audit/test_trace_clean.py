"""Sound data give no finding: simulated boards under random loads, and clean studies of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from runs import view
from trace_samples import Floats, evidence

from joulebench.audit import (
    trace_cadence,
    trace_edges,
    trace_idle,
    trace_lag,
    trace_limits,
    trace_sensors,
    trace_summary,
)
from joulebench.audit.run_view import AuditRun
from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.finding import Finding
from joulebench.meters.simulated import BOARDS, Faults, PowerProfile, SimulatedSensor

MODULES = (
    trace_cadence,
    trace_edges,
    trace_idle,
    trace_lag,
    trace_limits,
    trace_sensors,
    trace_summary,
)
RULES = [rule for module in MODULES for rule in module.RULES]

BEGIN_S, LONG_S = 10.0, 40.0


def found(*views: AuditRun) -> list[Finding]:
    """Apply all rules of traces to runs, and to all of them together."""
    one = [f for rule in RULES if rule.run for each in views for f in rule.run(each)]
    everything = evidence(*views)
    return one + [f for rule in RULES if rule.evidence for f in rule.evidence(everything)]


def _load(rng: np.random.Generator) -> PowerProfile:
    """Give a device that idles, works in bursts of random length and power, and idles again."""
    lengths_s = rng.uniform(0.2, 6.0, 200)
    times = BEGIN_S + np.concatenate(([0.0], np.cumsum(lengths_s)))
    times = times[times < BEGIN_S + LONG_S]
    watts = rng.uniform(180.0, 320.0, times.size)
    return PowerProfile([0.0, *times, BEGIN_S + LONG_S], [60.0, *watts, 60.0])


def _read(channel: Channel, profile: PowerProfile, rng: np.random.Generator) -> Trace:
    """Poll a sensor of random phase with the jitter of a thread."""
    sensor = SimulatedSensor(
        replace(channel, method="simulated"),
        profile,
        rng.uniform(0.0, channel.period_s or 0.1),
        faults=Faults(noise_w=1.5) if channel.unit == "W" else Faults(),
        seed=int(rng.integers(1 << 30)),
    )
    t_s: Floats = np.cumsum(rng.uniform(0.098, 0.104, 600))
    return Trace(channel, t_s, np.array([sensor.reading(t) for t in t_s]))


@pytest.mark.parametrize("board", sorted(set(BOARDS) - {"hopper"}))
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_random_loads_on_simulated_boards(board: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    profile = _load(rng)
    traces = [_read(domain.channel, profile, rng) for domain in BOARDS[board]]
    run = view(traces, Window("measure", BEGIN_S, BEGIN_S + LONG_S))
    assert found(run) == []


def test_an_import_that_knows_nothing_of_the_sensor() -> None:
    rng = np.random.default_rng(7)
    bare = Channel("gpu0:power", "W", resolution=1e-3, gain=0.029, scope="gpu board", stamp_s=0.5)
    shown = _read(BOARDS["ada"][0].channel, _load(rng), rng)
    run = view([Trace(bare, shown.t_s, shown.v)], Window("measure", BEGIN_S, BEGIN_S + LONG_S))
    assert found(run) == []


def test_a_study_of_three_models_with_repeats() -> None:
    rng = np.random.default_rng(11)
    channel = BOARDS["ada-instant"][0].channel
    views = []
    for model, (watts, speed) in enumerate([(260.0, 290.0), (285.0, 125.0), (303.0, 59.0)]):
        for repetition in range(4):
            level_w = watts * (1 + 0.008 * rng.standard_normal())
            profile = PowerProfile([0.0, BEGIN_S, BEGIN_S + LONG_S], [60.0, level_w, 60.0])
            views.append(
                view(
                    [_read(channel, profile, rng)],
                    Window("measure", BEGIN_S, BEGIN_S + LONG_S, edge_s=0.01),
                    run_id=f"model_{model}_repetition_{repetition}",
                    levels={"model": str(model)},
                    work={"requests": 80, "tokens_out": int(speed * LONG_S)},
                    devices=("RTX 4090",),
                )
            )
    assert found(*views) == []


def test_one_model_on_many_tasks_is_not_at_a_limit() -> None:
    rng = np.random.default_rng(12)
    channel = BOARDS["ada-instant"][0].channel
    views = []
    for place, length_s in enumerate((12.0, 18.0, 25.0, 31.0, 36.0, 40.0)):
        profile = PowerProfile([0.0, BEGIN_S, BEGIN_S + length_s], [60.0, 307.0, 60.0])
        window = Window("measure", BEGIN_S, BEGIN_S + length_s)
        work = {"requests": 80, "tokens_out": int(65 * length_s)}
        views.append(view([_read(channel, profile, rng)], window, run_id=f"run_{place}", work=work))
    assert found(*views) == []


def test_published_figures_that_are_right_are_left_alone() -> None:
    rng = np.random.default_rng(13)
    trace = _read(BOARDS["ada-instant"][0].channel, _load(rng), rng)
    window = Window("measure", float(trace.t_s[100]), float(trace.t_s[400]))
    joules = trace.energy(window).joules
    values = {
        "energy_per_example_j": joules / 50,
        "average_latency_per_example_ms": 1e3 * window.duration_s / 50,
        "accuracy": 0.93,
    }
    facts = {"published": {"table": "pareto.csv", "line": 2, "values": values}}
    assert found(view([trace], window, facts=facts, work={"requests": 50})) == []


def test_the_loads_are_no_trifles() -> None:
    times = _load(np.random.default_rng(1)).times
    assert len(times) > 10
    assert all(later > earlier for earlier, later in pairwise(times))
