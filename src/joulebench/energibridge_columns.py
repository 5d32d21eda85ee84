"""Which columns of an EnergiBridge log are sensors, and what is known of their errors.

The importer of stored logs and the meter that runs EnergiBridge read them alike, so both take what
is here. EnergiBridge names a column after what it read and, from its second year on, the unit:
counters ``PACKAGE_ENERGY (J)``, ``DRAM_ENERGY (J)``, ``PP0_ENERGY (J)``, ``PP1_ENERGY (J)`` on
Intel, ``CPU_ENERGY (J)`` and ``CORE0_ENERGY (J)`` on AMD (early versions wrote
``PACAKGE_ENERGY (W)`` for the same joules), power ``GPU0_POWER (mWatts)`` of NVML (early versions
without the unit), ``CPU_POWER (Watts)``, ``SYSTEM_POWER (Watts)`` and ``GPU_POWER (Watts)`` on a
Mac.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from joulebench.channel import Channel
from joulebench.sensor_gains import MODELLED_GAIN, NVML_GAIN, RAPL_GAINS

TIME = "Time"
"""Column of the stamps, milliseconds since 1970."""

NVML_LAG_S = 0.5
"""Mean delay of a reading that is the average of the last second."""

READING_S = 0.011
"""Longest time between a row's stamp and the reading of its counters, s: EnergiBridge takes the
stamp, then reads all sensors, which took 9 to 11 ms in 63 published runs."""

STAMP_STEP_S = 1e-3
"""Stamps are whole milliseconds."""

COUNTER_BITS = 32
"""Width of the energy counters that Intel and AMD processors have."""

_INTEL_EXPONENT = 14
_AMD_EXPONENT = 16
_FINEST_EXPONENT = 20


@dataclass(frozen=True, slots=True)
class Sensor:
    """A column of the log that is a sensor, and the factor that brings it to J or W."""

    column: str
    channel: Channel
    factor: float = 1.0


_Build = Callable[[re.Match[str]], tuple[Channel, float]]


def _counter(quantity: str, scope: str, method: str = "measured") -> _Build:
    def build(match: re.Match[str]) -> tuple[Channel, float]:
        groups = match.groupdict()
        name = f"cpu{groups.get('socket') or 0}:{quantity}{groups.get('core') or ''}"
        gain = MODELLED_GAIN if method == "modelled" else RAPL_GAINS[scope]
        channel = Channel(
            name,
            "J",
            gain=gain,
            method=method,
            scope=scope,
            stamp_s=READING_S / math.sqrt(3),  # anywhere from the stamp on, and the stamp is kept
            stamp_step_s=STAMP_STEP_S,
        )
        return channel, 1.0

    return build


def _nvml_power(match: re.Match[str]) -> tuple[Channel, float]:
    """Describe the power that EnergiBridge reads with ``nvmlDeviceGetPowerUsage``.

    Since Ampere (GA100 apart) that call gives the average of the last second. The log does not name
    the board, so the average is assumed. It is not undone: the samples are integrated as they are,
    and its mean delay of half a second is carried as the doubt of the stamps, which makes a bias of
    half a second times the difference of the power at the window's edges.
    """
    factor = 1.0 if (match["unit"] or "").startswith("(W") else 1e-3
    channel = Channel(
        f"gpu{match['gpu']}:power",
        "W",
        resolution=1e-3,
        gain=NVML_GAIN,
        scope="gpu board",
        stamp_s=NVML_LAG_S,
        stamp_step_s=STAMP_STEP_S,
    )
    return channel, factor


def _mac_power(name: str, scope: str) -> _Build:
    def build(match: re.Match[str]) -> tuple[Channel, float]:
        del match  # the whole name is fixed
        # What a Mac tells of its power is a model of Apple's, as the manual of powermetrics says.
        channel = Channel(
            name,
            "W",
            gain=MODELLED_GAIN,
            method="modelled",
            scope=scope,
            stamp_step_s=STAMP_STEP_S,
        )
        return channel, 1.0

    return build


_PATTERNS: tuple[tuple[str, _Build], ...] = (
    (r"PA(CKA|CAK)GE(?P<socket>\d*)_ENERGY( \((J|W)\))?", _counter("package", "cpu package")),
    (r"DRAM(?P<socket>\d*)_ENERGY( \((J|W)\))?", _counter("dram", "dram")),
    (r"PP0_ENERGY( \((J|W)\))?", _counter("core", "cpu core")),
    (r"PP1_ENERGY( \((J|W)\))?", _counter("uncore", "cpu uncore")),
    (r"CPU_ENERGY( \((J|W)\))?", _counter("package", "cpu package", "modelled")),
    (r"CORE(?P<core>\d+)_ENERGY( \((J|W)\))?", _counter("core", "cpu core", "modelled")),
    (r"GPU(?P<gpu>\d+)_POWER ?(?P<unit>\((mWatts|mW|Watts|W)\))?", _nvml_power),
    (r"GPU_POWER \(Watts\)", _mac_power("gpu0:power", "gpu board")),
    (r"CPU_POWER \(Watts\)", _mac_power("cpu0:power", "cpu package")),
    (r"SYSTEM_POWER \(Watts\)", _mac_power("system:power", "platform")),
)


def find_sensors(header: Iterable[str]) -> list[Sensor]:
    """Give the columns that are sensors, in the order of the log."""
    found = (_sensor(column) for column in header)
    return [sensor for sensor in found if sensor is not None]


def _sensor(column: str) -> Sensor | None:
    for pattern, build in _PATTERNS:
        match = re.fullmatch(pattern, column)
        if match:
            return Sensor(column, *build(match))
    return None


def describe_counters(
    sensors: Sequence[Sensor], readings: Mapping[str, Iterable[float]]
) -> list[Sensor]:
    """Add step and wrap to counters.

    EnergiBridge multiplies the register of 32 bits by the processor's energy unit, a power of two.
    The common one is 2^-14 J on Intel (wrap 262,144 J) and 2^-16 J on AMD; a finer one shows in
    readings that are no multiples of it. All counters of a processor share one unit.

    Args:
        sensors: Columns of one log.
        readings: What was read, by column, in J or W; finite.
    """
    counters = [sensor for sensor in sensors if sensor.channel.unit == "J"]
    if not counters:
        return list(sensors)
    modelled = any(sensor.channel.method == "modelled" for sensor in counters)
    values = {sensor.column: [float(v) for v in readings[sensor.column]] for sensor in counters}
    exponent = _unit_exponent(values.values(), _AMD_EXPONENT if modelled else _INTEL_EXPONENT)
    return [_described(s, values[s.column], exponent) if s in counters else s for s in sensors]


def _described(sensor: Sensor, values: Sequence[float], exponent: int) -> Sensor:
    step_j = 0.5**exponent
    wrap_j = 2.0**COUNTER_BITS * step_j
    # Readings above it come from a wider register, which does not wrap within any run.
    wraps = max(values, default=0.0) < wrap_j
    channel = replace(sensor.channel, resolution=step_j, wrap_j=wrap_j if wraps else None)
    return replace(sensor, channel=channel)


def _unit_exponent(columns: Iterable[Sequence[float]], common: int) -> int:
    """Give the least k, from the common one on, for which all readings are multiples of 2^-k J."""
    values = [value for column in columns for value in column]
    for exponent in range(common, _FINEST_EXPONENT + 1):
        scale = 2.0**exponent
        if all((value * scale).is_integer() for value in values):
            return exponent
    return common
