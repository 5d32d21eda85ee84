"""What a meter is, and how one is named so that another process can open it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Protocol

from joulebench.channel import Channel
from joulebench.errors import SensorLost, Unavailable, UsageError
from joulebench.meters.sensor_profile import apply

ABSENT = float("nan")
"""Stands for a reading that did not come; never zero."""


class Meter(Protocol):
    """Reads one source of energy or power; opening it is constructing it.

    Raises:
        Unavailable: The sensor is not on this machine or not readable.
    """

    channels: list[Channel]

    def read(self) -> Sequence[float]:
        """Give one value a channel, in its unit; nan where a channel gave nothing this time."""

    def close(self) -> None:
        """Let the sensor go."""


class StampedMeter(Protocol):
    """A meter whose source stamps its readings itself: a log, a database.

    Raises:
        Unavailable: The source is not on this machine or not readable.
    """

    channels: list[Channel]

    def rows(self) -> Sequence[tuple[float, Sequence[float]]]:
        """Give what came since the last call: monotonic stamps, s, and one value a channel.

        Raises:
            SensorLost: The source is gone for good; what it gave before is kept.
        """

    def close(self) -> None:
        """Let the source go."""


# What a meter may offer besides; each is looked for by name.
#   notes: list[str]                  what a reader must know of its readings
#   identities: dict[str, str]        what each device is, whatever its place: {"gpu0": "GPU-5f..."}
#   drivers: dict[str, str]           version of the driver that each device is read through
#   observe() -> list[dict]           about once a second: the state of each device, JSON values
#   facts() -> dict                   asked for after close(): what the record keeps of it
#   settle_s: float                   how long after a moment the rows from past it have come, s
#   on_request: bool                  a class attribute: never opened by "auto"
#   refusal: str                      why it cannot be recorded in real time; empty where it can


@dataclass(frozen=True, slots=True)
class MeterSpec:
    """A meter to open: its kind, its options and where its class lives.

    Args:
        kind: Name under which the meter is registered, for example ``"nvml"``.
        options: Keyword arguments of the class; JSON values only.
        target: ``"module:Class"``.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give the specification as a JSON-ready dict."""
        return {"kind": self.kind, "options": dict(self.options), "target": self.target}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> MeterSpec:
        """Build a specification from :meth:`to_dict`'s form."""
        return cls(record["kind"], dict(record["options"]), record["target"])

    def open(self) -> Meter:
        """Open the sensor; its channels use what ``doctor --characterize`` measured of them.

        Raises:
            Unavailable: The sensor is not on this machine or not readable.
            UsageError: The target or an option does not exist, or an option cannot be used; or its
                sensor profile is broken.
        """
        from joulebench.plugins import construct

        what = f"meter {self.kind!r}"
        try:
            meter: Meter = construct(self.load(), what, self.options)
        except UsageError:
            raise
        except Exception as error:  # a plugin may fail in any way; the user is told which
            raise UsageError(
                f"{what} cannot be opened with {dict(self.options)}: {type(error).__name__}: "
                f"{error}; check its options, or leave it out"
            ) from error
        try:
            apply(self.kind, self.options, meter)
        except UsageError:
            meter.close()
            raise
        return meter

    def load(self) -> Any:
        """Import the meter's class.

        Raises:
            UsageError: The target cannot be imported.
        """
        module, _, name = self.target.partition(":")
        try:
            return getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise UsageError(
                f"meter {self.kind!r}: {self.target!r} cannot be imported: {error}"
            ) from error


def with_one_stamp(
    channels: Iterable[Channel], read: Callable[[], Sequence[float]]
) -> list[Channel]:
    """Carry what one stamp for the readings of all channels leaves in doubt: a read's duration.

    Args:
        channels: What is read together.
        read: Reads them once.

    Raises:
        Unavailable: The source is gone already.
    """
    start_s = time.monotonic()
    try:
        read()
    except SensorLost as error:
        raise Unavailable(str(error)) from error
    stamp_s = (time.monotonic() - start_s) / math.sqrt(12)
    return [replace(channel, stamp_s=stamp_s) for channel in channels]


def refuse_same_names(meters: Iterable[tuple[str, Meter | StampedMeter]]) -> None:
    """Refuse two channels of one name: the readings of one would hide those of the other.

    Args:
        meters: Kind of each open meter, and the meter.

    Raises:
        UsageError: Names both kinds and the channel.
    """
    seen: dict[str, str] = {}
    for kind, meter in meters:
        for channel in meter.channels:
            if channel.name in seen:
                raise UsageError(
                    f"meters: {seen[channel.name]!r} and {kind!r} both give the channel "
                    f"{channel.name!r}; leave one out, or give it another device"
                )
            seen[channel.name] = kind
