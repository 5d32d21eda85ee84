"""What a ratio of two conditions can show, with the gain of the meters counted in."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import chdtri, ndtr, ndtri

from joulebench.stats.least_whole import least_whole
from joulebench.stats.mean import expanded_uncertainty
from joulebench.stats.number_check import finite, whole
from joulebench.stats.power_solve import check_share
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

NEAR_FLOOR = 0.05
"""Repetitions that bring the detectable effect within this share of its floor are enough."""

MOST = 10**7

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


@dataclass(frozen=True)
class RatioDesign:
    """A comparison of two conditions by the ratio of their geometric means.

    Args:
        log_sd: Standard deviation of the logarithm of one repetition.
        blocks: Blocks, in each of which both conditions are repeated.
        bias: Standard uncertainty of the log ratio that repetitions do not shrink.
        confidence: Coverage of the interval that has to leave out 1.
    """

    log_sd: float
    blocks: int
    bias: float
    confidence: float

    def noise(self, repetitions: int) -> tuple[float, int]:
        """Give the standard error of the log ratio and its degrees of freedom.

        Those of ``log(y) ~ condition + block``: ``2 r b - b - 1``.
        """
        values = repetitions * self.blocks
        return self.log_sd * math.sqrt(2 / values), 2 * values - self.blocks - 1

    def power(self, effect: float, repetitions: int) -> float:
        """Give the chance that the interval of a true log ratio leaves out 0, on its own side.

        The interval is that of :func:`~joulebench.stats.mean.expanded_uncertainty`; the spread
        that it is made from is averaged over its chi-square, in quantiles.
        """
        noise, df = self.noise(repetitions)
        share = 0.5 * (_NODES + 1)
        spread = noise * np.sqrt(chdtri(df, 1 - share) / df)
        half = np.array(
            [expanded_uncertainty(float(s), df, self.bias, self.confidence)[0] for s in spread]
        )
        whole = math.hypot(noise, self.bias)
        return float(0.5 * _WEIGHTS @ ndtr((abs(effect) - half) / whole))

    def detectable(self, repetitions: int, power: float) -> float:
        """Give the log ratio that so many repetitions show with a power."""
        if self.power(0.0, repetitions) >= power:
            return 0.0
        far = 1.0
        while self.power(far, repetitions) < power:
            far *= 2
            if far > 700:
                raise Refused(
                    f"{repetitions} repetitions in {self.blocks} blocks show no ratio with a power "
                    f"of {power:g}: plan more"
                )
        found = brentq(lambda x: self.power(x, repetitions) - power, 0.0, far, xtol=1e-13)
        return float(found)

    def floor(self, power: float) -> float:
        """Give the log ratio that no number of repetitions gets below: ``(z + z_power) bias``."""
        return self.bias * float(ndtri(0.5 + self.confidence / 2) + ndtri(power))

    def enough(self, power: float) -> float:
        """Give the repetitions that come near the floor; ``inf`` where there is no floor."""
        floor = self.floor(power)
        if floor <= 0:
            return math.inf

        def near(repetitions: int) -> bool:
            return self.power(floor * (1 + NEAR_FLOOR), repetitions) >= power

        return least_whole(near, 2 if self.blocks == 1 else 1, MOST)


def smallest_detectable_ratio(
    cv_between_repeats: float,
    repetitions: int,
    *,
    gain: float = 0.0,
    paired_on_one_meter: bool = True,
    blocks: int = 1,
    confidence: float = 0.95,
    power: float = 0.8,
) -> pd.DataFrame:
    """Find the smallest ratio of two conditions that a plan shows, meters' gains counted in.

    Repetitions shrink the noise of the log ratio, ``s sqrt(2 / (r b))`` with
    ``s^2 = ln(1 + cv^2)``, but not the gain of a meter: one that read both sides cancels from the
    ratio; two meters leave ``sqrt(2) gain`` in it (GUM, JCGM 100:2008, 5.2). The ratio is shown
    when the interval of noise and gain (GUM G.4.1, as
    :func:`~joulebench.stats.mean.expanded_uncertainty` has it) leaves out 1. Beneath the floor
    ``exp((z(1 - alpha/2) + z(power)) sqrt(2) gain)`` no number of repetitions shows a ratio.

    Args:
        cv_between_repeats: Standard deviation of repetitions over their mean.
        repetitions: Of each condition in each block.
        gain: Relative standard uncertainty of the gain of one meter.
        paired_on_one_meter: Whether one meter reads both conditions.
        blocks: Blocks that hold both conditions; the analysis takes their differences out.
        confidence: Coverage of the interval.
        power: Chance asked for.

    Returns:
        One row: ``test``, ``effect_size`` "ratio", ``effect`` (above 1; the other way round it is
        the reciprocal), ``confidence``, ``n`` repetitions in all, ``power``, ``repetitions``,
        ``blocks``, ``noise`` and ``bias`` (standard uncertainties of the log ratio), ``floor`` (a
        ratio; 1 where no gain is left), ``enough_repetitions`` (in each block, beyond which the
        effect stays within 5 % of its floor on the log scale; ``inf`` where more always helps),
        ``note``.

    Raises:
        Refused: Figures that cannot be, or fewer than two values of a condition.
    """
    _check(cv_between_repeats, repetitions, gain, blocks)
    check_share("confidence", confidence)
    check_share("power", power)
    bias = 0.0 if paired_on_one_meter else math.sqrt(2) * gain
    design = RatioDesign(math.sqrt(math.log1p(cv_between_repeats**2)), blocks, bias, confidence)
    log_ratio = design.detectable(repetitions, power)
    floor, enough = math.exp(design.floor(power)), design.enough(power)
    return tidy(
        [
            {
                "test": "ratio of two conditions",
                "effect_size": "ratio",
                "effect": math.exp(log_ratio),
                "confidence": confidence,
                "n": 2 * repetitions * blocks,
                "power": power,
                "repetitions": repetitions,
                "blocks": blocks,
                "noise": design.noise(repetitions)[0],
                "bias": bias,
                "floor": floor,
                "enough_repetitions": enough,
                "note": _advice(floor, enough, repetitions),
            }
        ]
    )


def _advice(floor: float, enough: float, repetitions: int) -> str:
    if math.isinf(enough):
        return ""
    limit = f"the gains of two meters hide ratios below {floor:.4g} however often one repeats"
    if repetitions > enough:
        return f"{limit}; nothing is won beyond {enough:g} repetitions: use one meter for both"
    return f"{limit}; one meter for both sides would have no such floor"


def _check(cv: float, repetitions: int, gain: float, blocks: int) -> None:
    if not finite(cv, "cv_between_repeats") > 0:
        raise Refused(f"cv_between_repeats must be above 0, not {cv!r}: measure it in a pilot")
    if not finite(gain, "gain") >= 0:
        raise Refused(f"gain is a relative standard uncertainty of at least 0, not {gain!r}")
    for name, count in (("repetitions", repetitions), ("blocks", blocks)):
        whole(count, name, 1)
    if repetitions * blocks < 2:
        raise Refused("one repetition of each condition has no spread: plan two or more")
