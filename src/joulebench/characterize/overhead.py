"""What the recorder itself draws, as the counters of this host see it."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from joulebench.channel import Channel
from joulebench.characterize.points import unwrapped_j
from joulebench.errors import Unavailable
from joulebench.meters.meter import Meter, MeterSpec
from joulebench.testbed.recording import Recording

INTERVAL_S = 0.1
"""Time between samples of the recorder whose cost is measured, s: that of a run."""

STRETCH_S = 1.0
"""Length of each stretch with and without the recorder, s."""

FEWEST = 3
"""Pairs of stretches below which no interval can be given."""

Told = Callable[[str, float], None]
"""Is told what is being done, and the share of it that is done."""


def no_one(what: str, share: float) -> None:
    """Stand in where nobody is to be told."""
    del what, share


@dataclass(frozen=True)
class Overhead:
    """Power with the recorder less power without it, of one counter.

    Args:
        channel: The counter.
        watts: Mean difference, W.
        half_width_w: Half its 95 % interval, W.
        baseline_w: Power without the recorder, W.
        pairs: Pairs of stretches.
        cpu_share: Share of one processor that the recorder took.
    """

    channel: str
    watts: float
    half_width_w: float
    baseline_w: float
    pairs: int
    cpu_share: float

    @property
    def resolved(self) -> bool:
        """Whether the difference is more than its interval."""
        return abs(self.watts) > self.half_width_w

    @property
    def percent(self) -> float:
        """The difference as a share of the power without the recorder, %."""
        return 100 * self.watts / self.baseline_w if self.baseline_w > 0 else math.nan


def overhead(
    specs: Sequence[MeterSpec],
    length_s: float,
    told: Told,
    *,
    sleep: Callable[[float], object] = time.sleep,
) -> list[Overhead]:
    """Alternate stretches without and with a recorder at 10 Hz, and read the counters at the ends.

    Args:
        specs: Meters that the recorder reads; those with counters tell what it draws.
        length_s: Time there is, s.
        told: Is told how far it is: what, and the share that is done.
        sleep: Waits for so many seconds.

    Raises:
        Unavailable: None of the meters has a counter, or there is too little time.
    """
    pairs = int(length_s / (2.3 * STRETCH_S))
    meters = [spec.open() for spec in specs]
    try:
        counters = [c for meter in meters for c in meter.channels if c.unit == "J"]
        if not counters:
            raise Unavailable("none of these meters has an energy counter")
        if pairs < FEWEST:
            raise Unavailable(f"{length_s:.0f} s are too short for it; give more --seconds")
        stretches = []
        for turn in range(pairs):
            told("own overhead", turn / pairs)
            order = ("off", "on") if turn % 2 else ("on", "off")
            stretches.append({name: _stretch(name, specs, meters, sleep) for name in order})
        return _overheads(meters, stretches)
    finally:
        for meter in meters:
            meter.close()


@dataclass(frozen=True)
class _Stretch:
    """Readings at both ends of a stretch, of all meters one after another."""

    length_s: float
    first: tuple[float, ...]
    last: tuple[float, ...]
    cpu_share: float = math.nan


def _stretch(
    name: str, specs: Sequence[MeterSpec], meters: Sequence[Meter], sleep: Callable[[float], object]
) -> _Stretch:
    if name == "off":
        sleep(INTERVAL_S)
        return _ends(meters, sleep)
    with tempfile.TemporaryDirectory(prefix="joulebench-") as folder:
        recording = Recording(specs, Path(folder), interval_s=INTERVAL_S)
        with recording:
            sleep(INTERVAL_S)  # what starting costs is over
            seen = _ends(meters, sleep)
        return _Stretch(seen.length_s, seen.first, seen.last, _cpu_share(recording))


def _ends(meters: Sequence[Meter], sleep: Callable[[float], object]) -> _Stretch:
    start_s, first = time.monotonic(), _readings(meters)
    sleep(STRETCH_S)
    stop_s, last = time.monotonic(), _readings(meters)
    return _Stretch(stop_s - start_s, first, last)


def _readings(meters: Sequence[Meter]) -> tuple[float, ...]:
    return tuple(value for meter in meters for value in meter.read())


def _cpu_share(recording: Recording) -> float:
    return float(recording.facts().get("cpu_share", math.nan))


def _overheads(meters: Sequence[Meter], stretches: Sequence[dict[str, _Stretch]]) -> list[Overhead]:
    from scipy.stats import t  # of a few paired differences

    quantile = float(t.ppf(0.975, len(stretches) - 1))
    share = statistics.fmean(pair["on"].cpu_share for pair in stretches)
    found = []
    for place, channel in enumerate(c for meter in meters for c in meter.channels):
        if channel.unit != "J":
            continue
        on_w, off_w = (
            np.array([_power_w(channel, pair[name], place) for pair in stretches])
            for name in ("on", "off")
        )
        differences_w = on_w - off_w
        if not np.isfinite(differences_w).all():
            continue
        half_w = quantile * float(differences_w.std(ddof=1)) / math.sqrt(len(stretches))
        mean_w, off_mean_w = float(differences_w.mean()), float(off_w.mean())
        found.append(Overhead(channel.name, mean_w, half_w, off_mean_w, len(stretches), share))
    return found


def _power_w(channel: Channel, stretch: _Stretch, place: int) -> float:
    ends_j = unwrapped_j(channel, np.array([stretch.first[place], stretch.last[place]]))
    return float(ends_j[1] - ends_j[0]) / stretch.length_s
