"""Latencies, goodput, and the stretch between ramp-up and drain."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from joulebench.work import Load, Response
from joulebench.workloads.serving import serving, serving_findings, steady_window
from joulebench.workloads.serving_steady import (
    in_flight,
    ramp_up,
    steady_stretch,
    tokens_within,
)

OPEN = Load(kind="open", rate_per_s=1.0)


def answer(number: int, arrived_s: float, start_s: float, stop_s: float) -> Response:
    """An answer of 11 tokens, the first after a tenth of its time."""
    first_s = start_s + (stop_s - start_s) / 10
    return Response(f"r{number}", "", 5, 11, start_s, first_s, stop_s, arrived_s=arrived_s)


def queued(arrived_s: np.ndarray, service_s: float) -> list[Response]:
    """One server, in the order of arrival."""
    free_s, found = -math.inf, []
    for number, at_s in enumerate(arrived_s):
        start_s = max(free_s, float(at_s))
        free_s = start_s + service_s
        found.append(answer(number, float(at_s), start_s, free_s))
    return found


def poisson(count: int, rate_per_s: float, seed: int) -> np.ndarray:
    gaps_s = np.random.default_rng(seed).exponential(1 / rate_per_s, count)
    return 50.0 + np.cumsum(gaps_s)


def test_figures_are_those_of_hand() -> None:
    responses = [
        replace(answer(0, 0.0, 1.0, 3.0), token_s=(1.2, 2.0, 3.0)),
        replace(answer(1, 1.0, 1.0, 2.0), token_s=(1.1, 2.0)),
    ]
    load = replace(OPEN, latency_slo_s=3.0, ttft_slo_s=0.5)  # the first keeps to one of them
    served = serving(responses, load)
    assert served is not None
    assert served["latency_s"] == {"mean": 2.0, "p50": 2.0, "p95": 2.9, "p99": 2.98, "max": 3.0}
    assert served["queue_s"]["mean"] == 0.5
    assert served["ttft_s"]["max"] == pytest.approx(1.2)
    assert served["itl_s"] == {"mean": 0.9, "p50": 0.9, "p95": 0.99, "p99": 0.998, "max": 1.0}
    assert (served["requests_per_s"], served["tokens_out_per_s"]) == (0.666667, 7.333333)
    assert served["slo"] == {"ttft_s": 0.5, "latency_s": 3.0}
    assert (served["good"], served["goodput_per_s"]) == (1, 0.333333)
    json.dumps(served, allow_nan=False)


def test_what_is_not_known_is_left_out() -> None:
    untimed = Response("a", "", 1, 4, 0.0, math.nan, 2.0)
    served = serving([untimed], Load(ttft_slo_s=1.0))
    assert served is not None
    assert not {"ttft_s", "itl_s", "queue_s", "good", "goodput_per_s", "steady"} & served.keys()
    assert served["slo"] == {"ttft_s": 1.0}
    assert served["latency_s"]["mean"] == 2.0
    assert serving([], OPEN) is None


def test_what_generates_nothing_has_no_rate_of_tokens() -> None:
    labels = [replace(each, tokens_out=0) for each in queued(poisson(200, 0.3, 1), 1.0)]
    served = serving(labels, OPEN)
    assert served is not None
    assert "tokens_out_per_s" not in served
    assert served["steady"]["requests"] > 0
    assert "tokens_out" not in served["steady"]


def test_an_answer_of_one_token_has_no_gap_to_be_late_by() -> None:
    one = Response("a", "", 1, 1, 0.0, 1.0, 1.0)
    served = serving([one, answer(1, 0.0, 0.0, 10.0)], Load(itl_slo_s=0.5))
    assert served is not None
    assert served["good"] == 1


def test_the_number_in_flight_is_its_mean_over_time() -> None:
    arrived_s, stop_s = np.array([0.0, 1.0]), np.array([3.0, 1.5])
    edges_s = np.array([0.0, 1.0, 2.0, 4.0])
    assert in_flight(arrived_s, stop_s, edges_s) == pytest.approx([1.0, 1.5, 0.5])


def test_a_ramp_is_cut_off_where_it_ends() -> None:
    means = np.concatenate((np.linspace(0, 10, 10, endpoint=False), np.full(40, 10.0)))
    assert ramp_up(means) == 10
    assert ramp_up(np.full(50, 3.3)) == 0
    assert ramp_up(np.arange(50.0)) == 25  # it never ends: as much as may be cut off


def test_the_steady_stretch_has_no_ramp_up_and_no_drain() -> None:
    """A server without a limit, each answer after 40 s: until then requests only gather."""
    arrived_s = np.arange(0, 400.0)
    responses = [answer(n, at_s, at_s, at_s + 40.0) for n, at_s in enumerate(arrived_s)]
    steady = steady_stretch(responses, OPEN)
    assert steady.found
    assert 35 <= steady.start_s <= 45
    assert steady.stop_s == 399.0
    served = serving(responses, OPEN)
    assert served is not None
    assert served["steady"]["requests"] == pytest.approx(359, abs=5)
    assert [w.name for w in steady_window(served)] == ["steady"]


@pytest.mark.parametrize(("use", "least"), [(0.3, 0.95), (0.8, 0.9)])
def test_most_loads_that_can_be_served_are_found_steady(use: float, least: float) -> None:
    loads = [queued(poisson(200, use, seed), 1.0) for seed in range(60)]
    found = [steady_stretch(responses, OPEN).found for responses in loads]
    assert np.mean(found) >= least


@pytest.mark.parametrize(("use", "least"), [(1.5, 0.9), (3.0, 1.0)])
def test_more_than_can_be_served_is_called_overload(use: float, least: float) -> None:
    loads = [queued(poisson(200, use, seed), 1.0) for seed in range(60)]
    told = [steady_stretch(responses, OPEN) for responses in loads]
    assert not any(steady.found for steady in told if steady.overload)
    assert np.mean([steady.overload for steady in told]) >= least


def test_a_long_load_a_little_above_what_can_be_served_is_seldom_called_steady() -> None:
    loads = [queued(poisson(5000, 1.05, seed), 1.0) for seed in range(20)]
    assert np.mean([steady_stretch(responses, OPEN).found for responses in loads]) <= 0.1


def test_a_load_that_ends_before_it_settles_is_no_overload() -> None:
    responses = [answer(n, float(n), float(n), n + 80.0) for n in range(100)]
    steady = steady_stretch(responses, OPEN)
    assert (steady.found, steady.overload) == (False, False)
    assert "did not settle" in steady.why


def test_few_requests_tell_nothing() -> None:
    steady = steady_stretch([answer(n, float(n), float(n), n + 0.5) for n in range(49)], OPEN)
    assert not steady.found
    assert "too few requests: 49" in steady.why


def test_a_closed_load_is_steady_from_everybodys_first_answer_to_the_last_request() -> None:
    responses = [
        answer(4 * turn + user, 2.0 * turn, 2.0 * turn, 2.0 * turn + 2.0 - 0.1 * user)
        for turn in range(10)
        for user in range(4)
    ]
    load = Load(kind="closed", concurrency=4)
    steady = steady_stretch(responses, load)
    assert (steady.start_s, steady.stop_s) == (2.0, 18.0)
    few = steady_stretch(responses[:11], load)
    assert "too few requests: 11 for 4 users; at least 12" in few.why


TIMED = Response("a", "", 8, 4, 0.0, 1.0, 4.0, token_s=(1.0, 2.0, 3.0, 4.0))


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (TIMED, (4.0, 2.0)),
        (replace(TIMED, token_s=()), (4.0, 1 + 3 * 1.5 / 3)),
        (replace(TIMED, token_s=(1.0, 4.0)), (4.0, 2.0)),  # two pieces of two tokens
        (replace(TIMED, token_s=(), first_token_s=math.nan), (8 * 2 / 4, 4 * 2 / 4)),
        (replace(TIMED, token_s=(), tokens_out=0), (4.0, 0.0)),
    ],
)
def test_tokens_count_where_they_came(response: Response, expected: tuple[float, float]) -> None:
    assert tokens_within([response], 0.5, 2.5) == pytest.approx(expected)


def test_stretches_share_out_all_tokens() -> None:
    responses = queued(poisson(50, 0.8, 1), 1.0)
    edges = [0.0, 60.0, 75.5, 90.0, 1000.0]
    parts = [tokens_within(responses, *pair) for pair in itertools.pairwise(edges)]
    assert np.sum(parts, axis=0) == pytest.approx([50 * 5, 50 * 11])


def test_a_token_at_an_edge_counts_before_it() -> None:
    # Users whose answers, of one token, come together, and who ask again a moment later.
    plain = [
        Response(f"r{4 * turn + n}", "", 5, 1, at_s, at_s + 1.9, at_s + 1.9, arrived_s=at_s)
        for turn, at_s in enumerate(np.arange(0.0, 20.0, 2.0).tolist())
        for n in range(4)
    ]
    for responses in (plain, [replace(each, token_s=(each.stop_s,)) for each in plain]):
        served = serving(responses, Load(kind="closed", concurrency=4))
        assert served is not None
        steady = served["steady"]
        assert (steady["start_s"], steady["stop_s"]) == (1.9, 18.0)
        assert steady["requests"] == steady["tokens_out"] == 8 * 4


def found(**facts: Any) -> list[str]:
    return [finding.rule for finding in serving_findings(facts)]


def test_findings_say_what_stands_in_the_way() -> None:
    served = {"latency_s": {"mean": 1.0}, "steady": {"found": True, "why": ""}}
    assert found() == found(serving=served) == []
    none = {"found": False, "why": "too few requests"}
    assert found(serving=served | {"steady": none}) == ["no-steady-state"]
    late = {"late_s": {"mean": 0.2, "max": 0.5}}
    assert found(serving=served, arrivals=late) == ["arrivals-late"]
    assert found(serving=served, arrivals={"late_s": {"mean": 0.04, "max": 0.5}}) == []
