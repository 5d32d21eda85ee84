"""The stretch of a load between ramp-up and drain, in which the requests in flight are stationary.

In an open load the ramp-up is cut off by MSER-5, the rule of White ("An effective truncation
heuristic for bias reduction in simulation output", Simulation 69(6), 1997), with batches of five as
in White, Cobb and Spratt (Winter Simulation Conference 2000). It leaves out the first batch means,
here of the number in flight over five mean gaps between arrivals, without which the standard error
of the rest is least; Hoad, Robinson and Davies found it the fittest to be automated (Journal of the
Operational Research Society 61(9), 2010). A cut of the whole first half counts as none found. The
rest must not grow either, by no more than 2 % of the requests that arrived in it, or the square
root of their number, which chance alone may do. The drain after the last arrival is left out.

In a closed load the number in flight is held by the users themselves. There the stretch begins when
each of them has been answered once, since all began together, and ends with the last request.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from joulebench.work import Load, Response

FloatArray = npt.NDArray[np.float64]

GAPS = 5
"""Mean gaps between arrivals that a batch is long."""

FEWEST_BATCHES = 10
"""Fewer batches tell nothing of a ramp-up."""

MOST_GROWTH = 0.02
"""How much more requests may be in flight at the end, as a part of those that arrived meanwhile."""

LONGER = 1.5
"""Latencies that grow by more than this, from the first quarter to the last, tell of a queue."""


@dataclass(frozen=True, slots=True)
class Steady:
    """What was found.

    Args:
        why: How it was found, or why it was not.
        start_s: Where it begins, monotonic s; NaN if there is none.
        stop_s: Where it ends.
        overload: Whether requests came faster than they were answered.
    """

    why: str
    start_s: float = math.nan
    stop_s: float = math.nan
    overload: bool = False

    @property
    def found(self) -> bool:
        """Whether there is one."""
        return self.stop_s > self.start_s


def steady_stretch(responses: Sequence[Response], load: Load) -> Steady:
    """Find the steady stretch of a closed or an open load.

    Args:
        responses: Whose arrivals are known.
        load: How they were asked.
    """
    times = np.array([(r.arrived_s, r.stop_s) for r in responses], float).reshape(-1, 2)
    arrived_s, stop_s = times[np.argsort(times[:, 0], kind="stable")].T
    if load.kind == "closed":
        return _closed(arrived_s, stop_s, load.concurrency)
    return _open(arrived_s, stop_s)


def _closed(arrived_s: FloatArray, stop_s: FloatArray, users: int) -> Steady:
    needed = 3 * users
    if len(stop_s) < needed:
        return Steady(
            f"too few requests: {len(stop_s)} for {users} users; at least {needed} are needed"
        )
    start_s, last_s = float(stop_s[:users].max()), float(arrived_s[-1])
    inside = int(((stop_s > start_s) & (stop_s <= last_s)).sum())
    if inside < users:
        return Steady(
            f"too few requests: {inside} were answered between the first answer to each of the "
            f"{users} users and the last request; set load.requests higher"
        )
    return Steady("from the first answer to each user to the last request", start_s, last_s)


def _open(arrived_s: FloatArray, stop_s: FloatArray) -> Steady:
    batches = len(arrived_s) // GAPS
    if batches < FEWEST_BATCHES or arrived_s[-1] <= arrived_s[0]:
        return Steady(
            f"too few requests: {len(arrived_s)}; at least {GAPS * FEWEST_BATCHES} are needed"
        )
    edges_s = np.linspace(arrived_s[0], arrived_s[-1], batches + 1)
    flying = in_flight(arrived_s, stop_s, edges_s)
    cut = ramp_up(flying)
    came = int((arrived_s >= edges_s[cut]).sum())
    rest = flying[cut:]
    growth = float(np.polyfit(np.arange(rest.size), rest, 1)[0]) * rest.size
    grows = growth > max(MOST_GROWTH * came, math.sqrt(came))
    if grows and _latencies_grow(stop_s - arrived_s):
        return Steady(
            f"overload: requests came faster than they were answered, and the number in flight "
            f"grew to {flying[-1]:.3g}",
            overload=True,
        )
    if grows or cut >= batches // 2:
        return Steady(
            f"the number in flight did not settle in the first half of the load (it went from "
            f"{flying[0]:.3g} to {flying[-1]:.3g}); set load.requests higher"
        )
    return Steady(
        f"MSER-5 on the requests in flight cut off {100 * cut / batches:.0f} % as ramp-up; the "
        "drain after the last arrival is left out",
        float(edges_s[cut]),
        float(edges_s[-1]),
    )


def in_flight(arrived_s: FloatArray, stop_s: FloatArray, edges_s: FloatArray) -> FloatArray:
    """Give the mean number of requests in flight between each two edges; shape (edges - 1,)."""
    area = _passed_s(arrived_s, edges_s) - _passed_s(stop_s, edges_s)
    mean: FloatArray = np.diff(area) / np.diff(edges_s)
    return mean


def _passed_s(since_s: FloatArray, at_s: FloatArray) -> FloatArray:
    """Give how long it is since all instants before each time, added up, s."""
    origin_s = float(at_s[0])
    ordered = np.sort(since_s) - origin_s
    before = np.searchsorted(ordered, at_s - origin_s)
    passed: FloatArray = (at_s - origin_s) * before - np.r_[0.0, np.cumsum(ordered)][before]
    return passed


def ramp_up(means: FloatArray) -> int:
    """Give how many batch means MSER cuts off, at most half of them.

    Args:
        means: In order of time; shape (n,), n at least 1.
    """
    tail = (means - means.mean())[::-1]
    sizes = np.arange(1, tail.size + 1)
    squares = np.cumsum(tail**2) - np.cumsum(tail) ** 2 / sizes
    statistic = (np.maximum(squares, 0.0) / sizes**2)[::-1][: tail.size // 2 + 1]
    # What rounding leaves of zero is no reason to cut off more.
    least = statistic.min() + 1e-9 * statistic[0]
    return int(np.argmax(statistic <= least))


def _latencies_grow(latency_s: FloatArray) -> bool:
    quarters = np.array_split(latency_s, 4)
    return bool(np.median(quarters[-1]) > LONGER * np.median(quarters[0]))


def tokens_within(
    responses: Sequence[Response], start_s: float, stop_s: float
) -> tuple[float, float]:
    """Count the tokens whose work falls into a stretch: those of prompts, and those generated.

    A generated token counts where it came, one at an edge before it, since the work for it was;
    where only the first and the last have times, those between are spread evenly. A prompt is
    spread over the time to its first token.
    """
    tokens_in = sum(
        r.tokens_in * _part(r.start_s, _prompt_end_s(r), start_s, stop_s) for r in responses
    )
    return tokens_in, sum(_generated(r, start_s, stop_s) for r in responses)


def _prompt_end_s(response: Response) -> float:
    """Give when the prompt was done, s; when all was, where nobody noted it."""
    first_s = response.first_token_s
    return response.stop_s if math.isnan(first_s) else first_s


def _generated(response: Response, start_s: float, stop_s: float) -> float:
    if response.token_s:  # a server may send several tokens at a time
        stamps_s = np.asarray(response.token_s)
        inside = int(((stamps_s > start_s) & (stamps_s <= stop_s)).sum())
        return response.tokens_out * inside / stamps_s.size
    if math.isnan(response.first_token_s):
        return response.tokens_out * _part(response.start_s, response.stop_s, start_s, stop_s)
    first = min(1, response.tokens_out) * (start_s < response.first_token_s <= stop_s)
    rest = max(0, response.tokens_out - 1)
    return first + rest * _part(response.first_token_s, response.stop_s, start_s, stop_s)


def _part(begin_s: float, end_s: float, start_s: float, stop_s: float) -> float:
    """Give the part of a time that lies in a stretch; of an instant, whether it does."""
    if end_s <= begin_s:
        return float(start_s < begin_s <= stop_s)
    return max(0.0, min(end_s, stop_s) - max(begin_s, start_s)) / (end_s - begin_s)
