"""How a response goes with the number behind the units: their size, the batch, the length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from joulebench.analysis.analysis_frame import SIZE, AnalysisFrame
from joulebench.analysis.group_tests import Made, attempt
from joulebench.analysis.result import Result
from joulebench.analysis.sample import Sample
from joulebench.analysis.unit_layout import UnitLayout
from joulebench.analysis.unit_tests import EFFECT, unit_means
from joulebench.audit.table import as_number

if TYPE_CHECKING:
    import pandas as pd

    from joulebench.stats.linear_model import LinearModel

LAW = {"log": "power law", "raw": "straight line"}
"""What is fitted, by the scale of the response."""

OF_UNITS = "one mean a unit"
FIT = "lack of fit"
_FEWEST = 3
"""Of fewer numbers any two points make a line."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number that belongs to each unit.

    Args:
        name: What it is called.
        by_unit: Its value, by unit.
        set_by_run: Whether it was set run by run; if not, it came with the unit, like a size.
    """

    name: str
    by_unit: dict[str, float]
    set_by_run: bool

    @property
    def positive(self) -> bool:
        """Whether all have a logarithm."""
        return min(self.by_unit.values()) > 0


def numbers_of(means: AnalysisFrame, unit: str) -> Numbers | None:
    """Give the numbers behind units: their levels, or the sizes of models; ``None`` without.

    Args:
        means: Run means.
        unit: Column of the units.
    """
    levels = means.levels(unit)
    own = {level: as_number(level) for level in levels}
    if unit in means.factors and all(map(np.isfinite, own.values())):
        found = Numbers(unit, own, set_by_run=True)
    elif SIZE in means.frame:
        sizes = means.frame.groupby(unit, observed=True)[SIZE].agg(["min", "max"])
        if (sizes["min"] < sizes["max"]).any():
            return None
        by_unit = {str(level): float(size) for level, size in sizes["min"].items()}
        found = Numbers(SIZE, by_unit, set_by_run=False)
    else:
        return None
    return found if len(set(found.by_unit.values())) >= _FEWEST else None


def slopes(sample: Sample, layout: UnitLayout, numbers: Numbers) -> Iterator[Result]:
    """Fit a power law on the log scale, a straight line on the raw one, and test what it misses.

    Args:
        sample: One row a cell.
        layout: Of the units.
        numbers: Of the units.
    """
    if sample.scale == "raw" or numbers.positive:
        yield from attempt(sample, _slopes(sample, layout, numbers))


def _slopes(sample: Sample, layout: UnitLayout, numbers: Numbers) -> Iterator[Made]:
    from joulebench.stats.linear_model import lm

    name, x = LAW[sample.scale], _column(numbers, sample.frame)
    slope = f"log({x})" if sample.scale == "log" else x
    unit = sample.frame[layout.unit].astype(str)
    rows = sample.frame.assign(**{x: unit.map(numbers.by_unit).astype(float)})

    @cache
    def model() -> LinearModel:
        return lm(sample.formula(" + ".join([slope, *layout.blocks])), rows)

    @cache
    def of_units() -> LinearModel:
        units = unit_means(sample, layout)
        values = [numbers.by_unit[str(level)] for level in units[layout.unit]]
        return lm(f"{EFFECT} ~ {slope}", units.assign(**{x: values}))

    if layout.others:
        yield "consec", name, lambda: _fitted(model())
        yield "omnibus", f"{name}, {FIT}", lambda: _lack_of_fit(model(), layout, sample, rows)
    yield "consec", f"{name}, {OF_UNITS}", lambda: _fitted(of_units())


def _column(numbers: Numbers, rows: pd.DataFrame) -> str:
    if numbers.name == SIZE:
        return SIZE
    name = f"{numbers.name}_value"
    while name in rows.columns:
        name += "_"
    return name


def _fitted(model: LinearModel) -> pd.DataFrame:
    """Give the coefficients, with the share of the variance that the model explains."""
    found = model.coefficients()
    total = float(np.sum((model.response - model.response.mean()) ** 2))
    share = 1.0 - model.residual_sum_of_squares / total
    adjusted = 1.0 - (1.0 - share) * (model.n - 1) / model.df_residual
    return found.assign(r_squared=share, adjusted_r_squared=adjusted)


def _lack_of_fit(
    model: LinearModel, layout: UnitLayout, sample: Sample, rows: pd.DataFrame
) -> pd.DataFrame:
    """Test what the units hold beyond the line (Draper and Smith 1998, Applied Regression, 2.1)."""
    from scipy.special import fdtrc

    from joulebench.stats.linear_model import lm
    from joulebench.stats.rows import tidy

    full = lm(sample.formula(layout.right()), rows)
    df1, df2 = model.df_residual - full.df_residual, full.df_residual
    missed = model.residual_sum_of_squares - full.residual_sum_of_squares
    f = missed / df1 / full.sigma**2
    figures = {"value": f, "df1": float(df1), "df2": float(df2), "p": float(fdtrc(df1, df2, f))}
    return tidy([{"term": layout.unit, "statistic": "F", **figures, "n": model.n}])
