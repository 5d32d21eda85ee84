"""The channels that were read, with what is known of their errors."""

from __future__ import annotations

from typing import Any

from joulebench.channel import Channel
from joulebench.energy import headline_channels
from joulebench.report.evidence import Evidence
from joulebench.report.numbers import ABSENT, best_unit, significant


def sensor_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Give one row for each channel and host, as printed text."""
    seen: dict[tuple[str, Channel], dict[str, Any]] = {}
    for run in evidence.runs:
        summed = set(headline_channels(run.channels))
        for channel in run.channels:
            row = seen.setdefault((run.host, channel), _row(run.host, channel))
            row["summed"] = row["summed"] or channel in summed
            row["runs"] += 1
    return list(seen.values())


def _row(host: str, channel: Channel) -> dict[str, Any]:
    return {
        "host": host,
        "channel": channel.name,
        "kind": "energy counter" if channel.unit == "J" else "power",
        "scope": channel.scope or ABSENT,
        "method": channel.method,
        "resolution": _figure(channel.resolution, channel.unit),
        "period": _time(channel.period_s),
        "averaging": _time(channel.averaging_s, "none"),
        "gain": _percent(channel.gain),
        "offset": _figure(channel.offset, channel.unit),
        "summed": False,
        "runs": 0,
    }


def _time(seconds: float, zero: str = "not stated") -> str:
    return f"{significant(seconds * 1e3)} ms" if seconds else zero


def _figure(value: float, unit: str) -> str:
    if not value:
        return ABSENT
    shown = best_unit([value], unit)
    return f"{significant(value * shown.factor, 2)} {shown.symbol}"


def _percent(gain: float) -> str:
    return f"{significant(100 * gain, 2)} %" if gain else "not stated"
