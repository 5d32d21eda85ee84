"""The energies of a trial: each channel over each window, and what stood in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joulebench.channel import Window
from joulebench.energy import Energy, Trace
from joulebench.errors import CounterError, EnergyError, GapError, NotCoveredError
from joulebench.finding import Finding

Energies = dict[str, dict[str, dict[str, Any]]]

_RULES: dict[type[EnergyError], str] = {
    NotCoveredError: "not-covered",
    GapError: "sampling-gap",
    CounterError: "counter",
}

ESSENTIAL = ("measure",)
"""Windows without which a run says nothing."""


def account(
    traces: Mapping[str, Trace], windows: Sequence[Window]
) -> tuple[Energies, list[Finding]]:
    """Integrate every channel over every window; windows of one name are pooled.

    Returns:
        Energy dicts by channel and window name, and a finding for each that has none or that is
        doubtful: a channel that fails does not cost the run its other numbers.
    """
    named: dict[str, list[Window]] = {}
    for window in windows:
        named.setdefault(window.name, []).append(window)
    energies: Energies = {}
    findings: list[Finding] = []
    for channel, trace in traces.items():
        for name, group in named.items():
            energy = _energy(trace, name, group, findings)
            if energy is not None:
                energies.setdefault(channel, {})[name] = energy.to_dict()
    if not any("measure" in by_window for by_window in energies.values()):
        findings.append(_no_energy(list(traces)))
    return energies, list(dict.fromkeys(findings))


def _energy(
    trace: Trace, name: str, group: Sequence[Window], findings: list[Finding]
) -> Energy | None:
    where = f"{trace.channel.name} {name}"
    try:
        energy = trace.energy(group, gaps="bridge")
    except EnergyError as error:
        findings.append(_refused(error, where, name))
        return None
    findings += energy.findings
    if energy.below_resolution:
        findings.append(_below_resolution(where, energy))
    return energy


def _refused(error: EnergyError, where: str, window: str) -> Finding:
    return Finding(
        rule=_RULES.get(type(error), "no-energy"),
        severity="error" if window in ESSENTIAL else "warning",
        where=where,
        message=f"no energy can be given: {error}",
        remedy="look at the trace of this run; if the sensor stalls, raise protocol.interval_s "
        "or leave its meter out",
    )


def _below_resolution(where: str, energy: Energy) -> Finding:
    return Finding(
        rule="below-resolution",
        severity="note",
        where=where,
        message=f"the window is shorter than the sensor resolves: {energy}",
        remedy="measure longer: more items, longer answers, or a batch",
        seen=f"{energy.joules:.3g} J",
    )


def failed_readings(meter: str, errors: str) -> Finding:
    """Say that a meter failed while it was read: its readings are absent there, not zero."""
    return Finding(
        rule="failed-readings",
        severity="warning",
        where=f"meter {meter!r}",
        message=f"readings failed while the trial ran: {errors}",
        remedy="see joulebench doctor for the meters of this machine; mend its options or leave "
        "it out",
    )


def _no_energy(channels: Sequence[str]) -> Finding:
    return Finding(
        rule="no-energy",
        severity="error",
        where="measure",
        message="no channel gave an energy for the measured window"
        + (f" (channels: {', '.join(channels)})" if channels else ": no meter gave a channel"),
        remedy="see joulebench doctor for the meters of this machine",
    )
