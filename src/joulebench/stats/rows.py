"""One vocabulary for the columns of every result."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

FIRST = ("test", "term", "contrast")
"""Columns that say what a row is of; the levels of factors follow them."""

FIGURES = (
    "estimate", "se", "statistic", "value", "df1", "df2", "p", "p_adjusted", "adjust",
    "effect_size", "effect", "ci_low", "ci_high", "confidence", "n",
)  # fmt: skip
"""Columns of figures, in the order in which they stand; a function's own columns follow them.

``statistic`` is the symbol of the statistic and ``value`` its value. A t or a chi-square has its
degrees of freedom in ``df1``, an F in ``df1`` and ``df2``. The interval is of ``effect`` where
there is one, else of ``estimate``.
"""

LAST = ("note",)


def tidy(rows: Iterable[Mapping[str, Any]], levels: Iterable[str] = ()) -> pd.DataFrame:
    """Make one frame of rows, its columns in the order of the vocabulary.

    Args:
        rows: One mapping a row, columns to figures; a column that no row has is left out.
        levels: Columns that hold the levels of factors: they follow ``test, term, contrast``.
    """
    made = list(rows)
    names = dict.fromkeys(name for row in made for name in row)
    return pd.DataFrame(made, columns=ordered(names, levels))


def ordered(names: Iterable[str], levels: Iterable[str] = ()) -> list[str]:
    """Put the columns of a result in the order of the vocabulary.

    Args:
        names: Of the columns, a function's own ones in their order.
        levels: Those that hold the levels of factors.
    """
    all_of_them = dict.fromkeys(names)
    known = [name for name in (*FIRST, *levels, *FIGURES) if name in all_of_them]
    last = [name for name in LAST if name in all_of_them]
    own = [name for name in all_of_them if name not in {*known, *last}]
    return [*known, *own, *last]
