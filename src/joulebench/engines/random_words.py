"""An engine that says random words, of random lengths: no model, the same answer for a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

from joulebench.engines.echo import EchoEngine
from joulebench.engines.sampling import call_seed
from joulebench.errors import UsageError
from joulebench.work import Request, Sampling

SHAPE = 4.0
"""Shape of the gamma distribution of lengths: they scatter by half their mean."""


class RandomEngine(EchoEngine):
    """Says common English words at random, for teaching and tests of how answers' lengths matter.

    A token is a word. Without a temperature a prompt always gets the same answer; with one, words
    and length are drawn by the sampling's seed. What is right is right by chance.

    Args:
        model: Any name; it only appears in the facts.
        length: Mean of the lengths before ``min_tokens`` and ``max_tokens`` hold them, tokens.
        token_s: Time per generated token, s.
        prefill_s: Time to the first token, s.
        load_s: Time that loading takes, s.

    Raises:
        UsageError: A negative or non-numeric time, or a length below 1.
    """

    kind = "random"

    def __init__(
        self,
        model: str | Mapping[str, Any] = "random",
        *,
        length: float = 32.0,
        token_s: float = 0.0,
        prefill_s: float = 0.0,
        load_s: float = 0.0,
    ) -> None:
        super().__init__(model, token_s=token_s, prefill_s=prefill_s, load_s=load_s)
        self.length = _length(length)
        self._vocabulary: Sequence[str] = ()

    def import_libraries(self) -> None:
        """Read the words; no library is needed."""
        words = files("joulebench.engines").joinpath("data/words.txt").read_text("utf-8")
        self._vocabulary = words.split()

    def facts(self) -> dict[str, Any]:
        """Give the engine's settings, marked as simulated."""
        return super().facts() | {"length": self.length}

    def _words(self, request: Request, sampling: Sampling) -> list[str]:
        if not self._vocabulary:
            self.import_libraries()
        seed = call_seed(sampling, [request]) if sampling.temperature > 0 else request.prompt
        drawn = random.Random(seed)  # noqa: S311 (no secret)
        length = max(round(drawn.gammavariate(SHAPE, self.length / SHAPE)), 1, sampling.min_tokens)
        return drawn.choices(self._vocabulary, k=min(length, sampling.max_tokens))


def _length(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 1e6:
        raise UsageError(f"engine 'random': length = {value!r} must be tokens from 1 to 1000000")
    return float(value)
