"""Predicted random effects and how sure they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.lmm_blocks import RandomBlock
from joulebench.stats.lmm_problem import Problem

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Modes:
    """Effects of the groups of one random term, given the data.

    Args:
        value: Best linear unbiased predictions, shape (L, k).
        covariance: Their covariance given the data and the parameters, shape (L, k, k).
    """

    value: Floats
    covariance: Floats


def modes(problem: Problem, theta: Floats, reml: bool) -> tuple[Modes, ...]:
    """Predict the effects of each block.

    ``S Z' V^-1 (y - X beta)`` with the relative covariance ``S = T T'`` (Henderson 1975, Biometrics
    31, 423), and ``sigma^2 (S - S Z' V^-1 Z S)``, which takes beta as known, as lme4 does.

    Args:
        problem: The data.
        theta: Inner parameters.
        reml: Whether the residual variance is the restricted one.
    """
    solution = problem.solution(theta)
    spread = problem.scaling.spread
    variance = spread**2 * solution.rss / problem.weight(reml)
    found: dict[int, Modes] = {}
    parts = zip(
        problem.groupings, problem.seen(solution), problem.layout.triangles(theta), strict=True
    )
    for one, through, triangle in parts:
        relative = triangle @ triangle.T
        value = through.residual @ relative / one.scale * spread
        left = (relative - relative @ through.own @ relative) / np.outer(one.scale, one.scale)
        for place, first in one.members:
            own = slice(first, first + problem.blocks[place].k)
            found[place] = Modes(value[:, own], variance * left[:, own, own])
    return tuple(found[place] for place in range(len(problem.blocks)))


def mode_table(block: RandomBlock, found: Modes) -> pd.DataFrame:
    """Give one row a group and effect: ``group``, ``level``, ``effect``, ``estimate``, ``se``.

    Args:
        block: The random term.
        found: Its predictions.
    """
    variance = np.diagonal(found.covariance, axis1=1, axis2=2)
    return pd.DataFrame(
        {
            "group": block.group,
            "level": np.repeat(np.array(block.levels, dtype=object), block.k),
            "effect": np.tile(np.array(block.effects, dtype=object), len(block.levels)),
            "estimate": found.value.ravel(),
            "se": np.sqrt(np.maximum(variance, 0.0)).ravel(),
        }
    )
