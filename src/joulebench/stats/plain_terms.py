"""The fixed part of a formula that has names, ``+``, ``*`` and ``:`` alone, read directly."""

from __future__ import annotations

import keyword
import re

Terms = tuple[tuple[str, ...], ...]

_PART = r"(?:[A-Za-z_]\w*|(?:C|log|sqrt|exp)\([A-Za-z_]\w*\))"
_PRODUCT = rf"{_PART}(?:\s*\*\s*{_PART})*"
_CELLS = rf"{_PART}(?:\s*:\s*{_PART})*"
_PLAIN = re.compile(
    rf"\s*(?:{_PRODUCT}|{_CELLS}|1)\s*(?:\+\s*(?:{_PRODUCT}|{_CELLS}|1)\s*)*", re.ASCII
)
_WORDS = frozenset(keyword.kwlist)


def plain_terms(fixed: str) -> Terms | None:
    """Give the factors of each term, the intercept ``("1",)`` first and terms by their degree.

    The formula engine reads more, and takes a tenth of a second to be there.

    Args:
        fixed: Right side of a formula without random terms.

    Returns:
        ``None`` where the formula has anything else than names, ``C()``, ``log()``, ``sqrt()`` or
        ``exp()`` of one, sums, products and cells.
    """
    if not _PLAIN.fullmatch(fixed) or _WORDS & set(re.findall(r"\w+", fixed)):
        return None
    found: dict[frozenset[str], tuple[str, ...]] = {frozenset({"1"}): ("1",)}
    for summand in fixed.split("+"):
        for term in _product(summand.strip()):
            found.setdefault(frozenset(term), term)
    # A sorted list keeps the order of what is alike: by degree, then as written.
    return tuple(sorted(found.values(), key=lambda term: 0 if term == ("1",) else len(term)))


def _product(summand: str) -> list[tuple[str, ...]]:
    """Write a product out: ``a * b`` as ``a + b + a:b``."""
    first, *others = [tuple(part.strip().split(":")) for part in summand.split("*")]
    terms = [_single(first)]
    for other in others:
        right = _single(other)
        terms += [right, *(_single(left + right) for left in terms)]
    return terms


def _single(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Name each factor of a term once."""
    return tuple(dict.fromkeys(part.strip() for part in parts))
