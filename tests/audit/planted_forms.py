"""The forms in which tables are published, each without an error."""

from __future__ import annotations

from pathlib import Path

from planted import base
from planted_tables import Columns, long_table, paper, save, save_lines, serving, thesis, training


@base("serving")
def _serving(root: Path) -> list[Path]:
    return csv_file(root, serving())


@base("thesis")
def _thesis(root: Path) -> list[Path]:
    return semicolons_file(root, thesis())


@base("paper")
def _paper(root: Path) -> list[Path]:
    return tabs_file(root, paper())


@base("training")
def _training(root: Path) -> list[Path]:
    return [save_lines(root / "runs.jsonl", training())]


@base("long")
def _long(root: Path) -> list[Path]:
    return crlf_file(root, long_table())


def csv_file(root: Path, columns: Columns) -> list[Path]:
    return [save(root / "serving_results.csv", columns)]


def semicolons_file(root: Path, columns: Columns) -> list[Path]:
    return [save(root / "finetuning.csv", columns, ";")]


def tabs_file(root: Path, columns: Columns) -> list[Path]:
    return [save(root / "table3_l4.tsv", columns, "\t")]


def crlf_file(root: Path, columns: Columns) -> list[Path]:
    return [save(root / "run_table.csv", columns, newline="\r\n")]


def rows_where(columns: Columns, **levels: object) -> list[int]:
    names = list(columns)
    return [
        row
        for row in range(len(columns[names[0]]))
        if all(columns[name][row] == level for name, level in levels.items())
    ]


def scale(columns: Columns, rows: list[int], factor: float, *names: str) -> None:
    for name in names:
        for row in rows:
            columns[name][row] = round(columns[name][row] * factor, 6)
