"""The number of parameters of a model, read out of its name: 8 out of ``llama-3.1-8B``."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.columns import plain_name, words_of
from joulebench.audit.design_factors import kind_of
from joulebench.audit.table import AuditTable

Floats = NDArray[np.float64]

_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*([BbMm])(?![A-Za-z0-9])")
_BILLIONS = re.compile(r"(model_?)?(size|params?|parameters)_?(b|bn|billions?)")
_SCALE = {"b": 1.0, "m": 1e-3}
_SIZE_WORDS = frozenset({"size", "params", "param", "parameters"})


def size_in(text: str) -> float | None:
    """Give the billions of parameters that a name states; ``None`` where it states none, or two."""
    found = _SIZE.findall(text)
    if len(found) != 1:
        return None
    number, unit = found[0]
    size = float(number) * _SCALE[unit.lower()]
    return size if size > 0 else None


def model_sizes(table: AuditTable) -> tuple[str, Floats] | None:
    """Give the column that states the size of each row's model, and the sizes, billions, (n,).

    ``None`` where no column states one for every row.
    """
    for column in sorted(_candidates(table), key=lambda each: _rank(table, each)):
        read = {text: _size(column, text) for text in table.levels(column)}
        texts = table.texts(column).tolist()
        if read and all(read.values()) and all(texts):
            return column, np.array([read[text] for text in texts], dtype=np.float64)
    return None


def states_billions(column: str) -> bool:
    """Say whether a column's name tells that it holds billions of parameters."""
    return _BILLIONS.fullmatch(plain_name(column)) is not None


def _candidates(table: AuditTable) -> Iterable[str]:
    for column in table.columns:
        if states_billions(column) or kind_of(column) in ("model", "name"):
            yield column


def _rank(table: AuditTable, column: str) -> tuple[bool, bool, int]:
    """Sort columns: numbers of billions first, what speaks of a size, then as they stand."""
    spoken = bool(_SIZE_WORDS & set(words_of(column)))
    return not states_billions(column), not spoken, table.columns.index(column)


def _size(column: str, text: str) -> float | None:
    if not states_billions(column):
        return size_in(text)
    try:
        size = float(text)
    except ValueError:
        return size_in(text)
    return size if 0 < size < np.inf else None
