"""The long table of statistics, looked up by what a number is of."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Row = dict[str, Any]
FIGURES = ("value", "df1", "df2", "p", "p_adjusted", "effect", "ci_low", "ci_high", "n")


@dataclass(frozen=True)
class Of:
    """Where a number stands: its question, and the level, response and scale within it."""

    question: str
    level: str
    response: str
    scale: str


class LongTable:
    """Rows of ``statistics.csv``."""

    def __init__(self, path: Path) -> None:
        with path.open(encoding="utf-8", newline="") as file:
            self.rows: list[Row] = [_typed(row) for row in csv.DictReader(file)]
        self._first: dict[tuple[str, ...], Row] = {}
        self._figures: dict[tuple[str, ...], float] = {}
        for row in self.rows:
            key = (*(row[n] for n in ("question", "level", "response", "scale", "test", "term")),)
            self._first.setdefault(key, row)
            self._figures.setdefault((*key, row["statistic"]), row["value"])

    def row(self, of: Of, test: str, term: str) -> Row:
        """Give the row of the statistic of a test."""
        return self._first[of.question, of.level, of.response, of.scale, test, term]

    def figure(self, of: Of, test: str, term: str, name: str) -> float:
        """Give a further figure of a test by its name."""
        return self._figures[of.question, of.level, of.response, of.scale, test, term, name]

    def terms(self, of: Of, test: str) -> Iterator[str]:
        """Give the terms of a test in order."""
        for question, level, response, scale, name, term in self._first:
            if Of(question, level, response, scale) == of and name == test:
                yield term


def _typed(row: dict[str, str]) -> Row:
    numbers = {name: float(row[name]) if row[name] else math.nan for name in FIGURES}
    return {**row, **numbers}


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read a table as it is written."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))
