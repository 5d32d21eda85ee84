"""The mean over repetitions, with noise that repetitions shrink and bias that they do not."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from joulebench.stats.estimate import Estimate
from joulebench.stats.number_check import LARGEST, fraction, number
from joulebench.stats.refused import Refused

Values = Sequence[float] | npt.NDArray[np.float64]

Noise = tuple[float, float]
"""A standard uncertainty and its degrees of freedom."""

SINGLE = "single value, reading uncertainty alone"


def mean_estimate(
    values: Values, *, bias: float = 0.0, reading_noise: float = 0.0, level: float = 0.95
) -> Estimate:
    """Estimate the mean of repeated values that share one systematic error.

    The noise of the mean is ``u_A = s / sqrt(n)`` with ``n - 1`` degrees of freedom; the bias
    ``u_B`` is taken as known. Combined, ``u = sqrt(u_A^2 + u_B^2)``, and the interval is
    ``mean +- t(nu) u`` with the Welch-Satterthwaite ``nu = (n - 1) u^4 / u_A^4``
    (JCGM 100:2008, the GUM, 5.1.2 and G.4.1, equation G.2b), and is never narrower than the
    noise's own.

    The scatter of repeats contains the noise of each reading, which is known beside it. Where a
    coarse sensor makes the scatter come out too small, the interval is the one that takes
    ``reading_noise / sqrt(n)``, known, for ``u_A``: the wider of the two counts. One value alone
    has no scatter: its interval is then the reading's own and says nothing of how the thing varies
    from run to run.

    Args:
        values: Repetitions, shape (n,).
        bias: Standard uncertainty that all values share, in their unit.
        reading_noise: Standard uncertainty of one value from its own measurement.
        level: Coverage of the interval.

    Raises:
        ValueError: No values, one that is not finite, or a negative uncertainty.
    """
    sample = checked(values)
    check_uncertainty(bias, reading_noise)
    noises = noises_of_mean(sample, reading_noise)
    method = "t interval of the mean" if len(sample) > 1 else SINGLE
    return symmetric(float(np.mean(sample)), len(sample), noises, bias, level, method)


def noises_of_mean(sample: npt.NDArray[np.float64], reading_noise: float) -> list[Noise]:
    """Give what is known of the noise of the mean of ``sample``, shape (n,).

    Returns:
        Standard uncertainty with its degrees of freedom: from the scatter, and from the known
        noise of one value; ``nan`` where neither is to be had.
    """
    n = len(sample)
    seen = [(float(np.std(sample, ddof=1)) / math.sqrt(n), n - 1.0)] if n > 1 else []
    known = [(reading_noise / math.sqrt(n), math.inf)] if reading_noise > 0 else []
    return [*seen, *known] or [(math.nan, math.inf)]


def symmetric(
    value: float, n: int, noises: Sequence[Noise], bias: float, level: float, method: str
) -> Estimate:
    """Make the widest of the intervals that each statement of the noise gives with the bias."""
    half, dof = max(expanded_uncertainty(*noise, bias, level) for noise in noises)
    noise_half = max(expanded_uncertainty(*noise, 0.0, level)[0] for noise in noises)
    largest = max(noise for noise, _ in noises)
    return Estimate(value, value - half, value + half, n, largest, bias, dof, level, method,
                    noise_half)  # fmt: skip


def expanded_uncertainty(
    noise: float, dof: float, bias: float, level: float = 0.95
) -> tuple[float, float]:
    """Combine noise and bias into the half width of an interval, and its degrees of freedom.

    Args:
        noise: Standard uncertainty known from ``dof`` degrees of freedom; ``nan`` if unknown.
        dof: Degrees of freedom of ``noise``; infinite where it is known.
        bias: Standard uncertainty taken as known.
        level: Coverage.

    Returns:
        ``t(nu_eff) sqrt(noise^2 + bias^2)`` and ``nu_eff`` (GUM G.4.1), the half width never less
        than that of the noise alone: with few repeats a bias raises ``nu_eff`` and lowers ``t`` so
        far that the formula by itself would say that being less sure narrows the interval
        (Ballico 2000, Metrologia 37, 61).

    Raises:
        Refused: A figure that is no number, a negative uncertainty, or a level outside 0 to 1.
    """
    # Of scipy.special and not scipy.stats, whose import and whose calls take far longer.
    from scipy.special import stdtrit

    fraction(level, "level", 0.95)
    noise, bias = number(noise, "the noise"), number(bias, "the bias")
    dof = number(dof, "the degrees of freedom")
    check_uncertainty(bias, 0.0 if math.isnan(noise) else noise)
    combined = math.hypot(noise, bias)
    if math.isnan(combined) or combined == 0.0:
        return combined, dof
    share = (noise / combined) ** 4
    dof_combined = dof / share if share > 0 else math.inf
    quantiles = stdtrit([dof_combined, dof], 0.5 + level / 2)
    return max(float(quantiles[0]) * combined, float(quantiles[1]) * noise), dof_combined


def checked(values: Values) -> npt.NDArray[np.float64]:
    """Give the values as a float array of shape (n,), n at least 1, all finite.

    Raises:
        Refused: They are not, or too large to square.
    """
    try:
        raw = np.asarray(values)
        if raw.dtype.kind in "USmMc":
            raise TypeError
        sample = np.asarray(raw, dtype=float)
    except (TypeError, ValueError, OverflowError):
        raise Refused("values must be numbers, one after the other: convert them first") from None
    if sample.ndim != 1 or sample.size == 0:
        raise Refused(
            f"need at least one of the values, in one dimension; got shape {sample.shape}"
        )
    if not np.isfinite(sample).all():
        raise Refused("values must be finite; drop what was not measured before estimating")
    if np.abs(sample).max() > LARGEST:
        raise Refused("values above 1e150 are too large to square: choose a larger unit")
    return sample


def check_uncertainty(*figures: float) -> None:
    """Refuse standard uncertainties that cannot be.

    Raises:
        ValueError: One is negative or not finite.
    """
    for given in figures:
        figure = number(given, "a standard uncertainty")
        if not (math.isfinite(figure) and figure >= 0):
            raise Refused(f"a standard uncertainty must be finite and at least 0, not {figure}")
