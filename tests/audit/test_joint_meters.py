"""Meters of one run that read one thing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from runs import view

from joulebench.audit.joint_meters import RULES
from joulebench.audit.run_view import AuditRun
from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.finding import Finding

POWER = Channel("gpu0:power", "W", gain=0.01, scope="gpu board")
COUNTER = Channel("gpu0:energy", "J", gain=0.01, scope="gpu board")


def run(counter_w: float) -> AuditRun:
    """Make a run whose power is 200 W and whose counter counts as many joules a second."""
    t_s = np.arange(0.0, 30.0, 0.1)
    power = Trace(POWER, t_s, np.full(t_s.size, 200.0))
    counted = Trace(COUNTER, t_s, counter_w * t_s)
    return view([power, counted], Window("measure", 5.0, 25.0))


def found(made: AuditRun) -> list[Finding]:
    return [f for rule in RULES if rule.run is not None for f in rule.run(made)]


def test_meters_that_agree() -> None:
    assert found(run(201.0)) == []


def test_meters_that_disagree() -> None:
    (finding,) = found(run(240.0))
    assert finding.rule == "meters-disagree"
    assert finding.where.startswith("run_0_repetition_0: ")


def test_it_is_not_said_twice() -> None:
    made = run(240.0)
    made.run.findings += [replace(finding, where="gpu0") for finding in found(made)]
    assert found(made) == []
