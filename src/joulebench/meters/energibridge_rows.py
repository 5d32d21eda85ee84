"""From lines of an EnergiBridge log to readings with monotonic stamps."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from joulebench.energibridge_columns import TIME, Sensor
from joulebench.meters.meter import ABSENT
from joulebench.meters.wall_clock import WallClock

DELTA = "Delta"
"""Column of the time from a row's stamp until the row was written, ms."""

Reading = tuple[float, list[float]]
"""A monotonic stamp, s, and one value a channel, J or W."""

_STATE = re.compile(r"GPU(\d+)_(TEMPERATURE|USAGE|MEMORY_USED)")
_STATES = {
    "TEMPERATURE": ("temperature_c", 1.0),
    "USAGE": ("utilisation", 0.01),
    "MEMORY_USED": ("memory_used_bytes", 2.0**20),
}


class Rows:
    """Turns the lines of one log into readings.

    A row whose stamp repeats the one before is left out (EnergiBridge writes its first stamp
    twice), and so is one that was stamped while the wall clock was set.

    Args:
        columns: The log's header.
        sensors: Columns that are read, in the order of the channels.
        clock: Places the stamps.
    """

    def __init__(self, columns: Sequence[str], sensors: Sequence[Sensor], clock: WallClock) -> None:
        self._places = {column: place for place, column in enumerate(columns)}
        self._wanted = [(self._places[sensor.column], sensor.factor) for sensor in sensors]
        self._clock = clock
        self._last_ms = -1
        self._last_s = -math.inf
        self._latest: Sequence[str] = ()
        self._states = _states(self._places)
        self.taken = 0
        self.repeated = 0
        self.unplaced = 0

    def take(self, lines: Sequence[Sequence[str]]) -> list[Reading]:
        """Give the readings of lines that were read before this call."""
        self._clock.look()
        return [reading for cells in lines if (reading := self._reading(cells)) is not None]

    def _reading(self, cells: Sequence[str]) -> Reading | None:
        stamp_ms = _whole(cells[self._places[TIME]])
        if stamp_ms == self._last_ms:
            self.repeated += 1
            return None
        at_s = self._clock.monotonic_s(stamp_ms, self._last_s)
        if at_s is None:
            self.unplaced += 1
            return None
        self._last_ms, self._last_s, self._latest = stamp_ms, at_s, cells
        self.taken += 1
        return at_s, [number(cells[place]) * factor for place, factor in self._wanted]

    def last_reading_s(self) -> float | None:
        """Give how long the last row lay between stamp and line, s.

        The last row of a log is written as soon as it has been read; for all others the time until
        the next reading is in it.
        """
        place = self._places.get(DELTA)
        return None if place is None or not self._latest else number(self._latest[place]) / 1e3

    def states(self) -> list[dict[str, Any]]:
        """Give the state of each GPU in the last row, JSON values; empty where nothing came."""
        if not self._latest:
            return []
        return [{"device": device, **self._state(parts)} for device, parts in self._states.items()]

    def _state(self, parts: Mapping[str, tuple[int, float]]) -> dict[str, float]:
        found = {key: number(self._latest[at]) * scale for key, (at, scale) in parts.items()}
        return {key: round(value, 4) for key, value in found.items() if math.isfinite(value)}


def _states(places: Mapping[str, int]) -> dict[str, dict[str, tuple[int, float]]]:
    """Find the columns that tell of GPUs' states: device -> key -> place and scale."""
    states: dict[str, dict[str, tuple[int, float]]] = {}
    for column, place in places.items():
        match = _STATE.fullmatch(column)
        if match:
            key, scale = _STATES[match[2]]
            states.setdefault(f"gpu{match[1]}", {})[key] = (place, scale)
    return states


def number(cell: str) -> float:
    """Read a cell; nan where it holds no finite number."""
    try:
        value = float(cell)
    except ValueError:
        return ABSENT
    return value if math.isfinite(value) else ABSENT


def _whole(cell: str) -> int:
    try:
        return int(cell)
    except ValueError:
        return -1
