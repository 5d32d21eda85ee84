"""The bootstrap of contrasts of cell means, by products of matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.bootstrap import test_name
from joulebench.stats.bootstrap_design import Codes, Units, units_of
from joulebench.stats.bootstrap_interval import Method, Resampled, check_request
from joulebench.stats.contrast_request import Contrasts, asked_contrasts, check_spread
from joulebench.stats.formula_rows import rows_for
from joulebench.stats.groups import Groups, groups_of
from joulebench.stats.model_frame import Missing
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Array = npt.NDArray[np.float64]

_LOG_OF = {"log": 1.0, "log2": math.log(2), "log10": math.log(10)}
"""Natural logarithm of one unit of a response in logarithms."""


class Drawing(TypedDict, total=False):
    """What is drawn: see :func:`bootstrap_contrast`."""

    cluster: str | None
    block: str | Sequence[str] | None
    missing: Missing


def bootstrap_contrast(
    formula: str,
    frame: pd.DataFrame,
    weights: Contrasts,
    *,
    rng: np.random.Generator,
    resamples: int = 10_000,
    method: Method = "bca",
    confidence: float = 0.95,
    **drawing: Unpack[Drawing],
) -> pd.DataFrame:
    """Bootstrap contrasts of the means of cells: ``sum w mean``.

    Each resample is the number of times that each unit was drawn, so that all cell means of many
    resamples are one product of matrices; the jackknife behind BCa is in closed form. Units are
    drawn within the block and within the cells that share clusters: a cluster that lies in one cell
    is drawn among those of its cell, so that cells keep their number of clusters; clusters that lie
    in several (paired blocks) are drawn whole. Rows count alike in a cell's mean, however many
    their cluster has. The studentized interval has the linearised standard error of each resample
    (Davison and Hinkley 1997, 2.7.2 and 3.2.1).

    Args:
        formula: ``log(energy_j) ~ generation``, or ``y ~ a:b`` for cells ("a1:b1").
        frame: One row an observation.
        weights: Weight of each cell, others 0: ``{"3": 1, "2": -1}``; or several contrasts by
            name; or "successive": each level less the one before it. All are made from the same
            resamples.
        rng: Generator of the draws.
        resamples: How many.
        method: "bca", "percentile", "basic" or "studentized".
        confidence: Coverage of each interval.
        **drawing: ``cluster``, the column whose levels are drawn whole (rows are drawn without
            it); ``block``, one or more columns within whose combinations they are drawn; and
            ``missing``, "refuse" or "drop" for rows that lack a value.

    Returns:
        One row a contrast: ``test``, ``contrast``, ``estimate`` on the scale of the response as
        modelled, ``se``, ``ci_low``, ``ci_high``, ``confidence``, ``n`` rows of its cells,
        ``bias``, ``resamples``, ``units`` drawn; for a response in logarithms ``ratio``,
        ``ratio_low``, ``ratio_high``; ``note``.

    Raises:
        Refused: A name or a cell that is not there, weights that are all 0, a cell or block with
            one unit, or a response that does not vary.
    """
    check_request(resamples, method, confidence, rng)
    rows, units = _drawn_from(formula, frame, **drawing)
    groups = groups_of(formula, rows)
    asked = asked_contrasts(weights, groups.levels, groups.factor)
    matrix = np.array(list(asked.values()))
    used = np.flatnonzero((matrix != 0).any(axis=0))
    matrix, cells = matrix[:, used], _cells(groups, used, rows, units)
    resampled = cells.resampled(matrix, resamples, rng, method)
    unit = _LOG_OF.get(groups.response.transform)
    results = []
    for name, row, drawn in zip(asked, matrix, resampled, strict=True):
        figures = drawn.figures(method, confidence, cells.involved(row))
        note = figures.pop("note")
        ends = (figures["estimate"], figures["ci_low"], figures["ci_high"])
        ratios = [] if unit is None else [math.exp(unit * end) for end in ends]
        results.append(
            {
                "test": test_name(method, cells.units),
                "contrast": name,
                **figures,
                "n": int(groups.counts[used[row != 0]].sum()),
                **dict(zip(("ratio", "ratio_low", "ratio_high"), ratios, strict=False)),
                "note": note,
            }
        )
    return tidy(results)


@dataclass(frozen=True, eq=False)
class _Cells:
    """Sums and counts of each unit in each cell, shapes (K, L)."""

    units: Units
    sums: Array
    counts: Array
    shift: float

    def involved(self, weights: Array) -> int:
        """Give how many units have rows in the cells that a contrast weighs."""
        return int((self.counts[:, weights != 0] > 0).any(axis=1).sum())

    def resampled(
        self, matrix: Array, resamples: int, rng: np.random.Generator, method: Method
    ) -> list[Resampled]:
        """Draw, and give each contrast's resamples."""
        values = np.empty((resamples, len(matrix)))
        errors = np.empty_like(values) if method == "studentized" else None
        start = 0
        for draws in self.units.draws(resamples, rng):
            times = self.units.weights(draws)
            part = slice(start, start + len(draws))
            means, held = self._means(times)
            values[part] = means @ matrix.T
            if errors is not None:
                for k, weights in enumerate(matrix):
                    errors[part, k] = self._errors(times, means, weights / held)
            start += len(draws)
        once = np.ones((1, self.units.count))
        means, held = self._means(once)
        shift = self.shift * matrix.sum(axis=1)
        moved = self._influence(means[0]) @ matrix.T if method == "bca" else None
        return [
            Resampled(
                float(means[0] @ weights) + shift[k],
                values[:, k] + shift[k],
                None if moved is None else moved[:, k],
                float(self._errors(once, means, weights / held)[0]),
                None if errors is None else errors[:, k],
            )
            for k, weights in enumerate(matrix)
        ]

    def _means(self, times: Array) -> tuple[Array, Array]:
        """Give the means of the cells and their numbers of rows, shapes (r, L)."""
        held = times @ self.counts
        if (held == 0).any():
            raise Refused(
                f"{int((held == 0).any(axis=1).sum())} of {len(times)} resamples have no row of "
                "some cell: too few units reach it; measure more, or leave it out"
            )
        return times @ self.sums / held, held

    def _influence(self, means: Array) -> Array:
        """Give how far each unit moves each cell mean: the jackknife, scaled by its stratum."""
        held = self.counts.sum(axis=0) - self.counts
        if (held == 0).any():
            raise Refused("one unit alone holds a cell: the jackknife of BCa needs two or more")
        without = (self.sums.sum(axis=0) - self.sums) / held
        size = self.units.sizes[self.units.stratum][:, None]
        return np.asarray((means - without) * (size - 1) / size)

    def _errors(self, times: Array, means: Array, slopes: Array) -> Array:
        """Give linearised standard errors of one contrast, shape (r,)."""
        moved = slopes @ self.sums.T - (slopes * means) @ self.counts.T
        member = np.eye(len(self.units.sizes))[self.units.stratum]
        size = self.units.sizes
        squares = (times * moved**2) @ member - ((times * moved) @ member) ** 2 / size
        return np.asarray(np.sqrt(squares @ (size / (size - 1.0))))


def _drawn_from(
    formula: str,
    frame: pd.DataFrame,
    cluster: str | None = None,
    block: str | Sequence[str] | None = None,
    missing: Missing = "refuse",
) -> tuple[pd.DataFrame, Drawing]:
    """Give the complete rows, and what is drawn of them."""
    blocks = [block] if isinstance(block, str) else list(block or ())
    rows = rows_for(formula, frame, [*([cluster] if cluster else []), *blocks], missing)
    return rows, Drawing(cluster=cluster, block=blocks)


def _cells(groups: Groups, used: Codes, frame: pd.DataFrame, drawing: Drawing) -> _Cells:
    """Sum the response of the cells used by unit; cells that share no unit are strata apart."""
    keep = np.isin(groups.codes, used)
    values = groups.values[keep]  # noqa: PD011 - not a frame
    codes = np.searchsorted(used, groups.codes[keep])
    rows = frame[keep]
    free = units_of(rows, cluster=drawing["cluster"])
    held = _by_unit(free.unit, codes, np.ones(len(codes)))
    parts = _linked(held > 0)[codes]
    units = units_of(rows, cluster=drawing["cluster"], block=drawing["block"], parts=parts)
    check_spread(values, codes)
    held = _by_unit(units.unit, codes, np.ones(len(codes)))
    shift = float(values.mean())
    return _Cells(units, _by_unit(units.unit, codes, values - shift), held, shift)


def _by_unit(unit: Codes, cell: Codes, values: Array) -> Array:
    """Sum values by unit and cell, shape (K, L)."""
    cells = int(cell.max()) + 1
    flat = np.bincount(unit * cells + cell, values, minlength=(int(unit.max()) + 1) * cells)
    return np.asarray(flat.reshape(-1, cells), dtype=np.float64)


def _linked(reached: npt.NDArray[np.bool_]) -> Codes:
    """Number the cells so that those which share a unit, directly or by others, are one."""
    touch = (reached.T.astype(np.float64) @ reached) + np.eye(reached.shape[1]) > 0
    for _ in range(max(1, int(np.ceil(np.log2(len(touch)))))):
        touch = touch.astype(np.float64) @ touch > 0
    return np.asarray(np.argmax(touch, axis=1), dtype=np.intp)
