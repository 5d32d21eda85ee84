"""What was measured of the sensors of this host, stored so that their channels use it.

Standard library only: the recorder opens meters. A profile is a JSON file of one device, written by
``joulebench doctor --characterize`` and read whenever the meter is opened.
"""

from __future__ import annotations

import json
import math
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from joulebench.channel import Channel
from joulebench.errors import UsageError

ENVIRONMENT = "JOULEBENCH_SENSORS"
"""Environment variable that names the folder of profiles."""

FORMAT = 1

FIELDS = ("period_s", "averaging_s", "resolution", "delay_s", "stamp_s")
"""Fields of a channel that a profile may replace."""

AGAIN = "joulebench doctor --characterize"

_NAMED = {"period_s": "period", "averaging_s": "average", "delay_s": "delay"}


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure that was measured, with one standard error, in the same unit."""

    value: float
    standard_error: float

    def to_dict(self) -> dict[str, float]:
        """Give the figure as a JSON-ready dict."""
        return {"value": self.value, "standard_error": self.standard_error}


@dataclass(frozen=True)
class SensorProfile:
    """What was measured of the channels of one device.

    Args:
        kind: Meter that reads it.
        identity: What the device is, wherever it is plugged in.
        driver: Version of the driver that it was read through; empty where none is known.
        made_at: When, ISO 8601.
        joulebench: Version that measured it.
        channels: By the quantity in a channel's name, the fields that were resolved.
    """

    kind: str
    identity: str
    driver: str
    made_at: str
    joulebench: str
    channels: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the profile as a JSON-ready dict."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "identity": self.identity,
            "driver": self.driver,
            "made_at": self.made_at,
            "joulebench": self.joulebench,
            "channels": {
                quantity: {name: figure.to_dict() for name, figure in figures.items()}
                for quantity, figures in self.channels.items()
            },
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> SensorProfile:
        """Build a profile from :meth:`to_dict`'s form.

        Raises:
            KeyError, TypeError, ValueError: It is not of that form.
        """
        if record["format"] != FORMAT:
            raise ValueError(f"its format is {record['format']!r} and not {FORMAT}")
        channels = {
            str(quantity): {name: _figure(name, figures[name]) for name in figures}
            for quantity, figures in record["channels"].items()
        }
        names = ("kind", "identity", "driver", "made_at", "joulebench")
        return cls(**{name: str(record[name]) for name in names}, channels=channels)

    def store(self) -> Path:
        """Write the profile where meters look for it, and give the file.

        Raises:
            OSError: It cannot be written.
        """
        path = place(self.kind, self.identity)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.{os.getpid()}.part")
        draft.write_text(json.dumps(self.to_dict(), indent=1), encoding="utf-8")
        draft.replace(path)
        return path


def _figure(name: str, record: Mapping[str, Any]) -> Figure:
    figure = Figure(float(record["value"]), float(record["standard_error"]))
    if name not in FIELDS:
        raise ValueError(f"{name!r} is none of {', '.join(FIELDS)}")
    if not (math.isfinite(figure.value) and figure.value >= 0):
        raise ValueError(f"{name} = {figure.value} must be finite and at least 0")
    return figure


def folder() -> Path:
    """Give the folder of profiles: ``$JOULEBENCH_SENSORS``, or in the user's configuration.

    Raises:
        OSError: This user has no home.
    """
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named)
    configuration = os.environ.get("XDG_CONFIG_HOME")
    try:
        parent = Path(configuration) if configuration else Path.home() / ".config"
    except RuntimeError as error:
        raise OSError(f"{error} (set {ENVIRONMENT} to a folder)") from error
    return parent / "joulebench" / "sensors"


def place(kind: str, identity: str) -> Path:
    """Give the file of one device's profile.

    Raises:
        OSError: This user has no home.
    """
    import hashlib  # which loads a library of cryptography: not into each recorder

    digest = hashlib.sha256(identity.encode()).hexdigest()[:8]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", identity).strip("-")[:40]
    return folder() / f"{kind}-{readable}-{digest}.json"


def identity(meter: Any, device: str, options: Mapping[str, Any]) -> str:
    """Say what a device is, so that its profile is found again wherever it is plugged in.

    Args:
        meter: The open meter.
        device: Its name in the channels, for example ``"gpu0"``.
        options: With which the meter was opened.
    """
    identities: Mapping[str, str] = getattr(meter, "identities", {})
    known = identities.get(device)
    if known is None:
        asked = f" {json.dumps(dict(options), sort_keys=True)}" if options else ""
        return f"{device} of {platform.node()}{asked}"
    alone = list(identities.values()).count(known) == 1
    return known if alone else f"{known} {device}"


def driver(meter: Any, device: str) -> str:
    """Give the version of the driver that a device is read through; empty where none is known."""
    drivers: Mapping[str, str] = getattr(meter, "drivers", {})
    return drivers.get(device, "")


def load(path: Path) -> SensorProfile | None:
    """Read a profile; ``None`` where there is none.

    Raises:
        UsageError: The file is there but holds no profile.
    """
    try:
        return SensorProfile.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        why = error.strerror or str(error)
    except KeyError as error:
        why = f"it has no {error}"
    except (ValueError, TypeError, AttributeError) as error:
        why = str(error)
    raise UsageError(
        f"sensor profile {path} cannot be used: {why}; delete it, or measure again: {AGAIN}"
    )


_used = [True]


@contextmanager
def set_aside() -> Iterator[None]:
    """Open meters as their makers describe them, whatever was measured of them before."""
    before, _used[0] = _used[0], False
    try:
        yield
    finally:
        _used[0] = before


def apply(kind: str, options: Mapping[str, Any], meter: Any) -> None:
    """Let the channels of an open meter use what was measured of them, and note it.

    Raises:
        UsageError: A profile is broken.
    """
    if not _used[0]:
        return
    channels: list[Channel] = list(meter.channels)
    notes: list[str] = []
    for device in dict.fromkeys(channel.device for channel in channels):
        profile = _stored(kind, identity(meter, device, options))
        if profile is None:
            continue
        here = driver(meter, device)
        if profile.driver != here:
            notes.append(_stale(device, profile, here))
            continue
        channels = [_as_measured(one, device, profile, notes) for one in channels]
    if notes:
        meter.channels = channels
        meter.notes = [*getattr(meter, "notes", ()), *notes]


def _stored(kind: str, what: str) -> SensorProfile | None:
    try:
        path = place(kind, what)
    except OSError:
        return None
    return load(path)


def _stale(device: str, profile: SensorProfile, here: str) -> str:
    return (
        f"{device}: not used as characterised on {profile.made_at[:10]}, which was with driver "
        f"{profile.driver or 'unknown'}; this is {here or 'unknown'}. Type: {AGAIN}"
    )


def _as_measured(
    channel: Channel, device: str, profile: SensorProfile, notes: list[str]
) -> Channel:
    figures = profile.channels.get(channel.name.partition(":")[2])
    if channel.device != device or not figures:
        return channel
    notes.append(f"{channel.name}: {described(figures)} as characterised on {profile.made_at[:10]}")
    return with_figures(channel, figures)


def with_figures(channel: Channel, figures: Mapping[str, Figure]) -> Channel:
    """Give a channel with what was measured of it in the place of what its meter says."""
    found: dict[str, Any] = {name: figure.value for name, figure in figures.items()}
    return replace(channel, **found)


def described(figures: Mapping[str, Figure]) -> str:
    """Say what was measured: ``period 100 ms, average 25 ms``."""
    times = [
        f"{word} {1e3 * figures[name].value:.4g} ms"
        for name, word in _NAMED.items()
        if name in figures
    ]
    return ", ".join(times) or ", ".join(f"{n} {f.value:.3g}" for n, f in figures.items())


def stored(profiles: Iterable[SensorProfile]) -> list[Path]:
    """Write several profiles and give their files.

    Raises:
        OSError: One cannot be written.
    """
    return [profile.store() for profile in profiles]
