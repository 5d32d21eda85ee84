"""Two samples of numbers, or one, or pairs: checked, and what every comparison takes of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from joulebench.stats.model_frame import Missing
from joulebench.stats.refused import Refused
from joulebench.stats.sample_check import paired_samples, sample

Array = npt.NDArray[np.float64]

_CONSTANT = 10 * float(np.finfo(np.float64).eps)
"""A standard error below this share of the means is rounding alone, as in R's ``t.test``."""


@dataclass(frozen=True, eq=False)
class Samples:
    """The values that are compared.

    Args:
        x: First sample, or the differences of pairs, shape (n,).
        y: Second sample, shape (m,); ``None`` where there is one sample or pairs.
        paired: Whether ``x`` holds differences of pairs.
    """

    x: Array
    y: Array | None
    paired: bool = False

    @property
    def n(self) -> int:
        """Values behind the comparison; pairs count once."""
        return len(self.x) + (0 if self.y is None else len(self.y))

    @property
    def difference(self) -> float:
        """Mean of the first less mean of the second, or mean of the only sample."""
        if self.y is None:
            return mean_of(self.x)
        # About one common number, so that a large level does not cost the difference its digits.
        middle = float(self.x[0])
        return mean_of(self.x - middle) - mean_of(self.y - middle)

    @property
    def largest_mean(self) -> float:
        """The larger mean in size: what rounding is judged against."""
        others = [] if self.y is None else [abs(mean_of(self.y))]
        return max([abs(mean_of(self.x)), *others])

    def check_spread(self, se: float) -> None:
        """Refuse a standard error that is rounding alone.

        Raises:
            Refused: It is less than ten roundings of the means.
        """
        if se <= _CONSTANT * self.largest_mean or se == 0:
            raise Refused(
                f"the {'differences' if self.paired else 'values'} do not vary (standard error "
                f"{se:g}): a test needs spread; check what was measured"
            )


def samples_of(
    x: npt.ArrayLike,
    y: npt.ArrayLike | None,
    paired: bool = False,
    missing: Missing = "refuse",
) -> Samples:
    """Check one sample, two samples, or pairs, which become their differences.

    Raises:
        Refused: No numbers, values missing (unless dropped, pairs whole) or infinite, or pairs of
            unequal lengths.
    """
    if y is None:
        if paired:
            raise Refused("pairs need two samples: give y, or leave paired out")
        return Samples(sample(x, "x", missing), None)
    if not paired:
        return Samples(sample(x, "x", missing), sample(y, "y", missing))
    first, second = paired_samples(x, y, missing)
    return Samples(first - second, None, paired=True)


def mean_of(values: Array) -> float:
    """Give the mean, summed without rounding."""
    return math.fsum(values.tolist()) / len(values)


def variance_of(values: Array) -> float:
    """Give the sample variance (of n - 1) about the exact mean; 0 for one value."""
    if len(values) < 2:
        return 0.0
    apart = values - mean_of(values)
    # What rounding of the mean adds to the squares is taken off again (Chan, Golub and LeVeque
    # 1983, Am. Stat. 37, 242).
    squares, rest = math.fsum((apart**2).tolist()), math.fsum(apart.tolist())
    return (squares - rest**2 / len(values)) / (len(values) - 1)


def welch_error(first: float, second: float, n: int, m: int) -> tuple[float, float]:
    """Add the squared standard errors of two means of ``n`` and ``m`` values.

    Returns:
        The standard error of the difference and its degrees of freedom (Welch 1947).
    """
    whole = first + second
    if whole == 0:
        return 0.0, float(n + m - 2)
    # Shares, and not squares of squares, so that tiny values do not vanish.
    shares = (first / whole) ** 2 / (n - 1) + (second / whole) ** 2 / (m - 1)
    return math.sqrt(whole), 1 / shares


def check_sizes(samples: Samples, least: int, what: str) -> None:
    """Refuse samples that are too small.

    Raises:
        Refused: One has fewer values than ``least``.
    """
    for name, values in (("x", samples.x), ("y", samples.y)):
        if values is not None and len(values) < least:
            noun = "pairs" if samples.paired else f"values in {name}"
            raise Refused(f"{what} needs at least {least} {noun}, got {len(values)}: measure more")
