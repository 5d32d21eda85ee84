"""Runs made up for tests of the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joulebench.audit.run_view import AuditRun
from joulebench.channel import Window
from joulebench.energy import Trace
from joulebench.record import Run


def view(
    traces: Sequence[Trace] = (),
    window: Window | None = None,
    *,
    run_id: str = "run_0_repetition_0",
    responses: Sequence[Mapping[str, Any]] = (),
    devices: tuple[str, ...] = (),
    **record: Any,
) -> AuditRun:
    """Make a run whose window "measure" is integrated from its traces, as importers do."""
    levels = record.pop("levels", {})
    trial = record.pop("trial", {"order": 1, "block": 0, "repetition": 0, "levels": levels})
    run = Run(run_id, "made-up", trial, origin="imported", **record)
    run.channels = [trace.channel for trace in traces]
    if window is not None:
        run.windows = [window]
        for trace in traces:
            energy = trace.energy(window, gaps="bridge")
            run.energy[trace.channel.name] = {window.name: energy.to_dict()}
            run.findings += energy.findings
    by_name = {trace.channel.name: trace for trace in traces}
    return AuditRun("made-up", run, lambda: by_name, lambda: responses, devices=devices)
