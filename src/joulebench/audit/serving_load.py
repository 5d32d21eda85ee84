"""Loads whose figures do not mean what their names say: queues, late arrivals, tokens, caches."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.serving_facts import facts_in, number
from joulebench.audit.trace_stretch import already_said
from joulebench.finding import Finding

LATE = 0.05
"""Mean lateness of requests, as a part of their mean latency, that is still told as none."""

LEAST_LATE_S = 0.001
"""Lateness that any scheduler may cause, s."""


def no_steady_state(view: AuditRun) -> Iterator[Finding]:
    """Look for a load without a stretch in which it neither rises nor falls."""
    steady = facts_in(facts_in(view.run.facts, "serving"), "steady")
    if not steady or steady.get("found") or already_said(view, "no-steady-state", "load"):
        return
    yield Finding(
        "no-steady-state",
        "warning",
        view.where("load"),
        f"no steady stretch was found: {steady.get('why') or 'nothing says why'}; rates, power "
        "and energy per token hold the load's rise and fall",
        "ask for more requests (load.requests), so that the load goes on after its ramp-up",
    )


def queue_grows(view: AuditRun) -> Iterator[Finding]:
    """Look for requests that come faster than they are answered for as long as the load lasts."""
    serving = facts_in(view.run.facts, "serving")
    if not facts_in(serving, "steady").get("overload"):
        return
    latency = facts_in(serving, "latency_s")
    seen = number(latency.get("p99"))
    yield Finding(
        "queue-grows",
        "warning",
        view.where("load"),
        "requests came faster than they were answered from beginning to end: each waited longer "
        "than the one before, so that latencies tell how long the load lasted and nothing else",
        "read off the requests answered in a second alone; for latencies lower load.rate_per_s "
        "below it",
        seen="" if math.isnan(seen) else f"latency p99 {seen:.4g} s",
    )


def arrivals_late(view: AuditRun) -> Iterator[Finding]:
    """Look for requests that were put to the engine later than they were due."""
    late = facts_in(facts_in(view.run.facts, "arrivals"), "late_s")
    latency = facts_in(facts_in(view.run.facts, "serving"), "latency_s")
    late_s, latency_s = number(late.get("mean")), number(latency.get("mean"))
    possible_s = max(LATE * latency_s, LEAST_LATE_S)
    if not late_s > possible_s or already_said(view, "arrivals-late", "load"):
        return
    yield Finding(
        "arrivals-late",
        "warning",
        view.where("load"),
        f"requests were put to the engine {late_s:.3g} s after they were due in the mean: the load "
        "was less than it is called, and latencies hold the delay of the machine that asked",
        "lower load.rate_per_s, or ask from a machine with more processors",
        seen=f"{late_s:.3g} s",
        possible=f"up to {possible_s:.3g} s",
    )


def slo_never_met(view: AuditRun) -> Iterator[Finding]:
    """Look for a load of which no request kept to the longest delays that count as good."""
    serving = facts_in(view.run.facts, "serving")
    count = number(serving.get("n"))
    slo = facts_in(serving, "slo")
    if not (slo and serving.get("good") == 0 and count > 0):
        return
    asked = ", ".join(f"{name} {number(most):g}" for name, most in slo.items())
    yield Finding(
        "slo-never-met",
        "warning",
        view.where("load"),
        f"not one of {count:.0f} requests kept to the service level asked for ({asked}): goodput "
        "is 0, and energy per good request has no value",
        "lower the load, or ask for a service level that the machine can keep to",
        seen="0 good requests",
    )


def tokens_from_chunks(view: AuditRun) -> Iterator[Finding]:
    """Look for tokens that nobody counted, so that pieces of the answer stand for them."""
    engine = facts_in(view.run.facts, "engine")
    counted = engine.get("counted_by_chunks")
    if counted is None:
        counted = sum(item.get("tokens_from") == "chunks" for item in view.responses)
    if not number(counted) > 0:
        return
    yield Finding(
        "tokens-from-chunks",
        "warning",
        view.where("tokens_out"),
        f"the tokens of {counted} answers were counted by the pieces that they came in, which may "
        "hold several tokens each: energy per token is too large by as much, and rates too small",
        "use a server that tells its usage, or name a tokenizer, before energies per token are "
        "compared",
        seen=f"{counted} answers",
        possible="0",
    )


def cached_prompts(view: AuditRun) -> Iterator[Finding]:
    """Look for prompts that were asked again of an engine that keeps what it made of them."""
    if not facts_in(view.run.facts, "engine").get("prefix_caching"):
        return
    asked = Counter(str(item["prompt"]) for item in view.responses if item.get("prompt"))
    again = sum(asked.values()) - len(asked)
    if again == 0:
        return
    yield Finding(
        "cached-prompts",
        "warning",
        view.where("engine"),
        f"{again} of {sum(asked.values())} prompts had been asked before in the run, and the "
        "engine caches prefixes: their prefill cost next to nothing, so that energy and time to "
        "the first token are those of a cache",
        "set engine.prefix_caching: false, or ask as many different prompts as there are requests "
        "(tasks.items)",
        seen=f"{again} repeated prompts",
        possible="0",
    )


RULES = (
    Rule("no-steady-state", "serving", run=no_steady_state),
    Rule("queue-grows", "serving", run=queue_grows),
    Rule("arrivals-late", "serving", run=arrivals_late),
    Rule("slo-never-met", "serving", run=slo_never_met),
    Rule("tokens-from-chunks", "serving", run=tokens_from_chunks),
    Rule("cached-prompts", "serving", run=cached_prompts),
)
