"""The state of a study in words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from joulebench.cli.time_left import in_words
from joulebench.errors import readable

State = Mapping[str, Any]

MOST_FAILURES = 10
"""So many failures are shown; ``--json`` has them all."""


def lines_of(state: State) -> Iterator[str]:
    """Give the state of a study as lines.

    Args:
        state: As :func:`joulebench.cli.status.status` gives it.
    """
    yield f"{state['study']} in {state['folder']}"
    yield f"  {counts(state)}"
    yield from (f"  {line}" for line in (energy(state), time_left(state)) if line)
    for bed in state.get("running", {}).get("testbeds", []):
        yield "  " + ": ".join((bed["name"], " ".join(filter(None, doing(bed)))))
    yield from failures(state)
    yield from (f"  {line}" for line in _what_next(state))


def counts(state: State) -> str:
    """Say how many trials are done, failed and left."""
    return (
        f"{state['done']} of {state['planned']} trials done, {len(state['failed'])} failed, "
        f"{state['pending']} to run"
    )


def energy(state: State) -> str:
    """Say the energy so far; empty where there is none."""
    from joulebench.joules import Energy

    if "energy" not in state:
        return ""
    energy = Energy.from_dict(state["energy"])
    return f"measured windows so far: {energy} ({energy.method}, {energy.scope})"


def time_left(state: State) -> str:
    """Say the time left; empty where it is not known."""
    return f"time left: about {in_words(state['time_left_s'])}" if "time_left_s" in state else ""


def doing(bed: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Say what a testbed is at: its state, trial, phase and power."""
    if bed["state"] != "running":
        return str(bed["state"]), readable(str(bed.get("why", ""))), "", ""
    watts, method = bed.get("watts"), bed.get("method")
    power = "" if watts is None else f"{watts:.1f} W"
    if power and method not in ("measured", ""):
        power = f"{power} {method}"
    attempt = f" (attempt {bed['attempt']})" if bed.get("attempt", 1) > 1 else ""
    phase = str(bed.get("phase", "")).replace("_", " ")
    return "running", f"{bed['run_id']}{attempt}", phase, power


def failures(state: State) -> Iterator[str]:
    """Give a line for each failure, the latest first, as far as one reads."""
    failed = list(state["failed"].items())
    for run_id, error in reversed(failed[-MOST_FAILURES:]):
        given_up = " (given up)" if run_id in state["given_up"] else ""
        yield f"  failed: {run_id}: {error}{given_up}"
    if len(failed) > MOST_FAILURES:
        yield f"  and {len(failed) - MOST_FAILURES} more failures; see --json"


def _what_next(state: State) -> Iterator[str]:
    folder = shlex.quote(state["folder"])
    if "running" in state:
        return
    if state["pending"] > len(state["given_up"]):
        yield f"go on with: joulebench run {folder}"
    elif state["pending"]:
        yield (
            f"given up: to try again, raise protocol.attempts in {state['folder']}/study.yaml and "
            f"type: joulebench run {folder}"
        )
