"""Rules on how cells are written: decimal commas, labels spelled in two ways, no numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, as_number
from joulebench.finding import Finding

_COMMA = re.compile(r"[-+]?\d+,\d+")
_POINT = re.compile(r"[-+]?\d*\.\d+([eE][-+]?\d+)?")
_GROUPED = re.compile(r"[-+]?[1-9]\d{0,2}(,\d{3})+")
_BROKEN = re.compile(r"#(div/0!|value!|ref!|name\?|num!|n/a|null!)|err(:\d+)?", re.IGNORECASE)
_MARKS = re.compile(r"[\s_\-./()\[\]]+")
_LONGEST_LABEL = 120
_FIRST = 50
_NO_LOCALE = frozenset({"version", "generation", "cuda", "driver", "python", "torch", "release"})
"""Words of columns whose points are no decimal signs: versions 2.1 and 2.4."""

_FREE_TEXTS = 500
"""More different texts than this are no labels."""


def decimal_comma(table: AuditTable) -> Iterator[Finding]:
    """Find decimal commas in a table whose other numbers have points."""
    points = [
        column
        for column in table.columns
        if not set(words_of(column)) & _NO_LOCALE and _has(table, column, ".", _POINT)
    ]
    for column in table.columns:
        commas = _cells(table, column, ",", _COMMA)
        if not commas:
            continue
        ambiguous = all(_GROUPED.fullmatch(text) for text in commas)
        mixed = column in points
        if not (mixed or points) or (ambiguous and not mixed):
            continue
        beside = column if mixed else points[0]
        yield Finding(
            "decimal-comma",
            "warning",
            table.where(column),
            f"{len(commas)} different cells of {column} have a decimal comma ({commas[0]}), while "
            f"{beside} has decimal points: a reader that takes the comma for a separator of "
            "thousands makes them 10 to 1,000 times too large",
            "write all numbers with a point, and look whether figures made of this column were "
            "read so",
            commas[0],
            f"{as_number(commas[0]):g}",
        )


def _has(table: AuditTable, column: str, mark: str, pattern: re.Pattern[str]) -> bool:
    return bool(_cells(table, column, mark, pattern, first=50))


def _cells(
    table: AuditTable, column: str, mark: str, pattern: re.Pattern[str], first: int | None = None
) -> list[str]:
    """Give the different cells that look so; nothing is searched where the mark never stands."""
    texts: list[str] = table.texts(column)[:first].tolist()
    if mark not in "\n".join(texts):
        return []
    return [text for text in dict.fromkeys(texts) if pattern.fullmatch(text)]


def label_inconsistent(table: AuditTable) -> Iterator[Finding]:
    """Find labels that differ only in how they are written: 3 and 3.0, FP16 and fp16."""
    for column in table.columns:
        if not _holds_labels(table, column):
            continue
        alike: dict[str, list[str]] = {}
        for level in table.levels(column):
            alike.setdefault(written_alike(level), []).append(level)
        twice = [levels for levels in alike.values() if len(levels) > 1]
        if twice:
            told = "; ".join(" and ".join(f"“{text}”" for text in levels) for levels in twice[:3])
            yield Finding(
                "label-inconsistent",
                "warning",
                table.where(column),
                f"{len(twice)} labels of {column} are written in more than one way: {told}",
                "write each label in one way, or rows of one setting are taken for two",
                told,
                "one spelling a label",
            )


def _holds_labels(table: AuditTable, column: str) -> bool:
    if table.meaning(column) is not None or column in (table.run_column, table.repetition_column):
        return False
    levels = table.levels(column)
    if not 1 < len(levels) <= _FREE_TEXTS or max(map(len, levels)) > _LONGEST_LABEL:
        return False
    return column in table.settings or not table.is_number(column)


def written_alike(label: str) -> str:
    """Give a label without what writers do differently: case, blanks, marks, 3.0 for 3."""
    number = as_number(label)
    if np.isfinite(number):
        decimals = label.replace(",", ".").partition(".")[2].strip("0")
        return f"{number:.0f}" if not decimals and "e" not in label.casefold() else label
    return _MARKS.sub(" ", label.casefold()).replace(" ", "")


def non_finite(table: AuditTable) -> Iterator[Finding]:
    """Find figures that are infinite, not a number, or an error of a spreadsheet."""
    for column in table.columns:
        meaning = table.meaning(column)
        other = meaning is None or meaning.kind == "timestamp"
        if other and not (begins_with_numbers(table, column) and table.is_number(column)):
            continue
        numbers = table.numbers(column)
        rows = np.flatnonzero(~np.isfinite(numbers))
        texts = table.texts(column)[rows]
        infinite = [row for row in rows.tolist() if np.isinf(numbers[row])]
        held = np.flatnonzero(texts != "")
        broken = [int(rows[i]) for i in held if _BROKEN.fullmatch(str(texts[i]))]
        nan = [int(rows[i]) for i in held if str(texts[i]).casefold() == "nan"]
        if infinite or broken:
            yield _not_finite(table, column, infinite + broken, "error")
        if nan and np.isfinite(numbers).any():
            yield _not_finite(table, column, nan, "note" if _failed(table, nan) else "warning")


def _failed(table: AuditTable, rows: list[int]) -> bool:
    """Say whether neither energy nor time was measured in these rows: their runs failed."""
    costs = [column for kind in ("energy", "duration") for column in table.measures(kind)]
    return bool(costs) and not any(
        np.isfinite(table.numbers(column)[rows]).any() for column in costs
    )


def begins_with_numbers(table: AuditTable, column: str) -> bool:
    """Say whether the first cells of a column are numbers: to read a column of names takes long."""
    first = [str(text) for text in table.texts(column)[:_FIRST] if text]
    return any(not np.isnan(as_number(text)) for text in first)


def _not_finite(table: AuditTable, column: str, rows: list[int], severity: str) -> Finding:
    text = str(table.texts(column)[rows[0]])
    return Finding(
        "non-finite",
        severity,
        table.where(column),
        f"{len(rows)} of {len(table)} cells hold “{text}”: {table.places(rows)}",
        "find what divided by nothing or overflowed there (a loss that is not finite, an energy of "
        "0), and leave the cell empty if nothing was measured",
        text,
        "a number, or an empty cell",
    )


RULES = (
    Rule("decimal-comma", "data", table=decimal_comma),
    Rule("label-inconsistent", "data", table=label_inconsistent),
    Rule("non-finite", "data", table=non_finite),
)
