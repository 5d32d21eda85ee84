"""The spread of repeats, and the smallest difference that it lets one see."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NORMAL_MEDIAN = 0.674490
"""Median size of a standard normal value."""


@dataclass(frozen=True, slots=True)
class RepeatSpread:
    """Standard deviation of repeats, pooled over groups.

    Args:
        sd: Standard deviation of one value.
        dof: Degrees of freedom that it is known with: values less groups.
    """

    sd: float
    dof: int

    def least_difference(self, n_first: float = 1.0, n_second: float = 1.0) -> float:
        """Give the difference of two means beyond which they are resolved at 95 %.

        ``t(0.975, dof) sd sqrt(1/n1 + 1/n2)``, the least significant difference of Fisher.

        Args:
            n_first: Values behind the first mean.
            n_second: Values behind the second.
        """
        from scipy.special import stdtrit

        t = float(stdtrit(self.dof, 0.975))
        return t * self.sd * math.sqrt(1.0 / n_first + 1.0 / n_second)


def pooled_spread(
    values: NDArray[np.float64], groups: NDArray[np.intp], *, robust: bool = False
) -> RepeatSpread | None:
    """Pool the spread of repeats over groups.

    Args:
        values: Finite, shape (n,).
        groups: Group of each value, from 0, shape (n,).
        robust: Estimate the standard deviation from the median size of the differences between
            repeats next to each other, which is ``0.6745 sqrt(2)`` of it for normal values, so
            that a few values in the wrong group do not widen it.

    Returns:
        ``None`` where no group has two values.
    """
    count = np.bincount(groups)
    dof = int(len(values) - np.count_nonzero(count))
    if dof < 1:
        return None
    if robust:
        order = _by_group(groups)
        same = groups[order[1:]] == groups[order[:-1]]
        apart = np.abs(np.diff(values[order]))[same]
        return RepeatSpread(float(np.median(apart)) / (_NORMAL_MEDIAN * math.sqrt(2.0)), dof)
    mean = np.bincount(groups, values) / np.maximum(count, 1)
    squares = float(np.sum((values - mean[groups]) ** 2))
    return RepeatSpread(math.sqrt(squares / dof), dof)


def sorted_within(values: NDArray[np.float64], groups: NDArray[np.intp]) -> NDArray[np.intp]:
    """Give the order of values by group, then by value, shape (n,)."""
    by_value = np.argsort(values)
    order: NDArray[np.intp] = by_value[_by_group(groups[by_value])]
    return order


def _by_group(groups: NDArray[np.intp]) -> NDArray[np.intp]:
    # Sorting small integers is several times faster than sorting large ones, or by two keys.
    small = groups.astype(np.uint16) if len(groups) and groups.max() < 1 << 16 else groups
    return np.argsort(small, kind="stable")


def medians(values: NDArray[np.float64], groups: NDArray[np.intp]) -> NDArray[np.float64]:
    """Give the median of each group, shape (groups,); NaN where a group is empty."""
    count = np.bincount(groups)
    order = sorted_within(values, groups)
    start = np.cumsum(count) - count
    inside = values[order]
    result = np.full(len(count), np.nan)
    some = np.flatnonzero(count)
    low, high = start[some] + (count[some] - 1) // 2, start[some] + count[some] // 2
    result[some] = (inside[low] + inside[high]) / 2.0
    return result
