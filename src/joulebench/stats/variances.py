"""Whether groups have one variance: Levene, Bartlett, Fligner and Killeen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.groups import Groups, groups_of
from joulebench.stats.midranks import midranks
from joulebench.stats.model_frame import Missing
from joulebench.stats.refused import Refused
from joulebench.stats.repeat_spread import medians
from joulebench.stats.rows import tidy

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Centre = Literal["median", "mean"]

_ROUNDING = 10 * float(np.finfo(np.float64).eps)
"""Distances that differ by less than this share of the largest value differ by rounding alone."""


@dataclass(frozen=True, slots=True)
class LeveneTest:
    """Levene's F of values in groups.

    Args:
        value: F.
        df1: Groups less one.
        df2: Values less groups.
        p: Probability of a larger F if the variances are one.
        sd_ratio: Largest over smallest standard deviation of the groups with two values or more.
    """

    value: float
    df1: int
    df2: int
    p: float
    sd_ratio: float


def levene(
    formula: str, frame: pd.DataFrame, centre: Centre = "median", missing: Missing = "refuse"
) -> pd.DataFrame:
    """Test whether groups have one variance by an analysis of variance of distances.

    The distances are from the median of the group (Brown and Forsythe 1974, J. Am. Stat. Assoc. 69,
    364), or its mean (Levene 1960): ``car::leveneTest``.

    Args:
        formula: ``log(energy_j) ~ generation``; ``y ~ a:b`` and ``y ~ a * b`` mean the cells.
        frame: One row an observation.
        centre: What distances are measured from.
        missing: What to do about rows that lack a value.

    Returns:
        One row: ``test, term, statistic, value, df1, df2, p, n, groups, sd_ratio`` (largest over
        smallest standard deviation).

    Raises:
        Refused: No groups, or no group in which distances differ, so that nothing tells their
            noise.
    """
    groups = _cells(formula, frame, missing)
    found = levene_of(groups.values, groups.codes, centre)
    return tidy([levene_row(found, groups.factor, centre)])


def levene_row(found: LeveneTest, term: str, centre: Centre = "median") -> dict[str, Any]:
    """Give the columns of one Levene test."""
    return {
        "test": f"Levene ({centre})", "term": term, "statistic": "F", "value": found.value,
        "df1": found.df1, "df2": found.df2, "p": found.p, "n": found.df1 + found.df2 + 1,
        "groups": found.df1 + 1, "sd_ratio": found.sd_ratio,
    }  # fmt: skip


def levene_of(values: Floats, codes: Codes, centre: Centre = "median") -> LeveneTest:
    """Test values in groups; see :func:`levene`.

    Args:
        values: Shape (n,).
        codes: Group of each value, every group from 0 on filled, shape (n,).
        centre: What distances are measured from.

    Raises:
        Refused: Distances do not vary within the groups, as with one or two values in each.
    """
    from scipy.special import fdtrc

    if centre not in ("median", "mean"):
        raise Refused(f'centre must be "median" or "mean", got {centre!r}')
    middle = _medians(values, codes) if centre == "median" else _means(values, codes)
    distance = np.abs(values - middle[codes])
    counts = np.bincount(codes)
    mean = _means(distance, codes)
    k, n = len(counts), len(values)
    if k < 2:
        raise Refused(f"a test of variances needs two groups, got {k}")
    between = float(counts @ (mean - distance.mean()) ** 2)
    within = float(np.sum((distance - mean[codes]) ** 2))
    if within <= n * (_ROUNDING * float(np.abs(values).max())) ** 2 or n <= k:
        raise Refused(
            f"distances from the {centre} do not vary within any of the {k} groups (sizes "
            f"{counts.min()} to {counts.max()}): a test of variances needs 3 values that differ "
            "in some group"
        )
    f = between / (k - 1) / (within / (n - k))
    return LeveneTest(f, k - 1, n - k, float(fdtrc(k - 1, n - k, f)), _sd_ratio(values, codes))


def bartlett(formula: str, frame: pd.DataFrame, missing: Missing = "refuse") -> pd.DataFrame:
    """Test whether groups of normal values have one variance, as R's ``bartlett.test``.

    Bartlett (1937, Proc. R. Soc. A 160, 268). It takes values that are not normal for unequal
    variances: :func:`levene` and :func:`fligner` do not.

    Args:
        formula: ``log(energy_j) ~ generation``; ``y ~ a:b`` and ``y ~ a * b`` mean the cells.
        frame: One row an observation.
        missing: What to do about rows that lack a value.

    Returns:
        One row: ``test, term, statistic, value, df1, p, n, groups, sd_ratio``.

    Raises:
        Refused: No groups, one of a single value, or one that does not vary.
    """
    groups = _cells(formula, frame, missing)
    size = bartlett_of(groups.values, groups.codes, groups.levels)
    return tidy([chi2_row("Bartlett", groups.values, groups.codes, groups.factor, size)])


def bartlett_of(values: Floats, codes: Codes, levels: list[str]) -> float:
    """Give Bartlett's statistic of values in groups; see :func:`bartlett`.

    Args:
        values: Shape (n,).
        codes: Group of each value, every group from 0 on filled, shape (n,).
        levels: Names of the groups, for refusals.

    Raises:
        Refused: A group of a single value, or one that does not vary.
    """
    counts, variance = np.bincount(codes), _variances(values, codes)
    if len(counts) < 2:
        raise Refused("Bartlett's test needs two groups, and there is one")
    if counts.min() < 2:
        name = levels[int(np.argmin(counts))]
        raise Refused(f"Bartlett's test needs 2 values in each group, and {name!r} has one")
    if variance.min() <= 0:
        name = levels[int(np.argmin(variance))]
        raise Refused(f"group {name!r} does not vary: use levene() or fligner() instead")
    df = counts - 1.0
    whole = float(df.sum())
    # Variances over their mean, so that the logarithms lose nothing to the unit.
    size = -float(df @ np.log(variance / (float(df @ variance) / whole)))
    return size / (1 + (float(np.sum(1 / df)) - 1 / whole) / (3 * (len(df) - 1)))


def fligner(formula: str, frame: pd.DataFrame, missing: Missing = "refuse") -> pd.DataFrame:
    """Test whether groups have one variance by ranks, as R's ``fligner.test``.

    Normal scores of the ranks of distances from the medians (Fligner and Killeen 1976, J. Am. Stat.
    Assoc. 71, 210, as Conover, Johnson and Johnson 1981, Technometrics 23, 351, have it).

    Args:
        formula: ``log(energy_j) ~ generation``; ``y ~ a:b`` and ``y ~ a * b`` mean the cells.
        frame: One row an observation.
        missing: What to do about rows that lack a value.

    Returns:
        One row: ``test, term, statistic, value, df1, p, n, groups, sd_ratio``.

    Raises:
        Refused: No groups, or all distances are one.
    """
    groups = _cells(formula, frame, missing)
    size = fligner_of(groups.values, groups.codes)
    return tidy([chi2_row("Fligner-Killeen", groups.values, groups.codes, groups.factor, size)])


def fligner_of(values: Floats, codes: Codes) -> float:
    """Give the statistic of Fligner and Killeen of values in groups; see :func:`fligner`.

    Args:
        values: Shape (n,).
        codes: Group of each value, every group from 0 on filled, shape (n,).

    Raises:
        Refused: All distances are one.
    """
    from scipy.special import ndtri

    distance = np.abs(values - _medians(values, codes)[codes])
    scores = ndtri((1 + midranks(distance).ranks / (len(values) + 1)) / 2)
    if np.ptp(distance) == 0:
        raise Refused(
            "all values are equally far from the median of their group: a test of variances needs "
            "3 values that differ in some group"
        )
    apart = _means(scores, codes) - scores.mean()
    return float(np.bincount(codes) @ apart**2) / float(np.var(scores, ddof=1))


def chi2_row(name: str, values: Floats, codes: Codes, term: str, size: float) -> dict[str, Any]:
    """Give the columns of a test whose statistic is a chi-square of groups less one."""
    from scipy.special import chdtrc

    df = int(codes.max())
    return {
        "test": name, "term": term, "statistic": "chi2", "value": size, "df1": df,
        "p": float(chdtrc(df, size)), "n": len(values), "groups": df + 1,
        "sd_ratio": _sd_ratio(values, codes),
    }  # fmt: skip


def _cells(formula: str, frame: pd.DataFrame, missing: Missing) -> Groups:
    """Sort by groups, a crossing ``a * b`` read as its cells."""
    left, tilde, right = str(formula).partition("~")
    if re.fullmatch(r"[\w.\s*]+", right):
        right = ":".join(dict.fromkeys(name.strip() for name in right.split("*")))
    return groups_of(f"{left}{tilde}{right}", frame, missing)


def _means(values: Floats, codes: Codes) -> Floats:
    means: Floats = np.bincount(codes, values) / np.bincount(codes)
    return means


def _medians(values: Floats, codes: Codes) -> Floats:
    return medians(values, codes)


def _variances(values: Floats, codes: Codes) -> Floats:
    """Give the sample variance of each group; 0 where it has one value."""
    first = np.zeros(int(codes.max()) + 1)
    first[codes] = values
    # About a value of the group, so that a large level costs no digits.
    apart = values - first[codes]
    apart -= _means(apart, codes)[codes]
    df = np.maximum(np.bincount(codes) - 1, 1)
    variances: Floats = np.bincount(codes, apart**2) / df
    return variances


def _sd_ratio(values: Floats, codes: Codes) -> float:
    variances = _variances(values, codes)[np.bincount(codes) > 1]
    if not len(variances):
        return float("nan")
    least = float(variances.min())
    return float(np.sqrt(variances.max() / least)) if least > 0 else float("inf")
