"""The bootstrap of any statistic of a frame, by rows or whole clusters, within blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.bootstrap_design import Codes, Units, units_of
from joulebench.stats.bootstrap_interval import Method, Resampled, check_request
from joulebench.stats.number_check import LARGEST, shown
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Array = npt.NDArray[np.float64]
Statistic = Callable[[pd.DataFrame], Any]


def bootstrap(
    frame: pd.DataFrame,
    statistic: Statistic,
    *,
    rng: np.random.Generator,
    resamples: int = 10_000,
    method: Method = "bca",
    cluster: str | None = None,
    block: str | Sequence[str] | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Give a statistic with its bootstrap standard error and interval.

    Rows, or whole clusters, are drawn with replacement, within the blocks where there are any, so
    that a resample has as many of each block as the data (Davison and Hinkley 1997, Bootstrap
    Methods and their Application, 3.2 and 3.8). BCa takes its acceleration from the jackknife over
    what is drawn (Efron 1987). For means and contrasts of cells
    :func:`~joulebench.stats.bootstrap_contrast` does the same a thousand times faster.

    Args:
        frame: One row an observation.
        statistic: Takes a frame of the same columns and gives a number, or a mapping of names to
            numbers: one row each. For the studentized interval each number is a pair: estimate and
            standard error. Where clusters are drawn, their column is numbered anew, so that one
            drawn twice counts as two.
        rng: Generator of the draws; the same generator gives the same result.
        resamples: How many.
        method: "bca", "percentile", "basic" or "studentized".
        cluster: Column whose levels are drawn whole: the runs that repetitions belong to.
        block: Column, or columns, whose combinations keep their number of units (strata).
        confidence: Coverage of the interval.

    Returns:
        One row a number: ``test``, ``term`` (its name), ``estimate``, ``se``, ``ci_low``,
        ``ci_high``, ``confidence``, ``n`` rows, ``bias``, ``resamples``, ``units`` drawn, ``note``.

    Raises:
        Refused: No rows, a name that is not there, a block with one unit, a statistic that is not
            finite in the data or in a resample, or that never varies.
    """
    check_request(resamples, method, confidence, rng)
    if not callable(statistic):
        raise Refused(f"the statistic must be a function of a frame, not {shown(statistic)}")
    rows = _rows(frame)
    units = units_of(rows, cluster=cluster, block=block)
    paired = method == "studentized"
    measure = _Measure(statistic, rows, units, cluster, paired)
    observed = measure.of(None, "the data")
    drawn = np.array(
        [measure.of(draw, "a resample") for chunk in units.draws(resamples, rng) for draw in chunk]
    )
    influence = _jackknife(measure, units, observed) if method == "bca" else None
    results = []
    for k, name in enumerate(measure.names):
        resampled = Resampled(
            float(observed[k, 0]),
            drawn[:, k, 0],
            None if influence is None else influence[:, k],
            float(observed[k, -1]),
            drawn[:, k, -1] if paired else None,
        )
        results.append(
            {
                "test": test_name(method, units),
                **({"term": name} if name else {}),
                **resampled.figures(method, confidence, units.count),
                "n": len(rows),
            }
        )
    return tidy(results)


def test_name(method: Method, units: Units) -> str:
    """Name the method and what is drawn."""
    return f"{'BCa' if method == 'bca' else method} bootstrap of {units.text}"


class _Measure:
    """The statistic as a function of the units drawn."""

    def __init__(
        self,
        statistic: Statistic,
        frame: pd.DataFrame,
        units: Units,
        cluster: str | None,
        paired: bool,
    ) -> None:
        self._statistic, self._frame, self._cluster = statistic, frame, cluster
        self._rows = units.rows_of() if cluster else None
        self._paired = paired
        self.names: list[str] = []

    def of(self, draw: Codes | None, where: str) -> Array:
        """Give the numbers of one draw, or of the data, shape (numbers, 2 if paired else 1)."""
        if draw is None:
            # An error here is the statistic's own: let it speak for itself.
            found = self._statistic(self._frame.copy())
        else:
            found = self._found(self._drawn(draw), where)
        named = dict(found) if isinstance(found, Mapping | pd.Series) else {"": found}
        names = [str(name) for name in named]
        self.names = self.names or names
        if names != self.names:
            raise Refused(
                f"the statistic names {names} in {where}, and {self.names} in the data: give the "
                "same names from every frame, or keep their blocks whole with block="
            )
        return np.array([self._number(value, where) for value in named.values()])

    def _found(self, frame: pd.DataFrame, where: str) -> Any:
        try:
            return self._statistic(frame)
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())[:100]
            raise Refused(
                f"the statistic failed in {where} though not in the data ({said}): keep groups "
                "whole with block="
            ) from error

    def _number(self, value: Any, where: str) -> Array:
        try:
            figures = np.atleast_1d(np.asarray(value, dtype=np.float64)).ravel()
        except (TypeError, ValueError):
            kind = type(value).__name__
            raise Refused(f"the statistic gave a {kind} in {where}: give numbers") from None
        if len(figures) != 1 + self._paired:
            wanted = "a pair, estimate and standard error" if self._paired else "one number"
            raise Refused(f"the statistic must give {wanted} each, not {len(figures)} numbers")
        if not np.isfinite(figures).all() or (self._paired and figures[1] <= 0):
            raise Refused(
                f"the statistic is {', '.join(f'{x:g}' for x in figures)} in {where}: resamples "
                "leave units out and repeat others; keep groups whole with block=, or use a "
                "statistic that bears it"
            )
        if np.abs(figures).max() > LARGEST:
            raise Refused(
                f"the statistic reaches {figures[0]:g} in {where}, too large to square: choose a "
                "larger unit"
            )
        return figures

    def _drawn(self, draw: Codes) -> pd.DataFrame:
        if self._rows is None or self._cluster is None:
            taken = self._frame.take(draw)
        else:
            parts = [self._rows[unit] for unit in draw]
            taken = self._frame.take(np.concatenate(parts))
            lengths = [len(part) for part in parts]
            taken[self._cluster] = np.repeat(np.arange(len(parts)), lengths)
        taken.index = pd.RangeIndex(len(taken))
        return taken


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    if not isinstance(frame, pd.DataFrame):
        raise Refused(f"the data must be a pandas DataFrame, got {type(frame).__name__}")
    if frame.empty:
        raise Refused("the data have no rows: there is nothing to draw from")
    return frame.reset_index(drop=True)


def _jackknife(measure: _Measure, units: Units, observed: Array) -> Array:
    """Give how far each unit moves each number, shape (K, numbers), scaled by its stratum."""
    everyone = np.arange(units.count)
    without = np.array([measure.of(np.delete(everyone, k), "the jackknife") for k in everyone])
    size = units.sizes[units.stratum][:, None]
    return np.asarray((observed[None, :, 0] - without[:, :, 0]) * (size - 1) / size)
