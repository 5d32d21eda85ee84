"""Boundaries of a test that is looked at several times, by spending its error rate in portions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

from joulebench.stats.crossing_probability import NEAREST, Walk
from joulebench.stats.number_check import fraction, shown, whole
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Array = npt.NDArray[np.float64]
Spending = Literal["obrien-fleming", "pocock"]

SPENDINGS = ("obrien-fleming", "pocock")


def spent(information: npt.ArrayLike, alpha: float, spending: Spending = "obrien-fleming") -> Array:
    """Give the error rate that one side of a test may have used up.

    ``2 - 2 Phi(z(1 - alpha/2) / sqrt(t))`` is like the boundaries of O'Brien and Fleming: nearly
    nothing early; ``alpha ln(1 + (e - 1) t)`` is like those of Pocock: nearly even (Lan and DeMets
    1983, Biometrika 70, 659).

    Args:
        information: Shares of the planned information, shape (k,); above 1 counts as 1.
        alpha: Error rate of the side.
        spending: "obrien-fleming" or "pocock".

    Returns:
        Shape (k,), from 0 to ``alpha``.

    Raises:
        Refused: Another name, or a rate outside 0 to 1.
    """
    if spending not in SPENDINGS:
        raise Refused(f"no spending is called {spending!r}: choose {' or '.join(SPENDINGS)}")
    if not 0 < alpha < 1:
        raise Refused(f"an error rate lies between 0 and 1, and {alpha:g} does not")
    t = np.minimum(np.asarray(information, dtype=np.float64), 1.0)
    if spending == "pocock":
        return np.asarray(alpha * np.log1p((math.e - 1) * t))
    return np.asarray(2 * ndtr(ndtri(alpha / 2) / np.sqrt(t)))


def spending_boundaries(
    looks: int | Sequence[float],
    *,
    confidence: float = 0.95,
    spending: Spending = "obrien-fleming",
    sides: int = 2,
) -> pd.DataFrame:
    """Give the boundaries of Z at each look of a group-sequential test.

    The chance to stop wrongly at a look, having gone on at those before, is what the spending
    function has added since, found by recursive integration
    (:class:`~joulebench.stats.crossing_probability.Walk`). A two-sided test spends half of its rate
    on each side. The same as R's ``ldbounds::ldBounds(t, iuse=1 or 2, alpha)`` and
    ``gsDesign(test.type=2, sfu=sfLDOF or sfLDPocock, alpha=alpha/2)``.

    Args:
        looks: How many looks, evenly spaced, or the share of the planned information at each,
            rising, at most 1.
        confidence: 1 less the error rate over all looks together.
        spending: "obrien-fleming" or "pocock", see :func:`spent`.
        sides: 2, or 1 to stop only above.

    Returns:
        One row a look: ``test``, ``look``, ``information``, ``boundary`` of Z, ``nominal_p`` (both
        sides where there are two) below which the look stops, ``spent`` so far, ``confidence``.

    Raises:
        Refused: No looks, shares that do not rise or leave 0 to 1, or a level outside 0 to 1.
    """
    shares = shares_of(looks)
    if not isinstance(sides, int | np.integer) or sides not in (1, 2):
        raise Refused(f"a test has 1 or 2 sides, not {shown(sides)}")
    fraction(confidence, "confidence", 0.95)
    total = sides * spent(shares, (1 - confidence) / sides, spending)
    walk, rows, before = Walk.start(sides), [], 0.0
    for look, (share, so_far) in enumerate(zip(shares, total, strict=True), start=1):
        bound = walk.boundary(float(share), float(so_far - before))
        rows.append(
            {
                "test": f"group-sequential, {spending} spending",
                "confidence": confidence,
                "look": look,
                "information": float(share),
                "boundary": bound,
                "nominal_p": sides * float(ndtr(-bound)),
                "spent": float(so_far),
            }
        )
        walk, before = walk.go_on(float(share), bound), so_far
    return tidy(rows)


def shares_of(looks: int | Sequence[float]) -> Array:
    """Give the share of the information at each look, shape (k,).

    Raises:
        Refused: No looks, or shares that do not rise from above 0 to at most 1.
    """
    if isinstance(looks, int | np.integer):
        whole(looks, "looks", 1, 10**4)
        evenly = np.arange(1, looks + 1) / looks
        check_distance(evenly)
        return evenly
    try:
        shares = np.asarray(looks, dtype=np.float64)
    except (TypeError, ValueError):
        raise Refused(f"looks come as a number or as shares, not {looks!r:.40}") from None
    if shares.ndim != 1 or shares.size == 0 or not np.isfinite(shares).all():
        raise Refused("looks come as a number, or as the share of the information at each")
    if shares[0] <= 0 or shares[-1] > 1 or (np.diff(shares) <= 0).any():
        raise Refused(f"shares of the information must rise from above 0 to 1, not {list(looks)}")
    check_distance(shares)
    return shares


def check_distance(shares: Array) -> None:
    """Refuse looks that follow one another too closely for the integration between them.

    Raises:
        Refused: They do.
    """
    if len(shares) > 1 and float(np.diff(shares).min()) < NEAREST * (1 - 1e-9):
        raise Refused(
            f"looks less than {NEAREST:g} of the information apart: look less often, or use a "
            "ConfidenceSequence"
        )
