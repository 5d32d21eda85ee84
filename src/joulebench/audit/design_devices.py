"""Figures that stand under another accelerator elsewhere, or under another than their file says."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from joulebench.audit.columns import meaning_of
from joulebench.audit.devices import device_column
from joulebench.audit.digest import RunDigest
from joulebench.audit.evidence import Evidence
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding
from joulebench.flops.devices import find_device

_DIGITS = 8
_FEWEST_SHARED = 2
_MOST_SEARCHED = 2000
_COUNTED = frozenset(
    {"flops", "tokens", "requests", "windows", "memory", "accuracy", "graded", "correct", "loss",
     "timestamp", "frequency", "temperature", "utilisation", "readings"}
)  # fmt: skip
"""Quantities that two devices may rightly have in common."""


def _file_against_device(table: AuditTable) -> Iterator[Finding]:
    """Find tables whose file name names one accelerator and whose column names another."""
    column = device_column(table)
    named = find_device(PurePath(table.name).stem)
    if column is None or not named:
        return
    models = {device.model for device in named}
    levels = {level: {d.model for d in find_device(level)} for level in table.levels(column)}
    other = [level for level, found in levels.items() if found and not found & models]
    if len(models) > 1 or not other or len(other) < len(levels):
        return
    yield Finding(
        "mislabelled-row",
        "warning",
        table.where(f"{column} against the file's name"),
        f"the file is named after {named[0].name}, but {column} says {', '.join(other)}",
        "find out on which device it was measured: peaks and power limits differ between them",
        seen=", ".join(other),
        possible=", ".join(sorted(models)),
    )


def _two_devices(evidence: Evidence) -> Iterator[Finding]:
    """Find figures that stand under two different accelerators, equal to eight digits."""
    known: dict[str, tuple[frozenset[str], str]] = {}
    shared: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for key, models, where in _figures(evidence):
        first = known.setdefault(key, (models, where))
        if not first[0] & models:
            names = "/".join(sorted(first[0])), "/".join(sorted(models))
            shared.setdefault(names, []).append((first[1], where))
    for (one, two), places in shared.items():
        if len(places) >= _FEWEST_SHARED:
            yield _same_figures(one, two, places)


def _figures(evidence: Evidence) -> Iterator[tuple[str, frozenset[str], str]]:
    """Give digits, device and place of each figure whose device is said beside it."""
    for digest in evidence.digests:
        models = _models_of_run(digest)
        for column, value in digest.published.items() if models else ():
            counted = (meaning := meaning_of(column)) is not None and meaning.kind in _COUNTED
            if isinstance(value, float) and not counted and (key := _digits(value)):
                yield key, models, f"{digest.run.run_id}: {column}"
    for table in evidence.tables:
        if len(table) <= _MOST_SEARCHED and not table.recomputed:
            yield from _figures_of(table)


def _figures_of(table: AuditTable) -> Iterator[tuple[str, frozenset[str], str]]:
    device = device_column(table)
    if device is None:
        return
    named = {text: _models(text) for text in table.levels(device)}
    for column in [c for c in table.columns if c != device and _is_sensed(table, c)]:
        for row, value in enumerate(table.numbers(column).tolist()):
            models = named.get(str(table.texts(device)[row]), frozenset())
            if models and (key := _digits(value)):
                yield key, models, table.where(column)


def _is_sensed(table: AuditTable, column: str) -> bool:
    """Say whether a column may hold readings: numbers that are not what any device would count."""
    meaning = table.meaning(column)
    return table.is_number(column) and not (meaning is not None and meaning.kind in _COUNTED)


def _models_of_run(digest: RunDigest) -> frozenset[str]:
    return frozenset().union(*(_models(str(level)) for level in digest.run.levels.values()))


def _models(text: str) -> frozenset[str]:
    return frozenset(device.model for device in find_device(text))


def _digits(value: float) -> str:
    """Give the first digits of a figure whatever its unit; empty where it has not that many."""
    if not math.isfinite(value) or value == 0:
        return ""
    digits = f"{abs(value):.{_DIGITS - 1}e}".partition("e")[0]
    return digits if len(digits.rstrip("0")) >= _DIGITS else ""


def _same_figures(one: str, two: str, places: Sequence[tuple[str, str]]) -> Finding:
    listed = "; ".join(f"{first} = {second}" for first, second in places[:2])
    return Finding(
        "mislabelled-row",
        "warning",
        places[0][1],
        f"{len(places)} figures stand under {one} in one place and under {two} in another, equal "
        f"to {_DIGITS} digits ({listed}): one of the two names is wrong",
        "find out which device it was: peaks, memory and power limits differ between them",
        seen=f"{one} and {two}",
        possible="one device",
    )


RULES = (Rule("mislabelled-row", "design", table=_file_against_device, evidence=_two_devices),)
