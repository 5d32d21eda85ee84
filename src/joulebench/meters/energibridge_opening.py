"""Starting EnergiBridge and finding out, from its first rows, which of its columns are alive."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from joulebench.energibridge_columns import TIME, Sensor, describe_counters, find_sensors
from joulebench.errors import Unavailable
from joulebench.meters.energibridge_process import Bridge
from joulebench.meters.energibridge_rows import number
from joulebench.meters.energibridge_tail import Tail

VERSION = "0.0.7"
"""The version whose log is known; others may write another one."""

_FIRST_ROWS = 2
_FIRST_ROWS_WITHIN_S = 30.0
_LOOK_S = 0.01


@dataclass(frozen=True)
class Opened:
    """A running EnergiBridge.

    Args:
        bridge: The program.
        tail: Its log, read up to ``lines``.
        lines: The first rows.
        sensors: Columns that read something, with step and wrap of the counters.
        silent: Columns that read zero in all of the first rows: absent, not zero.
    """

    bridge: Bridge
    tail: Tail
    lines: list[list[str]]
    sensors: list[Sensor]
    silent: list[str]


def open_bridge(bridge: Bridge) -> Opened:
    """Wait for the first rows of a program that was just started.

    Raises:
        Unavailable: It ended, wrote nothing in time, or found no sensor; it is stopped then.
    """
    tail = Tail(bridge.log)
    try:
        lines = _first_lines(bridge, tail)
        return Opened(bridge, tail, lines, *_sensors(bridge, tail.columns, lines))
    except BaseException:
        tail.close()
        bridge.stop()
        bridge.discard()
        raise


def _first_lines(bridge: Bridge, tail: Tail) -> list[list[str]]:
    deadline_s = time.monotonic() + _FIRST_ROWS_WITHIN_S
    lines: list[list[str]] = []
    while len(lines) < _FIRST_ROWS:
        ended = bridge.status is not None  # asked first, so that its last rows are read
        fresh = tail.rows()
        lines += fresh
        if ended and not fresh:
            raise _ended(bridge)
        if time.monotonic() > deadline_s:
            raise Unavailable(
                f"EnergiBridge wrote {len(lines)} rows in {_FIRST_ROWS_WITHIN_S:g} s.",
                f"Try it by hand: {bridge.program.path} --summary -- sleep 1",
            )
        time.sleep(_LOOK_S)
    return lines


def _ended(bridge: Bridge) -> Unavailable:
    trouble, words = bridge.trouble(), bridge.words()
    said = f" It said: {words}" if words else ""
    return Unavailable(
        f"EnergiBridge ended before it measured anything: {trouble.what}.{said}", trouble.remedy
    )


def _sensors(
    bridge: Bridge, columns: Sequence[str], lines: Sequence[Sequence[str]]
) -> tuple[list[Sensor], list[str]]:
    """Choose the columns that read something; a counter that stands at zero is not there."""
    found = find_sensors(columns)
    places = {column: place for place, column in enumerate(columns)}
    if TIME not in places or not found:
        raise _no_sensor(f"{bridge.program.path} found none: its columns are {_some(columns)}")
    readings = {
        sensor.column: [number(cells[places[sensor.column]]) for cells in lines] for sensor in found
    }
    readings = {column: list(filter(math.isfinite, cells)) for column, cells in readings.items()}
    silent = [sensor.column for sensor in found if not any(readings[sensor.column])]
    lively = [sensor for sensor in found if sensor.column not in silent]
    if not lively:
        raise _no_sensor(f"EnergiBridge reads zero from each of {', '.join(silent)}")
    return describe_counters(lively, readings), silent


def _no_sensor(what: str) -> Unavailable:
    return Unavailable(
        f"EnergiBridge has no sensor here: {what}.",
        "Use the meters 'rapl' and 'nvml': they say what is missing.",
    )


def _some(columns: Sequence[str]) -> str:
    return ", ".join(columns[:4]) + (", ..." if len(columns) > 4 else "")


def opening_notes(opened: Opened, version: str, *, gpu: bool, packages: int) -> list[str]:
    """Say what a reader must know of EnergiBridge's readings.

    Args:
        opened: The running program.
        version: What it says its version is.
        gpu: Whether it was asked to read GPUs.
        packages: Processor packages of this machine.
    """
    scopes = {sensor.channel.scope for sensor in opened.sensors}
    notes = []
    if opened.silent:
        notes.append(f"energibridge: {', '.join(opened.silent)}: absent, since only zero is read")
    if "gpu board" in scopes:
        notes.append(
            "energibridge: its GPU power is the average of the last second on most boards since "
            "Ampere; the half second that it comes late is in its bias"
        )
    elif gpu:
        notes.append(
            "energibridge: it shows no GPU; the released static build may not find NVML: build it "
            "with cargo, or use the meter 'nvml' beside it"
        )
    if packages > 1 and "cpu package" in scopes:
        notes.append(f"energibridge: it reads one processor package of {packages}")
    if version != VERSION:
        shown = version or "of unknown version"
        notes.append(f"energibridge: this is {shown}; its log is known of {VERSION}")
    return notes
