"""Windows that are short beside the stretch that their sensor averages over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np

from joulebench.audit.digest import RunDigest
from joulebench.audit.evidence import Evidence
from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.trace_figures import TraceFigures
from joulebench.audit.trace_stretch import Floats, Stretch, power_stretches, sees_s
from joulebench.finding import Finding

_ARRIVED = 0.97
"""Share of the plateau at which a rise is over."""

_LEAST_RISE, _LEAST_DEFICIT = 0.1, 0.03
_UPWARDS, _FEWEST_UPS = 0.75, 3
_LONGEST_RISE = 1.1
"""A rise over more averaging times than this is the load's, not the sensor's."""

_EARLY = 0.2
"""An average climbs from the first reading on: by half of the rise it has come at least so far."""

_FEWEST_LONG, _FEWEST_SHORT = 3, 3
_STEADY, _LOW = 0.05, 0.93


class _Rise(NamedTuple):
    """How the readings begin: the first and the highest reached, W; until when, s; lost, J."""

    first_w: float
    plateau_w: float
    lasts_s: float
    lost_j: float


def sensor_ramp(view: AuditRun) -> Iterator[Finding]:
    """Look for readings that climb from the start of a window as a moving average does."""
    for part in power_stretches(view):
        rise = _rise(part)
        undone = part.channel.averaging_s > 0 and view.run.origin == "live"
        if rise is None or undone or not part.is_reading:
            continue
        share = rise.lost_j / (part.joules + rise.lost_j)
        if share < _LEAST_DEFICIT:
            continue
        yield Finding(
            "sensor-ramp",
            "warning",
            view.where(part.channel.name),
            f"the readings climb from {rise.first_w:.4g} W to {rise.plateau_w:.4g} W over the "
            f"first {rise.lasts_s:.2g} s of {part.window.duration_s:.3g} s, as a sensor does that "
            f"averages over {sees_s(part.channel):.2g} s and still holds the time before: the "
            f"energy may be {rise.lost_j:.3g} J, {100 * share:.2g} %, or more too low",
            "begin to sample before the work and undo the average, or measure windows of ten "
            "averaging times and more",
            seen=f"{part.joules:.4g} J",
            possible=f"up to about {part.joules + rise.lost_j:.4g} J",
        )


def _rise(part: Stretch) -> _Rise | None:
    """Find the rise that a window begins with; ``None`` where there is none of a sensor's kind."""
    averaging_s = sees_s(part.channel)
    if averaging_s <= 0:
        return None
    t_s, power_w = part.t_s[part.changes], part.power_w[part.changes]
    plateau_w = _plateau_w(part, averaging_s)
    end = int(np.argmax(power_w >= _ARRIVED * plateau_w))  # the later median is reached
    steps = np.diff(power_w[: end + 1])
    ups = int((steps > 0).sum())
    lasts_s = float(t_s[end] - part.window.start_s)
    small = plateau_w - power_w[0] < _LEAST_RISE * plateau_w
    if small or ups < max(_FEWEST_UPS, _UPWARDS * steps.size):
        return None
    halfway = np.interp(part.window.start_s + 0.5 * lasts_s, t_s, power_w) - power_w[0]
    late = halfway < _EARLY * (power_w[end] - power_w[0])
    if late or lasts_s > _LONGEST_RISE * averaging_s + part.cadence_s:
        return None
    return _Rise(float(power_w[0]), plateau_w, lasts_s, _lost_j(part, plateau_w, lasts_s))


def _plateau_w(part: Stretch, averaging_s: float) -> float:
    """Give what the readings rise to: their later median, or the highest where none is later."""
    later = part.power_w[part.t_s >= part.window.start_s + 2 * averaging_s]
    return float(np.median(later) if later.size >= _FEWEST_UPS else part.power_w.max())


def _lost_j(part: Stretch, plateau_w: float, lasts_s: float) -> float:
    """Integrate what is missing to the plateau while the readings rise, J."""
    rising = part.t_s <= part.window.start_s + lasts_s
    missing_w = np.maximum(plateau_w - part.power_w[rising], 0.0)
    return float(np.trapezoid(missing_w, part.t_s[rising]))


def short_reads_low(evidence: Evidence) -> Iterator[Finding]:
    """Look for runs that read low because they are short, beside long ones on one sensor."""
    for unit in evidence.units:
        for name, kept in by_sensor(unit.digests):
            found = _short_and_low([figures for _, figures in kept])
            if found is None:
                continue
            low, level_w = found
            runs = [digest.run.run_id for digest, figures in kept if figures in low]
            named = ", ".join(runs[:5]) + (f" and {len(runs) - 5} more" if len(runs) > 5 else "")
            worst = min(figures.mean_w for figures in low)
            yield Finding(
                "sensor-ramp",
                "warning",
                f"{unit.name}: {name}",
                f"{len(low)} runs shorter than the {low[0].sees_s:.2g} s that the sensor averages "
                f"over read {worst:.3g} to {max(f.mean_w for f in low):.3g} W, and less the "
                f"shorter they are, where long runs read {level_w:.4g} W: {named}",
                "leave these runs out, or repeat their work within windows of ten seconds and more",
                seen=f"{worst:.3g} W",
                possible=f"about {level_w:.4g} W",
            )


Kept = list[tuple[RunDigest, TraceFigures]]


def by_sensor(digests: Sequence[RunDigest]) -> Iterator[tuple[str, Kept]]:
    """Give the figures of each channel of each machine, with the runs that they are of."""
    kept = [
        (digest, figures)
        for digest in digests
        for figures in digest.figures.get("power", ())
        if figures.reading
    ]

    def key(each: tuple[RunDigest, TraceFigures]) -> tuple[str, str]:
        return each[1].channel, each[0].run.host

    ordered = sorted(kept, key=key)
    hosts = {digest.run.host for digest, _ in kept}
    for (channel, host), group in groupby(ordered, key=key):
        yield (f"{channel} of {host}" if len(hosts) > 1 else channel), list(group)


def _short_and_low(figures: Sequence[TraceFigures]) -> tuple[list[TraceFigures], float] | None:
    """Give the short runs that read low, and the power of the long ones, W.

    A reading that averages over A shows in a window of length T < A after a power P₀ at most
    P₀ + (P - P₀) T/A: less the shorter the window. So long runs must agree, short ones must lie
    below, and among these power must rise with length (Spearman, one-sided 1 %).
    """
    averaged = [each for each in figures if each.sees_s > 0]
    levels = [each.level_w for each in averaged if each.duration_s >= 2 * each.sees_s]
    long_w = np.array([level for level in levels if level is not None])
    short = [each for each in averaged if each.duration_s < each.sees_s]
    if long_w.size < _FEWEST_LONG or len(short) < _FEWEST_SHORT:
        return None
    level_w = float(np.median(long_w))
    spread = float(np.median(np.abs(long_w - level_w))) / level_w
    low = [each for each in short if each.mean_w < _LOW * level_w]
    if spread > _STEADY or len(low) < _FEWEST_SHORT or not _rises(short):
        return None
    return low, level_w


def _rises(short: Sequence[TraceFigures]) -> bool:
    from scipy.stats import spearmanr

    lengths_s = np.array([each.duration_s for each in short])
    means_w: Floats = np.array([each.mean_w for each in short])
    if np.ptp(lengths_s) == 0 or np.ptp(means_w) == 0 or lengths_s.size < 5:
        return False
    return bool(spearmanr(lengths_s, means_w, alternative="greater").pvalue < 0.01)


RULES = (Rule("sensor-ramp", "energy", run=sensor_ramp, evidence=short_reads_low),)
"""Rules about sensors that are slower than the work."""
