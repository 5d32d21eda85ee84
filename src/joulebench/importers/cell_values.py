"""What the cells of a published table say."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from joulebench.errors import UsageError
from joulebench.importers.delimited import number
from joulebench.importers.text_rows import Cell, Row

ABSENT_WORDS = frozenset({"", "-", "--", "na", "n/a", "none", "null", "nan", "[n/a]"})
"""What people write where there is no value."""


LARGEST = 1e30
"""No figure is larger, in any unit: multiplied by another it would not be finite."""


def text_of(cell: Cell) -> str:
    """Give a cell as text; empty where it holds nothing."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    return f"{cell:.15g}" if isinstance(cell, float) else str(cell).strip()


def is_absent(cell: Cell) -> bool:
    """Say whether a cell holds no value."""
    return text_of(cell).casefold() in ABSENT_WORDS


def number_in(row: Row, column: str, where: str) -> float | None:
    """Read a number with a decimal point or comma; ``None`` where the cell holds nothing.

    Args:
        row: The row.
        column: Its column; a row that lacks it holds nothing there.
        where: File and line, for the message.

    Raises:
        UsageError: The cell holds something else, or a number that is not finite.
    """
    cell = row.cells.get(column)
    if is_absent(cell):
        return None
    value = _float(cell) if isinstance(cell, int | float) else number(str(cell))
    if value is None or not abs(value) < LARGEST:
        shown = text_of(cell)[:40]
        raise UsageError(f"{where}: {column!r} is no finite number: {shown!r}; mend the cell")
    return value


def _float(cell: float) -> float:
    try:
        return float(cell)
    except OverflowError:  # a whole number of hundreds of digits
        return math.inf


def published(table: str, row: Row) -> dict[str, Any]:
    """Give what a source published in one row, as the fact ``"published"`` of its run.

    Args:
        table: Name of the file.
        row: The row; cells that hold nothing are left out.
    """
    values = {column: _value(cell) for column, cell in row.cells.items() if not is_absent(cell)}
    return {"table": table, "line": row.line, "values": values}


def _value(cell: Cell) -> float | int | str | bool:
    if isinstance(cell, bool | int):
        return cell
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else str(cell)
    text = str(cell).strip()
    value = number(text)
    if value is None:
        return text
    return int(value) if text.lstrip("+-").isdigit() and abs(value) < 2**53 else value


def moment(text: str) -> datetime | None:
    """Read a date and time in ISO 8601 or with slashes, year first; ``None`` if it is none."""
    try:
        return datetime.fromisoformat(text.strip().replace("/", "-"))
    except ValueError:
        return None


def utc_text(when: datetime) -> str:
    """Write a moment of a known time zone in UTC; empty where the zone is not known."""
    if when.tzinfo is None:
        return ""
    text = when.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
