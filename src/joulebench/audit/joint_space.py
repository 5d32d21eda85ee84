"""All the ways in which a published energy may have been put together, with what each would give.

A hypothesis counts each part of the machine 0, 1 or 2 times, each integrated in one way. Some
thousand of them are compared with a column at once.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from joulebench.audit.joint_rows import Joined
from joulebench.audit.table import Floats
from joulebench.audit.variants import WAYS

MOST_ROWS = 64
"""Rows that hypotheses are searched on; the one that is found is then held against all."""

_MOST_TIMES = {"cpu": 2, "gpu": 2, "dram": 2}
_MOST_HYPOTHESES = 20_000
_COARSE = ("plain", "step", "inside", "whole", "clipped", "whole-clipped")


@dataclass(frozen=True)
class Hypothesis:
    """How an energy was put together.

    Args:
        weights: Parts that are counted, and how often.
        keys: The way in which each of them was integrated, in the same order.
    """

    weights: tuple[tuple[str, int], ...]
    keys: tuple[str, ...]

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that are counted."""
        return tuple(part for part, _ in self.weights)

    @property
    def faults(self) -> dict[str, tuple[str, ...]]:
        """Rules that its ways break, by way."""
        return {key: WAYS[key].faults for key in dict.fromkeys(self.keys) if WAYS[key].faults}

    def joules(self, joined: Joined) -> Floats:
        """Give what it says of each run, J; shape (n,)."""
        found = np.zeros(len(joined))
        for (part, times), key in zip(self.weights, self.keys, strict=True):
            found = found + times * joined.joules(part, key)
        return found

    def mended(self, weights: Mapping[str, int], joined: Joined) -> Hypothesis:
        """Give what it meant to do: other weights, and the sound way in place of each wrong one."""
        own = {part: WAYS[key] for part, key in zip(self.parts, self.keys, strict=True)}
        meant = "whole" if any(way.sound == "whole" for way in own.values()) else "plain"
        keys = (
            f"{own[part].unit}:{own[part].sound}"
            if part in own
            else f"{WAYS[joined.plain_key(part)].unit}:{meant}"
            for part in weights
        )
        return Hypothesis(tuple(weights.items()), tuple(keys))


class Space:
    """The hypotheses on rows, with the logarithm of what each gives.

    Args:
        joined: Rows with their runs; all of them are looked at.
    """

    def __init__(self, joined: Joined) -> None:
        self.joined = joined

    @cached_property
    def groups(self) -> dict[tuple[str, ...], list[str]]:
        """Parts by the ways in which they can be integrated: whoever errs, errs alike in all."""
        found: dict[tuple[str, ...], list[str]] = {}
        for part in self.joined.parts:
            found.setdefault(tuple(self.joined.keys(part)), []).append(part)
        if self._count(found) <= _MOST_HYPOTHESES:
            return found
        coarse: dict[tuple[str, ...], list[str]] = {}
        for keys, parts in found.items():
            kept = tuple(key for key in keys if WAYS[key].name in _COARSE)
            coarse.setdefault(kept, []).extend(parts)
        return coarse

    def _count(self, groups: Mapping[tuple[str, ...], Sequence[str]]) -> int:
        ways = 1
        for keys in groups:
            ways *= len(keys)
        times = 1
        for part in self.joined.parts:
            times *= 1 + _MOST_TIMES.get(part, 1)
        return ways * times

    @cached_property
    def _built(self) -> tuple[list[Hypothesis], Floats]:
        blocks = list(self._blocks())
        hypotheses = [hypothesis for found, _ in blocks for hypothesis in found]
        return hypotheses, np.concatenate([joules for _, joules in blocks])

    @property
    def hypotheses(self) -> list[Hypothesis]:
        """All of them."""
        return self._built[0]

    @property
    def joules(self) -> Floats:
        """What each gives for each row, J; shape (hypotheses, n)."""
        return self._built[1]

    @cached_property
    def log_joules(self) -> Floats:
        """Logarithm of the size of it; NaN where it gives nothing; shape (hypotheses, n)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            logs: Floats = np.log(np.abs(self.joules))
        return np.where(np.isfinite(logs), logs, np.nan)

    def _blocks(self) -> Iterator[tuple[list[Hypothesis], Floats]]:
        """Give the hypotheses of each choice of weights, with their joules."""
        parts = self.joined.parts
        for times in itertools.product(*(range(_MOST_TIMES.get(p, 1) + 1) for p in parts)):
            weights = {part: n for part, n in zip(parts, times, strict=True) if n}
            if weights:
                yield self._block(weights)

    def _block(self, weights: Mapping[str, int]) -> tuple[list[Hypothesis], Floats]:
        used = [
            (keys, chosen)
            for keys, parts in self.groups.items()
            if (chosen := [part for part in parts if part in weights])
        ]
        sums = [
            np.array(
                [sum(weights[part] * self.joined.joules(part, key) for part in parts)
                 for key in keys]
            )
            for keys, parts in used
        ]  # fmt: skip
        joules = sums[0]
        for more in sums[1:]:
            joules = (joules[:, None, :] + more[None, :, :]).reshape(-1, len(self.joined))
        ways = itertools.product(*(keys for keys, _ in used))
        made = [self._hypothesis(weights, used, each) for each in ways]
        return made, joules

    def _hypothesis(
        self,
        weights: Mapping[str, int],
        used: Sequence[tuple[tuple[str, ...], list[str]]],
        chosen: Sequence[str],
    ) -> Hypothesis:
        of = {part: key for (_, parts), key in zip(used, chosen, strict=True) for part in parts}
        return Hypothesis(tuple(weights.items()), tuple(of[part] for part in weights))
