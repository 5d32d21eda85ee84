"""What a sensor reads and when: the two values that need nothing but the standard library.

They live apart from :mod:`joulebench.energy` so that the recorder process can use them without
loading numpy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

METHODS = ("measured", "modelled", "estimated", "simulated")
"""Origins of a reading, the strongest first."""

_NOT_NEGATIVE = (
    "resolution",
    "gain",
    "offset",
    "period_s",
    "averaging_s",
    "stamp_s",
    "delay_s",
    "stamp_step_s",
)


@dataclass(frozen=True, slots=True)
class Channel:
    """One quantity that a meter reads, with what is known of its errors.

    Args:
        name: Device, then quantity after a colon: ``"gpu0:power"``, ``"cpu0:package"``.
        unit: ``"W"`` for power, ``"J"`` for a cumulative energy counter.
        resolution: Smallest step of the reading, in ``unit``.
        gain: Relative standard uncertainty of the reading.
        offset: Standard uncertainty of a constant error, in ``unit``.
        period_s: The sensor's own update period, s; 0 where it is continuous or unknown.
        averaging_s: The stretch the sensor averages over before each update, s.
        wrap_j: Value at which a counter starts again from zero, J; ``None`` if it never does.
        method: One of :data:`METHODS`.
        scope: What the reading covers, for example ``"gpu board"`` or ``"cpu package"``.
        stamp_s: Standard uncertainty of the time stamps that all samples share, s.
        limit_w: Highest power that the device is allowed to draw, W; ``None`` where unknown.
        delay_s: How long after its update the sensor shows a reading, s, where that was measured;
            the recorder sets stamps back by it.
        stamp_step_s: Step that each stamp was rounded to, s: 0.001 in a log of whole milliseconds.

    Raises:
        ValueError: A unit or method that does not exist, or a negative or non-finite figure.
    """

    name: str
    unit: str
    resolution: float = 0.0
    gain: float = 0.0
    offset: float = 0.0
    period_s: float = 0.0
    averaging_s: float = 0.0
    wrap_j: float | None = None
    method: str = "measured"
    scope: str = ""
    stamp_s: float = 0.0
    limit_w: float | None = None
    delay_s: float = 0.0
    stamp_step_s: float = 0.0

    def __post_init__(self) -> None:
        if self.unit not in ("W", "J"):
            raise ValueError(
                f"channel {self.name!r}: unit {self.unit!r} is not known; use 'W' (power) or "
                "'J' (cumulative counter)"
            )
        if self.method not in METHODS:
            raise ValueError(
                f"channel {self.name!r}: method {self.method!r} is not one of {', '.join(METHODS)}"
            )
        for field in _NOT_NEGATIVE:
            figure = getattr(self, field)
            if not (math.isfinite(figure) and figure >= 0):
                raise ValueError(
                    f"channel {self.name!r}: {field} = {figure} must be finite and at least 0"
                )
        for field, unit in (("wrap_j", "J"), ("limit_w", "W")):
            figure = getattr(self, field)
            if figure is not None and not (math.isfinite(figure) and figure > 0):
                raise ValueError(
                    f"channel {self.name!r}: {field} = {figure} must be above 0 {unit}"
                )

    @property
    def device(self) -> str:
        """The device that the channel belongs to: its name up to the colon."""
        return self.name.partition(":")[0]

    def to_dict(self) -> dict[str, Any]:
        """Give the channel as a JSON-ready dict."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Channel:
        """Build a channel from :meth:`to_dict`'s form."""
        return cls(**record)


@dataclass(frozen=True, slots=True)
class Window:
    """A named stretch of monotonic time.

    Args:
        name: What happened in it: idle, load, warmup, measure, prefill, decode, ...
        start_s: Monotonic start, s.
        stop_s: Monotonic end, s.
        edge_s: Standard uncertainty of each edge, s.

    Raises:
        ValueError: The window ends before it starts, or an edge is not finite.
    """

    name: str
    start_s: float
    stop_s: float
    edge_s: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start_s) and math.isfinite(self.stop_s)):
            raise ValueError(
                f"window {self.name!r}: edges must be finite, not {self.start_s}, {self.stop_s}"
            )
        if self.stop_s <= self.start_s:
            raise ValueError(
                f"window {self.name!r}: stop {self.stop_s} s is not after start {self.start_s} s"
            )
        if not (math.isfinite(self.edge_s) and self.edge_s >= 0):
            raise ValueError(f"window {self.name!r}: edge_s = {self.edge_s} must be at least 0 s")

    @property
    def duration_s(self) -> float:
        """Length of the window, s."""
        return self.stop_s - self.start_s

    def to_dict(self) -> dict[str, Any]:
        """Give the window as a JSON-ready dict."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Window:
        """Build a window from :meth:`to_dict`'s form."""
        return cls(**record)
