"""The mapping file of a table: which column is what, and in which unit.

``docs/importing.md`` has every key with examples.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from joulebench.channel import Channel
from joulebench.nesting import INSIDE
from joulebench.sensor_gains import ESTIMATE_GAIN, MODELLED_GAIN, NVML_GAIN, RAPL_GAINS
from joulebench.strict_yaml import Strict

ENERGY_UNITS = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "kJ": 1e3, "MJ": 1e6, "Wh": 3.6e3, "kWh": 3.6e6}
POWER_UNITS = {"W": 1.0, "mW": 1e-3, "kW": 1e3}
TIME_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0, "h": 3600.0}

SCOPES = tuple(dict.fromkeys([*INSIDE, "wall"]))

UNKNOWN_GAIN = 0.1
"""Relative standard uncertainty where neither the map nor the kind of sensor tells one: judgement,
that of a platform's counter."""

_SCOPE_OF = {
    "gpu": "gpu board",
    "cpu": "cpu package",
    "dram": "dram",
    "ram": "dram",
    "node": "node",
    "system": "node",
    "wall": "wall",
}

Method = Literal["measured", "modelled", "estimated", "simulated"]
EnergyUnit = Literal["J", "mJ", "uJ", "kJ", "MJ", "Wh", "kWh"]
PowerUnit = Literal["W", "mW", "kW"]
TimeUnit = Literal["s", "ms", "us", "ns", "min", "h"]


def _column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _named(value: Any) -> Any:
    names = _listed(value)
    return {name: name for name in names} if isinstance(names, list) else names


Columns = Annotated[list[str], BeforeValidator(_listed)]


class Duration(Strict):
    """A column of lengths of time."""

    column: str
    unit: TimeUnit = "s"


class Share(Strict):
    """A column of shares."""

    column: str
    unit: Literal["1", "%"] = "1"


class Time(Strict):
    """The column of times of a table of samples."""

    column: str
    unit: TimeUnit | Literal["iso"] = "s"
    """iso: dates and times as 2025-09-22T11:06:57.123."""


class Reading(Strict):
    """A column that is a reading of a device."""

    column: str
    scope: str = ""
    """What it covers; by the device's name if left out."""
    method: Method = "measured"
    gain: float | None = Field(default=None, ge=0)
    """Relative standard uncertainty; that of the usual sensor of the scope if left out."""

    def described(self, name: str, unit: str, **known: Any) -> Channel:
        """Give the channel of this reading.

        Args:
            name: Key in the map: a device, or device and quantity: ``"gpu0"``, ``"gpu0:power"``.
            unit: ``"W"`` or ``"J"``.
            **known: Further fields of the channel.
        """
        device = name.partition(":")[0]
        scope = self.scope or scope_of(device)
        full = name if ":" in name else f"{device}:{'power' if unit == 'W' else 'energy'}"
        gain = usual_gain(scope, self.method) if self.gain is None else self.gain
        return Channel(full, unit, gain=gain, method=self.method, scope=scope, **known)


class EnergyColumn(Reading):
    """A column of joules, one number a run."""

    unit: EnergyUnit = "J"
    windows: dict[str, str] = Field(default_factory=dict)
    """Columns of stretches of the run, in the same unit: ``prefill: prefill_j``."""
    spread: str = ""
    """Column of one standard deviation, in the same unit."""


class PowerColumn(Reading):
    """A column of watts: a run's mean, or samples."""

    unit: PowerUnit = "W"
    period_s: float = Field(default=0.0, ge=0)
    """Update period of the sensor."""
    averaging_s: float = Field(default=0.0, ge=0)
    """What the sensor averages over."""
    limit_w: float | None = Field(default=None, gt=0)
    """The highest power that the device may draw."""


class CounterColumn(Reading):
    """A column of samples of a counter of energy."""

    unit: EnergyUnit = "J"
    wrap_j: float | None = Field(default=None, gt=0)
    """Where the counter starts again from zero, J."""


class ByColumn(Strict):
    """What parts the samples of a table into runs."""

    by: str


Edge = float | int | str


class TableMap(Strict):
    """What the columns of a table are."""

    rows: Literal["runs", "samples"] = "runs"
    delimiter: str = Field(default="", max_length=1)
    only: dict[str, Columns] = Field(default_factory=dict)
    factors: Annotated[dict[str, str], BeforeValidator(_named)] = Field(default_factory=dict)
    host: Columns = Field(default_factory=list)
    power: dict[str, Annotated[PowerColumn, BeforeValidator(_column)]] = Field(default_factory=dict)

    run_id: Columns = Field(default_factory=list)
    repetition: str = ""
    started_at: str = ""
    duration: Annotated[Duration, BeforeValidator(_column)] | None = None
    energy: dict[str, Annotated[EnergyColumn, BeforeValidator(_column)]] = Field(
        default_factory=dict
    )
    requests: str = ""
    tokens_in: str = ""
    tokens_out: str = ""
    flops: str = ""
    accuracy: Annotated[Share, BeforeValidator(_column)] | None = None
    n_graded: str = ""
    n_correct: str = ""

    time: Annotated[Time, BeforeValidator(_column)] | None = None
    counter: dict[str, Annotated[CounterColumn, BeforeValidator(_column)]] = Field(
        default_factory=dict
    )
    runs: ByColumn | None = None
    windows: dict[str, list[Edge]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> TableMap:
        other = _OF_SAMPLES if self.rows == "runs" else _OF_RUNS
        for key in other:
            if getattr(self, key):
                raise ValueError(f"{key} is no key of a table with rows: {self.rows}")
        self._check_readings()
        self._check_windows()
        return self

    def _check_readings(self) -> None:
        if self.rows == "samples":
            if self.time is None:
                raise ValueError("time: is missing: name the column of the samples' times")
            if not self.power and not self.counter:
                raise ValueError("power or counter: name a column of readings")
        elif not self.energy and not self.power:
            raise ValueError("energy: is missing: name a column of joules or kWh, or one of power")
        elif self.power and self.duration is None:
            raise ValueError("duration: is missing: power is times the duration to be an energy")
        for key in ("energy", "power", "counter"):
            for name, reading in getattr(self, key).items():
                _check_scope(f"{key}.{name}", name, reading)
        names = [channel.name for channel in self.channels()]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"channel {twice[0]!r} is there twice; name one of them otherwise")

    def _check_windows(self) -> None:
        for name, edges in self.windows.items():
            if len(edges) != 2:
                raise ValueError(f"windows.{name}: must be a start and an end, as in [10, 70]")

    def channels(self) -> list[Channel]:
        """Give the channels of all readings."""
        energies = (one.described(name, "J") for name, one in self.energy.items())
        powers = (
            one.described(
                name,
                "W",
                period_s=one.period_s,
                averaging_s=one.averaging_s,
                limit_w=one.limit_w,
            )
            for name, one in self.power.items()
        )
        counters = (
            one.described(name, "J", wrap_j=one.wrap_j) for name, one in self.counter.items()
        )
        return [*energies, *powers, *counters]

    def columns(self) -> list[str]:
        """Give all columns that the map names."""
        single = (self.repetition, self.started_at, self.requests, self.tokens_in, self.tokens_out)
        more = (self.flops, self.n_graded, self.n_correct, *self.run_id, *self.host, *self.only)
        parts = (self.duration, self.accuracy, self.time)
        readings = (*self.energy.values(), *self.power.values(), *self.counter.values())
        named = [part.column for part in (*parts, *readings) if part is not None]
        spreads = [c for one in self.energy.values() for c in (one.spread, *one.windows.values())]
        by = [] if self.runs is None else [self.runs.by]
        every = [*single, *more, *self.factors.values(), *named, *spreads, *by]
        return list(dict.fromkeys(name for name in every if name))


_OF_SAMPLES = ("time", "counter", "runs", "windows")
_OF_RUNS = (
    "run_id", "repetition", "started_at", "duration", "energy", "requests", "tokens_in",
    "tokens_out", "flops", "accuracy", "n_graded", "n_correct",
)  # fmt: skip


def scope_of(device: str) -> str:
    """Give what readings of a device usually cover; empty if its name does not tell."""
    return _SCOPE_OF.get(device.rstrip("0123456789").casefold(), "")


def usual_gain(scope: str, method: str) -> float:
    """Give the relative standard uncertainty of the usual sensor of a scope."""
    if method != "measured":
        return {"modelled": MODELLED_GAIN, "estimated": ESTIMATE_GAIN}.get(method, 0.0)
    if scope.startswith("gpu"):
        return NVML_GAIN
    return RAPL_GAINS.get(scope, UNKNOWN_GAIN)


def _check_scope(key: str, name: str, reading: Reading) -> None:
    scope = reading.scope or scope_of(name.partition(":")[0])
    if scope not in SCOPES:
        said = f"not {scope!r}" if scope else f"{name!r} does not tell"
        raise ValueError(f"{key}: scope must be one of {', '.join(SCOPES)}; {said}")
