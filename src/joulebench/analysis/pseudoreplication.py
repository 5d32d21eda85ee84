"""How much less repetitions tell about a factor than their number suggests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from joulebench.analysis.analysis_frame import RUN, AnalysisFrame
from joulebench.analysis.cells import codes_of, joined
from joulebench.analysis.claims import plural
from joulebench.analysis.units import unit_word
from joulebench.errors import unknown


@dataclass(frozen=True, slots=True)
class Clustering:
    """How alike the repetitions of a unit are.

    Args:
        response: What was measured.
        factor: The factor whose levels' means were taken off.
        unit: What the repetitions are of: ``run``, ``model``.
        rows: Repetitions.
        units: Units.
        df: Degrees of freedom between units of one level.
        icc: Share of the variance within levels that lies between units, 0 to 1.
        design_effect: Variance of a level's mean, over that of as many independent rows.
    """

    response: str
    factor: str
    unit: str
    rows: int
    units: int
    df: int
    icc: float
    design_effect: float

    @property
    def effective_rows(self) -> float:
        """Independent rows that would tell as much about the factor."""
        return self.rows / self.design_effect

    @property
    def sentence(self) -> str:
        """What the likeness of repetitions means for a test that counts rows."""
        return (
            f"{self.icc:.1%} of the variance of {self.response} within a level of {self.factor} "
            f"lies between {plural(self.unit)}: the {self.rows} rows tell as much about "
            f"{self.factor} as {self.effective_rows:.3g} independent ones, and a test that counts "
            f"rows takes its standard errors {np.sqrt(self.design_effect):.2g} times too small"
        )

    def to_dict(self) -> dict[str, Any]:
        """Give the figures as a JSON-ready dict."""
        return asdict(self) | {"effective_rows": self.effective_rows, "sentence": self.sentence}


def clustering(
    frame: AnalysisFrame, response: str, factor: str, unit: Sequence[str] = ()
) -> Clustering | None:
    """Estimate how alike the repetitions of a unit are, within the levels of a factor.

    Nested analysis of variance: with ``B`` the mean square between units of one level and ``W``
    within units, ``icc = (B - W) / (B + (m - 1) W)``, ``m`` the mean number of rows a unit,
    corrected for unequal numbers (Donner and Koval 1980, Biometrics 36, 19), cut to 0 to 1; design
    effect ``1 + (m - 1) icc`` (Kish 1965, Survey Sampling, 5.4).

    Args:
        frame: Repetitions.
        response: Tidy name.
        factor: Whose levels are to be compared.
        unit: Factors whose combinations are the units; runs if empty.

    Returns:
        ``None`` where the design does not tell: one row a unit, one unit a level, no variance.

    Raises:
        UsageError: A name that is not there.
    """
    frame.response(response)
    if factor not in frame.factors:
        raise unknown("factor", factor, frame.factors)
    values = frame.frame[response].to_numpy(dtype=np.float64)
    seen = np.isfinite(values)
    level = codes_of(frame, [factor])[factor][seen]
    parts = tuple(dict.fromkeys([factor, *unit]))
    column = joined(frame, parts) if unit else frame.frame[RUN].cat
    codes = np.unique(np.asarray(column.codes)[seen], return_inverse=True)[1]
    found = _variances(values[seen], level, codes)
    if found is None:
        return None
    df, icc, size = found
    word = unit_word(frame, parts) if unit else "run"
    units = int(codes.max()) + 1
    return Clustering(response, factor, word, int(seen.sum()), units, df, icc,
                      1.0 + (size - 1.0) * icc)  # fmt: skip


def _variances(
    values: np.ndarray[Any, np.dtype[np.float64]],
    level: np.ndarray[Any, np.dtype[np.intp]],
    unit: np.ndarray[Any, np.dtype[np.intp]],
) -> tuple[int, float, float] | None:
    """Give degrees of freedom between units, the intraclass correlation and the rows a unit."""
    count = np.bincount(unit)
    mean = np.bincount(unit, values) / count
    level_of = np.zeros(len(count), dtype=np.intp)
    level_of[unit] = level
    rows = np.bincount(level_of, count)
    level_mean = np.bincount(level_of, count * mean) / np.maximum(rows, 1)
    df, df_within = len(count) - int((rows > 0).sum()), len(values) - len(count)
    if df <= 0 or df_within <= 0:
        return None
    between = float(np.sum(count * (mean - level_mean[level_of]) ** 2)) / df
    within = float(np.sum((values - mean[unit]) ** 2)) / df_within
    unequal = float(np.sum(np.bincount(level_of, count**2) / np.maximum(rows, 1)))
    size = (len(values) - unequal) / df
    total = between + (size - 1.0) * within
    if total <= 0:
        return None
    return df, min(1.0, max(0.0, (between - within) / total)), size
