"""How well two ways of measuring the same things agree."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from joulebench.stats.estimate import Estimate
from joulebench.stats.mean import Values, checked, expanded_uncertainty
from joulebench.stats.number_check import fraction
from joulebench.stats.refused import Refused
from joulebench.stats.trend import within_group_slope

LEAST = 3
"""Fewer pairs than this say nothing of a spread."""


@dataclass(frozen=True, slots=True)
class BlandAltman:
    """The agreement of two ways of measuring.

    Args:
        bias: Mean difference, the first less the second, with its interval.
        sd: Standard deviation of the differences.
        lower: Lower limit of agreement with its interval.
        upper: Upper limit of agreement with its interval.
        slope: Change of the difference with the mean of the two, a proportional bias; ``None``
            where the pairs do not tell: fewer than three, or all of one size.
    """

    bias: Estimate
    sd: float
    lower: Estimate
    upper: Estimate
    slope: Estimate | None

    @property
    def n(self) -> int:
        """Pairs behind it."""
        return self.bias.n

    def to_dict(self) -> dict[str, Any]:
        """Give the agreement as a JSON-ready dict."""
        return {
            "n": self.n,
            "sd": self.sd,
            **{name: getattr(self, name).to_dict() for name in ("bias", "lower", "upper")},
            "slope": None if self.slope is None else self.slope.to_dict(),
        }


def bland_altman(
    first: Values, second: Values, *, relative: bool = False, level: float = 0.95
) -> BlandAltman:
    """Compare two ways of measuring, pair by pair.

    With differences ``d = first - second``, mean ``m`` and standard deviation ``s``: the bias is
    ``m +- t s / sqrt(n)``; 95 % of differences lie within the limits of agreement ``m +- 1.96 s``
    (Bland and Altman 1986, Lancet 327, 307; 1999, Stat. Methods Med. Res. 8, 135). A limit is a
    percentile of a normal distribution, so that its interval is exact with the noncentral t
    distribution of ``n - 1`` degrees of freedom and noncentrality ``1.96 sqrt(n)``, divided by
    ``sqrt(n)`` (Carkeet 2015, Optom. Vis. Sci. 92, e71); it reaches further outwards than inwards.
    The slope is that of least squares of the differences on the means of the pairs.

    Args:
        first: Values of one way, shape (n,), n at least 3.
        second: Values of the other, shape (n,), of the same things in the same order.
        relative: Whether to take each difference as a share of the mean of its pair, for errors
            that grow with what is measured.
        level: Coverage of the limits and of the intervals.

    Raises:
        ValueError: Different lengths, fewer than three pairs, values that are not finite, or a
            relative difference of a pair whose mean is 0.
    """
    fraction(level, "level", 0.95)
    a, b = checked(first), checked(second)
    if a.shape != b.shape or a.size < LEAST:
        raise Refused(f"need {LEAST} pairs or more, got {a.size} and {b.size} values")
    mean = 0.5 * (a + b)
    if relative and (mean == 0).any():
        raise Refused("a relative difference needs pairs whose mean is not 0")
    difference = (a - b) / mean if relative else a - b
    sd = float(np.std(difference, ddof=1))
    lower, upper = (_limit(difference, sd, sign, level) for sign in (-1, 1))
    slope = within_group_slope(difference, mean, ["all"] * a.size, level=level)
    return BlandAltman(_bias(difference, sd, level), sd, lower, upper, slope)


def _bias(difference: npt.NDArray[np.float64], sd: float, level: float) -> Estimate:
    n, value = difference.size, float(difference.mean())
    noise = sd / math.sqrt(n)
    half, _ = expanded_uncertainty(noise, n - 1.0, 0.0, level)
    return Estimate(value, value - half, value + half, n, noise, 0.0, n - 1.0, level,
                    "t interval of the mean difference", half)  # fmt: skip


def _limit(difference: npt.NDArray[np.float64], sd: float, sign: int, level: float) -> Estimate:
    """Give the limit of agreement on one side with its interval."""
    n, centre = difference.size, float(difference.mean())
    z, inner, outer = _factors(n, level)
    low, high = sorted(centre + sign * factor * sd for factor in (inner, outer))
    noise = sd * math.sqrt(1 / n + z**2 / (2 * (n - 1)))
    return Estimate(centre + sign * z * sd, low, high, n, noise, 0.0, n - 1.0, level,
                    "noncentral t interval of a limit of agreement")  # fmt: skip


def _factors(n: int, level: float) -> tuple[float, float, float]:
    """Give how many deviations a limit lies from the mean, and the ends of its interval."""
    from scipy.special import nctdtrit, ndtri

    tail, root = 0.5 * (1 - level), math.sqrt(n)
    z = float(ndtri(1 - tail))
    inner, outer = (float(nctdtrit(n - 1, z * root, p)) / root for p in (tail, 1 - tail))
    return z, inner, outer
