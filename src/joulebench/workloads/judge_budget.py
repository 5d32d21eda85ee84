"""What judging costs, and how many more judgements a limit allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from joulebench.work import Response
from joulebench.workloads.score_settings import CostFile

_MILLION = 1e6


class Budget:
    """Adds up the price of tokens, and tells before a request whether it may still be made.

    The price of the next request is bounded from above: as many output tokens as it may have, and
    for its prompt as many tokens a byte as there were at most so far, one before the first.

    Args:
        cost: Prices and limit; ``None`` where nothing is known of them.
        max_tokens: Most output tokens of one request.
    """

    def __init__(self, cost: CostFile | None, max_tokens: int) -> None:
        self.cost = cost
        self.spent = 0.0
        self.stopped = False
        self.guessed = False
        self._max_tokens = max_tokens
        self._tokens_a_byte: float | None = None

    def affordable(self, prompts: Sequence[str]) -> int:
        """Give how many of the next prompts may be asked; notes if not one of them may."""
        if self.cost is None or self.cost.limit is None:
            return len(prompts)
        total, count = self.spent, 0
        for prompt in prompts:
            total += self._price(self._bound(prompt), self._max_tokens)
            if total > self.cost.limit:
                break
            count += 1
        self.stopped = bool(prompts) and count == 0
        return count

    def pay(self, prompt: str, response: Response) -> None:
        """Add the price of a request that was made."""
        tokens_in = float(response.tokens_in)
        size = len(prompt.encode("utf-8", "surrogatepass"))
        if response.knows_tokens_in:
            self._tokens_a_byte = max(self._tokens_a_byte or 0.0, tokens_in / max(size, 1))
        else:
            self.guessed, tokens_in = True, self._bound(prompt)
        self.spent += self._price(tokens_in, response.tokens_out)

    def to_dict(self) -> dict[str, Any] | None:
        """Give what was spent; ``None`` where there are no prices."""
        if self.cost is None:
            return None
        told: dict[str, Any] = {"amount": round(self.spent, 9), "currency": self.cost.currency}
        told |= {"limit": self.cost.limit} if self.cost.limit is not None else {}
        return told | ({"at_most": True} if self.guessed else {})

    def _bound(self, prompt: str) -> float:
        size = len(prompt.encode("utf-8", "surrogatepass"))
        return size * (1.0 if self._tokens_a_byte is None else self._tokens_a_byte)

    def _price(self, tokens_in: float, tokens_out: float) -> float:
        if self.cost is None:
            return 0.0
        each = self.cost.input_per_million * tokens_in + self.cost.output_per_million * tokens_out
        return each / _MILLION
