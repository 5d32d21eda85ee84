"""Warm-up: work that is done before measuring until its speed no longer changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from joulebench.work import Request, Response

TOLERANCE = 0.10
"""Two latencies agree if they differ by no more than this part of the greater."""

MOST_EXTRA = 5
"""Most repeats of the last warm-up batch in search of agreement."""


@dataclass(frozen=True, slots=True)
class Warmup:
    """How the warm-up went.

    Args:
        requests: Requests generated.
        stable: Whether the last two latencies of one batch agreed within :data:`TOLERANCE`.
        latencies_s: Latency of each call, first token to last and prefill, s.
    """

    requests: int
    stable: bool
    latencies_s: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Give the warm-up as a JSON-ready dict."""
        return asdict(self) | {"latencies_s": [round(s, 6) for s in self.latencies_s]}


def warm_until_stable(
    generate: Callable[[Sequence[Request]], list[Response]],
    batches: Sequence[Sequence[Request]],
    prompts: int,
) -> Warmup:
    """Generate for at least so many prompts, then repeat the last batch until it is stable.

    The same batch is repeated because latencies of different prompts differ by themselves.

    Args:
        generate: Does the work of one batch.
        batches: Batches to take in turn, starting again after the last; empty for no work.
        prompts: Fewest prompts to generate.
    """
    done, latencies_s = 0, [0.0][:0]
    batch: Sequence[Request] = ()
    while batches and done < prompts:
        batch = batches[len(latencies_s) % len(batches)]
        latencies_s.append(_latency_s(generate(batch)))
        done += len(batch)
    repeats = [latencies_s[-1]] if latencies_s else []
    while repeats and not _agree(repeats) and len(repeats) <= MOST_EXTRA:
        repeats.append(_latency_s(generate(batch)))
        done += len(batch)
    return Warmup(done, _agree(repeats), (*latencies_s, *repeats[1:]))


def _latency_s(batch: Sequence[Response]) -> float:
    return max(r.stop_s for r in batch) - min(r.start_s for r in batch)


def _agree(latencies_s: Sequence[float]) -> bool:
    if len(latencies_s) < 2:
        return False
    one, other = latencies_s[-2:]
    return abs(one - other) <= TOLERANCE * max(one, other)
