"""The share that each phase has of each stretch it touches, without a row for every pair of them.

In the stretches that a phase fills, its share is its rate times what a rate of 1 has; only in its
first and its last stretch does it depend on when the phase begins and ends.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from joulebench.attribution.cells import Cells
from joulebench.attribution.ranges import collect

FloatArray = npt.NDArray[np.float64]


class Sums(NamedTuple):
    """Sums of squares of 2 n phases, and of n requests what their two phases have besides.

    Args:
        phases: Of each phase; shape (2 n,).
        both: What is to be added to the sum of both phases, since they meet; shape (n,).
    """

    phases: FloatArray
    both: FloatArray


class Profile:
    """Shares by stretch of 2 n phases: first n prefills, then n decodes.

    Args:
        cells: The energy in cells.
        mean: What a rate of 1 has of each stretch, of what is not known of it beforehand;
            shape (m,).
    """

    def __init__(self, cells: Cells, mean: FloatArray) -> None:
        activity, stretches = cells.activity, cells.stretches
        n = self._n = activity.requests
        self.rate = activity.rate
        self.mean = mean
        self.first, self.last = stretches.ends(activity.start_s, activity.stop_s)
        self.one = self.first == self.last
        self.meet = self.last[:n] == self.first[n:]
        begin, end = cells.places(activity.start_s), cells.places(activity.stop_s)
        bounds = cells.places(stretches.edges_s)
        head = begin, np.minimum(end, bounds[self.first + 1])
        tail = np.maximum(begin, bounds[self.last]), end
        length_s = stretches.length_s
        self._open = cells.open_s / length_s
        share_s, square_s = (cells.length_s * cells.per_rate**power for power in (1, 2))
        self.head = self.rate * collect(share_s, *head) / cells.open_s[self.first]
        self.tail = self.rate * collect(share_s, *tail) / cells.open_s[self.last]
        self._head2 = self.rate**2 * collect(square_s, *head) / length_s[self.first]
        self._tail2 = self.rate**2 * collect(square_s, *tail) / length_s[self.last]

    def inner(self, squares: FloatArray) -> FloatArray:
        """Sum squares over the stretches that each phase fills, scaled to its rate."""
        inner: FloatArray = self.rate**2 * collect(squares, self.first + 1, self.last)
        return inner

    def squares(self, weights: FloatArray) -> Sums:
        """Sum the squared shares over stretches.

        Args:
            weights: Of each stretch; shape (m,).
        """
        n = self._n
        ends = self.head**2 * weights[self.first]
        ends += np.where(self.one, 0.0, self.tail**2 * weights[self.last])
        both = 2 * self.tail[:n] * self.head[n:] * weights[self.first[n:]]
        return Sums(ends + self.inner(self.mean**2 * weights), np.where(self.meet, both, 0.0))

    def steps2(self, weight: float) -> Sums:
        """Sum half the squared steps of the shares from stretch to stretch, times a weight."""
        n = self._n
        before, after = self._neighbours()
        into, out = self.tail - before, after - self.head
        # With two stretches the step between them is both the one out of the first and into the
        # last; with one there is none.
        between = np.where(self.last - self.first > 1, into**2, 0.0)
        between += np.where(self.one, 0.0, out**2)
        steps2 = np.diff(self.mean, prepend=0.0) ** 2
        inner = self.rate**2 * collect(steps2, self.first + 2, self.last)
        apart = -self.tail[:n] * self.head[n:]  # one step from the one to the other
        both = np.where(self.meet, into[:n] * self.head[n:] - self.tail[:n] * out[n:], apart)
        phases = 0.5 * (self.head**2 + self.tail**2 + between + inner)
        return Sums(weight * phases, weight * both)

    def moved_at_ends(self, amount: FloatArray) -> Sums:
        """Sum the squares of what of an amount would be elsewhere in the stretches at the ends.

        Args:
            amount: That each stretch has and that may lie anywhere in it; shape (m,).
        """
        n = self._n
        head_mean, tail_mean = self.head * self._open[self.first], self.tail * self._open[self.last]
        head = (amount[self.first] * _moved(head_mean, self._head2)) ** 2
        tail = (amount[self.last] * _moved(tail_mean, self._tail2)) ** 2
        together = _moved(tail_mean[:n] + head_mean[n:], self._tail2[:n] + self._head2[n:])
        both = (amount[self.first[n:]] * together) ** 2 - tail[:n] - head[n:]
        return Sums(head + np.where(self.one, 0.0, tail), np.where(self.meet, both, 0.0))

    def _neighbours(self) -> tuple[FloatArray, FloatArray]:
        """Give the shares in the stretch before the last one and in that after the first one."""
        two = self.last == self.first + 1
        next_one = np.minimum(self.first + 1, self.mean.size - 1)
        before = np.where(two, self.head, self.rate * self.mean[self.last - 1])
        after = np.where(two, self.tail, self.rate * self.mean[next_one])
        return np.where(self.one, 0.0, before), np.where(self.one, 0.0, after)


def _moved(mean: FloatArray, mean2: FloatArray) -> FloatArray:
    """Give at most how much of a share would be elsewhere in a stretch if it were even.

    Half the mean absolute deviation is at most half the standard deviation, and at most the mean.
    """
    deviation = np.sqrt(np.maximum(mean2 - mean**2, 0.0))
    moved: FloatArray = np.minimum(0.5 * deviation, mean)
    return moved
