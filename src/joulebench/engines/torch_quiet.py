"""Keeps off the terminal and the logs what torchao says of itself wherever it is installed."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

SAID = {
    "torchao": "Failed to load ",
    "torchao.kernel.intmm": "Warning: Detected no triton",
    "torch.utils._pytree": "Calling register_constant() on Enum subclasses is deprecated",
}
"""By logger, words of what is left out: kernels for other devices, and one deprecation of its own.

What needs a kernel that is not there still fails when it is called.
"""


@contextmanager
def torchao_quiet() -> Iterator[None]:
    """Leave out what torchao says when transformers imports it, though no model needs it.

    transformers imports it with its models wherever it is installed. All else that is said, by
    these loggers too, is let through; so is everything where they are set to tell more than usual.
    """
    with ExitStack() as stack:
        for name, words in SAID.items():
            logger = logging.getLogger(name)
            each = _LeavesOut(words)
            logger.addFilter(each)
            stack.callback(logger.removeFilter, each)
        yield


class _LeavesOut(logging.Filter):
    """Leaves out warnings that hold some words."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self._words = words

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether a record is told."""
        asked_for = logging.getLogger(record.name).isEnabledFor(logging.DEBUG)
        warns = record.levelno <= logging.WARNING
        return asked_for or not (warns and self._words in record.getMessage())
