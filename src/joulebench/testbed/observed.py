"""What was seen of the devices while work was measured: their state, and what held them back.

Observations are those of :meth:`joulebench.testbed.recording.Recording.observations`: about one a
second and device, with the keys that its meter could tell.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from joulebench.channel import Window
from joulebench.finding import Finding

Observation = Mapping[str, Any]

FIGURES = (
    "temperature_c",
    "memory_temperature_c",
    "sm_clock_mhz",
    "memory_clock_mhz",
    "utilisation",
    "memory_used_bytes",
    "power_limit_w",
)
"""What is summed up as smallest, mean and largest."""

NOTICED = 0.05
"""Share of a device, or of the time, from which something is worth a finding."""

STILL_COOLING_C = 5.0
"""A device that cools by so much while it idles, °C, was hot from earlier work."""

_DIGITS = 6

_SEVERE = ("temperature", "thermal", "brake", "slowdown", "reliability")
"""Reasons that hold a device back against anybody's will; a power cap may be meant."""

_STALE_S = 3.0
"""An observation older than this, s, says nothing of a window that holds none."""


def within(
    observations: Sequence[Observation], windows: Sequence[Window]
) -> dict[str, list[Observation]]:
    """Choose the observations of windows, by device.

    A window too short to hold one takes the last before its end, if it is no older than a few
    seconds.
    """
    by_device: dict[str, list[Observation]] = {}
    for seen in observations:
        by_device.setdefault(str(seen.get("device", "?")), []).append(seen)
    return {device: _of(seen, windows) for device, seen in by_device.items()}


def _of(seen: Sequence[Observation], windows: Sequence[Window]) -> list[Observation]:
    inside = [o for o in seen if any(w.start_s <= o["t_s"] <= w.stop_s for w in windows)]
    if inside or not windows:
        return inside
    stop_s = windows[-1].stop_s
    return [o for o in seen if stop_s - _STALE_S <= o["t_s"] <= stop_s][-1:]


def summary(
    observations: Sequence[Observation], windows: Sequence[Window]
) -> dict[str, dict[str, Any]]:
    """Sum up the state of each device over windows.

    Returns:
        By device: smallest, mean and largest of each of :data:`FIGURES`, under ``throttle`` the
        share of the time that each reason held it back, and how many observations there were.
    """
    found = within(observations, windows)
    return {device: _summed_up(seen) for device, seen in found.items() if seen}


def _summed_up(seen: Sequence[Observation]) -> dict[str, Any]:
    record: dict[str, Any] = {"observations": len(seen)}
    for key in FIGURES:
        figures = [float(o[key]) for o in seen if _is_number(o.get(key))]
        if figures:
            record[key] = {
                "min": min(figures),
                "mean": float(f"{math.fsum(figures) / len(figures):.{_DIGITS}g}"),
                "max": max(figures),
            }
    shares = throttle_shares(seen)
    return record | ({"throttle": shares} if shares else {})


def _is_number(figure: Any) -> bool:
    return isinstance(figure, int | float) and math.isfinite(figure)


def throttle_shares(seen: Sequence[Observation]) -> dict[str, float]:
    """Give the share of the observations in which each reason held a device back."""
    told = [o["throttle"] for o in seen if isinstance(o.get("throttle"), list)]
    reasons = dict.fromkeys(reason for each in told for reason in each)
    return {
        reason: round(sum(reason in each for each in told) / len(told), 4) for reason in reasons
    }


def throttled(observations: Sequence[Observation], windows: Sequence[Window]) -> Iterator[Finding]:
    """Find devices that were held back while work was measured."""
    for device, seen in within(observations, windows).items():
        for reason, share in throttle_shares(seen).items():
            severe = any(word in reason for word in _SEVERE)
            if severe or share >= NOTICED:
                yield _held_back(device, reason, share, severe)


def _held_back(device: str, reason: str, share: float, severe: bool) -> Finding:
    return Finding(
        rule="throttled",
        severity="warning" if severe else "note",
        where=device,
        message=f"{device} was held back by {reason} in {share:.0%} of the time measured",
        remedy="cool the device or mend its supply, and run this again"
        if severe
        else "compare this run only with runs under the same limits",
        seen=f"{share:.0%}",
    )


def hot_start(observations: Sequence[Observation], idle: Sequence[Window]) -> Iterator[Finding]:
    """Find devices that were still cooling down while they were to be idle before the work."""
    for device, seen in within(observations, idle).items():
        told = [o["temperature_c"] for o in seen if _is_number(o.get("temperature_c"))]
        if len(told) > 1 and told[0] - told[-1] >= STILL_COOLING_C:
            yield Finding(
                rule="hot-start",
                severity="note",
                where=f"{device} idle",
                message=f"{device} cooled from {told[0]:.0f} to {told[-1]:.0f} °C while it was "
                "idle before the work: earlier work had warmed it",
                remedy="raise protocol.cooldown.fixed_s",
                seen=f"{told[0] - told[-1]:.0f} °C",
                possible=f"below {STILL_COOLING_C:.0f} °C",
            )
