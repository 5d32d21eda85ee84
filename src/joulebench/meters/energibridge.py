"""EnergiBridge as a meter: the real program is started beside the work and its log is followed.

EnergiBridge 0.0.7 writes a row about every 200 ms: a stamp in ms since 1970, taken just before the
sensors are read, and one cell a sensor; a row is written one interval after its stamp.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from joulebench.channel import Channel
from joulebench.energibridge_columns import Sensor
from joulebench.errors import SensorLost, UsageError
from joulebench.meters.energibridge_opening import open_bridge, opening_notes
from joulebench.meters.energibridge_process import Bridge, find_program
from joulebench.meters.energibridge_rows import Reading, Rows
from joulebench.meters.energibridge_summary import CounterSum
from joulebench.meters.processor import identities, packages
from joulebench.meters.wall_clock import WallClock


class EnergiBridgeMeter:
    """Runs EnergiBridge for as long as the meter is open, and gives what it reads.

    Args:
        executable: The program: a name on the PATH, a path, or one with words before it, such as
            ``sudo -n energibridge``.
        interval_ms: Time between its rows, ms; whole.
        gpu: Whether it reads NVIDIA GPUs.
        keep: Folder that its files stay in, each run in one of its own; without it they are
            deleted at the end, unless EnergiBridge ended by itself.
        label: Appended to the channels' names after a dot, so that they can be recorded beside
            our own readings of the same devices: ``cpu0:package.LABEL``.

    Raises:
        Unavailable: It is not installed, may not read the processor, or found no sensor.
        UsageError: The interval is not above 0, or the folder cannot be made.
    """

    on_request = True

    def __init__(
        self,
        executable: str = "energibridge",
        interval_ms: int = 200,
        gpu: bool = True,
        keep: str = "",
        label: str = "",
    ) -> None:
        if interval_ms < 1:
            raise UsageError(f"meter 'energibridge': interval_ms = {interval_ms} must be above 0")
        program = find_program(executable)
        self._version = program.version()
        clock = WallClock()  # before the first row, so that no step of the clock is missed
        self._bridge = Bridge(program, interval_ms=interval_ms, gpu=gpu, keep=keep)
        opened = open_bridge(self._bridge)
        self._tail, self._lines, self._silent = opened.tail, opened.lines, opened.silent
        self._clock = clock
        self._rows = Rows(self._tail.columns, opened.sensors, clock)
        self._sum = CounterSum(self._tail.columns, opened.sensors)
        self._rest: list[Reading] | None = None
        self._facts: dict[str, Any] = {}
        self.channels = [_channel(sensor, label) for sensor in opened.sensors]
        self.notes = opening_notes(opened, self._version, gpu=gpu, packages=len(packages()))
        known = identities()
        self.identities = {c.device: known[c.device] for c in self.channels if c.device in known}
        self.settle_s = 2.5e-3 * interval_ms
        """How long after an instant the first row from past it has come, s."""

    def rows(self) -> Sequence[Reading]:
        """Give what EnergiBridge wrote since the last call.

        Raises:
            SensorLost: It ended by itself, or its columns changed; what it wrote was given.
        """
        if self._rest is not None:  # it was closed
            rest, self._rest = self._rest, []
            return rest
        ended = self._bridge.status is not None  # asked first, so that its last rows are read
        fresh = self._fresh()
        if not fresh and (ended or self._tail.damage):
            raise SensorLost(self._loss())
        return fresh

    def observe(self) -> list[dict[str, Any]]:
        """Give temperature, utilisation and memory of each GPU in the last row."""
        return self._rows.states()

    def close(self) -> None:
        """End EnergiBridge; what it wrote until then is given by one more call of rows."""
        if self._rest is not None:
            return
        lost = self._loss() if self._bridge.status is not None or self._tail.damage else ""
        self._bridge.stop()
        self._rest = self._fresh()
        self._tail.close()
        self._facts = self._told(lost)
        if "folder" not in self._facts:
            self._bridge.discard()

    def facts(self) -> dict[str, Any]:
        """Give how EnergiBridge ran, and its own summary beside its rows; empty until closed."""
        return dict(self._facts)

    def _fresh(self) -> list[Reading]:
        lines = [*self._lines, *self._tail.rows()]
        self._lines = []
        self._sum.add(lines)
        return self._rows.take(lines)

    def _loss(self) -> str:
        """Say why there will be no more rows."""
        kept = f"Its files are kept in {self._bridge.folder}."
        if self._tail.damage:
            return f"EnergiBridge is lost: {self._tail.damage}; measure again. {kept}"
        trouble, words = self._bridge.trouble(), self._bridge.words()
        return (
            f"EnergiBridge ended by itself, with status {self._bridge.status}, after "
            f"{self._rows.taken} rows: {trouble.what}. {trouble.remedy} {kept}"
            + (f" It said: {words}" if words else "")
        )

    def _told(self, lost: str) -> dict[str, Any]:
        bridge = self._bridge
        facts: dict[str, Any] = {
            "tool": "EnergiBridge",
            "version": self._version,
            "command": bridge.shown,
            "status": bridge.status,
            "rows": self._rows.taken,
            "rows_repeated": self._rows.repeated,
            "rows_of_unknown_time": self._rows.unplaced,
            "clock_steps": self._clock.steps(),
            "silent_columns": self._silent,
            "last_reading_s": self._rows.last_reading_s(),
            "cpu_s": bridge.cpu_s,
            "summary": self._sum.against(bridge.printed),
            "ended_early": lost,
            "folder": str(bridge.folder) if lost or bridge.status or bridge.keep else "",
        }
        return {name: fact for name, fact in facts.items() if fact not in (None, "", [], {})}


def _channel(sensor: Sensor, label: str) -> Channel:
    if not label:
        return sensor.channel
    return replace(sensor.channel, name=f"{sensor.channel.name}.{label}")
