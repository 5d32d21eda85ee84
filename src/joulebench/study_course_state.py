"""What of a study runs now: a small file that whoever watches the folder reads.

It is a view for people and gone when the study has ended; nothing is lost without it.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

NAME = "course.json"

EVERY_S = 2.0
"""The file is written no more often, s: the machine may be the one that is measured."""

STALE_S = 120.0
"""A heartbeat so old, s, is that of a study that was killed."""


@dataclass
class Place:
    """What one testbed is at.

    Args:
        name: What records call it.
        state: ``"preparing"``, ``"running"``, ``"idle"``, ``"lost"`` or ``"ended"``.
        run_id: Of its trial; empty if it has none.
        attempt: Of that trial, from 1; 0 if it has none.
        phase: Of that trial.
        watts: The power now, W; ``None`` where it is unknown.
        method: How that is known.
        since: UTC time at which the trial began, ISO 8601.
        why: Why it was lost; else empty.
    """

    name: str
    state: str = "preparing"
    run_id: str = ""
    attempt: int = 0
    phase: str = ""
    watts: float | None = None
    method: str = ""
    since: str = ""
    why: str = ""


class CourseFile:
    """Keeps the file as the study goes on.

    Args:
        folder: Of the study.
        clock: Gives monotonic time, s.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / NAME
        self._clock = clock
        self._written_s = -EVERY_S
        self._begun = now()
        self.places: dict[str, Place] = {}

    def place(self, testbed: str) -> Place:
        """Give what a testbed is at, to be changed."""
        return self.places.setdefault(testbed, Place(testbed))

    def trial_begins(self, testbed: str, run_id: str, attempt: int) -> None:
        """Note that a testbed has begun a trial."""
        self.places[testbed] = Place(testbed, "running", run_id, attempt, since=now())
        self.write()

    def told(self, testbed: str, message: Mapping[str, Any]) -> None:
        """Note the phase or the power of a trial."""
        place = self.place(testbed)
        if message["event"] == "phase":
            place.phase, place.watts = str(message["phase"]), None
        elif message["event"] == "watts":
            place.watts = message["watts"]
            place.method = message.get("method", "measured")
        self.beat()

    def rests(self, testbed: str, state: str, why: str = "") -> None:
        """Note that a testbed has no trial."""
        self.places[testbed] = Place(testbed, state, why=why)
        self.beat()

    def beat(self) -> None:
        """Write the file if it is time to."""
        if self._clock() - self._written_s >= EVERY_S:
            self.write()

    def write(self) -> None:
        """Write the file whole; a disk that takes it not is told of by the records."""
        self._written_s = self._clock()
        content = {
            "pid": os.getpid(),
            "node": platform.node(),
            "begun": self._begun,
            "heartbeat": now(),
            "testbeds": [asdict(place) for place in self.places.values()],
        }
        draft = self._path.with_name(f".{NAME}.part")
        with suppress(OSError):
            draft.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
            draft.replace(self._path)

    def remove(self) -> None:
        """Take the file away: nothing runs any more."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)


def read_course(folder: Path) -> dict[str, Any] | None:
    """Give what runs now in a study's folder; ``None`` where nothing does."""
    try:
        content = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and _alive(content) else None


def _alive(content: Mapping[str, Any]) -> bool:
    """Say whether the process that wrote it still runs, as far as that can be known here."""
    try:
        age_s = (
            datetime.now(UTC) - datetime.fromisoformat(str(content["heartbeat"]))
        ).total_seconds()
        pid, here = int(content["pid"]), content["node"] == platform.node()
    except (KeyError, TypeError, ValueError):
        return False
    if not here:  # the folder is shared between machines
        return age_s < STALE_S
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def now() -> str:
    """Give the UTC time, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
