"""One result of an analysis, with where it belongs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

Ending = Literal["desc", "assumption_summary", "omnibus", "consec", "pairwise"]
"""What a result is: a description, a check of assumptions, one test of a whole factor, contrasts of
successive levels, or contrasts of pairs."""


@dataclass(frozen=True, eq=False)
class Result:
    """A tidy frame of figures, and what they are of.

    Args:
        ending: What it is; ends the name of its file.
        found: In the vocabulary of :mod:`joulebench.stats`.
        level: ``run`` or ``repetition``.
        scale: ``raw`` or ``log``.
        response: Tidy name.
        test: Its name, where ``found`` has no column of it.
        chosen: Whether it is the test that the assumptions ask for.
        reason: Why it could not be given, for a result that could not: ``found`` is empty then.
    """

    ending: Ending
    found: pd.DataFrame
    level: str
    scale: str
    response: str
    test: str = ""
    chosen: bool = False
    reason: str = ""

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of ``found``, under the analysis' own name of the test where it has one."""
        from joulebench.analysis.statistics_table import records

        named = {"test": self.test} if self.test else {}
        return [{**row, **named} for row in records(self.found)]
