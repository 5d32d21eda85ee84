"""One meter and the file that its readings go to, as the recorder writes it.

Standard library alone. A disk that takes no more costs neither the readings before it nor those
after it: what could not be written waits in memory, and only when that is full do readings fall
away, so that the file never holds a part of a row with another behind it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from struct import Struct
from time import monotonic
from typing import Any

from joulebench.errors import SensorLost, UsageError
from joulebench.meters.meter import ABSENT, MeterSpec
from joulebench.testbed.disk import full_message

_BUFFERED_ROWS = 512


class Stream:
    """One meter and the file that its readings go to.

    Args:
        spec: What was opened.
        meter: The open meter, a ``Meter`` or a ``StampedMeter``.
        path: File that rows are appended to.
    """

    stamped = False
    """Whether the rows carry the source's own stamps."""

    def __init__(self, spec: MeterSpec, meter: Any, path: Path) -> None:
        self.spec = spec
        self.meter = meter
        self._read: Any = getattr(meter, "read", None)
        self.path = path
        self.errors = 0
        self.first_error = ""
        self.lost = ""
        self.unwritten = ""
        self.dropped = 0
        row = Struct(f"={1 + len(meter.channels)}d")
        self._pack_into = row.pack_into
        self._row_bytes = row.size
        self._rows = bytearray(_BUFFERED_ROWS * row.size)
        self._last_place = len(self._rows) - row.size
        self._filled = 0
        self._absent = [ABSENT] * len(meter.channels)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)

    @property
    def device(self) -> str:
        """The device of its first channel; its file where it has no channel."""
        return self.meter.channels[0].device if self.meter.channels else self.path.stem

    def sample(self, before_s: float) -> float:
        """Read the meter once, from a time on, s, and give when it was done, s.

        The stamp is the middle of the reading.
        """
        if self._filled > self._last_place and self._no_room():
            return monotonic()
        try:
            values = self._read()
            after_s = monotonic()
            self._pack_into(self._rows, self._filled, 0.5 * (before_s + after_s), *values)
        except Exception as error:  # one broken plugin must not end the recording of the others
            after_s = monotonic()
            self._pack_into(self._rows, self._filled, 0.5 * (before_s + after_s), *self._absent)
            self.note(error)
        self._filled += self._row_bytes
        return after_s

    def note(self, error: Exception) -> None:
        """Remember an error of the meter; one that lost its source is not asked again."""
        if isinstance(error, SensorLost):
            self.lost = str(error)
            return
        self.errors += 1
        self.first_error = self.first_error or f"{type(error).__name__}: {error}"

    def append(self, stamp_s: float, values: Sequence[float]) -> None:
        """Append one row with a stamp of its own."""
        if self._filled > self._last_place and self._no_room():
            return
        self._pack_into(self._rows, self._filled, stamp_s, *values)
        self._filled += self._row_bytes

    def facts(self) -> dict[str, Any]:
        """Give what the meter says of the whole recording, once it is closed."""
        tell = getattr(self.meter, "facts", None)
        if tell is None:
            return {}
        try:
            return dict(tell())
        except Exception as error:  # a plugin may fail in any way; the recording is there
            return {"error": f"{type(error).__name__}: {error}"}

    def flush(self) -> None:
        """Hand the rows to the operating system; what it does not take waits for the next time."""
        written = 0
        try:
            while written < self._filled:
                written += os.write(self._fd, memoryview(self._rows)[written : self._filled])
        except OSError as error:
            self._not_written(error)
            self._rows[: self._filled - written] = self._rows[written : self._filled]
        self._filled -= written

    def _not_written(self, error: OSError) -> None:
        said = full_message(error, self.path) or f"{self.path}: {error.strerror or error}"
        self.unwritten = self.unwritten or said

    def _no_room(self) -> bool:
        """Say whether a row must fall away because the disk takes none."""
        self.flush()
        full = self._filled > self._last_place
        self.dropped += full
        return full

    def close(self) -> None:
        """Let the sensor go and put the rows on the disk."""
        try:
            self.meter.close()
            self.last_rows()
        except Exception as error:  # a plugin may fail in any way; its rows are kept
            self.note(error)
        self.flush()
        for finish in (os.fsync, os.close):
            try:
                finish(self._fd)
            except OSError as error:  # some file systems tell only now that the disk is full
                self._not_written(error)

    def last_rows(self) -> None:
        """Take what the source gave only when it was closed; a polled sensor gives nothing."""

    def header(self) -> dict[str, Any]:
        """Give what a reader needs to know of the file."""
        return {
            "spec": self.spec.to_dict(),
            "file": self.path.name,
            "stamped": self.stamped,
            "channels": [channel.to_dict() for channel in self.meter.channels],
            "notes": list(getattr(self.meter, "notes", ())),
            "identities": dict(getattr(self.meter, "identities", {})),
            "settle_s": float(getattr(self.meter, "settle_s", 0.0)),
        }


class StampedStream(Stream):
    """A meter whose source stamps its own readings."""

    stamped = True

    def sample(self, before_s: float) -> float:
        """Take the rows that came since the last time, and give when that was done, s."""
        del before_s
        try:
            self.last_rows()
        except Exception as error:  # one broken plugin must not end the recording of the others
            self.note(error)
        return monotonic()

    def last_rows(self) -> None:
        """Append what came since the last time."""
        for stamp_s, values in self.meter.rows():
            self.append(stamp_s, values)


def open_stream(spec: MeterSpec, path: Path) -> Stream:
    """Open a meter together with its file.

    Raises:
        UsageError: The meter cannot be opened, or not be recorded in real time.
        OSError: The file cannot be made.
    """
    meter = spec.open()
    refusal = getattr(meter, "refusal", "")
    if refusal:
        meter.close()
        raise UsageError(refusal)
    kind = StampedStream if hasattr(meter, "rows") else Stream
    try:
        return kind(spec, meter, path)
    except OSError:
        meter.close()
        raise
