"""Permutation tests of several contrasts at once, adjusted by the largest statistic."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.bootstrap_interval import check_rng
from joulebench.stats.contrast_request import Contrasts, asked_contrasts, check_spread
from joulebench.stats.formula_rows import rows_for
from joulebench.stats.groups import groups_of
from joulebench.stats.linear_model import check_response
from joulebench.stats.model_frame import Missing
from joulebench.stats.permutation import TIE, check_draws
from joulebench.stats.permutation_anova import blocks_of
from joulebench.stats.permutation_arrangements import shuffles
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

_NOTHING = 1e-20
"""Residual sums of squares below this share of the whole are rounding."""


def permutation_contrasts(
    formula: str,
    frame: pd.DataFrame,
    contrasts: Contrasts = "successive",
    *,
    rng: np.random.Generator,
    block: str | None = None,
    resamples: int = 10_000,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Test contrasts between levels by shuffling, adjusted for how many and how alike they are.

    Each has the t of the linear model of levels and blocks. Values are shuffled, within blocks
    where there are any; the adjusted p is the share of shuffles in which the largest of the
    contrasts' ``|t|``, of those not yet found larger, reaches the observed one (step-down max-T:
    Westfall and Young 1993, Resampling-Based Multiple Testing, algorithm 4.1). It holds the chance
    of any false claim where all levels are alike, and for part of them where they differ in
    location alone.

    Args:
        formula: ``log(energy_j) ~ generation``, or ``y ~ a:b`` for cells.
        frame: One row an exchangeable unit.
        contrasts: By name, the weight of each level, adding up to 0; one contrast alone; or
            "successive".
        rng: Generator of the shuffles.
        block: Column within whose levels rows are shuffled; its differences are taken out.
        resamples: Shuffles.
        missing: What to do about rows that lack a value.

    Returns:
        One row a contrast: ``test``, ``contrast``, ``estimate``, ``se``, ``statistic`` "t",
        ``value``, ``df1``, ``p`` of the contrast alone, ``p_adjusted``, ``adjust`` "max-T", ``n``,
        ``resamples``.

    Raises:
        Refused: An unknown level, weights that do not add up to 0, levels that never meet in a
            block, too few rows, or a response that does not vary.
    """
    check_rng(rng)
    check_draws(resamples)
    rows = rows_for(formula, frame, block, missing)
    groups = groups_of(formula, rows)
    check_response(groups.values, groups.response.text)
    check_spread(groups.values, groups.codes)
    asked = asked_contrasts(contrasts, groups.levels, groups.factor)
    blocks = blocks_of(rows, block)
    model = _BlockedLevels(groups.codes, blocks, np.array(list(asked.values())), groups.factor)
    values = groups.values - groups.values.mean()  # noqa: PD011 - not a frame
    (estimate,), (se,) = model.of(values[None, :])
    observed = estimate / se
    shuffled = (model.of(values[chunk]) for chunk in shuffles(blocks, resamples, rng))
    found = np.concatenate([np.abs(estimates / errors) for estimates, errors in shuffled])
    alone, adjusted = max_t(found, np.abs(observed))
    return tidy(
        {
            "test": f"permutation test{f' within {block}' if block else ''}",
            "contrast": name,
            "estimate": float(estimate[k]),
            "se": float(se[k]),
            "statistic": "t",
            "value": float(observed[k]),
            "df1": model.df,
            "p": float(alone[k]),
            "p_adjusted": float(adjusted[k]),
            "adjust": "max-T",
            "n": groups.n,
            "resamples": resamples,
        }
        for k, name in enumerate(asked)
    )


def max_t(found: Array, observed: Array) -> tuple[Array, Array]:
    """Give p of each statistic alone, and stepped down by the largest.

    Args:
        found: Absolute statistics of the shuffles, shape (m, k).
        observed: Those of the data, shape (k,).
    """
    order = np.argsort(-observed, kind="stable")
    slack = TIE * max(float(found.max()), float(observed.max()))
    largest = np.maximum.accumulate(found[:, order][:, ::-1], axis=1)[:, ::-1]
    reached = (largest >= observed[order] - slack).sum(axis=0) + 1.0
    stepped = np.maximum.accumulate(reached / (len(found) + 1))
    adjusted = np.empty(len(order))
    adjusted[order] = stepped
    alone = ((found >= observed - slack).sum(axis=0) + 1.0) / (len(found) + 1)
    return alone, adjusted


class _BlockedLevels:
    """Contrasts of levels in the linear model of levels and blocks, as functions of the values."""

    def __init__(self, levels: Codes, blocks: Codes, contrasts: Array, factor: str) -> None:
        of_levels = np.eye(int(levels.max()) + 1)[levels]
        of_blocks = np.eye(int(blocks.max()) + 1)[blocks][:, 1:]
        x = np.hstack([of_levels, of_blocks])
        self.df = x.shape[0] - x.shape[1]
        if np.linalg.matrix_rank(x) < x.shape[1]:
            raise Refused(f"some levels of {factor} never meet in a block: leave block out")
        if self.df < 1:
            raise Refused(
                f"{x.shape[0]} rows leave nothing to judge {x.shape[1]} means by: add repetitions"
            )
        self._basis, r = np.linalg.qr(x)
        padded = np.hstack([contrasts, np.zeros((len(contrasts), of_blocks.shape[1]))])
        # A row gives its contrast when multiplied with the values.
        self._rows = self._basis @ np.linalg.solve(r.T, padded.T)

    def of(self, values: Array) -> tuple[Array, Array]:
        """Give estimates and standard errors of each contrast for rows of values, shape (r, n)."""
        total = (values**2).sum(axis=1)
        left = total - ((values @ self._basis) ** 2).sum(axis=1)
        # A shuffle may part the values without any rest: its t is then as good as infinite.
        spread = np.sqrt(np.maximum(left, _NOTHING * total) / self.df)[:, None]
        return values @ self._rows, spread * np.linalg.norm(self._rows, axis=0)
