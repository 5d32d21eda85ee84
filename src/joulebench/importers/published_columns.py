"""What the columns of a run table are, as people name them: energies, durations, counts.

A name is split into words. Words of a device make the column a channel; no device, or several, make
it a total, whose parts are never added to it. A name that says more than an amount of the whole run
(``per``, ``mean``, ``idle``, ...) is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from joulebench.channel import Channel
from joulebench.sensor_gains import MODELLED_GAIN, NVML_GAIN, RAPL_GAINS

_KWH_J = 3.6e6

_ENERGY_UNITS: Mapping[str, float] = {
    "j": 1.0, "joule": 1.0, "joules": 1.0, "mj": 1e-3, "millijoules": 1e-3, "uj": 1e-6, "µj": 1e-6,
    "microjoules": 1e-6, "kj": 1e3, "kilojoules": 1e3, "megajoules": 1e6, "wh": 3600.0,
    "kwh": _KWH_J, "mwh": 3.6,
}  # fmt: skip
_BY_CASE: Mapping[str, float] = {"MJ": 1e6, "MWh": 3.6e9}

_TIME_UNITS: Mapping[str, float] = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 1e-3, "msec": 1e-3,
    "milliseconds": 1e-3, "millis": 1e-3, "us": 1e-6, "µs": 1e-6, "microseconds": 1e-6, "ns": 1e-9,
    "nanoseconds": 1e-9, "min": 60.0, "mins": 60.0, "minutes": 60.0, "h": 3600.0, "hours": 3600.0,
}  # fmt: skip

_DEVICES: Mapping[str, tuple[str, str, str]] = {
    "cpu": ("cpu", "package", "cpu package"), "package": ("cpu", "package", "cpu package"),
    "pkg": ("cpu", "package", "cpu package"), "processor": ("cpu", "package", "cpu package"),
    "gpu": ("gpu", "energy", "gpu board"), "dram": ("cpu", "dram", "dram"),
    "ram": ("cpu", "dram", "dram"), "pp0": ("cpu", "core", "cpu core"),
    "core": ("cpu", "core", "cpu core"), "cores": ("cpu", "core", "cpu core"),
    "pp1": ("cpu", "uncore", "cpu uncore"), "uncore": ("cpu", "uncore", "cpu uncore"),
    "psys": ("system", "energy", "platform"), "platform": ("system", "energy", "platform"),
    "wall": ("wall", "energy", "wall"), "plug": ("wall", "energy", "wall"),
    "outlet": ("wall", "energy", "wall"),
}  # fmt: skip
"""Word -> device, quantity and scope of the channel."""

_TOTAL = ("total", "energy", "unknown")

_GAINS: Mapping[str, float] = {**RAPL_GAINS, "gpu board": NVML_GAIN}

UNKNOWN = "unknown"
"""Scope of a total that stands alone: nothing says what it covers, so it is nested in nothing."""

_WHOLE_DEVICES = ("cpu package", "gpu board", "platform", "wall")
"""Scopes of the parts that a total is made of; without any of them the total is what there is."""

_ENERGY = frozenset({"energy", *_ENERGY_UNITS})
_DURATION = frozenset({"duration", "runtime", "elapsed", "walltime"})
_TIMES = frozenset({"execution", "exec", "run", "wall", "total", "elapsed", "inference", "time"})
_OUT = frozenset({"response", "output", "out", "completion", "generated", "gen"})
_IN = frozenset({"input", "in", "prompt"})
_COUNT = frozenset({"n", "num", "number", "of", "count"})
_NOT_AN_AMOUNT = frozenset(
    {"per", "power", "efficiency", "emissions", "co2", "cost", "ratio", "share", "pct", "percent",
     "saving", "savings", "reduction", "std", "sd", "stdev", "sem", "se", "stderr", "var",
     "variance", "min", "max", "median", "mean", "avg", "average", "idle", "baseline", "normalized",
     "normalised", "norm", "log", "rank", "diff", "delta", "edp", "error", "noise", "bias",
     "uncertainty", "ci", "lower", "upper", "prefill", "decode", "load", "warmup", "forward",
     "backward", "train", "training", "eval", "start", "end", "stop", "timestamp", "limit", "first",
     "ttft", "tpot", "latency", "source", "model", "label", "id", "budget", "above"}
)  # fmt: skip

_LONGEST_NAME = 200
"""What is longer is no name of a column that anybody would read."""

_WORD = re.compile(r"[A-Za-zµ]+[0-9]*|[0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z][a-z])")
_BRACKETS = re.compile(r"[(\[]\s*([^)\]]*?)\s*[)\]]")


@dataclass(frozen=True, slots=True)
class EnergyColumn:
    """A column of energies: its name, the channel it is of, and its unit in joules."""

    name: str
    channel: Channel
    unit_j: float


@dataclass(frozen=True, slots=True)
class PublishedColumns:
    """The columns of a run table that are understood.

    Args:
        energies: One a channel.
        totals: Columns that add up parts which stand in the table too, and repeats of a channel.
        duration: Column of the length of the run and its unit, s.
        counts: Column by the name of the count: tokens_in, tokens_out, requests, flops.
        accuracy: Column of the share of correct answers.
        unit_assumed: Columns of energies or durations that name no unit.
    """

    energies: tuple[EnergyColumn, ...]
    totals: tuple[str, ...] = ()
    duration: tuple[str, float] | None = None
    counts: Mapping[str, str] = field(default_factory=dict)
    accuracy: str | None = None
    unit_assumed: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All columns that are measurements."""
        single = (self.duration[0] if self.duration else None, self.accuracy)
        energies = (column.name for column in self.energies)
        named = (name for name in single if name is not None)
        return (*energies, *self.totals, *named, *self.counts.values())


def find_published(columns: Sequence[str]) -> PublishedColumns:
    """Find what is understood among the columns of a run table."""
    columns = [name for name in columns if len(name) <= _LONGEST_NAME]
    found = [(name, *energy) for name in columns if (energy := _energy(name))]
    parts = [one for one in found if one[1].scope != UNKNOWN]
    totals = [one for one in found if one[1].scope == UNKNOWN]
    devices = any(channel.scope in _WHOLE_DEVICES for _, channel, _ in parts)
    kept: dict[str, EnergyColumn] = {}
    for name, channel, unit in parts if devices or not totals else totals:
        kept.setdefault(channel.name, EnergyColumn(name, channel, unit or 1.0))
    taken = {column.name for column in kept.values()}
    duration = _duration(columns)
    used = [*taken, *([duration[0]] if duration else [])]
    return PublishedColumns(
        tuple(kept.values()),
        tuple(name for name, _, _ in found if name not in taken),
        duration,
        dict(_counts(columns)),
        next((name for name in columns if _words(name) in (["accuracy"], ["acc"])), None),
        tuple(name for name in columns if name in used and not _says_unit(name)),
    )


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(_CAMEL.sub(" ", _BRACKETS.sub(" ", name)))]


def _unit(name: str, known: Mapping[str, float]) -> float | None:
    """Give the unit that a name ends on or has in brackets; ``None`` if it names none."""
    for word in (*_BRACKETS.findall(name)[::-1], *_WORD.findall(name)[::-1]):
        if known is _ENERGY_UNITS and word in _BY_CASE:
            return _BY_CASE[word]
        if word.lower() in known:
            return known[word.lower()]
    return None


def _says_unit(name: str) -> bool:
    known = _ENERGY_UNITS if _energy(name) else _TIME_UNITS
    return _by_tool(_words(name)) or _unit(name, known) is not None


def _by_tool(words: Sequence[str]) -> bool:
    """Say whether CodeCarbon gave it, through its plugin: kWh, partly estimated."""
    return "codecarbon" in words


def _energy(name: str) -> tuple[Channel, float | None] | None:
    words = _words(name)
    in_brackets = any(text.lower() in _ENERGY_UNITS for text in _BRACKETS.findall(name))
    if not (_ENERGY & set(words) or in_brackets) or _NOT_AN_AMOUNT & set(words):
        return None
    if set(words) & {"tokens", "token", "time"}:
        return None
    unit = _KWH_J if _by_tool(words) else _unit(name, _ENERGY_UNITS)
    return _channel(words), unit


def _channel(words: Sequence[str]) -> Channel:
    """Give the channel of the device that is named; the total if none is, or several are."""
    found = {place: word for word in words for place in _devices(word)}
    device, quantity, scope = next(iter(found)) if len(found) == 1 else _TOTAL
    if {"total", "sum", "combined", "overall"} & set(words):
        device, quantity, scope = _TOTAL
    tool = _by_tool(words)
    return Channel(
        f"{device}:{quantity}",
        "J",
        gain=MODELLED_GAIN if tool else _GAINS.get(scope, MODELLED_GAIN),
        method="estimated" if tool else "measured",
        scope=scope,
    )


def _devices(word: str) -> Iterator[tuple[str, str, str]]:
    if word in _DEVICES:
        yield _DEVICES[word]
        return
    bare = word.rstrip("0123456789")
    if bare in ("cpu", "gpu", "package", "dram") and bare != word:
        device, quantity, scope = _DEVICES[bare]
        yield f"{device}{word[len(bare) :]}", quantity, scope


def _duration(columns: Sequence[str]) -> tuple[str, float] | None:
    """Choose the column of the length of a run: one that names its unit, the finest."""
    found = [(name, _unit(name, _TIME_UNITS)) for name in columns if _is_duration(name)]
    said = [(name, unit) for name, unit in found if unit is not None]
    if said:
        return min(said, key=lambda one: one[1])
    return (found[0][0], 1.0) if found else None


def _is_duration(name: str) -> bool:
    words = set(_words(name))
    if words & (_NOT_AN_AMOUNT - {"min", "start", "end"}) or words & {"start", "end"}:
        return False
    if _ENERGY & words:
        return False
    bare = words - set(_TIME_UNITS)
    return bool(bare & _DURATION) or ("time" in bare and bare <= _TIMES)


def _counts(columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    for wanted, test in (
        ("tokens_out", _is_tokens_out),
        ("tokens_in", _is_tokens_in),
        ("requests", lambda words: words in ({"requests"}, {"prompts"})),
        ("flops", lambda words: words in ({"flops"}, {"total", "flops"})),
    ):
        found = next((name for name in columns if test(set(_words(name)) - _COUNT)), None)
        if found is not None:
            yield wanted, found


def _is_tokens_out(words: set[str]) -> bool:
    bare = words - {"token", "tokens", "total"}
    return bare != words and (words <= {"token", "tokens"} or (bool(bare) and bare <= _OUT))


def _is_tokens_in(words: set[str]) -> bool:
    bare = words - {"token", "tokens", "total"}
    return bare != words and bool(bare) and bare <= _IN
