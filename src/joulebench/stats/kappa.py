"""How far two graders agree beyond what chance would give."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence

from joulebench.stats.accuracy import wilson_interval
from joulebench.stats.estimate import Estimate
from joulebench.stats.number_check import fraction
from joulebench.stats.refused import Refused


def cohens_kappa(
    grades_a: Iterable[Hashable], grades_b: Iterable[Hashable], *, level: float = 0.95
) -> Estimate:
    """Estimate Cohen's kappa of two graders of the same items, with its asymptotic interval.

    With the shares ``p_ij`` of items that the first puts into class ``i`` and the second into
    ``j``, ``po`` those on the diagonal and ``pe`` what independent graders with these margins would
    share, ``kappa = (po - pe) / (1 - pe)`` (Cohen 1960, Educ. Psychol. Meas. 20, 37). Its variance
    is that of Fleiss, Cohen and Everitt (1969, Psychol. Bull. 72, 323), as in R's ``psych`` and in
    statsmodels: ``(a + b - c) / ((1 - pe)^2 n)`` with
    ``a = sum_i p_ii (1 - (p_i. + p_.i)(1 - kappa))^2``,
    ``b = (1 - kappa)^2 sum_{i != j} p_ij (p_.i + p_j.)^2``,
    ``c = (kappa - pe (1 - kappa))^2``.

    Args:
        grades_a: Class of each item by the first grader.
        grades_b: The same by the second.
        level: Coverage of the interval.

    Returns:
        The interval is cut at -1 and 1. Where a grader puts every item into one class, kappa is 0
        whatever the other says (and 0 / 0 where both do so alike): it says nothing, and is
        ``nan``. Where they agree on all items of
        several classes the variance is 0 and says nothing: the lower end is then kappa at the lower
        end of Wilson's interval of the share that they agree on.

    Raises:
        Refused: No items, not as many of the one as of the other, or a grade that is missing.
    """
    fraction(level, "level", 0.95)
    first, second = _classes(grades_a, "grades_a"), _classes(grades_b, "grades_b")
    if not first or len(first) != len(second):
        raise Refused(f"need as many classes of both, at least 1: {len(first)} and {len(second)}")
    n, method = len(first), "Cohen's kappa, Fleiss-Cohen-Everitt"
    p = _shares(first, second)
    rows, columns = [sum(row) for row in p], [sum(column) for column in zip(*p, strict=True)]
    observed = sum(p[i][i] for i in range(len(p)))
    expected = sum(a * b for a, b in zip(rows, columns, strict=True))
    if min(len(set(first)), len(set(second))) == 1:
        return Estimate(math.nan, math.nan, math.nan, n, level=level, method=method)
    kappa = (observed - expected) / (1 - expected)
    if observed >= 1.0 - 1e-12:
        least = (wilson_interval(n, n, level=level).low - expected) / (1 - expected)
        return Estimate(1.0, least, 1.0, n, level=level, method="kappa at Wilson's lower end")
    from scipy.special import ndtri

    noise = math.sqrt(_variance(p, rows, columns, kappa, expected) / n)
    half = float(ndtri(0.5 + level / 2)) * noise
    low, high = max(-1.0, kappa - half), min(1.0, kappa + half)
    return Estimate(kappa, low, high, n, noise, level=level, method=method)


def _classes(grades: Iterable[Hashable], name: str) -> list[Hashable]:
    try:
        found = list(grades)
        lacking = any(
            each is None or (isinstance(each, float) and math.isnan(each)) for each in found
        )
        hash(tuple(found))
    except (TypeError, ValueError) as error:
        raise Refused(f"{name}: give a list with the class of each item") from error
    if lacking:
        raise Refused(
            f"{name}: a grade is missing; leave out items that one of them has not graded"
        )
    return found


def _shares(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[list[float]]:
    places = {each: place for place, each in enumerate(dict.fromkeys([*first, *second]))}
    p = [[0.0] * len(places) for _ in places]
    for a, b in zip(first, second, strict=True):
        p[places[a]][places[b]] += 1 / len(first)
    return p


def _variance(
    p: list[list[float]], rows: list[float], columns: list[float], kappa: float, expected: float
) -> float:
    """Give the variance of one item, Fleiss, Cohen and Everitt's equation 13."""
    k = range(len(p))
    a = sum(p[i][i] * (1 - (rows[i] + columns[i]) * (1 - kappa)) ** 2 for i in k)
    b = sum(p[i][j] * (columns[i] + rows[j]) ** 2 for i in k for j in k if i != j)
    c = (kappa - expected * (1 - kappa)) ** 2
    return max(0.0, a + (1 - kappa) ** 2 * b - c) / (1 - expected) ** 2
