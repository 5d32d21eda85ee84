"""What was found that a reader would not expect, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from joulebench.characterize.channel_facts import ChannelFacts
from joulebench.characterize.domains import Nesting
from joulebench.characterize.meter_facts import MeterFacts
from joulebench.characterize.printed import in_ms
from joulebench.energy_ratio import Z_95
from joulebench.finding import Finding
from joulebench.meters.sensor_profile import Figure

PERIOD = 0.2
"""Relative difference of an update period from the declared one that is worth a sentence."""

AVERAGING = 0.02
"""The same of an averaging time: 5 % off makes the energy of a short window wrong."""

SLOW = 0.5
"""A read that takes a larger share of the update period than this cannot resolve it."""

_KEPT = "its profile now says so"


def surprises(meters: Sequence[MeterFacts]) -> list[Finding]:
    """Give what does not agree with what the channels say, or with each other."""
    return [finding for facts in meters for finding in _of_meter(facts)]


def _of_meter(facts: MeterFacts) -> Iterator[Finding]:
    for one in facts.channels:
        yield from _of_channel(one, facts)
    for first, second in facts.mirrored:
        yield Finding(
            "mirrored-domains",
            "error",
            f"{first} and {second}",
            f"{first} and {second} read the same counter",
            "count only one of them: their sum is twice the energy",
        )
    for nesting in facts.nestings:
        yield from _of_nesting(nesting)
    for pair in facts.counters:
        if pair.disagrees:
            low, high = pair.interval_95
            yield Finding(
                "counter-against-power",
                "error",
                f"{pair.counter} and {pair.power}",
                f"{pair.counter} counts {pair.ratio.value:.4g} times (95 % {low:.4g} to "
                f"{high:.4g}) what {pair.power} amounts to, at steady load",
                "trust neither within that, and compare both with a meter at the wall",
                f"{pair.ratio.value:.4g}",
                "0.97 to 1.03",
            )


def _of_channel(one: ChannelFacts, facts: MeterFacts) -> Iterator[Finding]:
    name, declared, sure = one.channel.name, one.channel, one.sure
    if _differs(sure.get("period_s"), declared.period_s, PERIOD):
        yield _note(name, f"updates every {in_ms(sure['period_s'])}", declared.period_s)
    if _differs(sure.get("averaging_s"), declared.averaging_s, AVERAGING):
        yield _note(name, f"averages over {in_ms(sure['averaging_s'])}", declared.averaging_s)
    if _differs(sure.get("delay_s"), declared.delay_s, 0.0, 0.1 * one.period_s):
        yield _note(name, f"shows its readings {in_ms(sure['delay_s'])} late", declared.delay_s)
    if facts.read_s[0] > SLOW * one.period_s > 0:
        yield Finding(
            "slow-read",
            "warning",
            name,
            f"a read takes {1e3 * facts.read_s[0]:.3g} ms, too long to see every update of {name}",
            "read fewer devices with one meter",
        )
    if one.response is None and facts.load:
        yield Finding(
            "load-not-seen",
            "note",
            name,
            f"{name} does not show the load ({facts.load}), so that its averaging time and its "
            "delay stay as they were",
            "characterise again with nothing else running, and for longer: --seconds 120",
        )


def _of_nesting(nesting: Nesting) -> Iterator[Finding]:
    parts = " + ".join(nesting.parts)
    if nesting.holds is False:
        yield Finding(
            "domain-not-nested",
            "warning",
            f"{nesting.whole} and {parts}",
            f"{nesting.whole} does not contain {parts} here",
            "do not take it for the whole: read the parts, or leave it out of meters",
            f"parts are {nesting.share:.3g} of it",
        )


def _differs(found: Figure | None, declared: float, relative: float, absolute: float = 0.0) -> bool:
    """Say whether a figure is surely another than the declared one, and by how much it matters."""
    if found is None:
        return False
    apart = abs(found.value - declared)
    return apart > max(relative * declared, absolute, Z_95 * found.standard_error, 1e-9)


def _note(name: str, does: str, declared_s: float) -> Finding:
    said = f"{1e3 * declared_s:.4g} ms" if declared_s else "at once"
    return Finding(
        "sensor-otherwise", "note", name, f"{name} {does}, where {said} was assumed", _KEPT
    )
