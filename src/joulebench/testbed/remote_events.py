"""What a testbed's service tells of a trial while it goes on: server-sent events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

SILENCE_S = 35.0
"""The service says something at least every 10 s; a stream that is silent for longer is dead, s."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream.

    Args:
        kind: ``state``, ``phase`` or ``watts``.
        data: What it says.
        id: For ``Last-Event-ID``; empty if it has none.
    """

    kind: str
    data: dict[str, Any]
    id: str = ""


def events(lines: Iterable[str]) -> Iterator[Event]:
    """Read events from the lines of a stream; what is no event of ours is passed over."""
    fields: dict[str, list[str]] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            if name in ("id", "event", "data"):
                fields.setdefault(name, []).append(value.removeprefix(" "))
            continue
        event = _event(fields)
        fields = {}
        if event is not None:
            yield event


def _event(fields: dict[str, list[str]]) -> Event | None:
    try:
        data = json.loads("\n".join(fields.get("data", [])))
    except ValueError:
        return None
    if not isinstance(data, dict):
        return None
    return Event("".join(fields.get("event", [])), data, "".join(fields.get("id", [])))
