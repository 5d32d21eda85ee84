"""Who was active when, and with how much weight: requests as intervals of two phases."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from joulebench.channel import Window
from joulebench.errors import UsageError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

INSTANT_S = 1e-9
"""A phase shorter than this, below the tick of any clock, lasted no time."""


class Served(Protocol):
    """What must be known of a request: a :class:`joulebench.work.Response` has it all."""

    @property
    def request_id(self) -> str:
        """Name of the request, for messages."""

    @property
    def start_s(self) -> float:
        """When work on it began, monotonic s."""

    @property
    def first_token_s(self) -> float:
        """When its first token was there, s; NaN where nobody noted it."""

    @property
    def stop_s(self) -> float:
        """When its last token was there, s."""

    @property
    def tokens_in(self) -> int:
        """Prompt tokens that were processed."""

    @property
    def tokens_out(self) -> int:
        """Generated tokens, the first of which ends the prefill."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How requests that are active together share: each by its weight in a second.

    The defaults count a generated token twice as much as a prompt token, as Sheng et al. count
    service (Fairness in Serving Large Language Models, OSDI 2024, arXiv 2401.00588). By FLOPs alone
    it would be 1; where a step is bound by reading the weights, the read is shared by the batch.

    Args:
        prefill_token: Of a prompt token.
        decode_token: Of a generated token after the first.
        request_s: Of each second in which a request is active, whatever it does.

    Raises:
        UsageError: A weight that is negative or not finite, or a phase that has none.
    """

    prefill_token: float = 1.0
    decode_token: float = 2.0
    request_s: float = 0.0

    def __post_init__(self) -> None:
        each = (self.prefill_token, self.decode_token, self.request_s)
        if not all(math.isfinite(weight) and weight >= 0 for weight in each):
            raise UsageError(f"weights {each} must be finite and at least 0")
        if not (self.request_s or (self.prefill_token and self.decode_token)):
            raise UsageError(
                f"weights {each}: a phase without weight would get no energy; give both tokens a "
                "weight, or request_s"
            )

    @classmethod
    def equal(cls) -> Weights:
        """Let requests that are active together share equally, whatever they do."""
        return cls(prefill_token=0.0, decode_token=0.0, request_s=1.0)


@dataclass(frozen=True)
class Activity:
    """Phases of n requests inside a window: first n prefills, then n decodes.

    Args:
        start_s: Begin of each phase, clipped to the window, s; shape (2 n,).
        stop_s: Its end; shape (2 n,).
        rate: Its mean weight in a second; shape (2 n,).
        pieces: Stretches of steady rate that the phases consist of.
        unsplit: Requests without a first token's time, all of whose work stands under decode;
            shape (n,).
        cut: How many requests reach beyond the window.
    """

    start_s: FloatArray
    stop_s: FloatArray
    rate: FloatArray
    pieces: Pieces
    unsplit: npt.NDArray[np.bool_]
    cut: int

    @property
    def requests(self) -> int:
        """Number of requests."""
        return self.unsplit.size

    @property
    def length_s(self) -> FloatArray:
        """Length of each phase inside the window, s; shape (2 n,)."""
        return self.stop_s - self.start_s

    @classmethod
    def of(
        cls,
        requests: Sequence[Served],
        window: Window,
        weights: Weights,
        token_s: Sequence[npt.ArrayLike] | None,
    ) -> Activity:
        """Turn requests into phases.

        Raises:
            UsageError: Times that are absent, unordered, or outside their request.
        """
        times = np.array([(r.start_s, r.first_token_s, r.stop_s) for r in requests], float)
        times = times.reshape(-1, 3)
        unsplit = np.isnan(times[:, 1])
        times[unsplit, 1] = times[unsplit, 0]
        _refuse_disorder(requests, times)
        tokens = np.array([(r.tokens_in, r.tokens_out) for r in requests], float).reshape(-1, 2)
        phases = Pieces(
            times[:, :2].T.ravel(),
            times[:, 1:].T.ravel(),
            _phase_weights(tokens, weights, unsplit),
            np.arange(2 * len(requests)),
        )
        pieces = phases if token_s is None else _by_token(requests, times, phases, token_s, weights)
        outside = (times[:, 0] < window.start_s) | (times[:, 2] > window.stop_s)
        clipped = phases.inside(window, weights.request_s, drop=False)
        return cls(
            clipped.start_s,
            clipped.stop_s,
            clipped.weight,
            pieces.inside(window, weights.request_s),
            unsplit,
            int(outside.sum()),
        )


@dataclass(frozen=True)
class Pieces:
    """Intervals in which a phase has a steady rate.

    Args:
        start_s: Begin, s; shape (k,).
        stop_s: End, s; shape (k,).
        weight: Weight of the work done in it, or, once inside a window, in a second; shape (k,).
        phase: Which phase each belongs to; shape (k,).
    """

    start_s: FloatArray
    stop_s: FloatArray
    weight: FloatArray
    phase: IntArray

    def inside(self, window: Window, request_s: float, *, drop: bool = True) -> Pieces:
        """Clip to a window, with rates for weights; leave out what lasts no time in it."""
        length_s = self.stop_s - self.start_s
        lasting = length_s >= INSTANT_S
        rate = np.where(lasting, self.weight / np.where(lasting, length_s, 1.0) + request_s, 0.0)
        start_s = np.clip(self.start_s, window.start_s, window.stop_s)
        stop_s = np.where(lasting, np.clip(self.stop_s, window.start_s, window.stop_s), start_s)
        if not drop:
            return Pieces(start_s, stop_s, rate, self.phase)
        kept = np.flatnonzero(start_s < stop_s)
        return Pieces(start_s[kept], stop_s[kept], rate[kept], self.phase[kept])


def _phase_weights(
    tokens: FloatArray, weights: Weights, unsplit: npt.NDArray[np.bool_]
) -> FloatArray:
    """Give the weight of each phase; one without tokens counts as one token, for it was active."""
    prefill = weights.prefill_token * np.maximum(tokens[:, 0], 1.0)
    decode = weights.decode_token * np.maximum(tokens[:, 1] - 1.0, 1.0)
    return np.concatenate((prefill, decode + np.where(unsplit, prefill, 0.0)))


def _refuse_disorder(requests: Sequence[Served], times: FloatArray) -> None:
    ordered = (times[:, 0] <= times[:, 1]) & (times[:, 1] <= times[:, 2])
    wrong = np.flatnonzero(~(ordered & np.isfinite(times).all(axis=1)))
    if wrong.size:
        start_s, first_s, stop_s = times[wrong[0]]
        raise UsageError(
            f"request {requests[wrong[0]].request_id!r}: start {start_s} s, first token "
            f"{first_s} s and stop {stop_s} s must be finite and in this order (a first token that "
            "nobody noted is NaN)"
        )


def _by_token(
    requests: Sequence[Served],
    times: FloatArray,
    phases: Pieces,
    token_s: Sequence[npt.ArrayLike],
    weights: Weights,
) -> Pieces:
    """Cut decodes at their tokens; tokens that came at one instant share the time before it."""
    count = len(requests)
    if len(token_s) != count:
        raise UsageError(f"token_s: {len(token_s)} lists of times for {count} requests")
    listed = [np.asarray(stamps, float) for stamps in token_s]
    owner = np.repeat(np.arange(count), [stamps.size for stamps in listed])
    stamps_s = np.concatenate([*listed, np.empty(0)])
    _refuse_strays(requests, times, owner, stamps_s)
    later = stamps_s > times[owner, 1]
    owner, stamps_s = owner[later], stamps_s[later]
    new = np.ones(owner.size, bool)
    new[1:] = (owner[1:] != owner[:-1]) | (stamps_s[1:] != stamps_s[:-1])
    places = np.flatnonzero(new)
    tokens = np.diff(places, append=owner.size).astype(float)
    owner, stop_s = owner[places], stamps_s[places]
    ends = np.append(owner[1:] != owner[:-1], True)[: owner.size]
    begins = np.roll(ends, 1)
    start_s = np.where(begins, times[owner, 1], np.roll(stop_s, 1))
    stop_s = np.where(ends, times[owner, 2], stop_s)  # the last token lasts until the request stops
    whole = np.ones(2 * count, bool)
    whole[count + owner] = False
    return Pieces(
        np.concatenate((phases.start_s[whole], start_s)),
        np.concatenate((phases.stop_s[whole], stop_s)),
        np.concatenate((phases.weight[whole], weights.decode_token * tokens)),
        np.concatenate((phases.phase[whole], count + owner)),
    )


def _refuse_strays(
    requests: Sequence[Served], times: FloatArray, owner: IntArray, stamps_s: FloatArray
) -> None:
    """Refuse token times that are unordered or outside their request."""
    astray = ~((stamps_s >= times[owner, 0]) & (stamps_s <= times[owner, 2]))
    astray[1:] |= (owner[1:] == owner[:-1]) & (stamps_s[1:] < stamps_s[:-1])
    wrong = np.flatnonzero(astray)
    if wrong.size:
        raise UsageError(
            f"request {requests[owner[wrong[0]]].request_id!r}: its token at "
            f"{stamps_s[wrong[0]]} s is outside of it or before the one preceding; give token_s "
            "in the order of the requests, rising"
        )
