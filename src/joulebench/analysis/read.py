"""From a study or anybody's table to the frame that an analysis reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from joulebench.analysis.analysis_frame import RUN, AnalysisFrame
from joulebench.analysis.audit_line import audit_line
from joulebench.analysis.derived_responses import with_derived
from joulebench.analysis.factor_columns import (
    FactorColumn,
    find_factors,
    following,
    left_out,
    shortened,
    still_varied,
)
from joulebench.analysis.frame_rows import UnitColumns, frame_of, number_columns
from joulebench.analysis.kept_rows import kept_rows
from joulebench.analysis.model_size import model_sizes
from joulebench.analysis.response_columns import Read, read_columns
from joulebench.analysis.run_order import time_order
from joulebench.analysis.source import open_source
from joulebench.analysis.units import with_units
from joulebench.audit.columns import words_of
from joulebench.audit.table import AuditTable
from joulebench.errors import UsageError, unknown

if TYPE_CHECKING:
    import pandas as pd

_SPREADS = frozenset({"sd", "std", "stdev", "stddev", "sem", "stderr", "variance"})
"""Words of columns that tell how the rows behind a mean scatter."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a user says of a table; empty where the table shall say it.

    Args:
        responses: Columns or tidy names.
        factors: Columns or tidy names.
        run: Column of the experimental unit; the cell of all factors if empty.
        repetition: Column that counts the repetitions of a run.
        exclude: Conditions on levels whose rows are left out: ``task == 'boolq'``.
    """

    responses: tuple[str, ...] = ()
    factors: tuple[str, ...] = ()
    run: str = ""
    repetition: str = ""
    exclude: tuple[str, ...] = ()


def read_analysis(
    path: str | Path, choices: Choices | None = None, *, audit: bool = True
) -> AnalysisFrame:
    """Read a study's folder or a table into one row a repetition, tidy names, SI units.

    Factors are ordered categories: by number where all levels are numbers, model sizes by size,
    else in the order of the study file, else by the alphabet; 2.0 and 2 are one level. ``run`` is
    one cell of all factors.

    Args:
        path: A study's folder, or a table: CSV, TSV, JSON, JSON lines.
        choices: What the user says of it.
        audit: Whether to look with the audit's rules for errors in the responses.

    Raises:
        UsageError: It cannot be read, or holds no factor, no response or no row that can be used;
            says which and what to do.
    """
    choices = choices or Choices()
    source = open_source(Path(path))
    table = source.table
    factors = find_factors(table, choices.factors, source.order)
    sizes = model_sizes(table)
    read = with_derived(read_columns(table, choices.responses), sizes)
    shown = _asked_for(table, read, choices.responses)
    mask, dropped = kept_rows(source, factors, shown, choices.exclude)
    varied, (factors, alike) = factors, still_varied(table, factors, mask)
    numbers = number_columns(shown, sizes) | time_order(source, factors)
    units = UnitColumns(choices.run, choices.repetition)
    frame, notes = frame_of(table, factors, numbers, mask, units)
    responses = tuple(each.response for each in shown.values())
    found = AnalysisFrame(
        name=source.name,
        path=source.path,
        frame=frame,
        factors=tuple(factor.name for factor in factors),
        responses=responses,
        columns={factor.name: factor.column for factor in factors},
        dropped=dropped,
        notes=(
            *alike,
            *_notes_on_summaries(table, frame),
            *_notes_on_factors(table, factors, varied, choices.exclude),
            *notes,
            *_notes_on_responses(frame, shown),
        ),
        audit=audit_line(source, responses) if audit else "",
    )
    return with_units(found)


def _asked_for(
    table: AuditTable, read: Mapping[str, Read], asked: Sequence[str]
) -> dict[str, Read]:
    """Give all responses, those that the user named first.

    Raises:
        UsageError: There is none, or one that was named cannot be made of this table.
    """
    if not read:
        raise UsageError(
            f"{table.name}: no column is an energy, a power, a duration or an accuracy; name the "
            f"response with --response (columns: {shortened(table.columns)})"
        )
    first = []
    for name in asked:
        tidy = next((k for k, r in read.items() if name in (k, r.response.source)), None)
        if tidy is None:
            raise unknown("--response", name, read)
        first.append(tidy)
    return {name: read[name] for name in dict.fromkeys([*first, *read])}


def _notes_on_factors(
    table: AuditTable,
    factors: Sequence[FactorColumn],
    varied: Sequence[FactorColumn],
    exclude: Sequence[str],
) -> list[str]:
    # What a user excludes may have left one level of what else was varied.
    notes = [
        f"{column} was varied too and is no factor here: its levels stand among the repetitions"
        for column in ([] if exclude else left_out(table, varied))
    ]
    notes += [
        f"{column} follows from {' and '.join(f.column for f in factors)} together and is no "
        "factor of its own: its effect cannot be told from their interaction; --factors can name "
        "it in place of one of them"
        for column in following(table, factors)
    ]
    return notes + [
        f"{factor.column} changes together with {', '.join(factor.twins)} in every row: what is "
        f"said of {factor.name} may be the effect of either"
        for factor in factors
        if factor.twins
    ]


def _notes_on_summaries(table: AuditTable, frame: pd.DataFrame) -> list[str]:
    """Say that rows look like means of several runs, which no test can take for single ones."""
    column = next((c for c in table.columns if _SPREADS & set(words_of(c))), "")
    if not column or len(frame) > frame[RUN].nunique():
        return []
    return [
        f"rows look like means of several runs (column {column}): how single runs scatter is not "
        "in them; analyse the rows that they were made of"
    ]


def _notes_on_responses(frame: pd.DataFrame, shown: Mapping[str, Read]) -> list[str]:
    notes = []
    for name, read in shown.items():
        values = frame[name].to_numpy()
        missing, low = int(np.isnan(values).sum()), int((values <= 0).sum())
        if read.response.reason:
            notes.append(f"{name} is {read.response.source}: {read.response.reason}")
        if missing:
            notes.append(
                f"{name} is missing in {missing} of {len(frame)} rows, which it leaves out"
            )
        if len(values) > 1 and np.all(values == values[0]):
            notes.append(f"{name} is {values[0]:g} in every row: there is nothing to compare")
        if low and name not in ("accuracy",):
            notes.append(f"{name} is not above 0 in {low} rows: it has no logarithm there")
    for column in ("method", "scope"):
        kinds = sorted(set(frame[column])) if column in frame else []
        if len(kinds) > 1:
            notes.append(
                f"energies of different {column} stand side by side ({', '.join(kinds)}): they are "
                "not comparable; leave one out"
            )
    return notes
