"""One response of a study on one level and one scale, ready for a formula."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.result import Ending, Result

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows of one level, with the response that a question looks at.

    Args:
        frame: The rows.
        response: Tidy name.
        factor: What is compared.
        level: ``run`` or ``repetition``.
        scale: ``raw`` or ``log``.
    """

    frame: pd.DataFrame
    response: str
    factor: str
    level: str
    scale: str = "raw"

    @classmethod
    def of(cls, source: AnalysisFrame, response: str, factor: str, scale: str = "raw") -> Sample:
        """Take the rows of a study that have the response."""
        rows = source.frame[source.frame[response].notna()].reset_index(drop=True)
        return cls(rows, response, factor, source.level, scale)

    @property
    def left(self) -> str:
        """Left side of a formula."""
        return f"log({self.response})" if self.scale == "log" else self.response

    def formula(self, right: str = "") -> str:
        """Give a formula of the response; by the factor alone if nothing is named."""
        return f"{self.left} ~ {right or self.factor}"

    def on(self, scale: str) -> Sample:
        """Give the same rows on another scale."""
        return replace(self, scale=scale)

    def by(self, factor: str) -> Sample:
        """Give the same rows by another factor."""
        return replace(self, factor=factor)

    def result(self, ending: Ending, found: pd.DataFrame, test: str = "") -> Result:
        """Name a result of these rows."""
        return Result(ending, found, self.level, self.scale, self.response, test)

    def without(self, ending: Ending, test: str, reason: str) -> Result:
        """Say why a test of these rows cannot be given."""
        import pandas as pd

        return Result(
            ending, pd.DataFrame(), self.level, self.scale, self.response, test, reason=reason
        )
