"""The most memory that an engine took, in the form of a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulebench.work import Engine

_NAMES = {"peak_device_bytes": "device_bytes", "peak_host_bytes": "host_bytes"}


def begin_peaks(engine: Engine) -> None:
    """Have an engine that notes the peaks of its memory begin them anew."""
    begin = getattr(engine, "begin_measuring", None)
    if begin is not None:
        begin()


def peak_memory(engine: Mapping[str, Any]) -> dict[str, Any]:
    """Give ``{"peak_memory": {...}}`` of an engine's facts; nothing where they tell none."""
    peaks = {name: engine[key] for key, name in _NAMES.items() if key in engine}
    return {"peak_memory": peaks} if peaks else {}
