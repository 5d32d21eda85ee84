"""The model that data with empty cells can carry, in place of one that they cannot."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from joulebench.stats.anova import anova
from joulebench.stats.anova_aliased import aliased_terms
from joulebench.stats.anova_types import parts_of
from joulebench.stats.filled_cells import (
    Cells,
    cells_of,
    crosses,
    one_step_contrasts,
    smallest_with_gaps,
)
from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.formula import parse
from joulebench.stats.model_frame import Missing, complete
from joulebench.stats.model_terms import variables_of
from joulebench.stats.offered_formulas import right_sides, without_aliased_products
from joulebench.stats.planned_contrasts import planned_contrasts
from joulebench.stats.refused import Refused

_MOST_LEVELS = 12
"""A number with no more values than this may stand for levels."""


@dataclass(frozen=True, eq=False)
class Offer:
    """A model that the data can carry, in place of one with aliased terms.

    Args:
        formula: The one-way over the filled cells, with blocks: ``y ~ a:b + task``.
        cells: Which combinations were observed.
        contrasts: Planned comparisons of filled cells that change one factor alone, by name, with
            the weights of the cells.
        blocks: Factors of the formula that were observed at every level in every filled cell.
        reduced: The same formula without its aliased interactions, where the data carry all the
            rest; empty where they do not.
        why: What the data cannot carry, in words.
        frame: The rows.
    """

    formula: str
    cells: Cells
    contrasts: dict[str, dict[str, float]]
    blocks: tuple[str, ...]
    reduced: str
    why: str
    frame: pd.DataFrame

    def anova(self, **options: Any) -> pd.DataFrame:
        """Give the analysis of variance of the offered model; see :func:`anova`."""
        return anova(self.formula, self.frame, **options)

    def planned_contrasts(self, **options: Any) -> pd.DataFrame:
        """Give the offered contrasts; see :func:`planned_contrasts`.

        Raises:
            Refused: No two filled cells differ in one factor alone.
        """
        if not self.contrasts:
            raise Refused(
                f"no two filled cells of {' x '.join(self.cells.factors)} differ in one factor "
                "alone: no effect of one of them can be told from the others"
            )
        return planned_contrasts(self.formula, self.frame, contrasts=self.contrasts, **options)

    def __str__(self) -> str:
        also = f"; or {self.reduced!r}" if self.reduced else ""
        return f"{self.why}: fit {self.formula!r}{also}"


def fitted_instead(formula: str, frame: pd.DataFrame, missing: Missing = "refuse") -> Offer:
    """Offer the model that the data carry where a formula has aliased terms.

    The cell means model over the filled cells (Searle 1987, Linear Models for Unbalanced Data, 5),
    beside it the terms that the gaps do not touch and, as blocks, other columns of text or
    categories that were observed at every level equally often in every filled cell, as a design
    makes them and an outcome does not; and the comparisons of two filled cells that change one
    factor alone, each to its next filled level.

    Args:
        formula: ``energy_j ~ generation * model_size``.
        frame: One row an observation.
        missing: What to do about rows that lack a value in the columns of the formula.

    Raises:
        Refused: The formula has no aliased term, its terms are aliased without a cell being empty,
            or the rows are too few for the offered model as well.
    """
    read = parse(formula)
    rows, extra = _rows(frame, [read.response.column, *variables_of(read.fixed, frame)], missing)
    design = FixedDesign.of(read.fixed, rows)
    cells = _cells(design, formula)
    new_blocks = _crossing(rows, cells, extra, evenly=True)
    response = read.response.text
    for right in right_sides(design, cells, new_blocks):
        tried = FixedDesign.of(right, rows)
        if len(rows) > tried.x.shape[1] and not aliased_terms(tried):
            blocks = _crossing(rows, cells, list(tried.factors))
            offered = f"{response} ~ {right}"
            reduced = without_aliased_products(design)
            return Offer(
                offered,
                cells,
                one_step_contrasts(cells),
                tuple(blocks),
                f"{response} ~ {reduced}" if reduced else "",
                cells.text,
                rows,
            )
    raise Refused(
        f"{cells.text}, and {len(rows)} rows do not carry the means of the filled ones beside a "
        "residual variance: add repetitions"
    )


def offered_formula(formula: str, frame: pd.DataFrame) -> str:
    """Give the formula that :func:`fitted_instead` offers; empty where it offers none."""
    try:
        return fitted_instead(formula, frame, missing="drop").formula
    except Refused:
        return ""


def _rows(
    frame: pd.DataFrame, used: Sequence[str], missing: Missing
) -> tuple[pd.DataFrame, list[str]]:
    """Give the complete rows, and the names of further columns that may be blocks."""
    kept = complete(frame, used, missing)
    place = frame[list(dict.fromkeys(used))].notna().all(axis=1).to_numpy()
    others = frame[place].reset_index(drop=True)
    extra = [
        str(name)
        for name in frame.columns
        if name not in used
        and str(name).isidentifier()
        and _may_be_block(frame[name])
        and bool(others[name].notna().all())
    ]
    return pd.concat([kept, others[extra]], axis=1), extra


def _may_be_block(column: pd.Series[Any]) -> bool:
    """Say whether a column is of text or categories; yes and no are outcomes more often."""
    categories = isinstance(column.dtype, pd.CategoricalDtype)
    return categories or bool(pd.api.types.is_string_dtype(column))


def _cells(design: FixedDesign, formula: str) -> Cells:
    """Give the cells of the factors behind the aliased terms.

    Raises:
        Refused: Nothing is aliased, or nothing is empty.
    """
    doubtful = {term.name for term in aliased_terms(design)}
    if not doubtful:
        raise Refused(f"{formula!r} has no aliased term: fit it as it is, with anova() or lm()")
    touched = {v for term in design.terms if term.name in doubtful for v in term.variables}
    factors = [name for name in design.variables if name in touched and _by_levels(name, design)]
    gaps = smallest_with_gaps(design.frame, sorted(factors, key=_order_in(formula)))
    if not gaps:
        raise Refused(
            f"{formula!r} is aliased though no cell is empty ({', '.join(sorted(doubtful))} say "
            "the same): leave one of them out"
        )
    together = {name for cells in gaps for name in cells.factors}
    return cells_of(design.frame, sorted(together, key=_order_in(formula)))


def _by_levels(name: str, design: FixedDesign) -> bool:
    """Say whether a column is a factor, or a number in an aliased product with few values."""
    if name in design.factors:
        return True
    products = [term for term in design.terms if term.aliased and len(parts_of(term)) > 1]
    few = design.frame[name].nunique() <= _MOST_LEVELS
    return bool(few) and any(name in term.variables for term in products)


def _order_in(formula: str) -> Any:
    names = re.findall(r"[A-Za-z_.][\w.]*", formula.partition("~")[2])
    return names.index


def _crossing(
    frame: pd.DataFrame, cells: Cells, names: Sequence[str], *, evenly: bool = False
) -> list[str]:
    """Give the factors observed at every level in every filled cell and under one another."""
    found: list[str] = []
    for name in names:
        under = [*cells.factors, *found]
        if name not in cells.factors and crosses(frame, under, name, evenly=evenly):
            found.append(name)
    return found
