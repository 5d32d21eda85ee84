"""Model matrices: of plain terms directly, of all others by the formula engine."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.engine_text import FUNCTIONS, as_people_write
from joulebench.stats.model_terms import FACTOR_MARK, FixedTerms, formulaic_refusals
from joulebench.stats.refused import Refused
from joulebench.stats.term_coding import CellCoding, Coded, cell_codings, coded_terms

Floats = NDArray[np.float64]
Codes = NDArray[np.intp]
Settings = Mapping[str, NDArray[Any]]
"""Values of the variables: numbers by a covariate's name, places of levels by a factor's marked."""

_NAME = r"[A-Za-z_.][\w.]*"
_AS_FACTOR = re.compile(rf"C\(\s*({_NAME}?)({FACTOR_MARK})?\s*(,.*)?\)", re.DOTALL)
_CODED = re.compile(rf"C\(({_NAME}?){FACTOR_MARK}[^()]*(?:\([^()]*\))?\)\[(?:T\.|(S\.))?(.*?)\]")
_CHANGES = {"log": np.log, "sqrt": np.sqrt, "exp": np.exp}
_CHANGED = re.compile(rf"({'|'.join(_CHANGES)})\(({_NAME})\)")
_CONTRASTS = {"treatment": "contr.treatment", "sum": "contr.sum"}


class MatrixMaker(Protocol):
    """What makes rows of one model matrix."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns, as people write them: ``task[cb]:generation[3]``."""

    @property
    def columns(self) -> Mapping[str, range]:
        """Columns of each term but the intercept, by the term's name."""

    def rows(self, settings: Settings) -> Floats:
        """Give the rows of the matrix at settings of the variables, shape (m, p)."""


def matrix_maker(
    terms: FixedTerms, coding: str, levels: Mapping[str, Sequence[str]], settings: Settings
) -> MatrixMaker:
    """Choose what makes the matrix of some terms.

    Args:
        terms: The terms of a fixed part.
        coding: Contrasts of factors: "treatment" or "sum".
        levels: Levels of each factor, in order.
        settings: Of the rows that functions in the formula are fitted to (poly, scale, ...).

    Raises:
        Refused: The terms cannot be evaluated.
    """
    if _is_plain(terms):
        return PlainMatrix.of(terms, coding, levels)
    return EngineMatrix(terms, coding, levels, settings)


@dataclass(frozen=True)
class PlainMatrix:
    """A matrix of products of columns, each factor by its contrasts or by all its levels.

    Args:
        names: Of the columns.
        columns: Of each term.
        products: Of the columns after the intercept, each with its first column, and which of its
            columns are kept.
        contrasts: Rows of contrasts of each factor's levels, by its marked name.
    """

    names: tuple[str, ...]
    columns: Mapping[str, range]
    products: tuple[tuple[int, Coded, Codes], ...]
    contrasts: Mapping[str, Floats]

    @classmethod
    def of(cls, terms: FixedTerms, coding: str, levels: Mapping[str, Sequence[str]]) -> PlainMatrix:
        """Lay out the columns of plain terms, those of the first variable of a product fastest."""
        contrasts = {f + FACTOR_MARK: _contrasts(len(known), coding) for f, known in levels.items()}
        names = ["(Intercept)"] if terms.intercept else []
        columns: dict[str, range] = {}
        products: list[tuple[int, Coded, Codes]] = []
        parts = [tuple(map(_bare, term)) for term in terms.parts.values()]
        for name, own in zip(terms.parts, _coded(parts, levels, coding, terms), strict=True):
            start = len(names)
            for product, kept in own:
                products.append((len(names), product, kept))
                told = _product_names(product, levels, coding)
                names += [told[k] for k in kept]
            columns[name] = range(start, len(names))
        return cls(tuple(names), columns, tuple(products), contrasts)

    def rows(self, settings: Settings) -> Floats:
        """Give the rows of the matrix at settings of the variables, shape (m, p)."""
        m = len(next(iter(settings.values()), ()))
        made = np.ones((m, len(self.names)))
        coded: dict[tuple[str, bool], Floats] = {}
        for start, product, kept in self.products:
            columns = np.ones((m, 1))
            for each in product.items():
                if each not in coded:
                    coded[each] = self._coded(*each, settings)
                columns = (coded[each][:, :, None] * columns[:, None, :]).reshape(m, -1)
            columns = columns if columns.shape[1] == len(kept) else columns[:, kept]
            made[:, start : start + len(kept)] = columns
        return made

    def _coded(self, variable: str, full: bool, settings: Settings) -> Floats:
        if variable in self.contrasts:
            contrasts = self.contrasts[variable]
            coded: Floats = (np.eye(len(contrasts)) if full else contrasts)[settings[variable]]
            return coded
        called = _CHANGED.fullmatch(variable)
        values = np.asarray(settings[called[2] if called else variable], dtype=np.float64)
        return (_changed(called[1], variable, values) if called else values)[:, None]


class EngineMatrix:
    """A matrix that the formula engine makes.

    Args:
        terms: The terms.
        coding: Contrasts of factors.
        levels: Levels of each factor.
        settings: Of the rows that functions in the formula are fitted to.
    """

    def __init__(
        self,
        terms: FixedTerms,
        coding: str,
        levels: Mapping[str, Sequence[str]],
        settings: Settings,
    ) -> None:
        self._terms, self._levels = terms, levels
        written = [":".join(_with_contrasts(p, coding) for p in term) for term in
                   terms.parts.values()]  # fmt: skip
        text = " + ".join(["1" if terms.intercept else "0", *written])
        with formulaic_refusals(terms.text):
            from formulaic import Formula

            made = Formula(text, _ordering="none").get_model_matrix(
                self._frame(settings), output="numpy", na_action="ignore", context=FUNCTIONS
            )
        self._spec = made.model_spec
        self.names = tuple(map(_people_name, self._spec.column_names))
        slices = [where for term, where in self._spec.term_slices.items() if str(term) != "1"]
        self.columns = {
            name: range(where.start, where.stop)
            for name, where in zip(terms.parts, slices, strict=True)
        }
        empty = [name for name, where in self.columns.items() if not len(where)]
        if empty:
            raise Refused(f"{empty[0]} in {terms.text!r} makes no column: leave it out")

    def rows(self, settings: Settings) -> Floats:
        """Give the rows of the matrix at settings of the variables, shape (m, p)."""
        frame = self._frame(settings)
        with formulaic_refusals(self._terms.text):
            made = self._spec.get_model_matrix(frame, context=FUNCTIONS)
        values = np.asarray(made, dtype=np.float64).reshape(len(frame), len(self.names))
        if not np.isfinite(values).all():
            raise _not_finite(self._terms.text)
        return values

    def _frame(self, settings: Settings) -> pd.DataFrame:
        columns: dict[str, Any] = dict(settings)
        for name, levels in self._levels.items():
            marked = name + FACTOR_MARK
            codes, known = settings[marked], pd.Index(list(levels))
            columns[marked] = pd.Categorical.from_codes(codes, categories=known)
        return pd.DataFrame(columns)


def _is_plain(terms: FixedTerms) -> bool:
    """Say whether all terms are products of bare columns, or of what is made of one."""
    parts = [part for term in terms.parts.values() for part in term]
    return (bool(parts) or terms.intercept) and all(map(_bare, parts))


def _bare(part: str) -> str:
    """Give the variable of a part that is a bare column, or what is made of one; empty for others.

    A factor's is marked.
    """
    if re.fullmatch(_NAME, part) or _CHANGED.fullmatch(part):
        return part
    called = _AS_FACTOR.fullmatch(part)
    return f"{called[1]}{FACTOR_MARK}" if called and called[2] and not called[3] else ""


def _changed(function: str, text: str, values: Floats) -> Floats:
    with np.errstate(all="ignore"):
        found: Floats = _CHANGES[function](values)
    if not np.isfinite(found).all():
        raise _not_finite(text)
    return found


def _not_finite(text: str) -> Refused:
    return Refused(f"{text!r} is not finite in some rows: check its functions")


def _contrasts(count: int, coding: str) -> Floats:
    if coding == "treatment":
        return np.eye(count)[:, 1:]
    return np.vstack([np.eye(count - 1), -np.ones(count - 1)])


def _coded(
    parts: Sequence[tuple[str, ...]],
    levels: Mapping[str, Sequence[str]],
    coding: str,
    terms: FixedTerms,
) -> list[list[tuple[Coded, Codes]]]:
    """Give the products of each term, with their columns that no term before it holds."""
    counts = {name + FACTOR_MARK: len(known) for name, known in levels.items()}
    if coding == "treatment":
        whole = cell_codings(parts, counts, intercept=terms.intercept)
        return [[(one.product, _kept(one, counts))] for one in whole]
    split = coded_terms(parts, counts, intercept=terms.intercept)
    return [[(one, _kept(CellCoding(one, ()), counts)) for one in own] for own in split]


def _kept(coding: CellCoding, counts: Mapping[str, int]) -> Codes:
    """Give the places of the columns of a product that are not at the last levels of a set."""
    sizes = [
        counts[v] - (not full) if v in counts else 1 for v, full in reversed(coding.product.items())
    ]
    place = np.indices(sizes).reshape(len(sizes), -1)[::-1]
    last = {v: place[k] == counts.get(v, 0) - 1 for k, v in enumerate(coding.product)}
    gone = [np.all([last[v] for v in some], axis=0) for some in coding.repeats]
    return np.flatnonzero(~np.any([np.zeros(place.shape[1], dtype=bool), *gone], axis=0))


def _product_names(product: Coded, levels: Mapping[str, Sequence[str]], coding: str) -> list[str]:
    told = [_column_names(variable, full, levels, coding) for variable, full in product.items()]
    return reduce(lambda left, right: [f"{a}:{b}" if a else b for b in right for a in left],
                  told, [""])  # fmt: skip


def _column_names(
    variable: str, full: bool, levels: Mapping[str, Sequence[str]], coding: str
) -> list[str]:
    if not variable.endswith(FACTOR_MARK):
        return [variable]
    name = variable.removesuffix(FACTOR_MARK)
    if full:
        return [f"{name}[{level}]" for level in levels[name]]
    if coding == "treatment":
        return [f"{name}[{level}]" for level in levels[name][1:]]
    return [f"{name}[S.{level}]" for level in levels[name][:-1]]


def _with_contrasts(part: str, coding: str) -> str:
    """Name the contrasts of a factor of a term, where the formula names none or must give way."""
    called = _AS_FACTOR.fullmatch(part)
    if called is None or (called[3] and coding == "treatment"):
        return part
    return f"C({called[1]}{called[2] or ''}, {_CONTRASTS[coding]})"


def _people_name(name: str) -> str:
    if name == "Intercept":
        return "(Intercept)"
    coded = _CODED.sub(lambda found: f"{found[1]}[{found[2] or ''}{found[3]}]", name)
    return as_people_write(coded)
