"""How two responses go together: rank correlations in each group, over all, and within runs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from joulebench.analysis.analysis_frame import RUN
from joulebench.analysis.group_tests import Made, attempt
from joulebench.analysis.result import Result
from joulebench.analysis.sample import Sample

if TYPE_CHECKING:
    import pandas as pd


def couplings(sample: Sample, covariates: Sequence[str]) -> Iterator[Result]:
    """Correlate the response with each covariate.

    Args:
        sample: The rows.
        covariates: Tidy names of other responses.
    """
    for other in covariates:
        yield from attempt(sample, _coupling(sample, other))


def _coupling(sample: Sample, other: str) -> Iterator[Made]:
    rows = sample.frame[sample.frame[other].notna()]
    x, y, name = rows[sample.response], rows[other], f"with {other}"
    yield "omnibus", f"Spearman {name}", lambda: _of_all(x, y, "spearman")
    yield "omnibus", f"Kendall {name}", lambda: _of_all(x, y, "kendall")
    yield "pairwise", f"Spearman {name}", lambda: _by(rows, sample.response, other, sample.factor)
    yield "pairwise", f"Kendall {name}", lambda: _kendall_by(rows, sample.response, other,
                                                             sample.factor)  # fmt: skip
    if sample.level == "repetition":
        # What goes together between runs need not go together within one.
        yield (
            "pairwise",
            f"Spearman {name} within runs",
            lambda: _by(rows, sample.response, other, RUN),
        )


def _of_all(x: pd.Series[float], y: pd.Series[float], name: str) -> pd.DataFrame:
    from joulebench.stats import correlation

    found: pd.DataFrame = getattr(correlation, name)(x.to_numpy(), y.to_numpy())
    return found


def _kendall_by(rows: pd.DataFrame, x: str, y: str, group: str) -> pd.DataFrame:
    """Give Kendall's correlation in each group; a group that has none says why."""
    from joulebench.analysis.statistics_table import records
    from joulebench.stats.adjust import adjusted
    from joulebench.stats.correlation import kendall
    from joulebench.stats.refused import Refused
    from joulebench.stats.rows import tidy

    found: list[dict[str, Any]] = []
    for level, part in rows.groupby(group, observed=True, sort=True):
        try:
            (row,) = records(kendall(part[x].to_numpy(), part[y].to_numpy()))
        except Refused as error:
            row = {"test": "Kendall", "n": len(part), "note": str(error)}
        found.append({group: str(level), **row})
    told = [row.get("p", math.nan) for row in found]
    for row, p in zip(found, adjusted(told, "BH"), strict=True):
        row |= {"p_adjusted": float(p), "adjust": "BH"}
    return tidy(found, [group])


def _by(rows: pd.DataFrame, x: str, y: str, group: str) -> pd.DataFrame:
    from joulebench.stats.correlation_by import spearman_by

    return spearman_by(rows, x, y, group)
