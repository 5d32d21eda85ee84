"""The energies of a trial: each channel over each window, and what stood in the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joulebench.agreement import agreement_findings
from joulebench.channel import Window
from joulebench.energy import Energy, Trace, headline_channels
from joulebench.errors import CounterError, EnergyError, GapError, NotCoveredError
from joulebench.finding import Finding
from joulebench.testbed.in_step import with_aliasing
from joulebench.testbed.plausible import refuse_impossible

Energies = dict[str, dict[str, dict[str, Any]]]

_RULES: dict[type[EnergyError], str] = {
    NotCoveredError: "not-covered",
    GapError: "sampling-gap",
    CounterError: "counter",
}

MANY = 20
"""Windows of one name over which an average that is not summed is not undone any more."""

ESSENTIAL = ("measure",)
"""Windows without which a run says nothing."""


def account(
    traces: Mapping[str, Trace], windows: Sequence[Window]
) -> tuple[Energies, list[Finding]]:
    """Integrate every channel over every window; windows of one name are pooled.

    Returns:
        Energy dicts by channel and window name, and a finding for each that has none or that is
        doubtful, and for meters that disagree: a channel that fails does not cost the run its other
        numbers.
    """
    named: dict[str, list[Window]] = {}
    for window in windows:
        named.setdefault(window.name, []).append(window)
    found: dict[str, dict[str, Energy]] = {}
    findings: list[Finding] = []
    # A part that stands still, such as the uncore of an idle processor, costs the sum nothing.
    summed = {c.name for c in headline_channels([trace.channel for trace in traces.values()])}
    for channel, trace in traces.items():
        for name, group in named.items():
            if channel not in summed and trace.channel.averaging_s and len(group) > MANY:
                continue  # undoing an average hundreds of times takes seconds, and is not summed
            energy = _energy(trace, name, group, findings, named, counts=channel in summed)
            if energy is not None:
                found.setdefault(channel, {})[name] = energy
    if not any("measure" in by_window for by_window in found.values()):
        findings.append(_no_energy(list(traces)))
    durations_s = {name: sum(w.duration_s for w in group) for name, group in named.items()}
    channels = [trace.channel for trace in traces.values()]
    findings += agreement_findings(channels, found, durations_s)
    return _as_dicts(found), list(dict.fromkeys(findings))


def _as_dicts(found: Mapping[str, Mapping[str, Energy]]) -> Energies:
    return {
        channel: {name: energy.to_dict() for name, energy in by_window.items()}
        for channel, by_window in found.items()
    }


def _energy(
    trace: Trace,
    name: str,
    group: Sequence[Window],
    findings: list[Finding],
    named: Mapping[str, Sequence[Window]],
    *,
    counts: bool,
) -> Energy | None:
    where = f"{trace.channel.name} {name}"
    try:
        energy = trace.energy(group, gaps="bridge")
        refuse_impossible(trace, energy, group)
        if len(group) == 1:
            energy = with_aliasing(trace, energy, group[0], named)
    except EnergyError as error:
        findings.append(_refused(error, where, essential=counts and name in ESSENTIAL))
        return None
    findings += energy.findings
    if energy.below_resolution and counts:
        findings.append(below_resolution(where, energy))
    return energy


def _refused(error: EnergyError, where: str, *, essential: bool) -> Finding:
    return Finding(
        rule=_RULES.get(type(error), "no-energy"),
        severity="error" if essential else "warning",
        where=where,
        message=f"no energy can be given: {error}",
        remedy="look at the trace of this run; if the sensor stalls, raise protocol.interval_s "
        "or leave its meter out",
    )


def below_resolution(where: str, energy: Energy) -> Finding:
    """Say that a window is shorter than its sensor resolves."""
    return Finding(
        rule="below-resolution",
        severity="note",
        where=where,
        message=f"the window is shorter than the sensor resolves: {energy}",
        remedy="measure longer: more items, longer answers, a batch, or many repeats at once",
        seen=f"{energy.joules:.3g} J",
    )


def failed_readings(meter: str, errors: str) -> Finding:
    """Say that a meter failed while it was read: its readings are absent there, not zero."""
    return Finding(
        rule="failed-readings",
        severity="warning",
        where=f"meter {meter!r}",
        message=f"readings failed while it was recorded: {errors}",
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
