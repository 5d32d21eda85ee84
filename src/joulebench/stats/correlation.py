"""Correlations of two measures: Pearson's, Spearman's and Kendall's."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from joulebench.stats.correlation_interval import (
    Kind,
    correlation_interval,
    fisher_variance,
    kendall_variance,
    spearman_variance,
)
from joulebench.stats.kendall_null import (
    concordance_tail,
    discordant,
    kendall_spread,
    tied_pairs,
)
from joulebench.stats.midranks import midranks, printed_ties
from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Alternative
from joulebench.stats.rank_test import Method, check_alternative, normal_p
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy
from joulebench.stats.sample_check import Floats, paired_samples
from joulebench.stats.spearman_null import spearman_tail, t_tail

_EDGEWORTH_UP_TO = 1290
"""Pairs up to which R's ``cor.test`` uses counting and the series for Spearman's rho."""

_KENDALL_EXACT_BELOW = 50


def pearson(
    x: Any,
    y: Any,
    *,
    alternative: Alternative = "two-sided",
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give Pearson's correlation with its t test and interval, in one row.

    ``t = r sqrt((n - 2) / (1 - r^2))`` with n - 2 degrees of freedom, and Fisher's interval
    ``tanh(atanh(r) +- z / sqrt(n - 3))`` (Fisher 1921, Metron 1, 3), as R's ``cor.test``.

    Args:
        x: Values, shape (n,), at least 3.
        y: Their partners in the same order, shape (n,).
        alternative: "greater": the correlation is above 0.
        confidence: Coverage of the interval.
        missing: What to do about missing values: refuse them, or drop their pairs.

    Returns:
        One row: ``test, statistic "t", value, df1, p, effect_size "r", effect, ci_low, ci_high,
        confidence, n, note``.

    Raises:
        Refused: Values that are no numbers, missing or infinite, unequal lengths, fewer than three
            pairs, or a measure that does not vary.
    """
    from scipy.special import stdtr

    check_alternative(alternative)
    first, second = _varying(*paired_samples(x, y, missing, least=3))
    n, (r, short) = len(first), _product_moment(first, second)
    t = r * math.sqrt((n - 2) / short) if short > 0 else math.copysign(math.inf, r)
    at_least, at_most = float(stdtr(n - 2, -t)), float(stdtr(n - 2, t))
    ends = correlation_interval(r, fisher_variance(n), confidence, alternative)
    row = {
        "test": "Pearson correlation",
        "statistic": "t",
        "value": t,
        "df1": n - 2,
        "p": _p(at_most, at_least, alternative),
        "effect_size": "r",
        "effect": r,
        **_ends(ends, confidence, n),
    }
    return tidy([{**row, "note": _note(n, 4)}])


def spearman(
    x: Any,
    y: Any,
    *,
    method: Method = "auto",
    alternative: Alternative = "two-sided",
    interval: Kind = "bonett-wright",
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give Spearman's rank correlation with its test and interval, in one row.

    ``S = (n^3 - n)(1 - rho) / 6``, the sum of squared differences of ranks where none are tied.
    p as R's ``cor.test``: without ties and up to 1290 pairs counted or by Edgeworth series (see
    :func:`~joulebench.stats.spearman_null.spearman_tail`), else a t with n - 2 degrees of freedom.
    The interval is that of Bonett and Wright (2000, Psychometrika 65, 23), on Fisher's scale;
    Fisher's own, narrower, stands in ``fisher_low`` and ``fisher_high``.

    Args:
        x: Values, shape (n,), at least 2.
        y: Their partners in the same order, shape (n,).
        method: "auto"; "exact" refuses ties; "asymptotic" is the t, as R's ``exact=FALSE``.
        alternative: "greater": the correlation is above 0.
        interval: "bonett-wright" or "fisher".
        confidence: Coverage of the interval.
        missing: What to do about missing values: refuse them, or drop their pairs.

    Returns:
        One row: ``test, statistic "S", value, p, effect_size "rho", effect, ci_low, ci_high,
        confidence, n, fisher_low, fisher_high, method, note``.

    Raises:
        Refused: As :func:`pearson`, or ties under an exact method.
    """
    check_alternative(alternative)
    first, second = _varying(*paired_samples(x, y, missing, least=2))
    return tidy([spearman_row(first, second, method, alternative, interval, confidence)])


def spearman_row(
    x: Floats,
    y: Floats,
    method: str,
    alternative: Alternative,
    interval: str,
    confidence: float,
) -> dict[str, Any]:
    """Give the row of Spearman's correlation of checked values that vary."""
    n = len(x)
    ranks = midranks(x), midranks(y)
    rho = _rank_moment(ranks[0].ranks, ranks[1].ranks)
    s = (float(n) ** 3 - n) * (1 - rho) / 6
    tied = ranks[0].tied or ranks[1].tied
    exact = _exact(method, tied=tied, fits=n <= _EDGEWORTH_UP_TO or method == "exact")
    if exact:
        at_least = spearman_tail(s, n, lower=True)
        at_most = spearman_tail(s, n, lower=False)
    elif n < 3:
        raise Refused(f"{n} pairs leave no degrees of freedom for a t: add pairs")
    else:
        at_least, at_most = t_tail(-rho, n), t_tail(rho, n)
    ends = correlation_interval(rho, spearman_variance(rho, n, interval), confidence, alternative)
    fisher = correlation_interval(rho, fisher_variance(n), confidence, alternative)
    text = ("counted" if n <= 9 else "Edgeworth series") if exact else "t"
    return {
        "test": "Spearman rank correlation",
        "statistic": "S",
        "value": s,
        "p": _p(at_most, at_least, alternative),
        "effect_size": "rho",
        "effect": rho,
        **_ends(ends, confidence, n),
        "fisher_low": fisher[0],
        "fisher_high": fisher[1],
        "method": text,
        "note": _note(n, 4),
    }


def kendall(
    x: Any,
    y: Any,
    *,
    method: Method = "auto",
    alternative: Alternative = "two-sided",
    confidence: float = 0.95,
    missing: Missing = "refuse",
) -> pd.DataFrame:
    """Give Kendall's rank correlation tau-b with its test and interval, in one row.

    p as R's ``cor.test``: the exact distribution of the concordant pairs ``T`` for fewer than 50
    pairs without ties, else ``z`` with the variance that ties leave (Kendall 1970, Rank
    Correlation Methods). The interval is ``tanh(atanh(tau) +- z sqrt(0.437 / (n - 4)))`` (Fieller,
    Hartley and Pearson 1957, Biometrika 44, 470). Pairs are counted in O(n log n).

    Args:
        x: Values, shape (n,), at least 2.
        y: Their partners in the same order, shape (n,).
        method: "auto"; "exact" refuses ties; "asymptotic" is the z, as R's ``exact=FALSE``.
        alternative: "greater": the correlation is above 0.
        confidence: Coverage of the interval.
        missing: What to do about missing values: refuse them, or drop their pairs.

    Returns:
        One row: ``test, statistic`` ("T" or "z")``, value, p, effect_size "tau-b", effect, ci_low,
        ci_high, confidence, n, method, note``.

    Raises:
        Refused: As :func:`pearson`, or ties or too many values under an exact method.
    """
    check_alternative(alternative)
    first, second = _varying(*paired_samples(x, y, missing, least=2))
    n, pairs = len(first), len(first) * (len(first) - 1) // 2
    ties = midranks(first).ties, midranks(second).ties
    shared = midranks(_joint(first, second)).ties
    in_x, in_y, in_both = (tied_pairs(found) for found in (*ties, shared))
    against = discordant(first, second)
    decided = pairs - in_x - in_y + in_both
    score = decided - 2 * against
    tau = score / math.sqrt((pairs - in_x) * (pairs - in_y))
    tau = max(-1.0, min(tau, 1.0))
    tied = in_x + in_y > 0
    row: dict[str, Any]
    if _exact(method, tied=tied, fits=n < _KENDALL_EXACT_BELOW or method == "exact"):
        agreeing = pairs - against
        at_most = concordance_tail(agreeing, n, lower=True)
        at_least = concordance_tail(agreeing, n, lower=False)
        p = _p(at_most, at_least, alternative)
        row = {"statistic": "T", "value": float(agreeing), "p": p, "method": "exact"}
    else:
        z, p = _kendall_z(tau, first, second, alternative)
        row = {"statistic": "z", "value": z, "p": p, "method": "normal"}
    ends = correlation_interval(tau, kendall_variance(n), confidence, alternative)
    effect = {"effect_size": "tau-b", "effect": tau, **_ends(ends, confidence, n)}
    return tidy([{"test": "Kendall rank correlation", **row, **effect, "note": _note(n, 5)}])


def _kendall_z(tau: float, x: Floats, y: Floats, alternative: str) -> tuple[float, float]:
    """Give z and p of tau, ties counted as R's ``cor.test`` counts them."""
    n, pairs = len(x), len(x) * (len(x) - 1) // 2
    ties = printed_ties(x, repeats=True), printed_ties(y, repeats=True)
    in_x, in_y = map(tied_pairs, ties)
    score = tau * math.sqrt((pairs - in_x) * (pairs - in_y))
    return normal_p(score, kendall_spread(*ties, n), 0.0, alternative)


def _varying(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    for values, name in ((x, "x"), (y, "y")):
        if np.ptp(values) == 0:
            raise Refused(
                f"{name} is {values[0]:g} in all {len(values)} pairs: a measure that does not vary "
                "has no correlation"
            )
    return x, y


def _product_moment(x: Floats, y: Floats) -> tuple[float, float]:
    """Give r, and how far its square is short of 1, without the digits that an r near 1 costs."""
    # Scaled first: squares of 1e200 or 1e-200 have no place in a double.
    u, v = x - x.mean(), y - y.mean()
    u, v = u / np.abs(u).max(), v / np.abs(v).max()
    u, v = u / math.sqrt(float(u @ u)), v / math.sqrt(float(v @ v))
    r = max(-1.0, min(float(u @ v), 1.0))
    apart = u - math.copysign(1.0, r) * v
    short = float(apart @ apart) / 2
    return r, short * (2 - short)


def _rank_moment(x: Floats, y: Floats) -> float:
    """Give the product-moment correlation of ranks, whose doubles are whole: 0 comes out as 0."""
    u, v = 2 * x - (len(x) + 1), 2 * y - (len(y) + 1)
    r = float(u @ v) / math.sqrt(float(u @ u) * float(v @ v))
    return max(-1.0, min(r, 1.0))


def _joint(x: Floats, y: Floats) -> Floats:
    """Give one number a pair, equal where both x and y are."""
    places = np.unique(x, return_inverse=True)[1], np.unique(y, return_inverse=True)[1]
    return places[0].astype(np.float64) * len(x) + places[1]


def _exact(method: str, *, tied: bool, fits: bool) -> bool:
    if method not in ("auto", "exact", "asymptotic"):
        raise Refused(f"no method is called {method!r}: choose 'auto', 'exact' or 'asymptotic'")
    if method == "exact" and tied:
        raise Refused(
            'values are tied, and the exact p is one of untied ranks: use method="asymptotic"'
        )
    return method != "asymptotic" and fits and not tied


def _p(at_most: float, at_least: float, alternative: str) -> float:
    """Give p from the chances of a correlation no larger, and no smaller, than the one found."""
    if alternative == "two-sided":
        return min(2 * min(at_most, at_least), 1.0)
    return at_most if alternative == "less" else at_least


def _ends(ends: tuple[float, float], confidence: float, n: int) -> dict[str, float]:
    return {"ci_low": ends[0], "ci_high": ends[1], "confidence": confidence, "n": n}


def _note(n: int, least: int) -> str:
    return "" if n >= least else f"{n} pairs are too few for an interval: it takes {least}"
