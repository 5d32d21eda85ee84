"""Published against corrected figures, one row a column that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from joulebench.audit.corrected import Correction
from joulebench.report.numbers import significant

_SYMBOLS = {
    "j": "J", "joule": "J", "joules": "J", "w": "W", "watt": "W", "watts": "W", "kwh": "kWh",
    "wh": "Wh", "mwh": "mWh", "kj": "kJ", "mj": "mJ", "mw": "mW", "kw": "kW", "sec": "s",
    "seconds": "s", "milliseconds": "ms", "h": "h", "us": "µs",
}  # fmt: skip
"""How units of columns are printed; others as they are written."""


def symbol(unit: str) -> str:
    """Give the symbol of a unit that a column's name spells in its own way."""
    return _SYMBOLS.get(unit.lower(), unit)


def corrected_rows(corrections: Sequence[Correction]) -> list[dict[str, Any]]:
    """Give one row a corrected column, as printed text, the most wrong first."""
    rows = [_row(each) for each in corrections if _ratios(each).size]
    return sorted(rows, key=lambda row: -row["size"])


def _ratios(each: Correction) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = each.published / each.corrected
    return ratios[np.isfinite(ratios)]


def _row(each: Correction) -> dict[str, Any]:
    ratios = _ratios(each)
    middle = float(np.median(ratios))
    kept = np.isfinite(each.published) & np.isfinite(each.corrected)
    known = each.uncertainty[kept & np.isfinite(each.uncertainty)]
    return {
        "table": each.table,
        "column": each.column,
        "unit": symbol(each.unit),
        "rules": each.rule.split(";"),
        "rows": int(kept.sum()),
        "published": significant(float(np.median(each.published[kept])), 5),
        "corrected": significant(float(np.median(each.corrected[kept])), 5),
        "doubt": significant(2.0 * float(np.median(known)), 2) if known.size else "",
        "ratio": significant(middle, 4),
        "range": f"{significant(float(ratios.min()), 3)} to {significant(float(ratios.max()), 3)}",
        "size": abs(float(np.log(abs(middle)))) if middle else np.inf,
    }
