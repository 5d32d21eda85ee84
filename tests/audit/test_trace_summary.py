"""Rules about what a tool says of its own trace."""

from __future__ import annotations

import numpy as np
import pytest
from runs import view
from trace_samples import names, steady

from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_summary import stale_summary
from joulebench.channel import Window

TRACE = steady(70.0, 30.0)
TRAPEZOID_J = float(np.trapezoid(TRACE.v, TRACE.t_s))


def _stated(joules: float, window: Window | None = None, **facts: float) -> AuditRun:
    told = {"stated_energy_j": joules, **facts}
    return view([TRACE], window or Window("measure", 0.0, 30.0), facts=told)


def test_an_energy_that_the_trace_does_not_give_is_of_something_else() -> None:
    found = list(stale_summary(_stated(0.7 * TRAPEZOID_J)))
    assert names(found) == [("stale-summary", "error")]
    assert "-30 %" in found[0].message


@pytest.mark.parametrize(
    "joules",
    [TRAPEZOID_J, 1.01 * TRAPEZOID_J, float(TRACE.v.sum()) * 0.1, float(TRACE.v.mean()) * 30.0],
)
def test_an_energy_that_some_plain_sum_gives_is_of_this_trace(joules: float) -> None:
    assert not list(stale_summary(_stated(joules)))


def test_an_energy_of_the_whole_trace_is_of_this_trace() -> None:
    assert not list(stale_summary(_stated(TRAPEZOID_J, Window("measure", 5.0, 25.0))))


def test_a_published_energy_per_example_counts_with_the_examples() -> None:
    published = {"values": {"energy_per_example_j": 2.0, "model": "a"}}
    for requests, expected in ((1000, [("stale-summary", "error")]), (1050, [])):
        facts, work = {"published": published}, {"requests": requests}
        run = view([TRACE], Window("measure", 0.0, 30.0), facts=facts, work=work)
        assert names(stale_summary(run)) == expected


def test_an_energy_of_two_sensors_is_not_held_against_one() -> None:
    both = [TRACE, steady(70.0, 30.0, seed=5, name="gpu1:power")]
    run = view(both, Window("measure", 0.0, 30.0), facts={"stated_energy_j": 9000.0})
    assert not list(stale_summary(run))


def test_a_number_of_samples_that_the_trace_does_not_hold() -> None:
    found = list(stale_summary(_stated(TRAPEZOID_J, stated_samples=250)))
    assert names(found) == [("stale-summary", "warning")]
    assert found[0].seen == "301 samples"
    assert not list(stale_summary(_stated(TRAPEZOID_J, stated_samples=301)))
