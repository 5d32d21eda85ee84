"""Measures the sensors of this host: polls each meter while a load is switched."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from joulebench.characterize.channel_facts import plain
from joulebench.characterize.choice import LoadFor, load_of
from joulebench.characterize.load import Load, Wave, planned
from joulebench.characterize.meter_facts import MeterFacts, meter_facts
from joulebench.characterize.overhead import Overhead, Told, no_one, overhead
from joulebench.characterize.polling import Poller
from joulebench.characterize.simulated_load import with_wave
from joulebench.characterize.surprises import surprises
from joulebench.errors import Unavailable, UsageError
from joulebench.finding import Finding
from joulebench.meters.meter import Meter, MeterSpec
from joulebench.meters.sensor_profile import set_aside, stored

SECONDS = 60.0
"""Time that all meters take together unless asked otherwise, s."""

FEWEST_S = 5.0
"""Shortest time for one meter, s."""

LONGEST_WAVE_S, LONGEST_QUIET_S = 15.0, 3.0
"""Longer would tell little more of a sensor that updates ten times a second."""

TAIL_S = 1.5
"""Polling goes on for so long after the last switch, s, so that an average over 1 s has seen it."""

_OVERHEAD_SHARE = 0.25
_AHEAD_S = 0.3
_SLICE_S = 0.5
_FINEST_S = 5e-4
_PER_PERIOD = 50

_MAKES_UP = ("estimate", "replay")


@dataclass(frozen=True)
class Characterisation:
    """What was found of the sensors of this host.

    Args:
        meters: What was found of each meter.
        skipped: Why a meter was not looked at: kind -> sentence.
        overhead: What the recorder draws; empty where no counter tells.
        no_overhead: Why it is not known; empty where it is.
        files: Profiles that were stored.
        not_stored: Why they were not; empty where they were.
    """

    meters: list[MeterFacts]
    skipped: dict[str, str]
    overhead: list[Overhead]
    no_overhead: str
    files: list[str]
    not_stored: str
    findings: list[Finding] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Give the result as a JSON-ready dict."""
        return {
            "meters": [facts.to_dict() for facts in self.meters],
            "skipped": dict(self.skipped),
            "overhead": [_overhead(one) for one in self.overhead],
            "no_overhead": self.no_overhead,
            "profiles": self.files,
            "not_stored": self.not_stored,
            "findings": [finding.to_dict() for finding in self.findings],
        }


def _overhead(one: Overhead) -> dict[str, Any]:
    half_w = one.half_width_w
    facts = {"channel": one.channel, "watts": one.watts, "half_width_95_w": half_w}
    more = {"percent": one.percent, "baseline_w": one.baseline_w, "resolved": one.resolved}
    return dict(plain({**facts, **more, "pairs": one.pairs, "cpu_share": one.cpu_share}))


def characterise(
    specs: Sequence[MeterSpec],
    *,
    seconds: float = SECONDS,
    told: Told = no_one,
    load_for: LoadFor | None = None,
    keep: bool = True,
) -> Characterisation:
    """Measure what the sensors of this host are really like, and store it.

    Args:
        specs: Meters to look at.
        seconds: Time that all of them take together, s; what a load takes to start comes on top.
        told: Is told how far it is: what is done, and the share of it.
        load_for: Gives the load for a meter; by default one is chosen by what it reads.
        keep: Whether what was found is stored for later runs.

    Raises:
        UsageError: There is no sensor to look at, or too little time.
    """
    skipped = {spec.kind: why for spec in specs if (why := _no_sensor(spec))}
    left = [spec for spec in specs if spec.kind not in skipped]
    lengths = _lengths(left, seconds, skipped)
    with set_aside():
        meters = [_one(spec, lengths, told, load_for or load_of) for spec in left]
    profiles = [profile for facts in meters for profile in facts.profiles]
    files, not_stored = _stored(profiles) if keep else ([], "it was not asked for")
    cost, no_cost = _own_cost(left, lengths.overhead_s, told)
    return Characterisation(meters, skipped, cost, no_cost, files, not_stored, surprises(meters))


@dataclass(frozen=True)
class Lengths:
    """How long each part takes, s."""

    quiet_s: float
    wave_s: float
    overhead_s: float


def _no_sensor(spec: MeterSpec) -> str:
    if spec.kind in _MAKES_UP:
        return f"{spec.kind!r} reads no sensor of this machine"
    if hasattr(spec.load(), "rows"):
        return f"{spec.kind!r} takes the time stamps of its source, which polling cannot sharpen"
    return ""


def _lengths(specs: Sequence[MeterSpec], seconds: float, skipped: Mapping[str, str]) -> Lengths:
    if not specs:
        why = "; ".join(skipped.values()) or "no sensor of this machine can be read"
        raise UsageError(
            f"there is nothing to characterise: {why}; type joulebench doctor to see what mends "
            "that, or try --meters simulated:board=ada"
        )
    live = any(spec.kind != "simulated" for spec in specs)
    cost_s = _OVERHEAD_SHARE * seconds if live else 0.0
    each_s = (seconds - cost_s) / len(specs)
    if each_s < FEWEST_S:
        fewest = FEWEST_S * len(specs) / (1 - _OVERHEAD_SHARE if live else 1)
        raise UsageError(
            f"--seconds {seconds:g} is too short for {len(specs)} meters; give at least "
            f"{fewest:.0f}, or fewer --meters"
        )
    left_s = each_s - TAIL_S - _AHEAD_S
    quiet_s = min(LONGEST_QUIET_S, 0.2 * left_s)
    return Lengths(quiet_s, min(LONGEST_WAVE_S, left_s - quiet_s), cost_s)


def _one(spec: MeterSpec, lengths: Lengths, told: Told, load_for: LoadFor) -> MeterFacts:
    """Poll one meter while its load is switched, and work out what that showed."""
    told(f"{spec.kind}: opening", 0.0)
    simulated = spec.kind == "simulated"
    driven = with_wave(spec, lengths.quiet_s, lengths.wave_s) if simulated else spec
    meter = driven.open()
    load: Load | None = None
    try:
        told(f"{spec.kind}: starting its load", 0.0)
        load, why = _load(meter, load_for)
        poller = Poller(meter, _spacing_s(meter))
        waves = _polled(poller, load, lengths, lambda share: told(f"{spec.kind}: polling", share))
        told(f"{spec.kind}: working it out", 1.0)
        what = ("", why) if load is None else (load.what, "")
        return meter_facts(spec, meter, poller.polls(), waves, what)
    finally:
        if load is not None:
            load.close()
        meter.close()


def _load(meter: Meter, load_for: LoadFor) -> tuple[Load | None, str]:
    try:
        return load_for(meter), ""
    except Unavailable as error:
        return None, str(error)


def _spacing_s(meter: Meter) -> float:
    """Give the time between polls, s: none for the fastest sensors, little for the others."""
    periods_s = [channel.period_s for channel in meter.channels if channel.period_s]
    spacing_s = min(min(periods_s, default=0.0) / _PER_PERIOD, _FINEST_S)
    return spacing_s if spacing_s >= _FINEST_S / 5 else 0.0


def _polled(
    poller: Poller, load: Load | None, lengths: Lengths, told: Callable[[float], None]
) -> dict[str, Wave]:
    """Poll through the quiet stretch, the wave and what comes after it; gives what was done."""
    with _on_one_processor():
        start_s = time.monotonic()
        wave_s = start_s + lengths.quiet_s + _AHEAD_S
        stop_s = wave_s + lengths.wave_s + TAIL_S
        if load is not None:
            load.start(planned(wave_s, lengths.wave_s))
        now_s = start_s
        while now_s < stop_s:
            poller.run(min(now_s + _SLICE_S, stop_s))
            now_s = time.monotonic()
            told((now_s - start_s) / (stop_s - start_s))
    return {} if load is None else load.waves()


@contextmanager
def _on_one_processor() -> Iterator[None]:
    """Keep to the first processor: the load takes the others."""
    if not hasattr(os, "sched_getaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    with suppress(OSError):
        os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        with suppress(OSError):
            os.sched_setaffinity(0, before)


def _stored(profiles: Sequence[Any]) -> tuple[list[str], str]:
    try:
        return [str(path) for path in stored(profiles)], ""
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        return [], f"{place}{error.strerror or error}"


def _own_cost(
    specs: Sequence[MeterSpec], length_s: float, told: Told
) -> tuple[list[Overhead], str]:
    live = [spec for spec in specs if spec.kind != "simulated"]
    if not live:
        return [], "a simulated board draws nothing for being read"
    try:
        return overhead(live, length_s, told), ""
    except UsageError as error:
        return [], str(error).rstrip(".")
