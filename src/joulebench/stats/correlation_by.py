"""Spearman's correlation group by group."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from joulebench.stats.adjust import adjusted
from joulebench.stats.correlation import spearman_row
from joulebench.stats.groups import cell_codes
from joulebench.stats.model_frame import Missing, complete, numbers_of
from joulebench.stats.rank_test import Method
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import Floats


def spearman_by(
    frame: pd.DataFrame,
    x: str,
    y: str,
    group: str,
    *,
    adjust: str = "BH",
    method: Method = "auto",
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give Spearman's correlation of two columns within each group, one row a group.

    As :func:`~joulebench.stats.correlation.spearman`, two-sided, p adjusted for the number of
    groups. A group in which a measure does not vary has no correlation: its row says so in
    ``note``, has no p, and does not count in the adjustment.

    Args:
        frame: One row a pair of values.
        x: Column of the first measure.
        y: Column of the second.
        group: Column of the groups.
        adjust: How p is adjusted.
        method: How p is found.
        confidence: Coverage of the intervals.
        missing: What to do about rows that lack a value.

    Returns:
        One row a group: ``test``, the group under the name of its column, ``statistic "S", value,
        p, p_adjusted, adjust, effect_size "rho", effect, ci_low, ci_high, confidence, n,
        fisher_low, fisher_high, method, note``.

    Raises:
        Refused: A name that is not there, a column that is no number, missing values, or an
            adjustment or method that is not known.
    """
    rows = complete(frame, [x, y, group], missing)
    first, second = numbers_of(rows, x), numbers_of(rows, y)
    codes, levels = cell_codes(rows, [group])
    correlate = partial(
        spearman_row,
        method=method,
        alternative="two-sided",
        interval="bonett-wright",
        confidence=confidence,
    )
    found = []
    for k, level in enumerate(levels):
        u, v = first[codes == k], second[codes == k]
        row = _without(u, v, x, y) or correlate(u, v)
        found.append({group: level, **row})
    corrected = adjusted([row["p"] for row in found], adjust)
    columns = ({"p_adjusted": p, "adjust": adjust} for p in corrected)
    return tidy(({**row, **more} for row, more in zip(found, columns, strict=True)), [group])


def _without(u: Floats, v: Floats, x: str, y: str) -> dict[str, Any]:
    """Give the row of a group that has no correlation, else nothing."""
    still = [name for values, name in ((u, x), (v, y)) if np.ptp(values) == 0]
    if len(u) > 2 and not still:
        return {}
    why = f"{still[0]} does not vary" if still else f"{len(u)} pairs are too few"
    return {
        "test": "Spearman rank correlation",
        "statistic": "S",
        "value": np.nan,
        "p": np.nan,
        "effect_size": "rho",
        "effect": np.nan,
        "n": len(u),
        "note": f"no correlation: {why}",
    }
