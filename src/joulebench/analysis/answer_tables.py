"""The tables of an answered question: for people by stage, and every number in the long one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from joulebench.analysis.answer import Answer
from joulebench.analysis.assumption_checks import Checked
from joulebench.analysis.folders import OutputTree
from joulebench.analysis.result import Result
from joulebench.analysis.statistics_table import StatisticsTable, kinds

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = (
    "test", "term", "contrast", "estimate", "se", "statistic", "value", "df1", "df2", "p",
    "p_adjusted", "adjust", "effect_size", "effect", "ci_low", "ci_high", "n", "eta_sq",
    "omega_sq", "epsilon_sq", "note",
)  # fmt: skip
"""Columns of tables for people beside the levels of factors; the long table has the others too."""

_LEVELS_FIRST = 3


def write_tables(made: Answer, tree: OutputTree) -> None:
    """Write the tables of a question: one file an ending, each row with its level and scale.

    Args:
        made: The question with its results.
        tree: The folder.
    """
    by_ending: dict[str, list[Result]] = defaultdict(list)
    for result in made.results:
        by_ending[result.ending].append(result)
    question = made.question
    for ending in ("desc", "omnibus", "consec", "pairwise"):
        results = by_ending[ending]
        if results:
            means = "marginal_means" if ending == "desc" else ""
            stem = "_".join(part for part in (question.stem, means) if part)
            rows = _for_people(results, set(made.means.frame.columns))
            tree.rows(rows, _columns(rows), ending, question.id, stem)
    summary = _summaries(made.checks)
    if summary is not None:
        tree.table(summary, "assumption_summary", question.id, question.stem)


def add_statistics(made: Answer, statistics: StatisticsTable) -> None:
    """Put every number of a question into the long table."""
    looked_at = [result for each in made.checks for result in each.results]
    for result in [*looked_at, *made.results]:
        if result.reason:
            continue
        numbers, levels = kinds(result.found)
        head = {
            "question": made.question.id,
            "level": result.level,
            "response": result.response,
            "scale": result.scale,
            "test": result.test,
        }
        statistics.add_rows(result.rows, numbers, levels, head)


_HEAD = ("level", "scale", "chosen")


def _for_people(results: Iterable[Result], columns: set[str]) -> list[dict[str, Any]]:
    """Lay the results of one ending below each other, without what only the long table has."""
    shown = columns.union(_SHOWN)
    rows = []
    for result in results:
        chosen = "yes" if result.chosen else ""
        head = {"level": result.level, "scale": result.scale, "chosen": chosen}
        if result.reason:
            rows.append({**head, "test": result.test, "note": result.reason})
            continue
        rows += [{**head, **{k: row[k] for k in row if k in shown}} for row in result.rows]
    return rows


def _columns(rows: Iterable[dict[str, Any]]) -> list[str]:
    """Give the columns of rows for people: the factors' levels follow what a row is of."""
    names = dict.fromkeys(name for row in rows for name in row)
    factors = [name for name in names if name not in (*_HEAD, *_SHOWN)]
    order = [*_HEAD, *_SHOWN[:_LEVELS_FIRST], *factors, *_SHOWN[_LEVELS_FIRST:]]
    return [name for name in order if name in names]


def _summaries(checks: Iterable[Checked]) -> pd.DataFrame | None:
    """Lay the checks of all levels below each other, what could not be checked with its reason."""
    import pandas as pd

    parts = []
    for each in checks:
        empty = pd.DataFrame([{"reason": each.reason}])
        summary = empty if each.summary.empty else each.summary
        parts.append(summary.astype(object).assign(level=each.level))
    if not parts:
        return None
    table = pd.concat(parts, ignore_index=True)
    ordered: pd.DataFrame = table[["level", *(n for n in table.columns if n != "level")]]
    return ordered
