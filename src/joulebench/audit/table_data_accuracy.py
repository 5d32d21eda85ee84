"""Rules on accuracies: their scale, and how many answers were graded behind them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.columns import words_of
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.table_energy_pairs import meaning_in, rounding_si
from joulebench.finding import Finding

_SIGNED = frozenset({"mcc", "matthews", "corr", "kappa", "spearman", "pearson"})
_OTHER_SCALES = frozenset({"bleu", "rouge", "loss", "score", "mcc"})
_PERCENT_FROM = 1.5
"""Above it a figure can be no fraction, however it was rounded."""

_FEW = 100
"""Fewer graded answers than this leave a 95 % interval of more than ±8 % at an accuracy of 0.8."""

_MOST_DENOMINATOR = 60
_ROWS_TO_INFER = 4
_FRACTIONS = 1102
"""Fractions between 0 and 1 with denominators up to 60."""

_CHANCE = 0.02
"""Probability up to which a share may be such a fraction by chance."""

_MOST_COMMON = 1000
_MOST_ROWS = 0.5
_ANY_NUMBER = 1e12
_SAME = 1e-9
"""Means of equal shares differ by less."""

_WIDTH = 0.05
_Z2 = 1.96**2


def accuracy_scale(table: AuditTable) -> Iterator[Finding]:
    """Find accuracies that are out of their range, or of two scales in one table."""
    scales: dict[str, list[str]] = {}
    for column in table.measures("accuracy"):
        numbers = table.numbers(column)
        present = numbers[np.isfinite(numbers)]
        if not present.size:
            continue
        yield from _out_of_range(table, column, numbers)
        yield from _mixed(table, column, numbers)
        if not set(words_of(column)) & _OTHER_SCALES and present.max() > 0:
            percent = present.max() > _PERCENT_FROM
            scales.setdefault("percent" if percent else "fraction", []).append(column)
        if meaning_in(table, column).unit and 0 < present.max() <= 1.0:
            yield _labelled_percent(table, column, float(present.max()))
    if len(scales) == 2:
        yield _two_columns(table, scales)


def _out_of_range(table: AuditTable, column: str, numbers: Floats) -> Iterator[Finding]:
    signed = bool(set(words_of(column)) & _SIGNED)
    least = -100.0 if signed else 0.0
    most = 1.0 if _are_shares(table, column, numbers) else 100.0
    with np.errstate(invalid="ignore"):
        rows = np.flatnonzero((numbers > most) | (numbers < least))
    if rows.size:
        yield Finding(
            "accuracy-scale",
            "error",
            table.where(column) + " range",
            f"{rows.size} of {len(table)} figures are no accuracy: {table.places(rows.tolist())}",
            "look for a lost decimal point or comma, or a column that moved",
            f"{numbers[rows[0]]:g}",
            f"{least:g} to 1 as a fraction, or to 100 in percent",
        )


def _are_shares(table: AuditTable, column: str, numbers: Floats) -> bool:
    """Say whether figures are fractions for sure: none is above 1.5, and most are above a half.

    As percent they would all be below what guessing gives.
    """
    held = numbers[np.isfinite(numbers)]
    if meaning_in(table, column).unit or set(words_of(column)) & (_OTHER_SCALES | _SIGNED):
        return False
    return bool(held.size and held.max() <= _PERCENT_FROM and np.median(held) > 0.5)


def _mixed(table: AuditTable, column: str, numbers: Floats) -> Iterator[Finding]:
    """Find fractions and percent in one column: small figures that fit in when times 100."""
    with np.errstate(invalid="ignore"):
        large = numbers[(numbers > _PERCENT_FROM) & (numbers <= 100)]
        rows = np.flatnonzero((numbers > 0) & (numbers <= 1.0))
    if not large.size or not rows.size:
        return
    small = numbers[rows]
    between = np.any((numbers > 1.0) & (numbers < large.min()))
    fits = 0.5 * large.min() <= 100 * small.min() and 100 * small.max() <= 1.5 * large.max()
    if not fits or between or large.min() / small.max() < 10:
        return
    yield Finding(
        "accuracy-scale",
        "error",
        table.where(column),
        f"{column} mixes fractions and percent: {rows.size} figures are at most 1, the others are "
        f"{large.min():g} to {large.max():g}: {table.places(rows.tolist())}",
        "write all of them on one scale, and name it in the column",
        f"{small[0]:g}",
        f"{100 * small[0]:g} in percent",
    )


def _labelled_percent(table: AuditTable, column: str, most: float) -> Finding:
    return Finding(
        "accuracy-scale",
        "warning",
        table.where(column) + " unit",
        f"{column} says percent, but no figure is above {most:g}: they are fractions",
        "write percent, or name the column a fraction",
        f"at most {most:g}",
        "up to 100",
    )


def _two_columns(table: AuditTable, scales: dict[str, list[str]]) -> Finding:
    percent, fraction = ", ".join(scales["percent"]), ", ".join(scales["fraction"])
    return Finding(
        "accuracy-scale",
        "warning",
        table.where(scales["fraction"][0]) + " beside percent",
        f"{percent} is in percent and {fraction} a fraction, in one table",
        "write both on one scale: differences of the two are not of one size",
        f"{percent}: percent; {fraction}: fraction",
        "one scale",
    )


def few_graded(table: AuditTable) -> Iterator[Finding]:
    """Find accuracies of so few graded answers that the differences are not resolved."""
    for column in table.measures("accuracy", statistic=""):
        if set(words_of(column)) & (_OTHER_SCALES | {"f1", "auc"}):
            continue
        shares = table.numbers(column)
        shares = shares / 100 if np.nanmax(shares, initial=0.0) > 1.0 else shares
        graded = _graded(table)
        told = ""
        if graded is None:
            graded = inferred_graded(shares, rounding_si(table, column))
            told = ", by the fractions that occur"
        if graded is not None:
            yield from _few(table, column, shares, graded, told)


def _graded(table: AuditTable) -> Floats | None:
    columns = table.measures("graded", per="")
    return table.numbers(columns[0]) if columns else None


def inferred_graded(shares: Floats, step: float) -> Floats | None:
    """Give how many answers were graded, where most shares are fractions of small numbers.

    A share is k/n with a small n to its last digit. That happens by chance to a number with few
    digits, so the shares must be written with more digits than the fractions up to 1/60 lie apart.

    Args:
        shares: Shares of correct answers, 0 to 1; shape (n,).
        step: Step that they were rounded to; 0 where they show all digits.

    Returns:
        Smallest denominators, NaN where a share shows none; ``None`` where most show none.
    """
    slack = max(0.5 * step, 1e-9)
    inside = np.flatnonzero((shares > 0) & (shares < 1))
    if inside.size < _ROWS_TO_INFER or 2 * slack * _FRACTIONS > _CHANCE:
        return None
    different, where = np.unique(shares[inside], return_inverse=True)
    denominators = np.arange(1, _MOST_DENOMINATOR + 1)
    products = different[:, None] * denominators
    near = np.abs(products - np.round(products)) <= slack * denominators
    small = np.asarray(near.any(axis=1))
    if small[where].mean() < _MOST_ROWS:
        return None
    least = np.where(small, denominators[np.argmax(near, axis=1)], np.nan)
    found = np.full(shares.size, np.nan)
    found[inside] = _common(different, slack) or least[where]
    return found


def _common(shares: Floats, slack: float) -> float:
    """Give the one number of answers that all shares are fractions of; 0 where there is none.

    Half of all fractions of 100 are fractions of 50: the smallest denominators say too little.
    """
    for number in range(1, _MOST_COMMON + 1):
        products = shares * number
        if slack * number < _WIDTH and np.all(
            np.abs(products - products.round()) <= slack * number
        ):
            return float(number)
    return 0.0


def _few(
    table: AuditTable, column: str, shares: Floats, graded: Floats, told: str
) -> Iterator[Finding]:
    held = np.isfinite(shares) & np.isfinite(graded) & (graded >= 1)
    if not held.any():
        return
    number = min(float(np.median(graded[held])), _ANY_NUMBER)
    middle = float(np.median(shares[held]))
    low, high = wilson(middle, number)
    claimed = _range_of_settings(table, shares)
    if number >= _FEW and not _SAME < claimed < high - low:
        return
    different = claimed > _SAME
    differ = f"the settings differ by {claimed:.2g}" if different else "no settings differ"
    yield Finding(
        "few-graded",
        "warning" if number < _FEW and different else "note",
        table.where(column),
        f"about {number:.0f} answers were graded for each figure{told}: the 95 % interval of "
        f"{middle:.3g} is {low:.3g} to {high:.3g}, and {differ}",
        "grade more answers, or give the interval and claim no difference inside it; repeating the "
        "same questions does not narrow it",
        f"{number:.0f} graded, interval {high - low:.2g} wide",
        f"{_needed(middle):,.0f} graded answers make it {_WIDTH:g} wide",
    )


def wilson(share: float, number: float) -> tuple[float, float]:
    """Give the 95 % interval of a share of correct answers (Wilson 1927, doi:10.2307/2276774)."""
    middle = (share + _Z2 / (2 * number)) / (1 + _Z2 / number)
    half = np.sqrt(_Z2 * (share * (1 - share) / number + _Z2 / (4 * number**2)))
    half /= 1 + _Z2 / number
    return float(middle - half), float(middle + half)


def _needed(share: float) -> float:
    """Give how many graded answers make a narrow interval."""
    return float(4 * _Z2 * max(share * (1 - share), 0.01) / _WIDTH**2)


def _range_of_settings(table: AuditTable, shares: Floats) -> float:
    """Give the difference between the best and the worst setting's mean accuracy."""
    held = np.isfinite(shares)
    cells: NDArray[np.intp] = table.cell_of_row[held]
    if not cells.size:
        return 0.0
    counts = np.bincount(cells)
    sums = np.bincount(cells, weights=shares[held])
    means = sums[counts > 0] / counts[counts > 0]
    return float(means.max() - means.min())


RULES = (
    Rule("accuracy-scale", "data", table=accuracy_scale),
    Rule("few-graded", "data", table=few_graded),
)
