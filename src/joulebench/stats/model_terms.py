"""The fixed part of a formula, read by the formula engine and renamed for people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd

from joulebench.stats.engine_text import as_engine_writes, as_people_write, quoted
from joulebench.stats.model_frame import check_column, is_categorical, numbers_of
from joulebench.stats.plain_terms import plain_terms
from joulebench.stats.refused import Refused

FACTOR_MARK = "__factor"
"""Ends the engine's name of a column used as a factor, so that its numbers can be used as well."""

_NAME = r"[A-Za-z_.][\w.]*"
_AS_FACTOR = re.compile(rf"C\(\s*({_NAME})\s*(,.*)?\)", re.DOTALL)
_WORD = re.compile(r"(?<![\w.])" + _NAME)
_MARKUP = re.compile(r"\x1b\[[\d;]*m|[⧛⧚]|\[[\d;]+m")


@dataclass(frozen=True)
class FixedTerms:
    """The terms of a fixed part.

    Args:
        text: As written.
        intercept: Whether there is one.
        parts: Factors of each term but the intercept, as the engine writes them.
        factors: Columns used as factors.
        covariates: Columns used as numbers.
        variables: Columns of each term, by the term's name.
    """

    text: str
    intercept: bool
    parts: Mapping[str, tuple[str, ...]]
    factors: tuple[str, ...]
    covariates: tuple[str, ...]
    variables: Mapping[str, tuple[str, ...]]


def fixed_terms(fixed: str, frame: pd.DataFrame) -> FixedTerms:
    """Read the fixed part of a formula.

    Args:
        fixed: Right side of a formula without random terms.
        frame: The data, whose columns tell factors from numbers.

    Raises:
        Refused: It cannot be read, or names no column.
    """
    exprs = _read(fixed)
    terms = [parts for parts in exprs if parts != ("1",)]
    used = {part: _columns_used(part, frame) for parts in terms for part in parts}
    order = _in_order_of_mention(fixed, [part for parts in terms for part in parts])
    as_factors = {part: _factor_column(part, frame) for part in order}
    factors = tuple(dict.fromkeys(name for name in as_factors.values() if name))
    plain = [name for part in order if not as_factors[part] for name in used[part]]
    for name in plain:
        numbers_of(frame, name)
    parts_of: dict[str, tuple[str, ...]] = {}
    variables: dict[str, tuple[str, ...]] = {}
    for parts in terms:
        ordered = tuple(sorted(parts, key=order.index))
        # A column that is used by its levels and by its numbers keeps two names.
        name = ":".join(
            part if as_factors[part] in plain else as_factors[part] or as_people_write(part)
            for part in ordered
        )
        parts_of[name] = tuple(_engine_text(part, as_factors[part], used[part]) for part in ordered)
        variables[name] = tuple(dict.fromkeys(v for part in ordered for v in used[part]))
    return FixedTerms(
        fixed, len(terms) < len(exprs), parts_of, factors, tuple(dict.fromkeys(plain)), variables
    )


def _in_order_of_mention(fixed: str, parts: Iterable[str]) -> list[str]:
    """Put the factors of terms in the order in which the formula first names them, as R does.

    ``a`` comes first in ``a * b - a`` too, whose terms are ``b`` and ``a:b``.
    """
    text = "".join(as_engine_writes(fixed).split())

    def place(part: str) -> int:
        bare = re.escape("".join(part.split()))
        found = re.search(rf"(?<![\w.]){bare}(?![\w.(])", text)
        return found.start() if found else len(text)

    return sorted(dict.fromkeys(parts), key=place)


def variables_of(fixed: str, frame: pd.DataFrame) -> tuple[str, ...]:
    """Give the columns that a fixed part uses, before anything is known of their values.

    Raises:
        Refused: It cannot be read, or names no column.
    """
    parts = [part for term in _read(fixed) for part in term if part != "1"]
    return tuple(dict.fromkeys(name for part in parts for name in _columns_used(part, frame)))


@lru_cache(maxsize=512)
def _read(fixed: str) -> tuple[tuple[str, ...], ...]:
    """Give the factors of each term, as the formula engine reads them."""
    text = as_engine_writes(fixed)
    plain = plain_terms(text)
    if plain is not None:
        return plain
    with formulaic_refusals(fixed):
        from formulaic import Formula

        read = list(Formula(text))
    return tuple(tuple(factor.expr for factor in term.factors) for term in read)


@contextmanager
def formulaic_refusals(text: str) -> Iterator[None]:
    """Turn what the formula engine raises into a refusal of one line."""
    try:
        with np.errstate(all="ignore"):  # what comes out not finite is refused by name
            yield
    except Refused:
        raise
    except Exception as error:  # the engine runs what the formula calls, which may raise anything
        said = " ".join(_MARKUP.sub("", str(error)).split())[:160].replace(FACTOR_MARK, "")
        raise Refused(f"the model {text!r} cannot be evaluated: {said}") from error


def _columns_used(part: str, frame: pd.DataFrame) -> tuple[str, ...]:
    """Give the columns that a factor of a term names; a bare name that is none is refused."""
    if re.fullmatch(_NAME, part):
        check_column(frame, part)
        return (part,)
    if part.startswith("`") and part.endswith("`"):
        check_column(frame, part.strip("`"))
        raise Refused(f"column {part} has a name that a formula cannot use: rename the column")
    called = _AS_FACTOR.fullmatch(part)
    if called:
        check_column(frame, called[1])
        return (called[1],)
    words = [word for word in _WORD.findall(part) if word in frame.columns]
    if not words:
        inner = [w[0] for w in re.finditer(rf"(?<![\w.]){_NAME}(?!\s*\(|\w)", part)]
        check_column(frame, inner[0] if inner else part)
    return tuple(dict.fromkeys(words))


def _factor_column(part: str, frame: pd.DataFrame) -> str:
    """Give the column that a factor of a term uses by its levels; empty if by its numbers."""
    called = _AS_FACTOR.fullmatch(part)
    if called:
        return called[1]
    bare = re.fullmatch(_NAME, part) is not None
    return part if bare and is_categorical(frame[part]) else ""


def _engine_text(part: str, factor: str, columns: tuple[str, ...]) -> str:
    """Write a factor of a term for the engine, columns of levels marked."""
    if not factor:
        return part if part in columns else quoted(part, columns)
    called = _AS_FACTOR.fullmatch(part)
    return f"C({factor}{FACTOR_MARK}{(called[2] or '') if called else ''})"
