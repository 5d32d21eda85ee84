"""Energies that a source gives as numbers, without a trace to work them out from."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

from joulebench.channel import Channel
from joulebench.finding import Finding
from joulebench.joules import Energy

_UNSAFE = re.compile(r"[^\w.+=@,~-]+")
_LONGEST_NAME = 120


def published_energy(channel: Channel, joules: float, noise_j: float = 0.0) -> Energy:
    """Give a published number as an energy: its own spread as noise, the sensor's gain as bias.

    Args:
        channel: What it covers and how well such a reading is known.
        joules: As published, J.
        noise_j: One standard deviation, as published, J; 0 where none is.
    """
    gain_j = channel.gain * abs(joules)
    biases = {f"gain {channel.name}": gain_j} if gain_j > 0 else {}
    return Energy(joules, noise_j, biases, channel.method, channel.scope)


def no_trace(where: str) -> Finding:
    """Give the note that an energy could not be worked out anew."""
    return Finding(
        "no-trace",
        "note",
        where,
        "the joules are as published: no trace to recompute them from",
        "import the raw readings as well, if they exist",
    )


def host_id(host: Mapping[str, Any]) -> str:
    """Name a machine of which only some facts are known, by those facts."""
    text = json.dumps(host, sort_keys=True, default=str)
    return f"unknown-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def repetitions(cells: Iterable[Hashable]) -> list[int]:
    """Count, for each run, how many runs of the same cell came before it."""
    seen: dict[Hashable, int] = {}
    numbers = []
    for cell in cells:
        numbers.append(seen.get(cell, 0))
        seen[cell] = numbers[-1] + 1
    return numbers


def safe_name(text: str) -> str:
    """Give a name that a run can have on disk: no separators of folders, no blanks, not too long.

    A name that had to be cut gets a hash of the whole, so that it stays unique.
    """
    name = _UNSAFE.sub("_", text.strip()).lstrip(".") or "_"
    if len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
