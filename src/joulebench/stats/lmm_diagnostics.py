"""What is doubtful about a fitted mixed model, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.lmm_blocks import RandomBlock
from joulebench.stats.lmm_fit import MixedFit
from joulebench.stats.lmm_varcorr import correlation

Floats = NDArray[np.float64]

_FEW = 5
_INSIDE = 1e-8
_FLAT = 1e-8
_PERFECT = 1 - 1e-6


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One thing that was looked at.

    Args:
        check: What: "aliased", "convergence", "identified", "singular", "groups".
        group: The grouping, or empty.
        verdict: "ok"; "weak" where an estimate is barely supported; "doubtful" where results must
            not be read without it.
        note: What was found and what to do, in words.
    """

    check: str
    group: str
    verdict: Literal["ok", "weak", "doubtful"]
    note: str


def diagnose(fit: MixedFit, aliased: Sequence[str] = ()) -> list[Diagnostic]:
    """Look at a fit: aliased effects, convergence, singular terms, groups.

    Args:
        fit: A fitted mixed model.
        aliased: Names of fixed effects that were left out.
    """
    return [
        _aliased(aliased),
        _convergence(fit),
        _flat(fit),
        *(_singular(fit, b) for b in range(len(fit.blocks))),
        *(_groups(fit, block) for block in _one_a_grouping(fit.blocks)),
    ]


def diagnostic_table(found: Sequence[Diagnostic]) -> pd.DataFrame:
    """Give one row a check: ``check``, ``group``, ``verdict``, ``note``."""
    return pd.DataFrame([asdict(one) for one in found])


def note_of(found: Sequence[Diagnostic]) -> str:
    """Say in one line what is doubtful; empty where nothing is."""
    return "; ".join(one.note for one in found if one.verdict == "doubtful")


def is_singular(fit: MixedFit) -> bool:
    """Say whether a variance is 0 or effects of a group determine one another."""
    return any((np.diag(factor) == 0).any() for factor in fit.factors)


def _aliased(names: Sequence[str]) -> Diagnostic:
    if not names:
        return Diagnostic("aliased", "", "ok", "every fixed effect can be told from the others")
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if names[4:] else "")
    note = f"{len(names)} coefficients cannot be told from others and are left out: {shown}"
    return Diagnostic("aliased", "", "doubtful", note)


def _convergence(fit: MixedFit) -> Diagnostic:
    end = fit.optimum
    if end.converged:
        note = f"the search ended at an optimum (next step {end.step:.1g} of the parameters)"
        return Diagnostic("convergence", "", "ok", note)
    why = "at a saddle" if end.step < 1e-4 else f"a step of {end.step:.1g} short of the optimum"
    note = (
        f"not converged: the search ended {why} (largest derivative {end.slope:.1g}): simplify the "
        "random terms and do not use these numbers"
    )
    return Diagnostic("convergence", "", "doubtful", note)


def _flat(fit: MixedFit) -> Diagnostic:
    if abs(fit.optimum.curvature) > _FLAT:
        return Diagnostic("identified", "", "ok", "the data tell all variances apart")
    note = (
        "the likelihood is flat: some variances cannot be told from one another, and only their "
        "sum is known: leave out a random term that others contain"
    )
    return Diagnostic("identified", "", "doubtful", note)


def _singular(fit: MixedFit, b: int) -> Diagnostic:
    block, covariance = fit.blocks[b], fit.covariances[b]
    if (np.diag(fit.factors[b]) > 0).all():
        return Diagnostic("singular", block.group, "ok", "all variances are above 0")
    said = [*_zero_variances(block, covariance), *_perfect_correlations(block, covariance)]
    if not said:
        said = [f"the effects of one {block.group} determine one another"]
    advice = "leave that term out" if block.k == 1 else "let fewer effects vary, or write ||"
    note = f"singular fit: {' and '.join(said)}: {advice}, or say that it could not be estimated"
    return Diagnostic("singular", block.group, "doubtful", note)


def _zero_variances(block: RandomBlock, covariance: Floats) -> Iterator[str]:
    for name, variance in zip(block.effects, np.diag(covariance), strict=True):
        if variance == 0:
            of = "" if name == "(Intercept)" and block.k == 1 else f"{name} over "
            yield f"the variance of {of}{block.group} is 0"


def _perfect_correlations(block: RandomBlock, covariance: Floats) -> Iterator[str]:
    for a in range(block.k):
        for c in range(a):
            found = correlation(covariance, a, c)
            if abs(found) > _PERFECT:
                sign = "1" if found > 0 else "-1"
                names = f"{block.effects[c]} and {block.effects[a]}"
                yield f"the correlation of {names} over {block.group} is {sign}"


def _one_a_grouping(blocks: Sequence[RandomBlock]) -> list[RandomBlock]:
    return list({block.group: block for block in reversed(blocks)}.values())[::-1]


def _groups(fit: MixedFit, block: RandomBlock) -> Diagnostic:
    levels, free = len(block.levels), free_groups(fit, block)
    if free < _FEW:
        note = (
            f"{levels} groups of {block.group} and the fixed effects leave {free} degrees of "
            "freedom between groups: its variance is barely known, and tests of what differs "
            "between groups have little power; more groups are needed, not more rows"
        )
        return Diagnostic("groups", block.group, "weak", note)
    note = f"{levels} groups, {free} degrees of freedom between them"
    return Diagnostic("groups", block.group, "ok", note)


def free_groups(fit: MixedFit, block: RandomBlock) -> int:
    """Count the dimensions between groups that the fixed effects leave.

    Levels less the dimensions that the space of the groups shares with that of the fixed effects:
    principal angles of 0 (Bjoerck and Golub 1973, Math. Comput. 27, 579).
    """
    basis, levels = fit.problem.scaling.basis, len(block.levels)
    counts = np.bincount(block.codes, minlength=levels)
    ones = RandomBlock(block.group, ("1",), block.levels, block.codes, np.ones((fit.n, 1)))
    sums = (ones.z.T @ basis) / np.sqrt(counts)[:, None]
    return levels - int((np.linalg.eigvalsh(sums.T @ sums) > 1 - _INSIDE).sum())
