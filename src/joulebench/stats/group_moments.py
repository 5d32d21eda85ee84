"""Means and variances of groups that need not share one variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.groups import Groups
from joulebench.stats.refused import Refused
from joulebench.stats.sample_check import check_square
from joulebench.stats.two_samples import mean_of, variance_of

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GroupMoments:
    """Counts, means and variances of groups.

    Args:
        count: Values of each group, shape (k,).
        mean: Less the mean nearest to 0, so that values far above their spread keep their
            digits, shape (k,).
        variance: With ``n - 1`` in the denominator, shape (k,).
    """

    count: Floats
    mean: Floats
    variance: Floats


def group_moments(groups: Groups, test: str) -> GroupMoments:
    """Give the moments of groups, each of which must have a variance.

    Args:
        groups: Values by group.
        test: What needs them, for the refusal.

    Raises:
        Refused: A group with one value, or with equal values.
    """
    samples = groups.samples
    for level, sample in zip(groups.levels, samples, strict=True):
        if len(sample) < 2:
            raise Refused(
                f"level {level!r} of {groups.factor} has one value and so no variance, which "
                f"{test} needs: add repetitions or leave the level out"
            )
        if np.ptp(sample) <= 1e-14 * np.abs(sample).max():
            raise Refused(
                f"level {level!r} of {groups.factor} is {sample[0]:g} in all {len(sample)} rows "
                f"and has no variance, which {test} needs: check them, or leave the level out"
            )
        check_square(sample, f"level {level!r} of {groups.factor}")
    # The mean nearest to 0: a larger one would cost groups of small values their digits.
    centre = min(map(mean_of, samples), key=abs)
    return GroupMoments(
        groups.counts.astype(np.float64),
        np.array([mean_of(sample - centre) for sample in samples]),
        np.array([variance_of(sample) for sample in samples]),
    )
