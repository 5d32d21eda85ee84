"""The trend over the ordered levels of a factor, parted into polynomials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.coefficients import check_confidence
from joulebench.stats.factor_means import factor_means
from joulebench.stats.model_frame import Missing
from joulebench.stats.planned_contrasts import contrast_inference, contrast_rows, model_of_levels
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]
Scores = Sequence[float] | Literal["levels"]

_NAMES = ("linear", "quadratic", "cubic")


def polynomial_trend(
    formula: str,
    frame: pd.DataFrame,
    degree: int | None = None,
    scores: Scores | None = None,
    adjust: str = "none",
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Part the differences between ordered levels into orthogonal polynomial contrasts.

    The coefficients of a linear model with the factor in contrasts :func:`orthogonal_polynomials`
    of all degrees, as R's ``summary(lm(y ~ ordered))`` gives them; the residual variance is that of
    the model with all levels, whatever ``degree``.

    Args:
        formula: ``y ~ factor``, with blocks and covariates after a plus sign; the order of the
            levels is that of a categorical column, else by number, else by text.
        frame: One row an observation.
        degree: Highest degree to give, at most one less than there are levels.
        scores: Where the levels lie, one number a level in order; "levels" for the numbers that
            the levels themselves are; by default evenly.
        adjust: For how many degrees there are.
        confidence: Coverage of each interval by itself.
        missing: What to do about rows that lack a value.

    Returns:
        Columns ``test, term, contrast ("linear", "quadratic", "cubic", "degree 4", ...),
        estimate, se, statistic "t", value, df1, p, p_adjusted, adjust, ci_low, ci_high, confidence,
        n``, a row a degree.

    Raises:
        Refused: A degree out of range, scores that do not fit the levels, or what
            :func:`joulebench.stats.linear_model.lm` refuses.
    """
    check_confidence(confidence)
    model, names = model_of_levels(formula, frame, None, missing)
    levels, means = factor_means(model.design, names)
    term = ":".join(names)
    highest = _checked_degree(degree, len(levels), term)
    polynomials = orthogonal_polynomials(scores_of(scores, levels, term))[:highest]
    weights = {_name(k + 1): row for k, row in enumerate(polynomials)}
    found = contrast_inference(model, means, weights)
    common = {"test": "polynomial trend", "term": term, "n": model.n}
    return contrast_rows(found, list(weights), adjust, confidence, common)


def orthogonal_polynomials(scores: Floats) -> Floats:
    """Give orthonormal polynomials of degree 1 to k - 1 over k points, one a row.

    Each is the one before it times the score, freed of all before it (Forsythe 1957, J. SIAM 5, 74;
    as R's ``contr.poly``): leading coefficients are positive, and no power of a score is taken.

    Args:
        scores: Different numbers, shape (k,).
    """
    centred = scores - scores.mean()
    centred = centred / np.abs(centred).max()
    k = len(scores)
    basis = np.full((1, k), 1.0 / np.sqrt(k))
    for _ in range(k - 1):
        new = centred * basis[-1]
        for _ in range(2):  # the second pass takes away what rounding left of the first
            new = new - basis.T @ (basis @ new)
        basis = np.vstack([basis, new / np.linalg.norm(new)])
    return basis[1:]


def scores_of(scores: Scores | None, levels: Sequence[str], factor: str) -> Floats:
    """Give where the levels lie, shape (k,), checked.

    Raises:
        Refused: Another number of scores than levels, scores that repeat or are not finite.
    """
    if scores is None:
        return np.arange(1.0, len(levels) + 1.0)
    try:
        found = np.asarray(list(levels) if isinstance(scores, str) else list(scores), dtype=float)
    except (TypeError, ValueError):
        raise Refused(
            f"the levels of {factor} ({', '.join(levels[:8])}) need one number each: give scores"
        ) from None
    if isinstance(scores, str) and scores != "levels":
        raise Refused(f"scores={scores!r} is not known: give numbers, or 'levels'")
    if len(found) != len(levels) or not np.isfinite(found).all() or len(set(found)) < len(found):
        raise Refused(
            f"{factor} has {len(levels)} levels ({', '.join(levels[:8])}) and needs as many "
            f"different finite scores, got {len(found)}"
        )
    return found


def _checked_degree(degree: int | None, levels: int, factor: str) -> int:
    if degree is None:
        return levels - 1
    if not isinstance(degree, int | np.integer) or degree not in range(1, levels):
        raise Refused(
            f"degree {degree} of a trend over {levels} levels of {factor} is not to be had: "
            f"choose a whole number from 1 to {levels - 1}"
        )
    return degree


def _name(degree: int) -> str:
    return _NAMES[degree - 1] if degree <= len(_NAMES) else f"degree {degree}"
