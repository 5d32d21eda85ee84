"""One channel's energy of a window in cells, each shared by whoever was active in it.

Time is cut where anybody starts or stops and where the sensor tells energies apart.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import numpy.typing as npt

from joulebench.attribution.activity import Activity
from joulebench.attribution.ranges import collect, spread
from joulebench.attribution.stretches import Stretches

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


class Cells:
    """A window of one channel, cut so finely that nobody starts or stops within a cell.

    Args:
        stretches: What the sensor tells apart.
        activity: The requests' phases.
        floor_w: Idle power, W; ``None`` if it is not known.
    """

    def __init__(self, stretches: Stretches, activity: Activity, floor_w: float | None) -> None:
        self.stretches = stretches
        self.activity = activity
        self.floor_w = floor_w
        pieces = activity.pieces
        self.edges_s = np.unique(np.concatenate((stretches.edges_s, pieces.start_s, pieces.stop_s)))
        self._first, self._stop = self.places(pieces.start_s), self.places(pieces.stop_s)
        self.rate = self._spread(np.arange(pieces.phase.size))

    @cached_property
    def length_s(self) -> FloatArray:
        """Length of each cell, s."""
        return np.diff(self.edges_s)

    @cached_property
    def busy(self) -> npt.NDArray[np.bool_]:
        """Whether anybody is active in each cell; sums of rates never cancel to or from 0."""
        return self.rate > 0

    @cached_property
    def stretch(self) -> IntArray:
        """The stretch that each cell lies in."""
        return np.searchsorted(self.stretches.edges_s, self.edges_s[:-1], side="right") - 1

    @cached_property
    def extra_j(self) -> FloatArray:
        """Energy of each cell above the idle power, J: of the sensor by stretch, of a model within.

        Within a stretch the power is the idle power while nobody is active, and another one, steady
        while anybody is; where the idle power is not known, or nobody was active, one steady power.
        """
        extra_w = self.above_j / self.open_s
        counts = self.busy | ~self.split[self.stretch]
        extra_j: FloatArray = counts * extra_w[self.stretch] * self.length_s
        return extra_j

    @cached_property
    def split(self) -> npt.NDArray[np.bool_]:
        """In which stretches all that is not idle power belongs to those who were active."""
        served = self.by_stretch(self.busy.astype(np.float64)) > 0
        return served & (self.floor_w is not None)

    @cached_property
    def open_s(self) -> FloatArray:
        """How long it is not known beforehand what each stretch draws, s."""
        busy_s = self.by_stretch(self.length_s * self.busy)
        open_s: FloatArray = np.where(self.split, busy_s, self.stretches.length_s)
        return open_s

    @cached_property
    def above_j(self) -> FloatArray:
        """Energy of each stretch above the idle power, J; all of it where that is not known."""
        return self.stretches.energy_j - (self.floor_w or 0.0) * self.stretches.length_s

    @cached_property
    def per_rate(self) -> FloatArray:
        """What a rate of 1 has of each cell; 0 where nobody is active."""
        return self.busy / np.where(self.busy, self.rate, 1.0)

    def by_stretch(self, amounts: FloatArray) -> FloatArray:
        """Add up amounts that every cell has, by stretch."""
        sums = np.bincount(self.stretch, amounts, self.stretches.energy_j.size)
        return sums.astype(np.float64, copy=False)

    def by_phase(self, amounts: FloatArray) -> FloatArray:
        """Give each phase its share of amounts that every cell has; shape (2 n,)."""
        pieces = self.activity.pieces
        each = pieces.weight * collect(amounts * self.per_rate, self._first, self._stop)
        sums = np.bincount(pieces.phase, each, self.activity.rate.size)
        return sums.astype(np.float64, copy=False)

    def share_of(self, requests: IntArray) -> FloatArray:
        """Give the share of each cell that several requests have together, 0 to 1."""
        chosen = np.zeros(self.activity.requests, bool)
        chosen[requests] = True
        pieces = np.flatnonzero(np.tile(chosen, 2)[self.activity.pieces.phase])
        return self._spread(pieces) * self.per_rate

    def places(self, times_s: FloatArray) -> IntArray:
        """Give the cells that begin at some edges; the last edge counts as one."""
        return np.searchsorted(self.edges_s, times_s)

    def _spread(self, pieces: IntArray) -> FloatArray:
        """Add up the rates of some pieces in each cell."""
        rate = self.activity.pieces.weight[pieces]
        return spread(self._first[pieces], self._stop[pieces], rate, self.edges_s.size - 1)
