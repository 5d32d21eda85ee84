"""What was varied: levels out of published tables, names of folders and settings, never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joulebench.importers.delimited import number, read_delimited
from joulebench.importers.nlpfrontiers_json import read_object, scalars, writable
from joulebench.importers.nlpfrontiers_settings import Settings
from joulebench.importers.nlpfrontiers_tree import RESULT, Point, Tree, pair_of

Values = Mapping[str, float | int | str]

FACTORS: Mapping[str, tuple[str, ...]] = {
    "max_sequence_length": ("max_sequence_length", "maximum_sequence_length"),
    "precision": ("precision", "precision_mode"),
    "num_encoder_layers": ("num_encoder_layers", "num_layers", "layers"),
    "token_pruning_keep_ratio": ("token_pruning_keep_ratio",),
    "early_exit_confidence_threshold": ("early_exit_confidence_threshold", "threshold"),
}
"""Factor -> the names that it goes by in tables, settings and folders."""

ALWAYS = ("task", "sweep")
"""Levels that are kept although all runs share them."""

_SAME = {"maximum": "max", "number": "num"}
_LONGEST_NUMBER = 40
_LARGEST_WHOLE = 1e15


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a published table: the file, the line, the cells as numbers or text."""

    table: Path
    line: int
    values: Values


@dataclass(frozen=True)
class Placed:
    """A point with what is said of it elsewhere.

    Args:
        point: What was measured.
        sweep: Folder of the sweep it belongs to.
        row: Its published row.
        place: Number of that row in its table; after all rows where there is none.
        levels: Level by factor.
    """

    point: Point
    sweep: Path
    row: Row | None = None
    place: int = 1 << 30
    levels: dict[str, str] = field(default_factory=dict)


def placed(tree: Tree, points: Sequence[Point], settings: Settings) -> list[Placed]:
    """Join points to the rows that were published of them, and give their levels.

    Sweeps are in the order of the moments that their names carry, then of their folders; points of
    one in the order of its rows: the one in which it was run.

    Raises:
        UsageError: A table is damaged; names the line.
    """
    tables: dict[Path, list[Row]] = {}
    found = [_placed(tree, point, tables, settings) for point in points]
    order = {folder: place for place, folder in enumerate(tree.files)}
    found.sort(
        key=lambda each: (
            settings.begun(each.sweep),
            order.get(each.sweep, -1),
            each.place,
            order[each.point.folder],
        )
    )
    return _told_apart(found)


def _placed(tree: Tree, point: Point, tables: dict[Path, list[Row]], settings: Settings) -> Placed:
    sweep = tree.sweep_of(point.folder)
    if sweep not in tables:
        tables[sweep] = [row for table in tree.tables(sweep) for row in _rows(table)]
    parts = point.folder.relative_to(sweep).parts
    rows = tables[sweep]
    row = match_row(rows, parts)
    levels = _levels(tree, point, sweep, row, settings)
    return Placed(point, sweep, row, 1 << 30 if row is None else rows.index(row), levels)


def _rows(table: Path) -> list[Row]:
    content = read_delimited(table)
    return [
        Row(table, line, dict(_cells(zip(content.columns, cells, strict=True))))
        for line, cells in zip(content.lines, content.rows, strict=True)
    ]


def _cells(pairs: Iterable[tuple[str, str]]) -> Iterable[tuple[str, float | int | str]]:
    for column, cell in pairs:
        text = cell.strip()
        if text:
            value = number(text)
            whole = value is not None and text.isdigit() and len(text) < _LONGEST_NUMBER
            yield column, int(text) if whole else text if value is None else value


def match_row(rows: Sequence[Row], parts: Sequence[str]) -> Row | None:
    """Find the row of a point: the one that has what each folder below the sweep says.

    Args:
        rows: Of the sweep's tables.
        parts: Names of the folders from the sweep down to the point.

    Returns:
        ``None`` where no row fits, or several of one table.
    """
    fitting = [row for row in rows if all(_says(row.values, part) for part in parts)]
    first = [row for row in fitting if row.table == fitting[0].table]
    return first[0] if len(first) == 1 else None


def _says(values: Values, part: str) -> bool:
    """Say whether a row has what a folder's name says: ``num_layers_4``, or a label."""
    name, text = pair_of(part) or ("", part)
    return any(
        same_level(value, text)
        for column, value in values.items()
        if _words(name) <= _words(column)
    )


def _words(name: str) -> set[str]:
    return {_SAME.get(word, word) for word in name.split("_")} - {""}


def same_level(value: object, text: str) -> bool:
    """Say whether a cell and a text are one level: equal as numbers, or as words."""
    return plain(value) == plain(text)


def plain(value: object) -> str:
    """Write a level: a number in its shortest form, so that 1.00 and 1 are one level."""
    text = str(value).strip()
    size = number(text) if len(text) <= _LONGEST_NUMBER else None
    if size is None:
        return text
    return str(int(size)) if size.is_integer() and abs(size) < _LARGEST_WHOLE else repr(size)


def _levels(
    tree: Tree, point: Point, sweep: Path, row: Row | None, settings: Settings
) -> dict[str, str]:
    """Give the levels of a point from the surest source that says each."""
    parts = point.folder.relative_to(sweep).parts or (tree.name_of(point.folder),)
    pairs = dict(pair for part in parts if (pair := pair_of(part)) is not None)
    result: Values = {}
    if row is None and tree.has(point.folder, RESULT):
        result = scalars(read_object(point.folder / RESULT).values)
    sources: list[Mapping[str, Any]] = [row.values if row else {}, result, pairs]
    own = settings.of(sweep)
    found = {
        "task": settings.task(own),
        "sweep": "" if pair_of(tree.name_of(sweep)) else tree.name_of(sweep),
        "phase": point.phase,
        "model": settings.model(own),
        **{name: _first((*sources, own), keys) for name, keys in FACTORS.items()},
    }
    known = {key for keys in FACTORS.values() for key in keys}
    found |= {name: plain(text) for name, text in pairs.items() if name not in known}
    return {writable(name): writable(level) for name, level in found.items()}


def _first(sources: Iterable[Mapping[str, Any]], keys: Sequence[str]) -> str:
    for source in sources:
        for key in keys:
            if isinstance(source.get(key), str | int | float):
                return plain(source[key])
    return ""


def _told_apart(found: Sequence[Placed]) -> list[Placed]:
    """Keep the levels that tell runs apart; a run of which one is not known has it empty."""
    names = dict.fromkeys(name for each in found for name in each.levels)
    seen = {name: {each.levels.get(name, "") for each in found} - {""} for name in names}
    kept = [name for name in names if len(seen[name]) > 1 or (seen[name] and name in ALWAYS)]
    return [
        Placed(each.point, each.sweep, each.row, each.place, _chosen(each.levels, kept))
        for each in found
    ]


def _chosen(levels: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    return {name: levels.get(name, "") for name in names}


def in_order(levels: Iterable[str]) -> list[str]:
    """Give levels by size where all are numbers, else as they came."""
    found = list(levels)
    sizes = [number(level) for level in found]
    if any(size is None for size in sizes):
        return found
    return sorted(found, key=lambda level: number(level) or 0.0)
