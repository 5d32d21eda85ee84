"""Formulas of models, as R writes them: a response, fixed effects and random terms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.model_frame import numbers_of
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]
Transform = Literal["none", "log", "log10", "log2", "sqrt"]

_NAME = r"[A-Za-z_.][\w.]*"
_RESPONSE = re.compile(rf"(?:(?P<transform>\w+)\()?\s*(?P<column>`[^`]+`|{_NAME})\s*(?P<close>\))?")
_FUNCTIONS = {"log": np.log, "log10": np.log10, "log2": np.log2, "sqrt": np.sqrt}
_COLUMN = rf"(?:`[^`]+`|{_NAME})"
_GROUP = re.compile(rf"\s*{_COLUMN}(\s*[:/]\s*{_COLUMN})*\s*")


@dataclass(frozen=True, slots=True)
class Response:
    """The left side of a formula.

    Args:
        text: As written, without blanks around it: ``log(energy_j)``.
        column: The column that it is made of.
        transform: What is done to the column.
    """

    text: str
    column: str
    transform: Transform = "none"

    def values(self, frame: pd.DataFrame) -> Floats:
        """Give the response of each row, shape (n,).

        Raises:
            Refused: The column is no number, or a value has no logarithm or no root.
        """
        raw = numbers_of(frame, self.column)
        if self.transform == "none":
            return raw
        least = 0.0 if self.transform == "sqrt" else np.nextafter(0, 1)
        outside = int(np.sum(raw < least))
        if outside:
            above = "0 or more" if self.transform == "sqrt" else "above 0"
            raise Refused(
                f"{self.text} needs values {above}, and {outside} of {len(raw)} are not "
                f"(the least is {raw.min():g}): model {self.column} itself, or mend those rows"
            )
        changed: Floats = _FUNCTIONS[self.transform](raw)
        return changed


@dataclass(frozen=True, slots=True)
class RandomTerm:
    """One random term.

    Args:
        effects: What varies between the groups, right side of a formula: ``1 + days``.
        group: Columns whose combinations are the groups: one, or two of ``a:b``.
        correlated: Whether the effects of one group may be correlated.
    """

    effects: str
    group: tuple[str, ...]
    correlated: bool = True

    @property
    def name(self) -> str:
        """The grouping as people write it: ``a:b``."""
        return ":".join(self.group)

    @property
    def text(self) -> str:
        """The term as R writes it."""
        return f"({self.effects} {'|' if self.correlated else '||'} {self.name})"


@dataclass(frozen=True, slots=True)
class ModelFormula:
    """A formula in its parts.

    Args:
        text: As it was written.
        response: Its left side.
        fixed: The right side without random terms: ``generation * task``; "1" if nothing is left.
        random: Its random terms, ``(1 | a/b)`` written out as ``(1 | a)`` and ``(1 | a:b)``.
    """

    text: str
    response: Response
    fixed: str
    random: tuple[RandomTerm, ...] = ()


def parse(formula: str) -> ModelFormula:
    """Read a formula such as ``log(energy_j) ~ generation * task + (1 | run)``.

    Raises:
        Refused: There is not exactly one ``~``, a side is empty, brackets do not match, or a
            random term has no group.
    """
    if not isinstance(formula, str) or formula.count("~") != 1:
        raise Refused(f"{formula!r} is no formula: write response ~ terms, e.g. energy_j ~ task")
    return _parsed(formula)


@lru_cache(maxsize=512)
def _parsed(formula: str) -> ModelFormula:
    left, right = (side.strip() for side in formula.split("~"))
    if not left or not right:
        raise Refused(f"formula {formula!r} lacks a side: write response ~ terms")
    fixed, bars = _split_bars(right, formula)
    random = tuple(term for bar in bars for term in _random_terms(bar, formula))
    return ModelFormula(formula, _response(left, formula), fixed or "1", random)


def _response(left: str, formula: str) -> Response:
    match = _RESPONSE.fullmatch(left)
    if match is None or bool(match["transform"]) != bool(match["close"]):
        raise Refused(
            f"the left side of {formula!r} must be a column or log(), log10(), log2() or sqrt() of "
            "one: make other responses a column of the data first"
        )
    column = match["column"].strip("`")
    transform = match["transform"] or "none"
    if transform not in ("none", *_FUNCTIONS):
        known = ", ".join(_FUNCTIONS)
        raise Refused(f"{transform}() of a response is not known (known: {known}) in {formula!r}")
    return Response("".join(left.split()), column, cast(Transform, transform))


def _split_bars(right: str, formula: str) -> tuple[str, list[str]]:
    """Part the terms at plus signs outside brackets; those in brackets with a bar are random."""
    fixed: list[str] = []
    bars: list[str] = []
    for sign, term in _top_terms(right, formula):
        if "|" not in term:
            fixed.append(f"{sign} {term}")
            continue
        if _outside(term):
            raise Refused(f"write random terms in brackets: ({term}) in {formula!r}")
        if sign == "-":
            raise Refused(f"a random term cannot be taken away: {term} in {formula!r}")
        inner = term[1:-1].strip()
        if "|" in _outside(inner):
            bars.append(inner)
            continue
        # Brackets around random terms, as R prints (x || g): ((1 | g) + (0 + x | g)).
        more, own = _split_bars(inner, formula)
        fixed += [f"+ ({more})"] if more else []
        bars += own
    return " ".join(fixed).removeprefix("+ "), bars


def _outside(text: str) -> str:
    """Give what stands outside of all brackets."""
    depth, made = 0, []
    for mark in text:
        depth -= mark == ")"
        if depth == 0 and mark not in "()":
            made.append(mark)
        depth += mark == "("
    return "".join(made)


def _top_terms(right: str, formula: str) -> list[tuple[str, str]]:
    terms: list[tuple[str, str]] = []
    depth, sign, start = 0, "+", 0
    for place, mark in enumerate(right):
        depth += (mark == "(") - (mark == ")")
        if depth < 0:
            raise Refused(f"brackets do not match in {formula!r}")
        if depth == 0 and mark in "+-":
            terms.append((sign, right[start:place].strip()))
            sign, start = mark, place + 1
    if depth:
        raise Refused(f"brackets do not match in {formula!r}")
    terms.append((sign, right[start:].strip()))
    if any(not term for _, term in terms[1:]):
        raise Refused(f"a term is missing beside a sign in {formula!r}")
    return [(sign, term) for sign, term in terms if term]


def _random_terms(bar: str, formula: str) -> list[RandomTerm]:
    effects, mark, group = bar.partition("||")
    if not mark:
        effects, mark, group = bar.partition("|")
    effects, group = effects.strip(), group.strip()
    if group.startswith("(") and not _outside(group):
        group = group[1:-1].strip()
    if not effects or not _GROUP.fullmatch(group) or ("/" in group and ":" in group):
        raise Refused(
            f"({bar}) in {formula!r} is no random term: write (1 | group), (x | group), "
            "(1 | a:b) or (1 | a/b)"
        )
    parts = [part.strip(" `") for part in re.split("[:/]", group)]
    nested = "/" in group
    groups = [tuple(parts[: k + 1]) for k in range(len(parts))] if nested else [tuple(parts)]
    return [RandomTerm(effects, names, mark == "|") for names in groups]
