"""Ratios: of paired values, of two groups, and of two sums."""

from __future__ import annotations

import math
import sys

import numpy as np
import numpy.typing as npt

from joulebench.stats.estimate import Estimate
from joulebench.stats.mean import (
    SINGLE,
    Values,
    check_uncertainty,
    checked,
    expanded_uncertainty,
    mean_estimate,
    noises_of_mean,
    symmetric,
)
from joulebench.stats.number_check import LARGEST
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]

_LARGEST_LOG = math.log(sys.float_info.max)


def geometric_mean(values: Values, *, log_bias: float = 0.0, level: float = 0.95) -> Estimate:
    """Estimate the geometric mean of positive values by a t interval on the log scale.

    Args:
        values: Positive values, shape (n,).
        log_bias: Shared standard uncertainty of the logarithm (a relative uncertainty).
        level: Coverage of the interval.

    Raises:
        ValueError: No values, or one that is not positive and finite.
    """
    logs = mean_estimate(_logs(values), bias=log_bias, level=level)
    return _from_log(logs, "geometric mean, t interval on the log scale")


def paired_ratio(
    numerator: Values,
    denominator: Values,
    *,
    log_bias: float = 0.0,
    log_noise: float = 0.0,
    level: float = 0.95,
) -> Estimate:
    """Estimate the typical ratio of values measured in pairs (one pair a block).

    The geometric mean of the ratios: whatever a block does to both of its members cancels, and so
    does a gain error common to both readings. The scatter of the ratios and the known noise of one
    count as in :func:`~joulebench.stats.mean.mean_estimate`: the wider interval of the two.

    Args:
        numerator: Positive values, shape (n,).
        denominator: Positive values, shape (n,), in the same order of blocks.
        log_bias: Standard uncertainty of the log ratio that does not cancel.
        log_noise: Standard uncertainty of one log ratio from its own measurement.
        level: Coverage of the interval.

    Raises:
        ValueError: Different lengths, no values, or one that is not positive and finite.
    """
    above, below = _logs(numerator), _logs(denominator)
    if above.shape != below.shape:
        raise Refused(f"pairs need equal lengths, got {len(above)} and {len(below)}")
    logs = mean_estimate(above - below, bias=log_bias, reading_noise=log_noise, level=level)
    return _from_log(logs, "geometric mean of paired ratios, t interval on the log scale")


def log_ratio(
    numerator: list[Array],
    denominator: list[Array],
    *,
    log_bias: float = 0.0,
    log_noise: float = 0.0,
    level: float = 0.95,
) -> Estimate:
    """Estimate the ratio of two conditions from unpaired values, stratum by stratum.

    The log ratio is the plain mean over strata of the difference of mean logs. Its variance is
    ``sum s_i^2 / n_i`` over all groups over the number of strata squared, with Welch-Satterthwaite
    degrees of freedom (Welch 1947, Biometrika 34, 28). Where the scatter comes out smaller than the
    known noise of a value, the interval is the one that takes the latter.

    Args:
        numerator: One array of positive values a stratum, each with at least two.
        denominator: The same strata, in the same order.
        log_bias: Standard uncertainty of the log ratio that does not cancel.
        log_noise: Standard uncertainty of the log of one value from its own measurement.
        level: Coverage of the interval.

    Raises:
        ValueError: No strata, unequal numbers of strata, a group of fewer than two values, or a
            value that is not positive and finite.
    """
    check_uncertainty(log_bias, log_noise)
    if not numerator or len(numerator) != len(denominator):
        raise Refused("need the same strata, at least one, on both sides of a ratio")
    above, below = [_logs(g) for g in numerator], [_logs(g) for g in denominator]
    groups = [*above, *below]
    if min(map(len, groups)) < 2:
        raise Refused("an unpaired ratio needs at least two values in every group")
    strata = len(above)
    value = float(np.mean([a.mean() - b.mean() for a, b in zip(above, below, strict=True)]))
    parts = np.array([g.var(ddof=1) / len(g) for g in groups]) / strata**2
    dof = _satterthwaite(parts, np.array([len(g) - 1.0 for g in groups]))
    known = log_noise * math.sqrt(sum(1 / len(g) for g in groups)) / strata
    noises = [(math.sqrt(float(parts.sum())), dof), (known, math.inf)]
    n = sum(map(len, groups))
    method = "unpaired ratio of geometric means, Welch interval on the log scale"
    return _from_log(symmetric(value, n, noises, log_bias, level, method), method)


def ratio_of_sums(
    numerator: Values,
    denominator: Values,
    *,
    bias: float = 0.0,
    reading_noise: float = 0.0,
    level: float = 0.95,
) -> Estimate:
    """Estimate ``R = sum(y) / sum(x)`` over runs, ``x`` counted without error (tokens, items).

    The noise is ``s(y - R x) / (sqrt(n) x)``, ``s`` with ``n - 1`` degrees of freedom and ``x``
    the mean (the linearised ratio estimator: Cochran 1977, Sampling Techniques, 6.4), combined
    with the bias and the noise of a reading as in :func:`~joulebench.stats.mean.mean_estimate`. One
    run alone has no scatter: its interval is that of its reading, or ``nan`` where neither bias nor
    noise is given.

    Args:
        numerator: One value a run, shape (n,).
        denominator: One count a run, shape (n,), with a sum above 0.
        bias: Standard uncertainty of the mean of ``numerator`` that repetitions do not shrink.
        reading_noise: Standard uncertainty of one value of ``numerator`` from its measurement.
        level: Coverage of the interval.

    Raises:
        ValueError: Different lengths, values not finite, a negative uncertainty, or a denominator
            that sums to 0 or less.
    """
    y, x = _ratio_sides(numerator, denominator)
    check_uncertainty(bias, reading_noise)
    n, x_mean = len(y), float(x.mean())
    with np.errstate(over="ignore"):  # what comes out too large is refused
        value = float(y.sum() / x.sum())
    if n == 1 and reading_noise == 0:
        return _single_ratio(value, bias / x_mean, level)
    parts = (y - value * x) / x_mean
    if not np.abs(parts).max() < LARGEST:
        raise Refused(f"a ratio as large as {value:g} cannot be squared: choose other units")
    noises = noises_of_mean(parts, reading_noise / x_mean)
    method = "ratio of sums, linearised" if n > 1 else SINGLE
    return symmetric(value, n, noises, bias / x_mean, level, method)


def _ratio_sides(numerator: Values, denominator: Values) -> tuple[Array, Array]:
    y, x = checked(numerator), checked(denominator)
    if y.shape != x.shape:
        raise Refused(f"a ratio of values needs equal lengths, got {len(y)} and {len(x)}")
    if x.sum() <= 0:
        raise Refused("the values of a ratio's denominator must sum to more than 0")
    return y, x


def _single_ratio(value: float, bias: float, level: float) -> Estimate:
    half = expanded_uncertainty(0.0, math.inf, bias, level)[0] or math.nan
    return Estimate(value, value - half, value + half, 1, math.nan, bias, level=level,
                    method="single value, shared bias alone")  # fmt: skip


def _satterthwaite(parts: Array, dofs: Array) -> float:
    spread = float(np.sum(parts**2 / dofs))
    return float(parts.sum()) ** 2 / spread if spread > 0 else float(dofs.sum())


def _logs(values: Values) -> Array:
    sample = checked(values)
    if (sample <= 0).any():
        raise Refused("a ratio on the log scale needs values above 0")
    return np.log(sample)


def _exp(log: float) -> float:
    return math.exp(log) if log < _LARGEST_LOG else math.inf


def _from_log(logs: Estimate, method: str) -> Estimate:
    value, low = _exp(logs.value), _exp(logs.low)
    return Estimate(
        value,
        low,
        _exp(logs.high),
        logs.n,
        value * logs.noise if logs.noise else 0.0,
        value * logs.bias if logs.bias else 0.0,
        logs.dof,
        logs.level,
        method,
    )
