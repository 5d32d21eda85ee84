"""The table of variances and correlations of random effects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.lmm_fit import MixedFit

Floats = NDArray[np.float64]

RESIDUAL = "Residual"
COLUMNS = ("group", "effect", "effect_2", "variance", "sd", "correlation", "share", "groups")


def variance_table(fit: MixedFit) -> pd.DataFrame:
    """Give one row a variance and one a covariance of the random effects, then the residual.

    Args:
        fit: A fitted mixed model.

    Returns:
        Columns ``group``, ``effect``, ``effect_2`` (empty for a variance), ``variance`` (the
        covariance where there are two effects), ``sd``, ``correlation`` (``nan`` where a variance
        is 0), ``share`` of the variance in the sum of all variances, and ``groups``, how many.
    """
    total = fit.sigma**2 + sum(float(np.trace(one)) for one in fit.covariances)
    rows = [row for b in range(len(fit.blocks)) for row in _block_rows(fit, b, total)]
    residual = {"group": RESIDUAL, "effect": "", "effect_2": "", "variance": fit.sigma**2}
    rows.append({**residual, "sd": fit.sigma, "share": fit.sigma**2 / total, "groups": fit.n})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def correlation(covariance: Floats, a: int, b: int) -> float:
    """Give the correlation of two effects; ``nan`` where one does not vary."""
    size = float(np.sqrt(covariance[a, a]) * np.sqrt(covariance[b, b]))
    return float(covariance[a, b]) / size if size > 0 else float("nan")


def _block_rows(fit: MixedFit, b: int, total: float) -> Iterator[dict[str, Any]]:
    block, covariance = fit.blocks[b], fit.covariances[b]
    shared = {"group": block.group, "groups": len(block.levels)}
    for a, name in enumerate(block.effects):
        variance = float(covariance[a, a])
        own = {"effect": name, "effect_2": "", "variance": variance}
        yield {**shared, **own, "sd": float(np.sqrt(variance)), "share": variance / total}
    for a in range(block.k):
        for c in range(a):
            both = {"effect": block.effects[c], "effect_2": block.effects[a]}
            found = {"variance": covariance[a, c], "correlation": correlation(covariance, a, c)}
            yield {**shared, **both, **found}
