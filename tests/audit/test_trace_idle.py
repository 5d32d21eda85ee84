"""Rules about power beside that of a device without work."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from runs import view
from trace_samples import board, names, scattered

from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_idle import power_below_idle, work_not_seen
from joulebench.channel import Window
from joulebench.energy import Trace


def _with_idle(work_w: float, idle_w: float = 60.0, **more: Any) -> AuditRun:
    t_s = 0.1 * np.arange(601)
    power_w = np.where(t_s < 20, scattered(idle_w, 601), scattered(work_w, 601, seed=1))
    trace = Trace(board(stamp_s=0.0), t_s, power_w)
    run = view([trace], Window("measure", 25.0, 55.0), work={"requests": 20}, **more)
    idle = Window("idle", 1.0, 19.0)
    run.run.windows.append(idle)
    run.run.energy["gpu0:power"]["idle"] = trace.energy(idle).to_dict()
    return run


def test_work_cannot_draw_less_than_idling() -> None:
    found = list(power_below_idle(_with_idle(40.0)))
    assert names(found) == [("power-below-idle", "warning")]
    assert float(found[0].possible.split()[2]) == pytest.approx(60, rel=0.01)
    assert not list(power_below_idle(_with_idle(60.0)))
    assert not list(power_below_idle(_with_idle(300.0)))


def test_no_power_at_all_is_an_error() -> None:
    t_s = 0.1 * np.arange(301)
    run = view([Trace(board(), t_s, np.where(t_s < 1, 0.5, 0.0))], Window("measure", 5.0, 25.0))
    assert names(power_below_idle(run)) == [("power-below-idle", "error")]


@pytest.mark.parametrize("work_w", [60.0, 60.3, 59.7])
def test_work_that_changes_no_power_is_not_seen(work_w: float) -> None:
    assert names(work_not_seen(_with_idle(work_w))) == [("work-not-seen", "warning")]


@pytest.mark.parametrize("work_w", [63.0, 300.0])
def test_work_that_draws_a_little_is_seen(work_w: float) -> None:
    assert not list(work_not_seen(_with_idle(work_w)))


def test_without_idle_windows_or_work_nothing_can_be_said() -> None:
    run = _with_idle(60.0)
    run.run.work = {}
    assert not list(work_not_seen(run))
    run = _with_idle(60.0)
    run.run.windows.pop()
    assert not list(work_not_seen(run))


def test_a_channel_without_an_idle_energy_leaves_it_open() -> None:
    run = _with_idle(60.0)
    del run.run.energy["gpu0:power"]["idle"]
    assert not list(work_not_seen(run))


def test_noise_that_hides_the_work_leaves_it_open() -> None:
    run = _with_idle(60.0)
    run.run.energy["gpu0:power"]["measure"]["noise"] = 300.0
    assert not list(work_not_seen(run))
