"""Do the meters agree? Readings of one thing are compared, and parts with their wholes.

Formulas and sources stand in ``docs/measurement.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from joulebench.channel import Channel
from joulebench.energy import Energy, total
from joulebench.energy_ratio import Z_95
from joulebench.finding import Finding
from joulebench.nesting import Pair, comparable, parts_and_wholes

FALSE_ALARM = 0.01
"""Chance that all comparisons of a run together give a finding though every bound is true."""

ONE_SENSOR = 0.03
"""Relative difference from which on the counter and the power of one sensor disagree: both share
its gain, which therefore explains none of it."""

_ROUNDING = 1e-9
"""Relative difference that is nothing but rounding."""

ByWindow = Mapping[str, Energy]


@dataclass(frozen=True)
class Difference:
    """Two energies of one window.

    Args:
        window: Its name.
        first: One energy.
        second: The other; of a part and its whole, the whole.
    """

    window: str
    first: Energy
    second: Energy

    @property
    def energy(self) -> Energy:
        """The first less the second, with the uncertainty that both state."""
        return self.first - self.second

    @property
    def mean_j(self) -> float:
        """Mean of the two, J."""
        return 0.5 * (self.first.joules + self.second.joules)

    @property
    def relative(self) -> float:
        """The difference as a share of the mean; ``nan`` where the mean is 0 J."""
        return self.energy.joules / self.mean_j if self.mean_j else math.nan

    @property
    def e_n(self) -> float:
        """Normalised error ``|a - b| / sqrt(U_a^2 + U_b^2)``, U for 95 %.

        Above 1 the two disagree by more than they state (ISO/IEC 17043:2010, B.3.1.3; ISO
        13528:2015, 9.7).
        """
        return self.over(self.energy.half_width_95_j)

    def over(self, allowed_j: float) -> float:
        """Give the size of the difference over what is allowed, J; 0 for rounding alone."""
        size = abs(self.energy.joules)
        if size <= _ROUNDING * max(abs(self.first.joules), abs(self.second.joules)):
            return 0.0
        return size / allowed_j if allowed_j > 0 else math.inf


def differences(pair: Pair, energies: Mapping[str, ByWindow]) -> list[Difference]:
    """Give the two energies of each window that every channel of a pair has one for.

    Args:
        pair: What to compare.
        energies: Channel name -> window name -> energy. Windows below the resolution of a side are
            left out: they say nothing.
    """
    found = [energies.get(channel.name, {}) for channel in pair.channels]
    windows = [window for window in found[0] if all(window in each for each in found)]
    made = (Difference(w, _sum(pair.first, energies, w), _sum(pair.second, energies, w))
            for w in windows)  # fmt: skip
    return [d for d in made if not (d.first.below_resolution or d.second.below_resolution)]


def _sum(channels: Sequence[Channel], energies: Mapping[str, ByWindow], window: str) -> Energy:
    return total([energies[channel.name][window] for channel in channels])


def agreement_findings(
    channels: Sequence[Channel],
    energies: Mapping[str, ByWindow],
    durations_s: Mapping[str, float],
) -> list[Finding]:
    """Say which meters disagree by more than they state, and which part is above its whole.

    A difference is too large beyond the quantile that leaves all comparisons of the run together
    :data:`FALSE_ALARM` (Bonferroni).

    Args:
        channels: What was read.
        energies: Channel name -> window name -> energy.
        durations_s: Window name -> its length, s.
    """
    # Imported here, since it brings decimal numbers and fractions along.
    from statistics import NormalDist

    pairs = [*comparable(channels), *parts_and_wholes(channels)]
    compared = [(pair, found) for pair in pairs if (found := differences(pair, energies))]
    tries = sum(len(found) for _, found in compared)
    quantile = NormalDist().inv_cdf(1 - 0.5 * FALSE_ALARM / max(tries, 1))
    made = (_judged(pair, found, quantile, durations_s) for pair, found in compared)
    return [finding for finding in made if finding is not None]


def _judged(
    pair: Pair, found: Sequence[Difference], quantile: float, durations_s: Mapping[str, float]
) -> Finding | None:
    """Give the finding of a pair, of the window where it is worst; ``None`` where it agrees."""
    excess = [_excess(pair, each, quantile) for each in found]
    if max(excess) <= 1:
        return None
    worst = found[excess.index(max(excess))]
    often = f"in {sum(each > 1 for each in excess)} of {len(found)} windows"
    if pair.nested:
        return _part_above_whole(pair, worst, often)
    return _disagree(pair, worst, often, durations_s.get(worst.window, math.nan))


def _excess(pair: Pair, difference: Difference, quantile: float) -> float:
    """Give the difference over what is allowed; a part below its whole is as it should be."""
    if pair.nested and difference.energy.joules <= 0:
        return 0.0
    allowed = allowed_j(difference, one_sensor=pair.one_sensor, quantile=quantile)
    return difference.over(allowed)


def allowed_j(difference: Difference, *, one_sensor: bool, quantile: float = Z_95) -> float:
    """Give how large a difference the stated uncertainties allow, J.

    Args:
        difference: Of two meters over one window.
        one_sensor: Whether they are the counter and the power of one sensor.
        quantile: How many standard deviations are allowed.
    """
    energy = difference.energy
    stated_j = quantile * energy.uncertainty
    if not one_sensor:
        return stated_j
    apart_j = quantile * without_gain(energy).uncertainty
    return one_sensor_j(stated_j, apart_j, difference.mean_j)


def without_gain(energy: Energy) -> Energy:
    """Give an energy with all biases but its gains."""
    kept = {name: bias for name, bias in energy.biases.items() if not name.startswith("gain ")}
    return replace(energy, biases=kept)


def one_sensor_j(stated_j: float, apart_j: float, mean_j: float) -> float:
    """Give how far the counter and the power of one sensor may be apart, J.

    Args:
        stated_j: What both state, as if their gains were two, J.
        apart_j: The same without gains, J.
        mean_j: Mean of the two, J.
    """
    return min(stated_j, max(apart_j, ONE_SENSOR * abs(mean_j)))


def _seen(pair: Pair, worst: Difference) -> str:
    first, second = pair.names
    difference = without_gain(worst.energy) if pair.one_sensor else worst.energy
    aside = ", the gain of their one sensor aside" if pair.one_sensor else ""
    return (
        f"{first} gave {worst.first} and {second} gave {worst.second} in {worst.window!r}: a "
        f"difference of {difference}{aside}"
    )


def _disagree(pair: Pair, worst: Difference, often: str, duration_s: float) -> Finding:
    wrong = list(_impossible(pair, worst, duration_s))
    share = f"{100 * worst.relative:+.2g} %"
    bound = "its readings state" if pair.one_sensor else "both state"
    return Finding(
        rule="meters-disagree",
        severity="error" if wrong else "warning",
        where=f"{' and '.join(pair.names)} in {worst.window}",
        message=f"{_seen(pair, worst)}, more than {bound} ({often})"
        + "".join(f"; {why}" for why in wrong),
        remedy=_remedy(pair),
        seen=share if pair.one_sensor else f"{share}, E_n = {worst.e_n:.2g}",
        possible=f"within {100 * ONE_SENSOR:g} %" if pair.one_sensor else "E_n at most 1",
    )


def _impossible(pair: Pair, worst: Difference, duration_s: float) -> Iterator[str]:
    """Say which side gave an energy that cannot be."""
    sides = ((pair.names[0], pair.first, worst.first), (pair.names[1], pair.second, worst.second))
    for name, channels, energy in sides:
        limit_w = sum(math.inf if c.limit_w is None else c.limit_w for c in channels)
        if energy.joules <= 0:
            yield f"{name} gave no energy at all, which is impossible beside the other"
        elif energy.interval_95[0] > limit_w * duration_s:
            yield f"{name} is above the {limit_w:g} W that the device may draw"


def _remedy(pair: Pair) -> str:
    estimated = [c.name for c in pair.channels if c.method == "estimated"]
    if estimated and len(estimated) < len(pair.channels):
        return f"do not rely on the estimate of {', '.join(estimated)}, which reads no sensor"
    if pair.one_sensor:
        return (
            "the sensor updates, averages or lags otherwise than its channels state: run "
            "joulebench doctor --characterize, and measure longer windows"
        )
    if len(pair.channels) > 2:
        return "see that both cover the same devices; leave one of them out of meters"
    return (
        "one errs by more than it states: a gain, a lag or an update that is not in its channel; "
        "run joulebench doctor --characterize, see that both read one device, or leave one out"
    )


def _part_above_whole(pair: Pair, worst: Difference, often: str) -> Finding:
    part, whole = pair.names
    estimated = any(channel.method == "estimated" for channel in pair.channels)
    return Finding(
        rule="part-above-whole",
        severity="warning" if estimated else "error",
        where=f"{part} inside {whole} in {worst.window}",
        message=f"{_seen(pair, worst)}, but the one is a part of the other ({often})",
        remedy="one of them is wrong, or covers other devices than its scope says: compare them at "
        "a steady load, and leave the wrong one out of meters",
        seen=f"{worst.first.joules / worst.second.joules:.4g} times the whole"
        if worst.second.joules > 0
        else str(worst.second),
        possible="at most 1 times the whole",
    )


__all__ = [
    "FALSE_ALARM",
    "ONE_SENSOR",
    "Difference",
    "Pair",
    "agreement_findings",
    "allowed_j",
    "comparable",
    "differences",
    "one_sensor_j",
    "parts_and_wholes",
    "without_gain",
]
