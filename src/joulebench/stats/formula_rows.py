"""The rows that a formula and further columns have in common."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from joulebench.stats.formula import parse
from joulebench.stats.model_frame import Missing, complete
from joulebench.stats.model_terms import variables_of
from joulebench.stats.number_check import names


def rows_for(
    formula: str,
    frame: pd.DataFrame,
    others: str | Sequence[str] | None,
    missing: Missing,
) -> pd.DataFrame:
    """Give the columns that a formula uses and further ones, complete, rows numbered from 0.

    Args:
        formula: Its fixed part and its response are looked at.
        frame: One row an observation.
        others: Further columns: blocks, clusters.
        missing: What to do about rows that lack a value in any of them.

    Raises:
        Refused: The formula cannot be read, a name is not there, or a value is missing.
    """
    read = parse(formula)
    used = [read.response.column, *variables_of(read.fixed, frame)]
    return complete(frame, [*used, *names(others, "a block or cluster")], missing)
