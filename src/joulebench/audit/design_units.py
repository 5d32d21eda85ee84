"""What counts as one: models behind a generation, runs behind a random effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from joulebench.audit.columns import RUN_IDS, words_of
from joulebench.audit.design_factors import (
    Codes,
    DesignFactor,
    TableDesign,
    combined,
    design_of,
    kind_of,
    level_key,
    pairs,
)
from joulebench.audit.evidence import Evidence
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding

_CLASSES = frozenset(
    {"generation", "gen", "family", "series", "version", "architecture", "arch", "vendor"}
)
"""Words of factors that stand for a class of models, not for one model."""

_FEW_DOF = 3
"""At 3 degrees of freedom t(0.975) is 3.18, at 4 it is 2.78; over all runs it is 1.96. Up to 3, an
honest interval is more than half as wide again as one that takes runs for independent."""

_COUNTS = frozenset(
    {"n", "runs", "reps", "repetitions", "observations", "count", "samples", "total"}
)
_RESIDUAL = frozenset({"res", "resid", "residual", "residuals", "error", "den", "denominator"})
_FREEDOM = frozenset({"df", "dof", "ddf"})


@dataclass(frozen=True, eq=False)
class _Nested:
    """A factor whose levels are classes of units.

    Args:
        factor: The factor.
        units: Number of the unit of each row, shape (n,).
        per_level: Units of each level, shape (levels,).
    """

    factor: DesignFactor
    units: Codes
    per_level: np.ndarray

    @property
    def count(self) -> int:
        return int(self.per_level.sum())

    @property
    def dof(self) -> int:
        return self.count - len(self.per_level)


def _nested(design: TableDesign) -> Iterator[_Nested]:
    """Give the classes of models in a table, each with the models that stand for it."""
    identity = design.of_kind("model")
    yield from filter(None, map(_of_one_model, identity))
    for factor in identity:
        if len(identity) < 2 or not set(words_of(factor.column)) & _CLASSES:
            continue
        units = combined([each.codes for each in identity], design.rows)
        level_of_unit = np.zeros(int(units.max()) + 1, dtype=np.intp)
        level_of_unit[units] = factor.codes
        yield _Nested(factor, units, np.bincount(level_of_unit, minlength=len(factor.levels)))


def _of_one_model(factor: DesignFactor) -> _Nested | None:
    """Give a class that goes with the model's name one to one, so that one stands for each."""
    columns = [c for c in (factor.column, *factor.aliases) if kind_of(c) == "model"]
    classes = [column for column in columns if set(words_of(column)) & _CLASSES]
    if not classes or len(classes) == len(columns):
        return None
    return _Nested(
        replace(factor, column=classes[0], aliases=()),
        factor.codes,
        np.ones(len(factor.levels), dtype=np.intp),
    )


def _pseudoreplication(table: AuditTable) -> Iterator[Finding]:
    """Find classes of models that few models stand for, each with many rows."""
    design = design_of(table)
    if not design.has_outcomes:
        return
    for nested in _nested(design):
        if nested.dof <= _FEW_DOF and design.rows >= 2 * nested.count:
            yield _few_units(table, design, nested)


def _few_units(table: AuditTable, design: TableDesign, nested: _Nested) -> Finding:
    factor, levels = nested.factor, len(nested.per_level)
    per_level = ", ".join(
        f"{level}: {count}" for level, count in zip(factor.levels, nested.per_level, strict=True)
    )
    return Finding(
        "pseudoreplication",
        "warning",
        table.where(factor.column),
        f"{design.rows} rows, but only {nested.count} models stand for the {levels} levels of "
        f"{factor.column} (models by level: {per_level}); repetitions of a model are no "
        f"independent evidence about its {factor.column}: n is {nested.count}, not {design.rows}, "
        f"and {nested.dof} degree(s) of freedom are left to judge it",
        f"claim it for these {nested.count} models; for {factor.column} in general, measure more "
        "models of each level and test against the differences between them",
        seen=f"{nested.dof} degrees of freedom",
        possible=f"above {_FEW_DOF} for an interval that runs would give",
    )


def _counted_rows(evidence: Evidence) -> Iterator[Finding]:
    """Find summaries by class that count rows, where the rows show how few models there are."""
    known = {
        level_key(nested.factor.column): nested
        for table in evidence.tables
        for nested in _nested(design_of(table))
        if nested.dof <= _FEW_DOF and len(table) >= 2 * nested.count
    }
    for table in evidence.tables:
        for column, nested in _summaries(table, known):
            yield _counts_rows(table, column, nested)


def _summaries(table: AuditTable, known: dict[str, _Nested]) -> Iterator[tuple[str, _Nested]]:
    """Give the counts of a table that has one row a level, and what it is a summary of."""
    counts = [c for c in table.columns if set(words_of(c)) & {"n", "count", "num"}]
    counts = [c for c in counts if set(words_of(c)) <= _COUNTS and table.is_number(c)]
    for column in table.columns:
        nested = known.get(level_key(column))
        if nested is None or not counts or len(table.levels(column)) != len(table):
            continue
        same = {level_key(level) for level in nested.factor.levels}
        fits = same >= {level_key(level) for level in table.levels(column)}
        if fits and np.nanmax(table.numbers(counts[0])) > nested.per_level.max():
            yield counts[0], nested


def _counts_rows(table: AuditTable, column: str, nested: _Nested) -> Finding:
    most = int(np.nanmax(table.numbers(column)))
    return Finding(
        "pseudoreplication",
        "warning",
        table.where(column),
        f"{column} counts up to {most} for a level of {nested.factor.column}, which "
        f"{int(nested.per_level.max())} model(s) at most stand for",
        "give the number of models as n, or say that the summary is of these models only",
        seen=str(most),
        possible=f"at most {int(nested.per_level.max())}",
    )


def _saturated(table: AuditTable) -> Iterator[Finding]:
    """Find groups that invite a random effect, of which each is a cell of the design."""
    design = design_of(table)
    column = _group_column(table, design)
    if column is None:
        return
    groups = design.cell_count
    spare = _spare(design)
    least = min(spare.items(), key=lambda item: item[1])
    yield Finding(
        "saturated-model",
        "note",
        table.where(column),
        f"each of the {groups} levels of {column} is one combination of "
        f"{', '.join(f.column for f in design.factors)}, with {design.rows // groups} or so rows "
        f"each: a model with these factors and (1 | {column}) has as many parameters as groups, "
        f"0 degrees of freedom; with {least[0]} alone, {groups - least[1]} parameters leave "
        f"{least[1]}",
        f"do not fit {column} as a random effect beside the factors that make it up: claim what "
        "the rows show of these combinations, or bring in units that are not themselves cells",
        seen="0 degrees of freedom",
        possible=f"at most {least[1]} with {least[0]}",
    )


def _group_column(table: AuditTable, design: TableDesign) -> str | None:
    """Give the column that numbers the cells and calls them runs."""
    if len(design.factors) < 2 or design.rows < 2 * design.cell_count or not design.has_outcomes:
        return None
    for column in table.columns:
        if column.strip().lower() not in RUN_IDS:
            continue
        texts = table.texts(column).tolist()
        if len(set(texts)) != design.cell_count:
            continue
        numbers = {text: place for place, text in enumerate(dict.fromkeys(texts))}
        codes = np.array([numbers[text] for text in texts], dtype=np.intp)
        if pairs(codes, design.cells) == design.cell_count:
            return column
    return None


def _spare(design: TableDesign) -> dict[str, int]:
    """Give the degrees of freedom that groups leave to each crossing of all factors but one.

    A model with all interactions of some factors has one parameter for each of their combinations
    that occurs.
    """
    found = {}
    for some in combinations(design.factors, len(design.factors) - 1):
        filled = int(combined([f.codes for f in some], design.rows).max()) + 1
        found[" * ".join(f.column for f in some)] = design.cell_count - filled
    return found


def _tested_against_few(evidence: Evidence) -> Iterator[Finding]:
    """Find published tests whose degrees of freedom are those of a nearly saturated model."""
    designs = [design_of(table) for table in evidence.tables]
    designs = [d for d in designs if _group_column(d.table, d) is not None]
    if not designs:
        return
    for table in evidence.tables:
        column = next((c for c in table.columns if _counts_freedom(c)), None)
        if column is not None and table.is_number(column):
            yield from _few_left(table, column, designs[0])


def _counts_freedom(column: str) -> bool:
    words = set(words_of(column))
    return bool(words & _FREEDOM and words & _RESIDUAL)


def _few_left(table: AuditTable, column: str, design: TableDesign) -> Iterator[Finding]:
    left = float(np.nanmin(table.numbers(column)))
    groups = design.cell_count
    fitting = {name: groups - spare for name, spare in _spare(design).items() if spare == left}
    for name, parameters in fitting.items():
        if left >= parameters:
            continue
        yield Finding(
            "saturated-model",
            "warning",
            table.where(column),
            f"{left:g} residual degrees of freedom: {parameters} parameters of {name} on "
            f"{groups} groups, while the run table has {design.rows} rows; there are more "
            "parameters than degrees of freedom to judge them by",
            "the groups are cells of the design, so that what is left is the factor that was left "
            "out, not chance: do not use these tests",
            seen=f"{left:g}",
            possible=f"{design.rows - groups} within groups",
        )
        return


RULES = (
    Rule("pseudoreplication", "design", table=_pseudoreplication, evidence=_counted_rows),
    Rule("saturated-model", "design", table=_saturated, evidence=_tested_against_few),
)
