"""What was measured of one meter: its channels, what a read costs, and how its channels relate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from joulebench import __version__
from joulebench.characterize.channel_facts import ChannelFacts, channel_facts, plain
from joulebench.characterize.counter_power import CounterPower, Shown, counters_and_powers
from joulebench.characterize.domains import Nesting, mirrored, nestings
from joulebench.characterize.load import Wave
from joulebench.characterize.polling import Polls
from joulebench.meters.meter import Meter, MeterSpec
from joulebench.meters.sensor_profile import SensorProfile, driver, identity


@dataclass(frozen=True)
class MeterFacts:
    """One meter as it was found.

    Args:
        spec: How it was opened.
        load: What was driven; empty where nothing was.
        no_load: Why nothing was driven; empty where something was.
        polls: How often it was read.
        read_s: Median and 99 % quantile of the time of a read, s.
        cpu_s: Processor time of a read, the polling loop included, s.
        channels: What was found of each channel.
        mirrored: Pairs of counters that count the same.
        nestings: Parts and their wholes.
        counters: Counters against the power of the same board.
        profiles: What is worth keeping, a profile a device.
    """

    spec: MeterSpec
    load: str
    no_load: str
    polls: int
    read_s: tuple[float, float]
    cpu_s: float
    channels: list[ChannelFacts]
    mirrored: list[tuple[str, str]]
    nestings: list[Nesting]
    counters: list[CounterPower]
    profiles: list[SensorProfile] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Give the facts as a JSON-ready dict."""
        return {
            "meter": self.spec.to_dict(),
            "load": self.load,
            "no_load": self.no_load,
            "polls": self.polls,
            "read_p50_s": self.read_s[0],
            "read_p99_s": self.read_s[1],
            "read_cpu_s": self.cpu_s,
            "channels": [facts.to_dict() for facts in self.channels],
            "mirrored": [list(pair) for pair in self.mirrored],
            "nestings": [plain({**asdict(one), "slope": one.slope}) for one in self.nestings],
            "counters_and_powers": [_compared(one) for one in self.counters],
        }


def _compared(one: CounterPower) -> dict[str, Any]:
    low, high = one.interval_95
    found = {"counter": one.counter, "power": one.power, "ratio": one.ratio.value}
    more = {"low": low, "high": high, "disagrees": one.disagrees, "length_s": one.length_s}
    return dict(plain({**found, **more}))


def meter_facts(
    spec: MeterSpec,
    meter: Meter,
    polls: Polls,
    waves: Mapping[str, Wave],
    load: tuple[str, str],
) -> MeterFacts:
    """Work out what polling a meter under a load showed.

    Args:
        spec: How the meter was opened.
        meter: The open meter.
        polls: What polling it gave.
        waves: What was done to each device; to all others under ``""``.
        load: What was driven, and why nothing was: one of them empty.
    """
    channels = [
        channel_facts(polls, place, waves.get(channel.device, waves.get("")))
        for place, channel in enumerate(polls.channels)
    ]
    shown = [Shown(facts.measured, facts.points) for facts in channels if facts.points.at_s.size]
    return MeterFacts(
        spec,
        *load,
        polls.count,
        (float(np.median(polls.read_s)), float(np.quantile(polls.read_s, 0.99))),
        polls.cpu_s / max(polls.count, 1),
        channels,
        mirrored(polls),
        nestings(polls),
        counters_and_powers(shown, waves),
        _profiles(spec, meter, channels),
    )


def _profiles(
    spec: MeterSpec, meter: Meter, channels: Sequence[ChannelFacts]
) -> list[SensorProfile]:
    """Put what is sure into a profile a device; a device of which nothing is has none."""
    made_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    profiles = []
    for device in dict.fromkeys(facts.channel.device for facts in channels):
        sure = {
            facts.channel.name.partition(":")[2]: facts.sure
            for facts in channels
            if facts.channel.device == device and facts.sure
        }
        if sure:
            what = identity(meter, device, spec.options), driver(meter, device)
            profiles.append(SensorProfile(spec.kind, *what, made_at, __version__, sure))
    return profiles
