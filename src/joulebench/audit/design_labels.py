"""Labels that belong to the values of another row."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.design_factors import Codes, TableDesign, design_of, kind_of, level_key
from joulebench.audit.design_outcomes import columns_of, logs
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding
from joulebench.stats.repeat_spread import medians, pooled_spread

_LABELS = frozenset({"label", "name", "config", "configuration", "title", "run_name", "folder"})
_PARTS = re.compile(r"[A-Za-z]+\d*(?:\.\d+)?|\d+(?:[._]\d+)?")
_MOSTLY = 0.6
_FEWEST_LABELS = 3
_FEWEST_REPEATS = 3
_FAR, _NEAR = 8.0, 3.0
_SOME = 0.4
_LEAST_SPREAD = 0.002
_BETWEEN, _FEW_BETWEEN = 5.0, 0.002


def _mislabelled(table: AuditTable) -> Iterator[Finding]:
    """Find labels and values that speak against the settings beside them."""
    yield from _label_against_setting(table)
    yield from _values_of_another(design_of(table))


def _label_against_setting(table: AuditTable) -> Iterator[Finding]:
    """Find rows whose label names another level than the column of that setting."""
    if len(table) < _FEWEST_LABELS:
        return
    for label in [c for c in table.columns if _is_label(table, c)]:
        parts = {text: _parts_of(text) for text in dict.fromkeys(table.texts(label).tolist())}
        for column in table.settings:
            if column != label and not _is_label(table, column):
                wrong = _contradicted(table, label, column, parts)
                if wrong:
                    yield _other_level(table, label, column, wrong)


def _is_label(table: AuditTable, column: str) -> bool:
    named = column.strip().lower() in _LABELS or set(words_of(column)) & {"label", "name"}
    return bool(named) and not table.is_number(column) and kind_of(column) != "model"


def _parts_of(text: str) -> set[str]:
    """Give the words and numbers of a label in the form in which levels are compared."""
    found = {level_key(part.replace("_", ".")) for part in _PARTS.findall(text)}
    return found | {level_key(part) for part in re.split(r"[-_ /,;|]+", text) if part}


def _contradicted(
    table: AuditTable, label: str, column: str, parts: dict[str, set[str]]
) -> list[int]:
    """Give the rows whose label has another level of a column, where most labels have their own."""
    levels = {text: level_key(text) for text in table.levels(column)}
    if len(levels) < 2 or not set(levels.values()) & set().union(*parts.values()):
        return []
    known, cells = set(levels.values()), table.texts(label).tolist()
    pairs = Counter(zip(cells, table.texts(column).tolist(), strict=True))
    right, wrong = 0, set()
    for (name, text), times in pairs.items():
        own = levels.get(text)
        if own in parts[name]:
            right += times
        elif own is not None and parts[name] & known:
            wrong.add((name, text))
    if not wrong or right < max(_FEWEST_LABELS - 1, _MOSTLY * len(table)):
        return []
    rows = zip(cells, table.texts(column).tolist(), strict=True)
    return [row for row, pair in enumerate(rows) if pair in wrong]


def _other_level(table: AuditTable, label: str, column: str, rows: Sequence[int]) -> Finding:
    row = rows[0]
    return Finding(
        "mislabelled-row",
        "error",
        table.where(f"{label} against {column}"),
        f"{label} says {table.texts(label)[row]!r} where {column} says "
        f"{table.texts(column)[row]!r}, in {table.places(rows)}; in the other rows both agree",
        "find out from the raw files which of the two is right, and mend the other: the row's "
        "values belong to one of them only",
        seen=f"{len(rows)} row(s)",
        possible="0",
    )


def _values_of_another(design: TableDesign) -> Iterator[Finding]:
    """Find rows far from their own cell that lie in another cell, which misses one or has one back.

    A row is far if at least two measurements lie 8 robust standard deviations from the median of
    its cell, and fits another if all lie within 3 of that one's.
    """
    columns = columns_of(design.table, "energy", "duration", "memory", "tokens", "power")
    columns = [c for c in columns if np.isfinite(design.table.si(c)).all()][:6]
    count = np.bincount(design.cells) if design.rows else np.zeros(1, dtype=np.intp)
    if len(columns) < 2 or design.cell_count < 2 or np.median(count) < _FEWEST_REPEATS:
        return
    scaled = [_scaled(design, column) for column in columns]
    values, middles = (np.stack(each, axis=1) for each in zip(*scaled, strict=True))
    apart = np.abs(values - middles[design.cells])
    far = np.flatnonzero((apart > _FAR).sum(axis=1) >= 2)
    # Where much of a cell is far from its middle, something was varied that no column says.
    far = far[
        (np.bincount(design.cells[far], minlength=len(count)) / count)[design.cells[far]] < _SOME
    ]
    if not len(far) or not _is_tight(apart.max(axis=1)):
        return
    moves = [(int(row), home) for row in far if (home := _home(values[row], middles)) is not None]
    swapped = [move for move in moves if _is_exchanged(design, move, moves)]
    sure = swapped or [move for move in moves if _has_room(design, move, count)]
    if sure:
        yield _of_another(design, columns, sure, "error" if swapped else "warning")


def _is_tight(apart: Floats) -> bool:
    """Say whether rows are near their cell or far from it: long tails fill what lies between."""
    between = np.count_nonzero((apart > _BETWEEN) & (apart <= _FAR))
    return bool(between <= _FEW_BETWEEN * len(apart) + 1)


def _scaled(design: TableDesign, column: str) -> tuple[Floats, Floats]:
    """Give the logarithms of a column and the medians of cells in robust standard deviations."""
    value = logs(np.abs(design.table.si(column)))
    value = np.where(np.isfinite(value), value, 0.0)
    middle = medians(value, design.cells)
    spread = pooled_spread(value, design.cells, robust=True)
    sd = max(spread.sd if spread is not None else 0.0, _LEAST_SPREAD)
    return value / sd, middle / sd


def _home(row: Floats, middles: Floats) -> int | None:
    """Give the one cell that all measurements of a row fit; ``None`` if none or several do."""
    fitting = np.flatnonzero((np.abs(middles - row) < _NEAR).all(axis=1))
    return int(fitting[0]) if len(fitting) == 1 else None


def _is_exchanged(
    design: TableDesign, move: tuple[int, int], moves: Sequence[tuple[int, int]]
) -> bool:
    """Say whether a row of the cell that this one fits fits the cell of this one."""
    row, home = move
    return any(design.cells[other] == home and to == design.cells[row] for other, to in moves)


def _has_room(design: TableDesign, move: tuple[int, int], count: Codes) -> bool:
    """Say whether the cell that a row fits lacks one, and its own has one too many."""
    row, home = move
    usual = int(np.median(count))
    return bool(count[design.cells[row]] > usual > count[home])


def _of_another(
    design: TableDesign,
    columns: Sequence[str],
    moves: Sequence[tuple[int, int]],
    severity: str,
) -> Finding:
    row, home = moves[0]
    other = int(np.argmax(design.cells == home))
    return Finding(
        "mislabelled-row",
        severity,
        design.table.where("values of another cell"),
        f"{design.table.places([row for row, _ in moves])}: {', '.join(columns)} are those of "
        f"another combination; the first says {design.cell_name(row)} and fits "
        f"{design.cell_name(other)}, which lacks a row or holds one of the former",
        "compare with the raw files: the levels of these rows were exchanged",
        seen=f"{len(moves)} row(s) beyond {_FAR:g} standard deviations from their cell",
        possible=f"within {_NEAR:g} of their own",
    )


RULES = (Rule("mislabelled-row", "design", table=_mislabelled),)
