"""One channel's energy of a window, shared between the requests that were active in it."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from joulebench.attribution.activity import Activity
from joulebench.attribution.cells import Cells, IntArray
from joulebench.attribution.noise import ShareNoise
from joulebench.attribution.parts import Parts
from joulebench.attribution.stretches import IdlePower, Stretches
from joulebench.channel import Window
from joulebench.energy import Energy, Trace

FloatArray = npt.NDArray[np.float64]

_BY_TIME = ("offset ", "resolution ")
_SIGNED = ("gain ", "offset ")


class ChannelShares:
    """Who had how much of one channel's energy.

    Args:
        trace: The channel's trace.
        window: The whole.
        activity: The requests' phases.
        idle: The device's idle power; ``None`` if it is not known.
        marginal: Whether the idle power is kept apart while requests are active.
        gaps: See :meth:`joulebench.energy.Trace.energy`.
    """

    def __init__(
        self,
        trace: Trace,
        window: Window,
        activity: Activity,
        idle: IdlePower | None,
        *,
        marginal: bool,
        gaps: str,
    ) -> None:
        self.whole = trace.energy(window, gaps=gaps)
        self._channel = trace.channel.name
        self.window = window
        self.idle = idle
        self.marginal = marginal
        stretches = Stretches.of(trace, window, self.whole.joules)
        self.cells = Cells(stretches, activity, idle.power_w if idle else None)
        counter = trace.channel.unit == "J"
        self._noise = ShareNoise(self.cells, self.whole.noise, counter=counter)

    @property
    def idle_s(self) -> float:
        """How long nobody was active, s."""
        return float(self.cells.length_s[~self.cells.busy].sum())

    @cached_property
    def unattributed(self) -> Energy:
        """Energy while nobody was active, above the idle power where that is known."""
        return self._of_share(np.where(self.cells.busy, 0.0, 1.0), marginal=True)

    @cached_property
    def idle_energy(self) -> Energy | None:
        """The idle power times the time that it is kept apart for; ``None`` if not known."""
        if self.idle is None:
            return None
        kept_s = self.window.duration_s if self.marginal else self.idle_s
        biases = {source: bias * kept_s for source, bias in self.idle.biases_w.items()}
        return Energy(
            self.idle.power_w * kept_s,
            self.idle.noise_w * kept_s,
            biases,
            self.whole.method,
            self.whole.scope,
        )

    def pooled(self, requests: IntArray) -> Energy:
        """Give the energy of several requests together, with what their errors have in common."""
        return self._of_share(self.cells.share_of(requests), marginal=self.marginal)

    @cached_property
    def parts(self) -> tuple[Parts, Parts, Parts]:
        """Prefills, decodes and whole requests."""
        n = self.cells.activity.requests
        amounts = np.array([self.cells.by_phase(amount) for amount in self._amounts])
        phases_j2, requests_j2 = self._noise.of_phases()
        activity = self.cells.activity
        span_s = activity.stop_s[n:] - activity.start_s[:n]
        short = np.append(activity.length_s, span_s) < self.cells.stretches.resolves_s
        return (
            self._parts(amounts[:, :n], phases_j2[:n], short[:n]),
            self._parts(amounts[:, n:], phases_j2[n:], short[n : 2 * n]),
            self._parts(amounts[:, :n] + amounts[:, n:], requests_j2, short[2 * n :]),
        )

    @cached_property
    def _amounts(self) -> FloatArray:
        """What is shared of each cell: energy above idle, J; time, s; gains by late stamps, J/s."""
        cells = self.cells
        by_time = cells.length_s / cells.stretches.length_s[cells.stretch]
        slips_w = cells.stretches.slips_w[:, cells.stretch] * by_time
        return np.vstack((cells.extra_j, cells.length_s, slips_w))

    def _parts(
        self, amounts: FloatArray, variance_j2: FloatArray, short: npt.NDArray[np.bool_]
    ) -> Parts:
        """Give the parts that requests have, those below the resolution with half as noise."""
        parts = self._part(amounts, variance_j2, marginal=self.marginal)
        below = short | parts.below_resolution
        noise = np.where(below, np.maximum(parts.noise, 0.5 * np.abs(parts.joules)), parts.noise)
        return replace(parts, noise=noise, below_resolution=below)

    def _of_share(self, share: FloatArray, *, marginal: bool) -> Energy:
        """Give the energy of a share of every cell, with the idle power or without it."""
        amounts = np.sum(self._amounts * share, axis=1, keepdims=True)
        variance_j2 = np.array([self._noise.of_share(share)])
        energy = self._part(amounts, variance_j2, marginal=marginal).energy(0)
        assert energy is not None  # a sum of cells is a number
        return energy

    def _part(self, amounts: FloatArray, variance_j2: FloatArray, *, marginal: bool) -> Parts:
        """Give parts of the whole, with the idle power in them taken off or left.

        A delay of the stamps errs at every edge, not only at the window's own.
        """
        joules, time_s, *slips_w = amounts
        if self.idle and marginal:
            variance_j2 = variance_j2 + (self.idle.noise_w * time_s) ** 2
        gross_j = joules + self.idle.power_w * time_s if self.idle else joules
        biases = self._biases_j(gross_j, time_s, self.idle if marginal else None)
        if slips_w:
            stamp = f"stamp {self._channel}"
            stamp_j = self.cells.stretches.stamp_s * np.abs(slips_w).max(axis=0)
            biases[stamp] = np.maximum(biases.get(stamp, 0.0), stamp_j)
        joules = joules if marginal else gross_j
        below = np.full(joules.shape, self.whole.below_resolution)
        whole = self.whole
        return Parts(joules, np.sqrt(variance_j2), biases, below, whole.method, whole.scope)

    def _biases_j(
        self, joules: FloatArray, time_s: FloatArray, idle: IdlePower | None
    ) -> dict[str, FloatArray]:
        """Share the whole's biases: a constant error by time, every other one by energy.

        Gain and offset keep their sign, so that what the idle power errs alike is taken off.
        """
        by_energy = joules / self.whole.joules if self.whole.joules else np.zeros_like(joules)
        by_time = time_s / self.window.duration_s
        floors = idle.biases_w if idle else {}
        biases = {}
        for source in {**self.whole.biases, **floors}:
            share = by_time if source.startswith(_BY_TIME) else by_energy
            own = self.whole.biases.get(source, 0.0) * share
            floor = floors.get(source, 0.0) * time_s
            biases[source] = own - floor if source.startswith(_SIGNED) else np.abs(own) + floor
        return biases
