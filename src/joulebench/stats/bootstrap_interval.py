"""Intervals from the resampled values of a statistic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

from joulebench.stats.number_check import fraction, shown, whole
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]
Method = Literal["bca", "percentile", "basic", "studentized"]

METHODS = ("bca", "percentile", "basic", "studentized")

_TIE = 1e-10
"""Resamples this near to the estimate, in standard deviations, equal it but for rounding."""

FEW = 20
"""Units below which all but studentized intervals hold less often than they state."""

_EXTREME = "the interval ends at the most extreme resamples: raise resamples"


@dataclass(frozen=True, eq=False)
class Resampled:
    """A statistic and its resamples.

    Args:
        estimate: The statistic of the data.
        values: Its resamples, shape (R,).
        influence: How far each unit moves the estimate, shape (K,): for BCa.
        se: Standard error of the estimate: for the studentized interval.
        errors: Standard errors of the resamples, shape (R,): for the studentized interval.
    """

    estimate: float
    values: Array
    influence: Array | None = None
    se: float = math.nan
    errors: Array | None = None

    def interval(self, method: Method, confidence: float) -> tuple[float, float, str]:
        """Give the ends of the interval, and what is doubtful about them.

        Quantiles are interpolated between order statistics on the scale of normal quantiles
        (Davison and Hinkley 1997, Bootstrap Methods and their Application, 5.2, equation 5.8), as
        R's ``boot.ci`` does: percentile, basic ``2 t - q``, studentized ``t - se q((t* - t)/se*)``
        (their 5.2 and 5.3), and BCa (:func:`bca_levels`).

        Args:
            method: One of ``METHODS``.
            confidence: Coverage.

        Raises:
            Refused: The statistic does not vary, or all resamples lie on one side of it (BCa).
        """
        tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
        spread = float(np.std(self.values))
        if spread <= 1e-14 * float(np.abs(self.values).max()):
            raise Refused(
                f"the statistic is {self.estimate:g} in every resample: nothing varies that it "
                "could be judged by; check the columns that it uses"
            )
        if method == "bca":
            levels = bca_levels(self.estimate, self.values, self.influence, tails)
            (low, high), extreme = quantiles(self.values, levels)
        elif method == "studentized" and self.errors is not None:
            # A resample of one unit over and over has no standard error; R leaves it out as well.
            told = self.errors > _TIE * self.se
            pivots = (self.values[told] - self.estimate) / self.errors[told]
            (low, high), extreme = quantiles(pivots, tails)
            low, high = self.estimate - self.se * high, self.estimate - self.se * low
        else:
            (low, high), extreme = quantiles(self.values, tails)
            if method == "basic":
                low, high = 2 * self.estimate - high, 2 * self.estimate - low
        return float(low), float(high), _EXTREME if extreme else ""

    def figures(self, method: Method, confidence: float, units: int) -> dict[str, Any]:
        """Give the columns of one row: estimate, se, interval, bias, resamples, units and note."""
        low, high, note = self.interval(method, confidence)
        notes = [note]
        if units < FEW and method != "studentized":
            notes.append(f"only {units} units drawn: the interval tends to be too narrow")
        return {
            "estimate": self.estimate,
            "se": float(np.std(self.values, ddof=1)),
            "ci_low": low,
            "ci_high": high,
            "confidence": confidence,
            "bias": float(np.mean(self.values)) - self.estimate,
            "resamples": len(self.values),
            "units": units,
            "note": "; ".join(said for said in notes if said),
        }


def bca_levels(estimate: float, values: Array, influence: Array | None, tails: Array) -> Array:
    """Give the levels at which BCa takes its quantiles.

    ``Phi(z0 + (z0 + z) / (1 - a (z0 + z)))`` with ``z0`` the normal quantile of the share of
    resamples below the estimate, and ``a = sum l^3 / (6 (sum l^2)^1.5)`` (Efron 1987, J. Am. Stat.
    Assoc. 82, 171; Davison and Hinkley 1997, 5.3.2, their equation 5.23 and, in strata, 5.25).
    Resamples that equal the estimate count half, so that the interval of ``-x`` is that of ``x``
    turned over also where the statistic is discrete; R's ``boot.ci`` leaves them out, which is the
    same where there are none.

    Args:
        estimate: The statistic of the data.
        values: Its resamples, shape (R,).
        influence: How far each unit moves the estimate, shape (K,); ``None`` for no acceleration.
        tails: Levels wanted, shape (m,).

    Raises:
        Refused: All resamples lie on one side of the estimate.
    """
    tie = _TIE * float(np.std(values))
    below = np.mean(values < estimate - tie)
    share = float(below + 0.5 * np.mean(np.abs(values - estimate) <= tie))
    if not 0 < share < 1:
        raise Refused(
            f"all resamples lie {'above' if share == 0 else 'below'} the estimate, so that BCa has "
            'no correction: use method="percentile", and look whether the statistic is an extreme'
        )
    z0, a = float(ndtri(share)), acceleration(influence)
    moved = z0 + ndtri(tails)
    return np.asarray(ndtr(z0 + moved / (1 - a * moved)))


def acceleration(influence: Array | None) -> float:
    """Give the acceleration of BCa from what each unit moves; 0 where none moves anything."""
    if influence is None:
        return 0.0
    largest = float(np.abs(influence).max())
    if largest == 0.0:
        return 0.0
    scaled = influence / largest
    return float((scaled**3).sum() / (6 * (scaled**2).sum() ** 1.5))


def quantiles(values: Array, levels: Array) -> tuple[Array, bool]:
    """Give quantiles of resamples, and whether one lies beyond the resamples there are.

    Between the order statistics ``k`` and ``k + 1`` around ``(R + 1) level`` the quantile is
    interpolated in proportion to normal quantiles (Davison and Hinkley 1997, equation 5.8).

    Args:
        values: Resamples, shape (R,).
        levels: Levels between 0 and 1, shape (m,).
    """
    ordered, count = np.sort(values), len(values)
    rank = (count + 1) * levels
    below = np.floor(rank + 1e-9).astype(np.intp)
    k = np.clip(below, 1, count - 1)
    z_low, z_high = ndtri(k / (count + 1)), ndtri((k + 1) / (count + 1))
    share = np.clip((ndtri(levels) - z_low) / (z_high - z_low), 0.0, 1.0)
    found = ordered[k - 1] + share * (ordered[k] - ordered[k - 1])
    return found, bool(((rank <= 1) | (rank >= count)).any())


def check_request(resamples: int, method: str, confidence: float, rng: object) -> None:
    """Refuse numbers of resamples, methods, levels and generators that cannot be.

    Raises:
        Refused: One of them cannot.
    """
    whole(resamples, "resamples", 20)
    if not isinstance(method, str) or method not in METHODS:
        raise Refused(f"no interval is called {shown(method)}: choose one of {', '.join(METHODS)}")
    fraction(confidence, "confidence", 0.95)
    check_rng(rng)


def check_rng(rng: object) -> None:
    """Refuse what is no generator of random numbers.

    Raises:
        Refused: It is none.
    """
    if not isinstance(rng, np.random.Generator):
        raise Refused(
            f"rng must be a generator such as numpy.random.default_rng(1), not {type(rng).__name__}"
        )
