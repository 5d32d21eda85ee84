"""Descriptive tables: what each group is like, before anything is tested."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.cells import cells_of
from joulebench.stats.estimate import Estimate
from joulebench.stats.mean import mean_estimate

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

FIGURES = (
    "n", "mean", "sd", "cv", "median", "iqr", "q1", "q3", "min", "max", "geometric_mean",
    "ci_low", "ci_high", "confidence", "noise", "bias",
)  # fmt: skip
"""Columns of figures after those of the levels.

``ci_low`` and ``ci_high`` are of the mean: the scatter of the rows, the noise of single readings
where it is known and larger, and the bias that all rows share, together. ``noise`` and ``bias`` are
standard uncertainties of the mean. Quartiles are those of R's type 7 (Hyndman and Fan 1996).
"""


def describe(
    frame: AnalysisFrame, response: str, by: Sequence[str] = (), confidence: float = 0.95
) -> pd.DataFrame:
    """Describe a response in each filled combination of levels, in the order of the levels.

    Args:
        frame: Repetitions or run means.
        response: Tidy name.
        by: Factors; all rows are one group if none is named.
        confidence: Of the interval of the mean.

    Returns:
        One row a group: its levels, then :data:`FIGURES`; NaN where a figure is not defined (the
        spread of one value, the geometric mean of what is not above 0).

    Raises:
        UsageError: A name that is not there.
    """
    import pandas as pd

    column = frame.response(response)
    values = frame.frame[response].to_numpy(dtype=np.float64)
    codes, levels = _groups(frame, by)
    noise = _beside(frame, column.noise)
    bias = _beside(frame, column.bias)
    rows = []
    for code, cell in enumerate(levels):
        members = (codes == code) & np.isfinite(values)
        figures = _figures(values[members], noise[members], bias[members], confidence)
        rows.append(dict(zip(by, cell, strict=True)) | figures)
    return pd.DataFrame(rows, columns=[*by, *FIGURES])


def mean_of(values: Floats, noise: Floats, bias: Floats, confidence: float = 0.95) -> Estimate:
    """Estimate a mean with its own scatter and what its readings' doubt adds.

    Args:
        values: Shape (n,), at least one.
        noise: Standard uncertainty of each that repeats shrink, NaN where unknown, shape (n,).
        bias: Standard uncertainty of each that all share, NaN where unknown, shape (n,).
        confidence: Of the interval.
    """
    known = noise[np.isfinite(noise)]
    shared = bias[np.isfinite(bias)]
    return mean_estimate(
        values,
        bias=float(shared.mean()) if shared.size else 0.0,
        reading_noise=float(np.sqrt(np.mean(known**2))) if known.size else 0.0,
        level=confidence,
    )


def _groups(frame: AnalysisFrame, by: Sequence[str]) -> tuple[Any, list[tuple[str, ...]]]:
    if not by:
        return np.zeros(len(frame), dtype=np.intp), [()]
    cells, codes = cells_of(frame, by)
    return codes, cells


def _beside(frame: AnalysisFrame, column: str) -> Floats:
    if not column:
        return np.full(len(frame), np.nan)
    values: Floats = frame.frame[column].to_numpy(dtype=np.float64)
    return values


def _figures(values: Floats, noise: Floats, bias: Floats, confidence: float) -> dict[str, float]:
    n = len(values)
    if n == 0:
        return {"n": 0, "confidence": confidence}
    estimate = mean_of(values, noise, bias, confidence)
    low, q1, median, q3, high = np.quantile(values, [0.0, 0.25, 0.5, 0.75, 1.0]).tolist()
    sd = float(np.std(values, ddof=1)) if n > 1 else math.nan
    positive = low > 0
    return {
        "n": n,
        "mean": estimate.value,
        "sd": sd,
        "cv": sd / estimate.value if estimate.value > 0 else math.nan,
        "median": median,
        "iqr": q3 - q1,
        "q1": q1,
        "q3": q3,
        "min": low,
        "max": high,
        "geometric_mean": float(np.exp(np.mean(np.log(values)))) if positive else math.nan,
        "ci_low": estimate.low,
        "ci_high": estimate.high,
        "confidence": confidence,
        "noise": estimate.noise,
        "bias": estimate.bias,
    }
