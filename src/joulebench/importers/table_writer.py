"""Writing ``run_table.csv`` run by run: a column is known to be there only after the last run."""

from __future__ import annotations

import csv
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from joulebench.run_row import COLUMNS

_IN_MEMORY = 1 << 22


class TableWriter:
    """Gathers rows on disk and writes them as :meth:`joulebench.record.RunTable.write_csv` does.

    A column is there where at least one run has a value. Where one lacks it, or one is a fraction,
    a column of numbers is written with decimals throughout.
    """

    def __init__(self) -> None:
        # Opened here and closed by close(), which whoever made the writer calls.
        self._rows = tempfile.SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8")  # noqa: SIM115
        self._count = 0
        self._seen: dict[str, int] = {}
        self._kinds: dict[str, set[type]] = {}

    def add(self, cells: Mapping[str, Any]) -> None:
        """Take the row of a run."""
        self._rows.write(json.dumps(cells, ensure_ascii=False, default=str) + "\n")
        self._count += 1
        for column, value in cells.items():
            self._seen[column] = self._seen.get(column, 0) + (value is not None)
            self._kinds.setdefault(column, set()).add(type(value))

    def write(self, path: Path) -> None:
        """Write the table, synced to disk."""
        columns = self._columns()
        decimal = {column for column in columns if self._is_decimal(column)}
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            for cells in self._read():
                writer.writerow(_text(cells.get(name), name in decimal) for name in columns)
            file.flush()
            os.fsync(file.fileno())

    def close(self) -> None:
        """Give up what was gathered."""
        self._rows.close()

    def _columns(self) -> list[str]:
        tail = [column for column in COLUMNS if column in self._seen]
        return [column for column in self._seen if column not in COLUMNS] + tail

    def _is_decimal(self, column: str) -> bool:
        kinds = self._kinds[column] - {type(None)}
        if not kinds <= {int, float}:
            return False
        return float in kinds or self._seen[column] < self._count

    def _read(self) -> Iterator[dict[str, Any]]:
        self._rows.seek(0)
        return (json.loads(line) for line in self._rows)


def _text(value: Any, decimal: bool) -> str:
    if value is None:
        return ""
    return repr(float(value)) if decimal else str(value)
