"""How a load was served: latencies, rates, what was good under an SLO, the steady stretch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from joulebench.channel import Window
from joulebench.finding import Finding
from joulebench.work import Load, Response
from joulebench.workloads.load_drive import OVERLAPPING
from joulebench.workloads.serving_steady import Steady, steady_stretch, tokens_within

STEADY = "steady"
"""Name of the window between ramp-up and drain."""

LATE = 0.05
"""Requests that were put so much later than they were due, by their mean latency, tell of a driver
that did not keep up."""

LEAST_LATE_S = 0.001
"""Lateness that any scheduler may cause, s."""

FloatArray = npt.NDArray[np.float64]


def serving(responses: Sequence[Response], load: Load) -> dict[str, Any] | None:
    """Say how requests were served; what is not known is left out.

    Latencies count from the arrival where it is known, so that a request that had to wait for its
    turn is not flattered, else from the start.

    Args:
        responses: Of one measured window.
        load: How they were asked.

    Returns:
        A JSON-ready dict; ``None`` without responses.
    """
    if not responses:
        return None
    arrived_s, start_s, first_s, stop_s = np.array(
        [(r.arrived_s, r.start_s, r.first_token_s, r.stop_s) for r in responses], float
    ).T
    asked_s = np.where(np.isnan(arrived_s), start_s, arrived_s)
    span_s = float(stop_s.max() - asked_s.min())
    facts: dict[str, Any] = {"n": len(responses), "latency_s": summary(stop_s - asked_s)}
    parts = {
        "ttft_s": first_s - asked_s,
        "itl_s": gaps_s(responses),
        "queue_s": start_s - arrived_s,
    }
    facts |= {name: summary(values) for name, values in parts.items() if _known(values)}
    if span_s > 0:
        facts["requests_per_s"] = _rounded(len(responses) / span_s)
        if _generates(responses):
            facts["tokens_out_per_s"] = _rounded(sum(r.tokens_out for r in responses) / span_s)
    facts |= _under_slo(stop_s - asked_s, first_s - asked_s, responses, load, span_s)
    if load.kind in OVERLAPPING and not np.isnan(arrived_s).any():
        facts[STEADY] = _steady_facts(responses, steady_stretch(responses, load))
    return facts


def summary(values: FloatArray) -> dict[str, float]:
    """Give mean, percentiles (by linear interpolation) and maximum of at least one value."""
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    told = {"mean": values.mean(), "p50": p50, "p95": p95, "p99": p99, "max": values.max()}
    return {name: _rounded(float(figure)) for name, figure in told.items()}


def gaps_s(responses: Sequence[Response]) -> FloatArray:
    """Give the times between tokens that came one after another, s, of all responses."""
    gaps = [np.diff(r.token_s) for r in responses if len(r.token_s) > 1]
    return np.concatenate(gaps) if gaps else np.empty(0)


def _known(values: FloatArray) -> bool:
    return bool(values.size) and not bool(np.isnan(values).any())


def _rounded(figure: float) -> float:
    return round(figure, 6)


def _under_slo(
    latency_s: FloatArray,
    ttft_s: FloatArray,
    responses: Sequence[Response],
    load: Load,
    span_s: float,
) -> dict[str, Any]:
    """Count the requests that kept to all that was asked for; none where it cannot be known."""
    limits = {"ttft_s": load.ttft_slo_s, "itl_s": load.itl_slo_s, "latency_s": load.latency_slo_s}
    asked = {name: limit for name, limit in limits.items() if limit is not None}
    if not asked:
        return {}
    seen = {"ttft_s": ttft_s, "itl_s": _mean_gaps_s(responses), "latency_s": latency_s}
    if not all(_known(seen[name]) for name in asked):
        return {"slo": asked}
    kept = np.all([seen[name] <= limit for name, limit in asked.items()], axis=0)
    good = int(kept.sum())
    per_s = {"goodput_per_s": _rounded(good / span_s)} if span_s > 0 else {}
    return {"slo": asked, "good": good, **per_s}


def _mean_gaps_s(responses: Sequence[Response]) -> FloatArray:
    """Give each response's mean time between tokens, s; 0 for one token."""
    return np.array(
        [
            (r.stop_s - r.first_token_s) / (r.tokens_out - 1) if r.tokens_out > 1 else 0.0
            for r in responses
        ]
    )


def _steady_facts(responses: Sequence[Response], steady: Steady) -> dict[str, Any]:
    facts: dict[str, Any] = {"found": steady.found, "why": steady.why}
    if not steady.found:
        return facts | ({"overload": True} if steady.overload else {})
    start_s, stop_s = steady.start_s, steady.stop_s
    tokens_in, tokens_out = tokens_within(responses, start_s, stop_s)
    known = all(response.knows_tokens_in for response in responses)
    return facts | {
        "start_s": _rounded(start_s),
        "stop_s": _rounded(stop_s),
        "requests": sum(start_s < response.stop_s <= stop_s for response in responses),
        **({"tokens_in": _rounded(tokens_in)} if known else {}),
        **({"tokens_out": _rounded(tokens_out)} if _generates(responses) else {}),
    }


def _generates(responses: Sequence[Response]) -> bool:
    """Whether there are tokens to count: an encoder has none, which is not a rate of zero."""
    return any(response.tokens_out for response in responses)


def steady_window(facts: Mapping[str, Any] | None) -> list[Window]:
    """Give the steady stretch as a window; none where none was found."""
    steady = (facts or {}).get(STEADY) or {}
    if not steady.get("found"):
        return []
    return [Window(STEADY, steady["start_s"], steady["stop_s"])]


def arrivals_facts(late_s: Sequence[float], load: Load) -> dict[str, Any]:
    """Say how arrivals came, and how long after they were due requests were put to the engine.

    Args:
        late_s: Of each request, s.
        load: An open one.
    """
    return {"kind": load.arrivals, "late_s": summary(np.asarray(late_s, float))}


def serving_findings(facts: Mapping[str, Any]) -> list[Finding]:
    """Say what stands in the way of reading a load's figures.

    Args:
        facts: Of a run; those of ``serving`` and ``arrivals`` are read.
    """
    return [*_no_steady_state(facts), *_arrivals_late(facts)]


def _no_steady_state(facts: Mapping[str, Any]) -> list[Finding]:
    steady = (facts.get("serving") or {}).get(STEADY)
    if steady is None or steady["found"]:
        return []
    overload = bool(steady.get("overload"))
    return [
        Finding(
            rule="no-steady-state",
            severity="warning",
            where="load",
            message=f"no steady stretch was found: {steady['why']}",
            remedy="latencies depend on how long the load went on; lower rate_per_s for a load "
            "that can be served for ever"
            if overload
            else "ask for more requests (load.requests), so that the load goes on after its "
            "ramp-up; its figures hold ramp-up and drain as well",
        )
    ]


def _arrivals_late(facts: Mapping[str, Any]) -> list[Finding]:
    arrivals, served = facts.get("arrivals"), facts.get("serving")
    if not (arrivals and served):
        return []
    late_s, latency_s = arrivals["late_s"]["mean"], served["latency_s"]["mean"]
    if not late_s > max(LATE * latency_s, LEAST_LATE_S):
        return []
    return [
        Finding(
            rule="arrivals-late",
            severity="warning",
            where="load",
            message=f"requests were put to the engine {late_s:.3g} s after they were due in the "
            f"mean ({arrivals['late_s']['max']:.3g} s at most), which is part of their latency",
            remedy="the machine that asks was too busy: lower load.rate_per_s, or ask from a "
            "machine with more processors",
            seen=f"{late_s:.3g} s",
            possible=f"{LATE * latency_s:.3g} s",
        )
    ]
