"""The long table of every number that an analysis prints, at full precision."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulebench.record import write_whole

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (
    "question", "level", "response", "scale", "test", "term", "statistic", "value", "df1", "df2",
    "p", "p_adjusted", "effect", "ci_low", "ci_high", "n",
)  # fmt: skip
"""Columns of ``tables/statistics.csv``."""

_TEXTS = frozenset({"test", "term", "contrast", "statistic", "effect_size", "adjust", "ci_adjust",
                    "alternative", "method", "null_hypothesis", "note"})  # fmt: skip
_MAIN = frozenset({"estimate", "value", "df1", "df2", "p", "p_adjusted", "effect", "ci_low",
                   "ci_high", "confidence", "n"})  # fmt: skip
_UNNAMED = "estimate"


@dataclass
class StatisticsTable:
    """Collects results as they are made, in order.

    Args:
        rows: One mapping a row, in :data:`COLUMNS`.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        found: pd.DataFrame,
        *,
        question: str,
        level: str,
        response: str,
        scale: str,
        test: str = "",
    ) -> None:
        """Take over every number of a result.

        A row of a result becomes one row with its statistic; ``effect`` is its effect size, or its
        estimate where it has none, with the interval. The named effect size, the estimate beside
        it, its standard error and all further figures follow in rows of their own: ``statistic`` is
        their name, ``value`` and ``effect`` the figure. What is doubtful about a row follows it
        in a row whose ``statistic`` is ``note:`` and the words, without a figure.

        Args:
            found: One row a term, level or pair, in the vocabulary of :mod:`joulebench.stats`.
            question: Id of the question.
            level: ``run`` or ``repetition``.
            response: Tidy name.
            scale: ``raw`` or ``log``.
            test: Name of the test, for results that have no column of it.
        """
        head = {"question": question, "level": level, "response": response, "scale": scale}
        numbers, levels = kinds(found)
        self.add_rows(records(found), numbers, levels, {**head, "test": test})

    def add_rows(
        self,
        rows: Iterable[Mapping[str, Any]],
        numbers: Sequence[str],
        levels: Sequence[str],
        head: Mapping[str, Any],
    ) -> None:
        """Take over every number of a result's rows; see :meth:`add`.

        Args:
            rows: Of the result.
            numbers: Its columns of further figures, as :func:`kinds` tells them.
            levels: Its columns of levels of factors.
            head: What all of its rows have in common: ``question``, ``level``, ``response``,
                ``scale``, and the ``test`` of rows that name none.
        """
        for named in rows:
            subject = {"test": named.get("test") or head["test"], "term": _term(named, levels)}
            for row in _rows(named, numbers):
                self.rows.append({**head, **subject, **row})

    def write(self, path: Path) -> Path:
        """Write the table: a reader sees the old file or the whole new one."""
        write_whole(path, as_csv(self.rows, COLUMNS))
        return path

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.rows)


def records(found: pd.DataFrame) -> list[dict[str, Any]]:
    """Give the rows of a frame as mappings; pandas' own way takes five times as long."""
    names = [str(column) for column in found.columns]
    return [dict(zip(names, row, strict=True)) for row in found.to_numpy(dtype=object).tolist()]


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """Give rows as CSV text: floats as they are, to the last digit; nothing where none is."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row.get(column)) for column in columns] for row in rows)
    return text.getvalue()


def kinds(found: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Part the columns of a result into further figures and levels of factors."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    rest = [(str(name), dtype) for name, dtype in zip(found.columns, found.dtypes, strict=True)]
    rest = [(name, dtype) for name, dtype in rest if name not in _TEXTS | _MAIN]
    numbers = [n for n, dtype in rest if is_numeric_dtype(dtype) and not is_bool_dtype(dtype)]
    return numbers, [name for name, _ in rest if name not in numbers]


def _term(record: Mapping[str, Any], levels: Sequence[str]) -> str:
    """Say what a row is of: term, contrast, then the levels that it holds in."""
    named = [f"{name}={record[name]}" for name in levels if _is_there(record[name])]
    texts = [str(record[name]) for name in ("term", "contrast") if _is_there(record.get(name))]
    return " | ".join([*texts, *(["; ".join(named)] if named else [])])


def _rows(record: Mapping[str, Any], numbers: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give the row of the statistic, what is doubtful about it, and one for each further figure."""
    value, effect, estimate = (record.get(name) for name in ("value", "effect", "estimate"))
    size, named = record.get("effect_size"), _is_there(effect)
    count = {"n": _count(record.get("n"))}
    interval = {name: record.get(name) for name in ("ci_low", "ci_high")}
    main = _main_figure(record)
    yield {
        "statistic": main,
        "value": value if _is_there(value) else effect if named else estimate,
        **{name: record.get(name) for name in ("df1", "df2", "p", "p_adjusted")},
        "effect": effect if named else estimate,
        **interval,
        **count,
    }
    if record.get("note"):
        yield {"statistic": f"note: {record['note']}", **count}
    if named and size and main != size:
        yield _figure(str(size), effect) | interval | count
    if _is_there(estimate) and main != _UNNAMED:
        # The interval is of the effect where there is one, so that it stands here only without.
        yield _figure(_UNNAMED, estimate) | ({} if named else interval) | count
    for name in numbers:
        if _is_there(record[name]):
            yield _figure(name.replace("_", " "), record[name]) | count


def _main_figure(record: Mapping[str, Any]) -> str:
    """Give the name of a row's value: a statistic, else an effect size, else an estimate."""
    if _is_there(record.get("value")) or record.get("statistic"):
        return str(record.get("statistic") or "value")
    if _is_there(record.get("effect")):
        return str(record.get("effect_size") or "effect")
    return _UNNAMED if _is_there(record.get("estimate")) else ""


def _figure(name: str, figure: Any) -> dict[str, Any]:
    return {"statistic": name, "value": figure, "effect": figure}


def _is_there(value: Any) -> bool:
    return (
        value is not None and value != "" and not (isinstance(value, float) and math.isnan(value))
    )


def _count(value: Any) -> Any:
    """Give a number of observations as a whole number where it is one."""
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole else value


def _cell(value: Any) -> Any:
    """Give what the writer turns into text as it is: nothing for what is not there."""
    kind = type(value)
    if kind is float:
        return value if value == value else None  # noqa: PLR0124 - NaN alone is not itself
    if value is None or kind is str or kind is int:
        return value
    if hasattr(value, "item"):
        value = value.item()  # numpy's numbers print their type
    return value if _is_there(value) else None
