"""A device that serves many requests at once and whose power is known for each: the truth.

The power is the idle power plus what each active request adds, which is the same for all of them,
so that equal shares are the right ones, whoever overlaps with whom.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel, Window
from joulebench.energy import Trace
from joulebench.meters.simulated import BOARDS, Faults, PowerProfile, SimulatedSensor
from joulebench.work import Response

FloatArray = npt.NDArray[np.float64]

IDLE_W, EACH_W = 60.0, 35.0
IDLE = Window("idle", -8.0, -2.0)


@dataclass(frozen=True)
class Served:
    """What a simulated device did, and what its sensor saw of it."""

    trace: Trace
    window: Window
    responses: list[Response]

    def truth_j(self, share_of_idle: bool) -> FloatArray:
        """Give what each request truly used, J, with its share of the idle power or without."""
        edges_s, active = _active(self.responses)
        lengths_s = np.diff(edges_s)
        used_j = []
        for response in self.responses:
            served = (edges_s[:-1] >= response.start_s) & (edges_s[:-1] < response.stop_s)
            floor_w = IDLE_W / np.maximum(active, 1) if share_of_idle else 0.0 * lengths_s
            used_j.append(float(((EACH_W + floor_w) * lengths_s)[served].sum()))
        return np.array(used_j)

    def whole_j(self) -> float:
        """Give the energy of the window, J."""
        return _profile(self.responses).energy_j(self.window.start_s, self.window.stop_s)


def responses(
    rng: np.random.Generator, count: int, span_s: float, lengths_s: tuple[float, float]
) -> list[Response]:
    """Draw requests that begin anywhere in a span and overlap as they come."""
    drawn = []
    for place in range(count):
        start_s = float(rng.uniform(0.0, span_s))
        length_s = float(rng.uniform(*lengths_s))
        first_s = start_s + length_s * float(rng.uniform(0.05, 0.4))
        tokens = int(rng.integers(8, 1000)), int(rng.integers(2, 300))
        drawn.append(Response(f"r{place}", "", *tokens, start_s, first_s, start_s + length_s))
    return drawn


def serve(rng: np.random.Generator, board: str, asked: list[Response], poll_s: float) -> Served:
    """Serve requests on a simulated board whose sensor has a random phase."""
    channel = replace(BOARDS[board][0].channel, method="simulated")
    stop_s = max((r.stop_s for r in asked), default=1.0)
    window = Window("measure", 0.0, stop_s + float(rng.uniform(0.0, 1.0)))
    sensor = SimulatedSensor(
        channel,
        _profile(asked),
        float(rng.uniform(0.0, channel.period_s)),
        origin_s=-40.0,
        faults=Faults(noise_w=0.3),
        seed=int(rng.integers(2**31)),
    )
    t_s = np.arange(-12.0 + rng.uniform(0.0, poll_s), window.stop_s + 4.0, poll_s)
    trace = Trace(channel, t_s, np.array([sensor.reading(t) for t in t_s]))
    return Served(trace, window, asked)


def steady(channel: Channel, watts: float, stop_s: float, cadence_s: float = 0.1) -> Trace:
    """Give the trace of a steady power from -10 s on."""
    t_s = np.arange(-10.0, stop_s + 5.0, cadence_s)
    v = np.full(t_s.size, watts) if channel.unit == "W" else watts * (t_s + 10.0)
    return Trace(channel, t_s, v)


def _active(asked: list[Response]) -> tuple[FloatArray, FloatArray]:
    """Give when the number of active requests changes, s, and the number in between."""
    edges_s = np.unique([t for r in asked for t in (r.start_s, r.stop_s)])
    counts = [sum(r.start_s <= edge < r.stop_s for r in asked) for edge in edges_s[:-1]]
    return edges_s, np.array(counts, float)


def _profile(asked: list[Response]) -> PowerProfile:
    edges_s, active = _active(asked)
    watts = [IDLE_W, *(IDLE_W + EACH_W * active), IDLE_W]
    return PowerProfile([-40.0, *edges_s], watts)
