"""What stood in the way of a recording: sensors that went silent or lied, a recorder that was late.

The energies' own findings are those of :mod:`joulebench.testbed.account`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from joulebench.channel import Channel, Window
from joulebench.energy import headline_channels
from joulebench.finding import Finding
from joulebench.testbed.account import failed_readings
from joulebench.testbed.guests import shared_device
from joulebench.testbed.observed import Observation, hot_start, throttled
from joulebench.testbed.plausible import Impossible
from joulebench.testbed.recorded import Stretch
from joulebench.testbed.recording import Recording
from joulebench.testbed.suspension import suspended

MEASURED = "measure"

MISSED = 0.01
"""Share of the samples that a recorder may miss before it is worth a note."""

MISSED_MANY = 0.1
"""Share from which the work may have been disturbed as well."""

_PATIENCE = 5
"""A channel is silent after so many samples or updates without a reading."""


@dataclass(frozen=True)
class Circumstances:
    """What is known of a recording beside its traces, read once for all of its windows.

    Args:
        interval_s: Time between samples, s.
        facts: Its own; see :meth:`Recording.facts`.
        stretches: From when to when each channel gave readings.
        impossible: What no device can have drawn.
        observations: State of the devices.
    """

    interval_s: float
    facts: Mapping[str, Any]
    stretches: Sequence[Stretch]
    impossible: Sequence[Impossible]
    observations: Sequence[Observation]

    @classmethod
    def of(cls, recording: Recording) -> Circumstances:
        """Read what a recording left, or has left so far."""
        return cls(
            recording.interval_s,
            recording.facts(),
            recording.stretches(),
            recording.impossible(),
            recording.observations(),
        )

    @property
    def lost(self) -> dict[str, str]:
        """Say of each channel whose meter was lost, why."""
        lost = self.facts.get("lost", {})
        return {s.channel.name: lost[s.meter] for s in self.stretches if s.meter in lost}


def doubts(known: Circumstances, windows: Sequence[Window], begins_s: float = 0.0) -> list[Finding]:
    """Find what stood in the way of a recording.

    Args:
        known: Of the recording.
        windows: What was marked on it; work is measured in those named ``measure``, or in all
            where none has that name.
        begins_s: Until when our own work has touched no device, monotonic s; 0 where that is not
            known.
    """
    measured = [w for w in windows if w.name == MEASURED] or list(windows)
    summed = {c.name for c in headline_channels([s.channel for s in known.stretches])}
    sensors = [*silent(known, measured), *(found.finding() for found in known.impossible)]
    return [
        *_failed(known.facts),
        *(_softened(finding, summed) for finding in sensors),
        *late_recorder(known.facts),
        *suspended(float(known.facts.get("suspended_s", 0.0))),
        *throttled(known.observations, measured),
        *hot_start(known.observations, [w for w in windows if w.name == "idle"]),
        *shared_device(known.observations, begins_s, measured),
    ]


def _softened(finding: Finding, summed: Collection[str]) -> Finding:
    """Make an error of a channel that is not summed a warning: the sum does without it."""
    if finding.severity != "error" or finding.where in summed:
        return finding
    return replace(finding, severity="warning")


def silent(known: Circumstances, measured: Sequence[Window]) -> Iterator[Finding]:
    """Find channels that gave no reading, or none from some time on."""
    lost = known.lost
    for _, channel, first_s, last_s in known.stretches:
        why = f": {lost[channel.name]}" if channel.name in lost else ""
        stop_s = max((w.stop_s for w in measured), default=first_s)
        if last_s is None:
            yield _silent(channel, f"{channel.name} gave no reading at all{why}", wrong=True)
            continue
        patience_s = _PATIENCE * max(known.interval_s, channel.period_s)
        if channel.name in lost or last_s + channel.averaging_s + patience_s < stop_s:
            since_s = last_s - first_s
            yield _silent(
                channel,
                f"{channel.name} gave no reading after {since_s:.1f} s of the recording{why}",
                wrong=last_s < stop_s,
            )


def _silent(channel: Channel, message: str, *, wrong: bool) -> Finding:
    return Finding(
        rule="sensor-vanished",
        severity="error" if wrong else "warning",
        where=channel.name,
        message=message,
        remedy="see joulebench doctor whether the sensor is there, then run this again or leave "
        "its meter out",
    )


def late_recorder(facts: Mapping[str, Any]) -> Iterator[Finding]:
    """Find out whether the recorder could not keep its pace."""
    samples, missed = int(facts.get("samples", 0)), int(facts.get("missed", 0))
    share = missed / (samples + missed) if missed else 0.0
    if share < MISSED:
        return
    late_s = facts.get("lateness_p99_s")
    late = "" if late_s is None else f", and 1 % of them came {late_s:.3g} s late or later"
    yield Finding(
        rule="late-recorder",
        severity="warning" if share >= MISSED_MANY else "note",
        where="recorder",
        message=f"the recorder missed {missed} of {samples + missed} samples{late}",
        remedy="leave it a processor, let it have priority (CAP_SYS_NICE), or raise the interval "
        "between samples",
        seen=f"{share:.1%}",
        possible=f"below {MISSED:.0%}",
    )


def _failed(facts: Mapping[str, Any]) -> Iterator[Finding]:
    for meter, errors in facts.get("errors", {}).items():
        yield failed_readings(meter, errors)
    for what, why in facts.get("unwritten", {}).items():
        yield Finding(
            rule="unwritten",
            severity="error",
            where=what,
            message=f"readings could not be written: {why}",
            remedy="free some space there, then run this again",
        )
