"""The stated 95 % interval covers the truth of simulated sensors.

Loads are idle, then bursts of random power and length, then idle; windows begin and end on the
steps of the load or in the middle of a burst; the phase of the sensor is random. Set
``JOULEBENCH_COVERAGE`` to the number of workloads a board for the long version.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest

from joulebench.energy import Channel, Energy, Trace, Window
from joulebench.meters.simulated import PowerProfile, SimulatedSensor

FloatArray = npt.NDArray[np.float64]

WORKLOADS = int(os.environ.get("JOULEBENCH_COVERAGE", "120"))
LENGTHS_S = ((0.3, 1.0), (1.0, 5.0), (5.0, 30.0))


@dataclass(frozen=True)
class Board:
    """A sensor and how often it is polled; 0 stamps its updates themselves."""

    name: str
    unit: str
    period_s: float
    averaging_s: float = 0.0
    poll_s: float = 0.0
    median_error: tuple[float, float, float] = (0.02, 0.005, 0.0025)

    def channel(self) -> Channel:
        """The channel with everything known but the gain."""
        return Channel(
            "gpu0:sensor", self.unit, 1e-3, period_s=self.period_s, averaging_s=self.averaging_s,
            wrap_j=2.0**18 if self.unit == "J" else None, method="simulated",
        )  # fmt: skip


BOARDS = [
    Board("update 20 ms", "W", 0.02),
    Board("update 100 ms", "W", 0.1, median_error=(0.06, 0.03, 0.015)),
    Board("update 20 ms, average 10 ms", "W", 0.02, 0.01),
    Board("update 100 ms, average 25 ms", "W", 0.1, 0.025, median_error=(0.06, 0.03, 0.015)),
    Board("update 100 ms, average 100 ms, polled", "W", 0.1, 0.1, poll_s=0.02),
    Board("update 50 ms, average 500 ms", "W", 0.05, 0.5),
    Board("update 100 ms, average 1 s", "W", 0.1, 1.0),
    Board("update 100 ms, average 1 s, polled", "W", 0.1, 1.0, poll_s=0.025),
    Board("counter 20 ms, polled", "J", 0.02, poll_s=0.005),
    Board("counter 100 ms", "J", 0.1, median_error=(0.03, 0.01, 0.005)),
    Board("counter 100 ms, polled", "J", 0.1, poll_s=0.025, median_error=(0.03, 0.01, 0.005)),
]


def _load(rng: np.random.Generator, stop_s: float) -> PowerProfile:
    """Idle for ten seconds, bursts until ``stop_s``, idle again."""
    times, watts = [-40.0, 0.0], [60.0, rng.uniform(150, 350)]
    mean_burst_s = rng.choice([100.0, 1.0, 0.15])
    while (at_s := times[-1] + rng.exponential(mean_burst_s)) < stop_s:
        times.append(at_s)
        watts.append(rng.uniform(100, 400))
    return PowerProfile([*times, stop_s], [*watts, rng.uniform(55, 80)])


def _observed(board: Board, rng: np.random.Generator, length_s: float) -> tuple[Energy, float]:
    """Give the energy that the board leads to, and the truth, J."""
    on_steps = rng.random() < 0.5
    start_s = 0.0 if on_steps else float(rng.uniform(0.5, 2.0))
    window = Window("measure", start_s, start_s + length_s)
    profile = _load(rng, window.stop_s if on_steps else window.stop_s + 2.0)
    phase_s = rng.uniform(0, board.period_s)
    sensor = SimulatedSensor(board.channel(), profile, phase_s, origin_s=-40, origin_j=2.6e5)
    if board.poll_s:
        t_s = np.arange(-11.0 + rng.uniform(0, board.poll_s), window.stop_s + 4, board.poll_s)
        readings = [sensor.reading(t) for t in t_s]
    else:
        t_s = phase_s + board.period_s * np.arange(
            np.ceil(-11.0 / board.period_s), (window.stop_s + 4) / board.period_s
        )
        # Just after the update, so that rounding does not show the one before.
        readings = [sensor.reading(t + 1e-6) for t in t_s]
    trace = Trace(board.channel(), t_s, np.array(readings))
    return trace.energy(window), profile.energy_j(window.start_s, window.stop_s)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_the_interval_covers_the_truth(board: Board) -> None:
    rng = np.random.default_rng(20261120)
    covered = 0
    for (low, high), bound in zip(LENGTHS_S, board.median_error, strict=True):
        errors = []
        for _ in range(WORKLOADS // 3):
            energy, truth_j = _observed(board, rng, float(rng.uniform(low, high)))
            assert energy.joules > 0
            first, last = energy.interval_95
            covered += first <= truth_j <= last
            errors.append(abs(energy.joules / truth_j - 1))
        assert np.median(errors) < bound, f"windows of {low} to {high} s"
    # At a true coverage of 95 % the chance of fewer is below one in ten thousand.
    n = 3 * (WORKLOADS // 3)
    assert covered / n >= 0.95 - 3.7 * np.sqrt(0.95 * 0.05 / n), f"{covered} of {n}"
