"""Units that differ by one step of one factor, as contrasts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def unit_steps(rows: pd.DataFrame, unit: str, parts: Sequence[str]) -> dict[str, dict[str, float]]:
    """Give the contrasts of units that change one factor by one filled step.

    Args:
        rows: Run means.
        unit: Column of the units.
        parts: Factors that make up a unit.

    Returns:
        By name (``3.1-8B / 3-8B``), the weights of the two units: later 1, earlier -1.
    """
    from joulebench.stats.filled_cells import cells_of, one_step_contrasts

    seen = rows[[*parts, unit]].drop_duplicates().astype(str)
    names = {":".join(cell): name for *cell, name in seen.itertuples(index=False)}
    found: dict[str, dict[str, float]] = {}
    for by in one_step_contrasts(cells_of(rows, parts)).values():
        weights = {names[cell]: weight for cell, weight in by.items()}
        later, earlier = sorted(weights, key=lambda name: -weights[name])
        found[f"{later} / {earlier}"] = weights
    return found
