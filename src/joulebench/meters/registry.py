"""From what a study or a command line says about meters to meters that can be opened."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from joulebench.channel import Channel
from joulebench.errors import Unavailable, UsageError, unknown
from joulebench.meters.meter import Meter, MeterSpec
from joulebench.plugins import load_plugin, plugin_names, refuse_wrong_types

GROUP = "joulebench.meters"

ESTIMATE = "estimate"
"""Kind that stands in where no sensor covers the processor."""

_COVERS_CPU = ("cpu package", "gpu module", "platform", "node", "wall")


@dataclass(frozen=True, slots=True)
class MeterReport:
    """One kind of meter on this machine.

    Args:
        kind: Its name.
        available: Whether it opened and reads something.
        channels: What it reads; empty where it did not open.
        missing: One sentence: what it lacks; empty where it opened.
        remedy: The line that mends that; empty where nothing can.
        notes: What a reader must know of its readings.
        on_request: Whether it is opened only where it is named, and so was not opened.
    """

    kind: str
    available: bool
    channels: tuple[Channel, ...] = ()
    missing: str = ""
    remedy: str = ""
    notes: tuple[str, ...] = ()
    on_request: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Give the report as a JSON-ready dict."""
        return {
            "kind": self.kind,
            "available": self.available,
            "channels": [channel.to_dict() for channel in self.channels],
            "missing": self.missing,
            "remedy": self.remedy,
            "notes": list(self.notes),
            "on_request": self.on_request,
        }


def resolve(meters: str | Sequence[str | Mapping[str, Any]]) -> list[MeterSpec]:
    """Turn the ``meters`` of a study into meters to open.

    Args:
        meters: ``"auto"`` for every sensor that opens here, and the estimate of the processor only
            where none of them covers it; or a list of kinds, each a name or ``{kind: options}``.

    Raises:
        UsageError: An unknown kind (the nearest is named) or option, or no meter at all.
        Unavailable: A meter's plugin cannot be imported.
    """
    if meters == "auto":
        return _auto()
    if isinstance(meters, str):
        meters = [meters]
    specs = [_spec(*_kind_and_options(entry)) for entry in meters]
    if not specs:
        raise UsageError("meters: the list is empty; name at least one, or say 'auto'")
    return specs


def parse(text: str) -> str | dict[str, dict[str, Any]]:
    """Read one meter of a command line: ``nvml``, or ``simulated:board=ada,watts=250``.

    Raises:
        UsageError: An option without a value.
    """
    kind, colon, rest = text.partition(":")
    if not colon:
        return kind
    options = {}
    for pair in _split(rest):
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise UsageError(
                f"--meters {text!r}: {pair!r} is not option=value; write for example "
                "simulated:board=ada,watts=250"
            )
        options[name.strip()] = _value(value)
    return {kind: options}


def _split(text: str) -> list[str]:
    """Split at each comma that an option follows, outside of brackets and quotes."""
    begins = [0]
    for comma in re.finditer(r",(?=[A-Za-z_]\w*=)", text):
        before = text[: comma.start()]
        opened = sum(before.count(mark) for mark in "([{") - sum(map(before.count, ")]}"))
        if opened <= 0 and before.count('"') % 2 == 0:
            begins.append(comma.end())
    ends = [begin - 1 for begin in begins[1:]] + [len(text)]
    return [text[begin:end] for begin, end in zip(begins, ends, strict=True)]


def _value(text: str) -> Any:
    """Read a value as JSON where it is JSON, and as text where it is not."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def survey() -> list[MeterReport]:
    """Try every kind of meter on this machine, without options."""
    return [_report(kind) for kind in plugin_names(GROUP)]


def covers_cpu(channels: Iterable[Channel]) -> bool:
    """Say whether any of several channels reads the processor, alone or within a whole."""
    return any(channel.scope in _COVERS_CPU for channel in channels)


def _kind_and_options(entry: str | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    if isinstance(entry, str):
        return entry, {}
    if len(entry) != 1:
        raise UsageError(
            f"meters: {dict(entry)!r} must have one key, the kind, with its options below it, for "
            "example {simulated: {board: a100}}"
        )
    [(kind, options)] = entry.items()
    if options is not None and not isinstance(options, Mapping):
        raise UsageError(f"meters: the options of {kind!r} must be a mapping, not {options!r}")
    return kind, dict(options or {})


def _spec(kind: str, options: Mapping[str, Any]) -> MeterSpec:
    meter_class = load_plugin(GROUP, kind, "meter")
    _refuse_unknown_options(meter_class, kind, options)
    kind, target = next(
        (point.name, point.value)
        for point in entry_points(group=GROUP)
        if point.name.casefold() == kind.casefold()
    )
    return MeterSpec(kind, dict(options), target.partition(" ")[0])


def _refuse_unknown_options(meter_class: Any, kind: str, options: Mapping[str, Any]) -> None:
    taken = inspect.signature(meter_class).parameters
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        return
    # What only a program can give (a clock, a library) is no option of a study.
    allowed = [name for name, parameter in taken.items() if _is_setting(parameter)]
    for option in options:
        if option not in allowed:
            raise unknown(f"meter {kind!r}: option", option, allowed)
    refuse_wrong_types(meter_class, f"meter {kind!r}", options)


def _is_setting(parameter: inspect.Parameter) -> bool:
    annotation = str(parameter.annotation)
    return "Callable" not in annotation and not annotation.startswith("Any")


def _auto() -> list[MeterSpec]:
    found: list[MeterSpec] = []
    sensed: list[Channel] = []
    for kind in plugin_names(GROUP):
        spec = _spec_without_options(kind)
        channels = _sensed(spec) if spec is not None and kind != ESTIMATE else []
        if spec is not None and channels:
            found.append(spec)
            sensed += channels
    if not covers_cpu(sensed):
        found.append(_spec(ESTIMATE, {}))
    return found


def _spec_without_options(kind: str) -> MeterSpec | None:
    """Give the meter as it opens without options; ``None`` where it needs some or to be named."""
    meter_class = load_plugin(GROUP, kind, "meter")
    if _needed(meter_class) or getattr(meter_class, "on_request", False):
        return None
    return _spec(kind, {})


def _needed(meter_class: Any) -> list[str]:
    """Name the options that a meter cannot do without."""
    parameters = inspect.signature(meter_class).parameters.values()
    named = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [p.name for p in parameters if p.kind in named and p.default is p.empty]


def _sensed(spec: MeterSpec) -> list[Channel]:
    """Give what a meter senses of this machine; nothing where it is absent or simulated."""
    try:
        meter = spec.open()
    except Unavailable:
        return []
    channels = list(meter.channels)
    meter.close()
    return [channel for channel in channels if channel.method in ("measured", "modelled")]


def _report(kind: str) -> MeterReport:
    try:
        meter_class = load_plugin(GROUP, kind, "meter")
        needed = _needed(meter_class)
        if needed or getattr(meter_class, "on_request", False):
            return _needs(kind, needed, on_request=getattr(meter_class, "on_request", False))
        meter = _spec(kind, {}).open()
    except Unavailable as error:
        return MeterReport(kind, available=False, missing=error.what, remedy=error.remedy)
    except UsageError as error:
        return MeterReport(kind, available=False, missing=str(error))
    report = MeterReport(kind, True, tuple(meter.channels), notes=tuple(notes_of(meter)))
    meter.close()
    return report


def _needs(kind: str, needed: Sequence[str], *, on_request: bool) -> MeterReport:
    options = ",".join(f"{name}=..." for name in needed)
    told = f"It needs to be told: {', '.join(needed)}." if needed else "It is opened where named."
    return MeterReport(
        kind,
        available=False,
        missing=told,
        remedy=f"joulebench measure --meters {kind}{':' if options else ''}{options} -- CMD",
        on_request=on_request,
    )


def notes_of(meter: Meter) -> list[str]:
    """Give what a meter says of its own readings; nothing where it says nothing."""
    return list(getattr(meter, "notes", ()))
