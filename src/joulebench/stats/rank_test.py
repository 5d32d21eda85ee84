"""What the rank-sum and the signed-rank test share: how p is found, and how it is said."""

from __future__ import annotations

import math
from typing import Literal

from joulebench.stats.noncentral import ALTERNATIVES
from joulebench.stats.number_check import finite, shown
from joulebench.stats.refused import Refused

Method = Literal["auto", "exact", "asymptotic"]

_EXACT_BELOW = 50
"""Sizes for which R computes the exact distribution by itself."""


def chosen_method(method: str, largest: int, *, untied: bool) -> str:
    """Give the method that a test takes.

    "auto" is R's rule: exact for fewer than 50 values a sample without ties (and without
    differences of 0), asymptotic otherwise.

    Raises:
        Refused: No such method.
    """
    if method == "auto":
        return "exact" if largest < _EXACT_BELOW and untied else "asymptotic"
    if method not in ("exact", "asymptotic"):
        raise Refused(
            f"no method is called {shown(method)}: choose 'auto', 'exact' or 'asymptotic'"
        )
    return method


def normal_p(
    distance: float, sigma: float, correction: float, alternative: str
) -> tuple[float, float]:
    """Give z and p of a statistic's distance from its mean.

    Args:
        distance: Statistic less its mean.
        sigma: Its standard deviation.
        correction: For continuity, 0.5 or 0, towards the mean (against the alternative).
        alternative: What is asked.

    Raises:
        Refused: No such alternative.
    """
    from scipy.special import ndtr

    check_alternative(alternative)
    toward = {
        "two-sided": math.copysign(correction, distance) if distance else 0.0,
        "greater": correction,
        "less": -correction,
    }[alternative]
    z = (distance - toward) / sigma
    if alternative == "two-sided":
        return z, min(2 * float(ndtr(-abs(z))), 1.0)
    return z, float(ndtr(z if alternative == "less" else -z))


def check_alternative(alternative: str) -> None:
    """Refuse an alternative that is not known.

    Raises:
        Refused: It is not.
    """
    if not isinstance(alternative, str) or alternative not in ALTERNATIVES:
        known = ", ".join(map(repr, ALTERNATIVES))
        raise Refused(f"no alternative is called {shown(alternative)}: choose one of {known}")


def check_mu(mu: float) -> None:
    """Refuse a tested shift that is no finite number.

    Raises:
        Refused: It is not.
    """
    finite(mu, "mu")


def method_text(method: str, *, tied: bool, correct: bool) -> str:
    """Say how p was found."""
    if method == "exact":
        return "exact, conditional on ties" if tied else "exact"
    return "normal, continuity corrected" if correct else "normal"
