"""What is random in a share: the sensor's noise, and what it cannot tell apart.

Formulas: ``docs/measurement.md``, Attribution.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from joulebench.attribution.cells import Cells
from joulebench.attribution.profile import Profile

FloatArray = npt.NDArray[np.float64]

UNRESOLVED = 0.5
"""Relative standard uncertainty of energy above idle whose place in a stretch the sensor does not
tell: half of it, as for a window below the resolution."""


class ShareNoise:
    """Variances of shares of one channel's energy.

    Args:
        cells: The energy in cells.
        noise_j: Noise of the whole window, J.
        counter: Whether the channel is a counter, which errs at its readings; readings of power
            err anew in each stretch.
    """

    def __init__(self, cells: Cells, noise_j: float, *, counter: bool) -> None:
        self._cells = cells
        self._noise_j2 = noise_j**2
        self._counter = counter
        self._lengths_s = cells.stretches.length_s
        self._shares = cells.stretches.noise_share

    def of_share(self, share: FloatArray) -> float:
        """Give the variance of a share of every cell, J^2.

        Args:
            share: Of each cell, 0 to 1; shape (m,).
        """
        moved = self._moved(share)
        unread_j2 = np.sum((UNRESOLVED * self._cells.above_j * moved) ** 2)
        mean = self._mean(share)
        if self._counter:
            seen = 0.5 * np.sum(np.diff(mean, prepend=0.0, append=0.0) ** 2)
        else:
            seen = np.sum(mean**2 * self._shares)
        return float(unread_j2 + self._noise_j2 * seen + self._own_j2_of(mean))

    def _own_j2_of(self, mean: FloatArray) -> float:
        """Give the variance from where stretches end, J^2: none where all have one share."""
        own_j2 = self._cells.stretches.own_j2
        even = np.average(mean, weights=own_j2) if own_j2.any() else 0.0
        return float(np.sum((mean - even) ** 2 * own_j2))

    def of_phases(self) -> tuple[FloatArray, FloatArray]:
        """Give the variances of all phases and of all requests, J^2.

        Each is what :meth:`of_share` would give for it, or a little more. What the phases of one
        request take from each other cancels in the request.

        Returns:
            Shapes (2 n,) and (n,).
        """
        profile = Profile(self._cells, self._mean(self._cells.per_rate))
        shares = self._noise_j2 * self._shares + self._cells.stretches.own_j2
        seen = profile.steps2(self._noise_j2) if self._counter else profile.squares(shares)
        unread_j = UNRESOLVED * np.abs(self._cells.above_j)
        ends = profile.moved_at_ends(unread_j)
        filled_j = np.where(self._filled, unread_j * self._moved(self._cells.per_rate), 0.0)
        inner_j2 = profile.inner(filled_j**2)
        phases_j2 = seen.phases + ends.phases + inner_j2
        n = phases_j2.size // 2
        return phases_j2, phases_j2[:n] + phases_j2[n:] + seen.both + ends.both

    @cached_property
    def _filled(self) -> npt.NDArray[np.bool_]:
        """In which stretches somebody is active all the time."""
        cells = self._cells
        filled: npt.NDArray[np.bool_] = cells.by_stretch(~cells.busy * cells.length_s) == 0
        return filled

    def _mean(self, share: FloatArray) -> FloatArray:
        """Give the share of what each stretch draws beyond what is known beforehand."""
        cells = self._cells
        counts = cells.busy | ~cells.split[cells.stretch]
        mean: FloatArray = cells.by_stretch(share * cells.length_s * counts) / cells.open_s
        return mean

    def _moved(self, share: FloatArray) -> FloatArray:
        """Give how much of a share of each stretch would be elsewhere in it if it were even.

        A share that is 1 in a part f of a stretch and else 0 has f of it, of which f (1 - f) would
        be elsewhere.
        """
        cells = self._cells
        mean = cells.by_stretch(share * cells.length_s) / self._lengths_s
        apart = np.abs(share - mean[cells.stretch]) * cells.length_s
        moved: FloatArray = 0.5 * cells.by_stretch(apart) / self._lengths_s
        return moved
