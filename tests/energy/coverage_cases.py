"""Random loads on simulated sensors whose truth is known: how often the stated interval covers it.

Loads are idle, then bursts of random power and length, then idle; windows begin and end on the
steps of the load or in the middle of a burst; the phase of the sensor is random. Run as a program
it prints the table of ``docs/benchmarks.md``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel, Window
from joulebench.energy import Energy, Trace
from joulebench.meters.simulated import BOARDS, Faults, PowerProfile, SimulatedSensor
from joulebench.sensor_gains import NVML_GAIN
from joulebench.testbed.recorded import stamped

FloatArray = npt.NDArray[np.float64]

LENGTHS_S = ((0.3, 1.0), (1.0, 5.0), (5.0, 30.0))

SEED = 20261121

BEFORE_S, AFTER_S = 11.0, 4.0
"""Trace before and after a window, s."""


@dataclass(frozen=True)
class Case:
    """A sensor of a simulated board, how it is read, and what is wrong with it.

    Args:
        board: Name of a simulated board.
        place: Which of the board's channels.
        poll_s: Time between polls, s; 0 where each update is stamped itself.
        faults: Faults of the sensor.
        stamp_s: Standard deviation of a delay, drawn anew for each workload, that the channel
            declares.
        polls: Whether stamps are set back as the recorder does.
        median_error: Largest median of the relative error, for each class of window lengths.
    """

    board: str
    place: int = 0
    poll_s: float = 0.0
    faults: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    stamp_s: float = 0.0
    median_error: tuple[float, float, float] = (0.05, 0.01, 0.005)

    def __str__(self) -> str:
        """Name the case."""
        channel = BOARDS[self.board][self.place].channel
        parts = [self.board, channel.name.partition(":")[2]]
        parts += [f"polled {1e3 * self.poll_s:g} ms"] if self.poll_s else []
        parts += [f"{name} {figure:g}" for name, figure in self.faults.items()]
        parts += [f"delay of {1e3 * self.stamp_s:g} ms deviation"] if self.stamp_s else []
        return ", ".join(parts)

    def channel(self) -> Channel:
        """The channel with everything known but the gain."""
        channel = BOARDS[self.board][self.place].channel
        return replace(channel, method="simulated", stamp_s=self.stamp_s)


_PART_TIME = (0.08, 0.03, 0.015)
"""A sensor that does not see three quarters of the time."""

CASES = (
    Case("volta"),
    Case("volta", poll_s=0.005),
    Case("turing"),
    Case("turing", poll_s=0.02),
    Case("a100", median_error=_PART_TIME),
    Case("a100", poll_s=0.02, median_error=_PART_TIME),
    Case("a100", poll_s=0.1, median_error=_PART_TIME),
    Case("ada"),
    Case("ada-instant"),
    Case("ada-instant", poll_s=0.02),
    Case("hopper-average"),
    Case("hopper-average", poll_s=0.02),
    Case("hopper-average", poll_s=0.1),
    Case("hopper-instant", median_error=_PART_TIME),
    Case("counter"),
    Case("counter", poll_s=0.02),
    Case("counter", poll_s=0.1),
    Case("rapl", poll_s=0.1),
    Case("rapl", poll_s=0.01),
    Case("rapl-domains", place=1, poll_s=0.1),
    Case("rapl-domains", place=3, poll_s=0.1),
    Case("rapl-domains", place=4, poll_s=0.1),
    Case("hopper-average", faults={"averaging_error": 0.05}),
    Case("hopper-average", faults={"averaging_error": -0.05}),
    Case("hopper-average", faults={"drop": 0.2}),
    Case("hopper-average", faults={"noise_w": 1.0}),
    Case("turing", faults={"drop": 0.2}),
    Case("turing", faults={"noise_w": 2.0}),
    Case("counter", poll_s=0.02, faults={"drop": 0.2}),
    Case("volta", stamp_s=0.05),
    Case("turing", stamp_s=0.05, median_error=(0.08, 0.02, 0.005)),
    Case("hopper-average", stamp_s=0.05, median_error=(0.08, 0.02, 0.005)),
    Case("counter", poll_s=0.02, stamp_s=0.05, median_error=(0.08, 0.02, 0.005)),
    Case("turing", poll_s=0.02, faults={"noise_w": 2.0, "stall_every_s": 6.0, "stall_s": 1.0}),
    Case("counter", poll_s=0.02, faults={"stall_every_s": 6.0, "stall_s": 1.0}),
)


@dataclass(frozen=True)
class Observation:
    """What a workload gave: the energy without and with a gain error, and the truth, J."""

    known: Energy
    total: Energy
    truth_j: float


def load(rng: np.random.Generator, stop_s: float) -> PowerProfile:
    """Idle for ten seconds, bursts until ``stop_s``, idle again."""
    times, watts = [-40.0, 0.0], [60.0, rng.uniform(150, 350)]
    mean_burst_s = rng.choice([100.0, 1.0, 0.15])
    while (at_s := times[-1] + rng.exponential(mean_burst_s)) < stop_s:
        times.append(at_s)
        watts.append(rng.uniform(100, 400))
    return PowerProfile([*times, stop_s], [*watts, rng.uniform(55, 80)])


def read_times(case: Case, rng: np.random.Generator, phase_s: float, stop_s: float) -> FloatArray:
    """Give when the sensor is read: at its updates, or polled."""
    if case.poll_s:
        return np.arange(-BEFORE_S + rng.uniform(0, case.poll_s), stop_s + AFTER_S, case.poll_s)
    period_s = case.channel().period_s
    first, last = np.ceil(-BEFORE_S / period_s), (stop_s + AFTER_S) / period_s
    return phase_s + period_s * np.arange(first, last)


def observe(case: Case, rng: np.random.Generator, length_s: float) -> Observation:
    """Give the energies that a sensor leads to, and the truth."""
    on_steps = rng.random() < 0.5
    start_s = 0.0 if on_steps else float(rng.uniform(0.5, 2.0))
    window = Window("measure", start_s, start_s + length_s)
    profile = load(rng, window.stop_s if on_steps else window.stop_s + 2.0)
    domain = BOARDS[case.board][case.place]
    profile = profile.scaled(domain.share, domain.base_w)
    channel = case.channel()
    phase_s = float(rng.uniform(0, channel.period_s))
    delay_s = float(abs(rng.normal(0, case.stamp_s))) if case.stamp_s else 0.0
    faults = Faults.read({**case.faults, "drop": 0.0})
    seed = int(rng.integers(2**31))
    sensor = SimulatedSensor(
        channel, profile, phase_s, origin_s=-40, origin_j=2.6e5, faults=faults, seed=seed
    )
    t_s = read_times(case, rng, phase_s, window.stop_s)
    # Just after the update, so that rounding does not show the one before.
    v = np.array([sensor.reading(t + 1e-6) for t in t_s])
    t_s = t_s + delay_s
    came = rng.random(t_s.size) >= case.faults.get("drop", 0.0)
    truth_j = profile.energy_j(window.start_s, window.stop_s)
    known = _energy(channel, (t_s[came], v[came]), window, case.poll_s)
    gain_error = float(rng.normal(0, NVML_GAIN))
    total = _energy(
        replace(channel, gain=NVML_GAIN, wrap_j=_scaled(channel.wrap_j, 1 + gain_error)),
        (t_s[came], v[came] * (1 + gain_error)),
        window,
        case.poll_s,
    )
    return Observation(known, total, truth_j)


def _scaled(wrap_j: float | None, factor: float) -> float | None:
    return None if wrap_j is None else wrap_j * factor


def _energy(
    channel: Channel, readings: tuple[FloatArray, FloatArray], window: Window, poll_s: float
) -> Energy:
    channel, shift_s = stamped(channel, poll_s)
    t_s, v = readings
    return Trace(channel, t_s - shift_s, v).energy(window, gaps="bridge")


@dataclass(frozen=True)
class Verdict:
    """How a case did in one class of window lengths; shares and relative figures."""

    workloads: int
    covered: int
    covered_with_gain: int
    median_error: float
    median_half_width: float


def judge(case: Case, workloads: int, seed: int = SEED) -> Iterator[Verdict]:
    """Give the verdict on a case for each class of window lengths."""
    rng = np.random.default_rng([seed, *str(case).encode()])
    for low, high in LENGTHS_S:
        seen = [observe(case, rng, float(rng.uniform(low, high))) for _ in range(workloads)]
        assert all(one.known.joules > 0 and one.total.joules > 0 for one in seen)
        yield Verdict(
            workloads,
            sum(_covers(one.known, one.truth_j) for one in seen),
            sum(_covers(one.total, one.truth_j) for one in seen),
            float(np.median([abs(one.known.joules / one.truth_j - 1) for one in seen])),
            float(np.median([one.known.half_width_95_j / one.truth_j for one in seen])),
        )


def _covers(energy: Energy, truth_j: float) -> bool:
    low, high = energy.interval_95
    return low <= truth_j <= high


def main() -> int:
    """Print the verdicts as a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=200, help="of each class of lengths")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    asked = parser.parse_args()
    print("| sensor | window, s | covered, % | with gain, % | median error, % | half-width, % |")
    print("|---|---|---|---|---|---|")
    for case in CASES:
        if asked.only not in str(case):
            continue
        for (low, high), found in zip(LENGTHS_S, judge(case, asked.workloads), strict=True):
            print(
                f"| {case} | {low:g} to {high:g} | {100 * found.covered / found.workloads:.1f} | "
                f"{100 * found.covered_with_gain / found.workloads:.1f} | "
                f"{100 * found.median_error:.3f} | {100 * found.median_half_width:.2f} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
