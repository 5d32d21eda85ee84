"""What a load may ask for: figures that cannot be, and keys that belong to another kind."""

from __future__ import annotations

import math

from joulebench.work import Load

KINDS = ("sequential", "batch", "closed", "open")
MOST_REQUESTS = 1_000_000
"""Most requests of a trial: all are kept in memory."""

ARRIVALS = ("poisson", "constant", "trace")


def contradiction(load: Load) -> str | None:
    """Say what in a load belongs to another kind, in one line; ``None`` if nothing does.

    A rate or a trace that is missing is none: a factor may set it.

    Args:
        load: Its kind and arrivals are known ones.
    """
    if load.batch_size > 1 and load.kind == "sequential":
        return "batch_size above 1 needs kind: batch, closed or open"
    if load.concurrency > 1 and load.kind != "closed":
        return "concurrency above 1 needs kind: closed"
    for name, given in (
        ("rate_per_s", load.rate_per_s is not None),
        (f"arrivals: {load.arrivals}", load.arrivals != "poisson"),
        ("trace", bool(load.trace)),
    ):
        if given and load.kind != "open":
            return f"{name} needs kind: open"
    if load.trace and load.arrivals != "trace":
        return "trace needs arrivals: trace"
    if load.rate_per_s is not None and load.arrivals == "trace":
        return "rate_per_s and arrivals: trace exclude each other: the trace holds the times"
    return None


def missing(load: Load) -> str | None:
    """Say what a load lacks, in one line; ``None`` if nothing."""
    if load.kind != "open":
        return None
    if load.arrivals == "trace" and not load.trace:
        return "arrivals: trace needs trace, a file of arrival times"
    if load.arrivals != "trace" and load.rate_per_s is None:
        return "kind: open needs rate_per_s, the mean arrivals a second, or a factor of that name"
    return None


def wrong_figure(load: Load) -> str | None:
    """Say which figure of a load cannot be, in one line; ``None`` if all can."""
    for name in ("batch_size", "concurrency", "requests"):
        count = getattr(load, name)
        if count is not None and count < 1:
            return f"{name} = {count} must be at least 1"
    if load.requests is not None and load.requests > MOST_REQUESTS:
        return f"requests = {load.requests} must be at most {MOST_REQUESTS}"
    for name in ("rate_per_s", "ttft_slo_s", "itl_slo_s", "latency_slo_s"):
        figure = getattr(load, name)
        if figure is not None and not (math.isfinite(figure) and figure > 0):
            return f"{name} = {figure:g} must be finite and above 0"
    return None
