"""A simulated board in place of a GPU: the same phases, in virtual time, with a known truth."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from measure import Phase, packed, poll

from joulebench.meters.power_profile import PowerProfile
from joulebench.meters.simulated import SimulatedMeter
from joulebench.meters.simulated_sensor import SimulatedSensor

WATTS = {
    "idle": 90.0,
    "matmul-fp32": 480.0,
    "matmul-tf32": 610.0,
    "matmul-bf16": 660.0,
    "copy": 350.0,
    "wave": 660.0,
}
"""Power of each kind of work, W: about those of a large board."""

FLOPS = {"matmul-fp32": 1.4e11, "matmul-tf32": 1.4e11, "matmul-bf16": 1.4e11, "wave": 1.4e11}
RATE_HZ = {"matmul-fp32": 400.0, "matmul-tf32": 2500.0, "matmul-bf16": 5000.0, "wave": 5000.0}

STEP_S = 1.3e-4
NOISE_W = 0.7
BEGIN_S = 1000.0


class VirtualClock:
    """A clock that goes on when it is looked at, or when somebody sleeps by it."""

    def __init__(self) -> None:
        self.now_s = BEGIN_S

    def __call__(self) -> float:
        """Give the time, s."""
        self.now_s += STEP_S
        return self.now_s

    def sleep(self, length_s: float) -> None:
        """Go on by so many seconds; polls are not exactly regular."""
        self.now_s += max(length_s, 0.0) + 3 * STEP_S


def simulated(board: str, phases: Sequence[Phase]) -> dict[str, Any]:
    """Go through the phases on a simulated board.

    Args:
        board: One of joulebench's simulated boards.
        phases: What to do, and for how long.
    """
    clock = VirtualClock()
    done, steps = _performed(phases)
    rows = [[at_s - BEGIN_S, watts] for at_s, watts in steps]
    faults = {"noise_w": NOISE_W}
    meter = SimulatedMeter(
        board, [[-1e4, WATTS["idle"]], *rows], repeat=False, start_s=BEGIN_S - 1e4,
        clock=clock, seed=4, faults=faults,
    )  # fmt: skip
    end_s = done[-1]["stop_s"] + 1.5
    polled = poll(_ways(meter, clock), lambda: clock.now_s > end_s, None, clock, clock.sleep)
    made = {"simulated": board, "device": {"name": f"simulated {board}"}, "absent": {}}
    result = {**made, **packed(done, polled, FLOPS, {})}
    truth = PowerProfile([at_s for at_s, _ in steps], [watts for _, watts in steps])
    for phase, kept in zip(done, result["phases"], strict=True):
        kept["truth_j"] = truth.energy_j(phase["start_s"], phase["stop_s"])
    return result


def _performed(phases: Sequence[Phase]) -> tuple[list[Phase], list[tuple[float, float]]]:
    """Give the phases with their times, and the steps of the power."""
    at_s, done, steps = BEGIN_S + 0.2, [], []
    for phase in phases:
        start_s, switches = at_s, []
        if not phase["holds_s"]:
            steps.append((at_s, WATTS[phase["kind"]]))
            at_s += phase["length_s"]
        for place, hold_s in enumerate(phase["holds_s"]):
            switches.append(at_s)
            steps.append((at_s, WATTS["idle" if place % 2 else "wave"]))
            at_s += hold_s
        busy_s = 0.5 * (at_s - start_s) if switches else at_s - start_s
        times = round(RATE_HZ.get(phase["kind"], 0.0) * busy_s)
        times_done = {"start_s": start_s, "stop_s": at_s, "switches_s": switches, "times": times}
        done.append({**phase, **times_done})
    return done, [*steps, (at_s, WATTS["idle"])]


def _ways(meter: SimulatedMeter, clock: VirtualClock) -> dict[str, Callable[[], int]]:
    """Read each channel of the board in whole mW or mJ, as NVML does."""
    return {_name(sensor.channel): _way(sensor, clock) for sensor in meter.sensors}


def _way(sensor: SimulatedSensor, clock: VirtualClock) -> Callable[[], int]:
    """Read one sensor; between its updates the last reading is given again, which is quicker."""
    shown: dict[float, int] = {}

    def read() -> int:
        at_s = sensor.updated_s(clock.now_s)
        if at_s not in shown:
            shown.clear()
            shown[at_s] = round(1e3 * sensor.reading(clock.now_s))
        return shown[at_s]

    return read


def _name(channel: Any) -> str:
    if channel.unit == "J":
        return "counter"
    return "average" if channel.averaging_s >= 0.5 else "instant"
