"""p values adjusted for how many were looked at."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from joulebench.stats.number_check import shown
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]


def adjusted(p: npt.ArrayLike, method: str) -> Array:
    """Adjust p values for their number, as R's ``p.adjust`` does.

    ``bonferroni``, ``sidak``, ``holm`` (Holm 1979, Scand. J. Stat. 6, 65) and ``hochberg``
    (Hochberg 1988, Biometrika 75, 800) hold the chance of any false claim; ``BH`` (Benjamini and
    Hochberg 1995, J. R. Stat. Soc. B 57, 289) and ``BY``, under any dependence (Benjamini and
    Yekutieli 2001, Ann. Stat. 29, 1165), the expected share of false claims among the claims.

    Args:
        p: Values from 0 to 1, shape (n,); NaN stays NaN and counts for nothing.
        method: One of ``METHODS``.

    Returns:
        Adjusted values in the order given, shape (n,), at most 1.

    Raises:
        Refused: A method that is not known, a value outside 0 to 1, or another shape.
    """
    if not isinstance(method, str) or method not in _RULES:
        raise Refused(
            f"no adjustment is called {shown(method)}: choose one of {', '.join(METHODS)}"
        )
    values = _checked(p)
    told = np.flatnonzero(~np.isnan(values))
    result = values.copy()
    if len(told):
        order = told[np.argsort(values[told], kind="stable")]
        result[order] = np.minimum(1.0, _RULES[method](values[order]))
    return result


def _checked(p: npt.ArrayLike) -> Array:
    try:
        if np.asarray(p).dtype.kind in "USmMc":
            raise TypeError
        values = np.asarray(p, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise Refused("p values must be numbers; give one number a test") from None
    if values.ndim != 1:
        raise Refused(f"p values come as one row of numbers, not in shape {values.shape}")
    if ((values < 0) | (values > 1)).any():
        wrong = float(values[(values < 0) | (values > 1)][0])
        raise Refused(f"a p value lies from 0 to 1, and {wrong:g} does not; give unadjusted ones")
    return values


# Each rule takes the values in rising order.


def _bonferroni(p: Array) -> Array:
    return len(p) * p


def _sidak(p: Array) -> Array:
    # log1p(-1) is -inf, and 1 - exp(-inf) is 1, as it should be.
    with np.errstate(divide="ignore"):
        result: Array = -np.expm1(len(p) * np.log1p(-p))
    return result


def _holm(p: Array) -> Array:
    return np.maximum.accumulate(np.arange(len(p), 0, -1) * p)


def _hochberg(p: Array) -> Array:
    return _never_rising_backwards(np.arange(len(p), 0, -1) * p)


def _bh(p: Array) -> Array:
    return _never_rising_backwards(len(p) / np.arange(1, len(p) + 1) * p)


def _by(p: Array) -> Array:
    ranks = np.arange(1, len(p) + 1)
    return _never_rising_backwards(float(np.sum(1 / ranks)) * len(p) / ranks * p)


def _never_rising_backwards(values: Array) -> Array:
    return np.minimum.accumulate(values[::-1])[::-1]


def _none(p: Array) -> Array:
    return p


_RULES: dict[str, Callable[[Array], Array]] = {
    "BH": _bh,
    "BY": _by,
    "holm": _holm,
    "hochberg": _hochberg,
    "bonferroni": _bonferroni,
    "sidak": _sidak,
    "none": _none,
}

METHODS = tuple(_RULES)
"""What ``adjusted`` can do."""
