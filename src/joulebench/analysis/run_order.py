"""The order in which runs were made, and what it may have done to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.factor_columns import FactorColumn
from joulebench.analysis.source import Source
from joulebench.audit.design_order import time_column
from joulebench.stats.level_order import level_order_test, midranks

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

ORDER = "order"
"""Column of the rank of each row in time, where the source tells it."""

_FEWEST = 6
_SIGNIFICANCE = 0.005
_LEAST_SHARE = 0.1
_LEAST_RHO = 0.3


def time_order(source: Source, factors: Sequence[FactorColumn]) -> dict[str, Floats]:
    """Give the rank of each row in time, shape (n,), by the name of its column.

    Empty where nothing tells: another tool's runs, whose order may be that of its files, or a table
    without a column of times.

    Args:
        source: What is read.
        factors: Its factors, none of which may have that name.
    """
    table = source.table
    column = None if source.imported else time_column(table)
    if column is None or not table.is_number(column) or ORDER in {f.name for f in factors}:
        return {}
    stamps = table.numbers(column)
    return {ORDER: midranks(stamps)} if np.isfinite(stamps).all() else {}


def order_doubts(frame: AnalysisFrame, response: str, unit: str) -> Iterator[str]:
    """Say whether time can be taken for an effect: levels run one after the other, and drift.

    Args:
        frame: Repetitions.
        response: Tidy name.
        unit: Column of what is compared.
    """
    rows = frame.frame
    if ORDER not in rows or len(rows) < _FEWEST:
        return
    kept = rows[rows[response].notna()]
    ranks = midranks(kept[ORDER].to_numpy(dtype=np.float64))
    codes = np.unique(kept[unit].cat.codes.to_numpy(), return_inverse=True)[1].astype(np.intp)
    found = level_order_test(codes, ranks)
    if found.p < _SIGNIFICANCE and found.share >= _LEAST_SHARE:
        yield (
            f"levels of {unit} were run one after the other ({found.share:.0%} of the variation of "
            "time lies between them): a drift would look like their effect"
        )
    yield from _drift(kept, response, ranks)


def _drift(rows: pd.DataFrame, response: str, ranks: Floats) -> Iterator[str]:
    """Say whether repetitions of one run rise or fall with time."""
    from scipy.stats import spearmanr

    values = rows[response].to_numpy(dtype=np.float64)
    run = np.unique(rows["run"].cat.codes.to_numpy(), return_inverse=True)[1]
    counts = np.bincount(run)
    within = [each - (np.bincount(run, each) / counts)[run] for each in (values, ranks)]
    if any(np.ptp(each) <= 0 for each in within):
        return
    rho, p = (float(figure) for figure in spearmanr(*within))
    if p < _SIGNIFICANCE and abs(rho) >= _LEAST_RHO:
        way = "rise" if rho > 0 else "fall"
        yield (
            f"repetitions of one run {way} with time (Spearman's rho {rho:.2f}): they are no "
            "independent draws"
        )
