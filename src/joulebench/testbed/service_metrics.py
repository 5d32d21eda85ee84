"""The figures of a testbed for Prometheus."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from joulebench import __version__
from joulebench.testbed.service_queue import ServedQueue
from joulebench.testbed.service_trial import ENDED

_BEGUN_AT = time.time()

_STATES = ("queued", "cooling", "running", *ENDED)

Sample = tuple[Mapping[str, object], float]


def metrics(queue: ServedQueue, name: str, answered: Mapping[int, int]) -> str:
    """Give the figures in Prometheus' text form.

    Args:
        queue: Of the testbed.
        name: Of the testbed.
        answered: How many requests were answered with each status.
    """
    states = Counter[str](trial.state for trial in queue.all())
    lines: list[str] = []
    lines += _metric("info", "gauge", "1.", [({"name": name, "version": __version__}, 1)])
    lines += _metric("start_time_seconds", "gauge", "Unix time of its start.", [({}, _BEGUN_AT)])
    lines += _metric("busy", "gauge", "1 if a trial runs or waits.", [({}, float(queue.busy))])
    lines += _metric(
        "runs", "gauge", "Trials it knows.", [({"state": each}, states[each]) for each in _STATES]
    )
    lines += _metric(
        "runs_ended_total",
        "counter",
        "Trials that have ended since its start.",
        [({"state": each}, queue.ended[each]) for each in ENDED],
    )
    lines += _metric("leases_expired_total", "counter", "Leases run out.", [({}, queue.expired)])
    lines += _metric(
        "requests_total",
        "counter",
        "Requests it has answered.",
        [({"code": str(code)}, count) for code, count in sorted(answered.items())],
    )
    free = queue.store.free_bytes()
    lines += _metric("state_free_bytes", "gauge", "Room on the disk of its state.", [({}, free)])
    watts = queue.watts
    if watts is not None:  # what is not known has no figure
        lines += _metric("power_watts", "gauge", "Power of the trial now.", [({}, watts)])
    return "\n".join(lines) + "\n"


def _metric(name: str, kind: str, what: str, samples: Iterable[Sample]) -> list[str]:
    full = f"joulebench_testbed_{name}"
    lines = [f"# HELP {full} {what}", f"# TYPE {full} {kind}"]
    return lines + [f"{full}{_labels(labels)} {value:.17g}" for labels, value in samples]


def _labels(labels: Mapping[str, object]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{key}="{_escaped(str(v))}"' for key, v in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
