"""What the data must hold for a mixed model to be asked of them."""

from __future__ import annotations

import math

import numpy as np

from joulebench.stats.lmm_blocks import RandomBlock
from joulebench.stats.lmm_problem import Problem
from joulebench.stats.refused import Refused

_TOLD = 1e-10
_NO_RESIDUAL = 1e-13
_HUGE = (1e7, 1e5, 1e3)
"""Free parameters at which hardly anything is left to residuals; smaller where those overflow."""


def check_saturated(problem: Problem) -> None:
    """Refuse random terms whose groups the fixed effects already tell apart.

    Raises:
        Refused: All columns of a random effect lie in the space of the fixed effects.
    """
    for block in problem.blocks:
        _check_block(problem, block)


def check_residual(problem: Problem) -> None:
    """Refuse a response that fixed and random effects explain together.

    Raises:
        Refused: No residual variance is left.
    """
    sizes = (_left(problem, huge) for huge in _HUGE)
    left = next((one for one in sizes if one is not None), math.inf)
    if left < _NO_RESIDUAL * problem.n:
        raise Refused(
            "fixed and random effects together explain every row: the residual variance is 0; take "
            "one row a group and use lm(), or leave a random term out"
        )


def _left(problem: Problem, size: float) -> float | None:
    """Give the residual sum of squares at free parameters of one size, if it can be solved."""
    free = np.where(problem.layout.row == problem.layout.column, size, 0.0)
    try:
        return problem.solution(problem.unit @ free).rss
    except np.linalg.LinAlgError:
        return None


def _check_block(problem: Problem, block: RandomBlock) -> None:
    """Look for an effect whose columns of all groups lie in the space of the fixed effects."""
    size = np.linalg.norm(block.values, axis=0)
    z = RandomBlock(
        block.group,
        block.effects,
        block.levels,
        block.codes,
        block.values / np.maximum(size, 1e-300),
    ).z
    inside = (z.T @ problem.scaling.basis).reshape(len(block.levels), block.k, -1)
    left = 1.0 - np.sum(inside**2, axis=(0, 2))
    for name, share in zip(block.effects, left, strict=True):
        if share < _TOLD:
            raise Refused(
                f"the fixed effects explain {name} of each of the {len(block.levels)} groups of "
                f"{block.group}, so that nothing is left to estimate their variance from: take "
                f"what tells the groups apart out of the fixed effects, or leave ({_effect(name)} "
                f"| {block.group}) out"
            )


def _effect(name: str) -> str:
    return "1" if name == "(Intercept)" else f"0 + {name}"
