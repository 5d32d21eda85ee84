"""Notes when each generated token was there."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


class StepClock:
    """A stopping criterion that stops nothing: it stamps every decoding step.

    The generation loop of transformers asks its stopping criteria after each new token, the
    first of which ends the prefill. The device is synchronised before every stamp; the loop
    itself waits there for the device anyway, to learn whether all sequences have ended.

    Args:
        synchronise: Waits until the device has finished what it was given.
    """

    def __init__(self, synchronise: Callable[[], None]) -> None:
        self.synchronise = synchronise
        self.stamps_s: list[float] = []
        self._go_on: Any = None

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        """Stamp a step; returns ``False`` for each sequence, as the loop expects."""
        del scores
        self.synchronise()
        self.stamps_s.append(time.monotonic())
        if self._go_on is None:
            self._go_on = input_ids.new_zeros(input_ids.shape[0], dtype=_bool())
        return self._go_on


def _bool() -> Any:
    import torch

    return torch.bool
