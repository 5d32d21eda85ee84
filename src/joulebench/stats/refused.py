"""The refusal of a question that the data or the formula cannot answer."""

from __future__ import annotations


class Refused(ValueError):
    """A statistic that cannot be given honestly: one line that says what, where, what to do."""
