"""Tables made up for tests of the audit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from joulebench.audit.table import AuditTable


def table(columns: Mapping[str, Iterable[Any]], name: str = "t.csv", **more: Any) -> AuditTable:
    """Make a table out of values, written as ``str`` writes them; ``None`` is an empty cell."""
    cells = {
        column: np.array(["" if v is None else str(v) for v in values], dtype=object)
        for column, values in columns.items()
    }
    rows = len(next(iter(cells.values()), ()))
    return AuditTable(name, cells, lines=range(2, rows + 2), **more)
