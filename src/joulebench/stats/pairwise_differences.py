"""Two-sample comparisons of groups two by two, one row a pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.adjust import adjusted
from joulebench.stats.cliffs_delta import cliffs_row
from joulebench.stats.groups import groups_of
from joulebench.stats.model_frame import Missing
from joulebench.stats.pair_levels import Pairs, pairs_of
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import sample
from joulebench.stats.standardised_difference import hedges_row
from joulebench.stats.t_test import t_row
from joulebench.stats.two_samples import samples_of

Floats = NDArray[np.float64]
Compare = Callable[[Floats, Floats], dict[str, Any]]


def pairwise_t(
    formula: str,
    frame: pd.DataFrame,
    *,
    pairs: Pairs = "all",
    adjust: str = "BH",
    equal_variances: bool = False,
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Compare groups two by two with Student's or Welch's t, first minus second.

    Each pair by its own two samples (see :func:`~joulebench.stats.t_test.t_test`), as R's
    ``pairwise.t.test`` with ``pool.sd = FALSE``; intervals are not adjusted.

    Args:
        formula: ``energy_j ~ generation``.
        frame: One row an observation.
        pairs: All pairs, or each level with the next.
        adjust: How p is adjusted for the number of pairs in the table.
        equal_variances: Whether to pool the variances of the two groups.
        confidence: Coverage of the intervals.
        missing: What to do about rows that lack a value.

    Returns:
        One row a pair: ``contrast``, ``p_adjusted``, ``adjust`` and the columns of
        :func:`~joulebench.stats.t_test.t_test`.

    Raises:
        Refused: As :func:`~joulebench.stats.t_test.t_test`, or one group.
    """

    def compare(x: Floats, y: Floats) -> dict[str, Any]:
        return t_row(samples_of(x, y), equal_variances, confidence=confidence)

    return _by_pairs(formula, frame, compare, pairs, adjust, missing)


def pairwise_hedges_g(
    formula: str,
    frame: pd.DataFrame,
    *,
    pairs: Pairs = "all",
    pooled: bool = True,
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give Hedges' g of groups two by two, first minus second.

    See :func:`~joulebench.stats.standardised_difference.hedges_g`.

    Args:
        formula: ``energy_j ~ generation``.
        frame: One row an observation.
        pairs: All pairs, or each level with the next.
        pooled: Whether to pool the variances of the two groups.
        confidence: Coverage of the intervals.
        missing: What to do about rows that lack a value.

    Returns:
        One row a pair: ``contrast`` and the columns of
        :func:`~joulebench.stats.standardised_difference.hedges_g`.

    Raises:
        Refused: As :func:`~joulebench.stats.standardised_difference.hedges_g`, or one group.
    """

    def compare(x: Floats, y: Floats) -> dict[str, Any]:
        return hedges_row(samples_of(x, y), pooled, confidence=confidence)

    return _by_pairs(formula, frame, compare, pairs, None, missing)


def pairwise_cliffs_delta(
    formula: str,
    frame: pd.DataFrame,
    *,
    pairs: Pairs = "all",
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give Cliff's delta of groups two by two, first minus second.

    See :func:`~joulebench.stats.cliffs_delta.cliffs_delta`.

    Args:
        formula: ``energy_j ~ generation``.
        frame: One row an observation.
        pairs: All pairs, or each level with the next.
        confidence: Coverage of the intervals.
        missing: What to do about rows that lack a value.

    Returns:
        One row a pair: ``contrast`` and the columns of
        :func:`~joulebench.stats.cliffs_delta.cliffs_delta`.

    Raises:
        Refused: As :func:`~joulebench.stats.cliffs_delta.cliffs_delta`, or one group.
    """

    def compare(x: Floats, y: Floats) -> dict[str, Any]:
        return cliffs_row(sample(x, "x"), sample(y, "y"), confidence)

    return _by_pairs(formula, frame, compare, pairs, None, missing)


def _by_pairs(
    formula: str,
    frame: pd.DataFrame,
    compare: Compare,
    pairs: Pairs,
    adjust: str | None,
    missing: Missing,
) -> pd.DataFrame:
    """Compare each pair; a pair that cannot be compared says why and has no figures."""
    groups = groups_of(formula, frame, missing)
    samples = groups.samples
    rows = []
    for i, j in pairs_of(len(groups.levels), pairs):
        contrast = f"{groups.levels[i]} - {groups.levels[j]}"
        try:
            made = compare(samples[i], samples[j])
        except Refused as error:
            made = {"n": len(samples[i]) + len(samples[j]), "note": str(error)}
        rows.append({"contrast": contrast, **made})
    if all("note" in row and len(row) == 3 for row in rows):
        raise Refused(str(rows[0]["note"]))
    if adjust is not None:
        p = adjusted([row.get("p", np.nan) for row in rows], adjust)
        rows = [row | {"p_adjusted": p[k], "adjust": adjust} for k, row in enumerate(rows)]
    found = tidy(rows)
    return found.assign(note=found["note"].fillna("")) if "note" in found else found
