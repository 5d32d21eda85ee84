"""Tests of whole terms by estimated marginal means."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.emmeans import check_roles, listed
from joulebench.stats.emmeans_grid import Settings, marginal, settings_of
from joulebench.stats.emmeans_linear import determined
from joulebench.stats.emmeans_weights import nesting, rows_in
from joulebench.stats.fitted_model import FittedModel, check_model
from joulebench.stats.full_rank import full_rank
from joulebench.stats.refused import Refused
from joulebench.stats.rows import tidy

Array = npt.NDArray[np.float64]

_ZERO = 1e-7
CONFOUNDED = "(confounded)"
"""Name of the row for what differs between cells that no term is credited with."""


@dataclass(frozen=True, eq=False)
class _Tested:
    """A joint test and the independent functions of the coefficients that it is made of."""

    f: float
    df1: int
    df2: float
    functions: Array
    note: str = ""


def joint_tests(
    model: FittedModel, by: str | Sequence[str] | None = None, ddf: str | None = None
) -> pd.DataFrame:
    """Test every term of a model by the interaction contrasts of its marginal means.

    For each set of variables that a term holds: that the differences between consecutive levels,
    and the differences of these, of the equally weighted means are all 0. Where all cells are
    filled, this is the analysis of variance of type III. Numbers are set to their mean and 1 to
    either side, so that their row tests the slope. Where cells are empty, what can be estimated of
    a term is tested, and the row "(confounded)" holds what differs between cells that no term is
    credited with. A variable nested in others, as each of its levels goes with one of theirs or by
    ``a / b``, is tested within their levels: as ``a:b``. ``df2`` is the least of the orthonormal
    directions'. R's ``emmeans::joint_tests``, which rounds F to three decimals.

    Args:
        model: A fitted linear or mixed model.
        by: Variables at each of whose levels the others are tested.
        ddf: For a mixed model, "satterthwaite", "kenward-roger" or "asymptotic".

    Returns:
        One row a term, in each by-group: the by-columns, ``term, statistic "F", value, df1, df2, p,
        n, note``.

    Raises:
        Refused: A name that is not in the fixed part, or nothing to test.
    """
    check_model(model)
    apart = listed(by)
    check_roles(model, [], apart)
    settings = settings_of(model.design, spread=1.0)
    tested = [name for name in settings if name not in apart]
    if not tested:
        raise Refused(f"no variable of {model.formula.text!r} is left to test")
    rows = []
    for levels in product(*(settings[name] for name in reversed(apart))):
        held = dict(zip(apart, reversed(levels), strict=True))
        of_group = settings | {name: [level] for name, level in held.items()}
        for place, (term, found) in _tests(model, of_group, tested, ddf).items():
            rows.append((place, {**held, **_row(model, term, found)}))
    if not rows:
        raise Refused(f"nothing of {model.formula.text!r} can be estimated: there is no test")
    return tidy([row for _, row in sorted(rows, key=lambda placed: placed[0])], apart)


def _row(model: FittedModel, term: str, found: _Tested) -> dict[str, object]:
    return {
        "term": term,
        "statistic": "F",
        "value": found.f,
        "df1": found.df1,
        "df2": found.df2,
        "p": _p_of_f(found.f, found.df1, found.df2),
        "n": model.n,
        "note": "; ".join(filter(None, [model.note, found.note])),
    }


def _tests(
    model: FittedModel, settings: Settings, tested: Sequence[str], ddf: str | None
) -> dict[int, tuple[str, _Tested]]:
    """Test each set of variables that a term holds, and then what is left of the cells.

    Returns:
        The tests by their place among all that there can be.
    """
    credited: dict[int, tuple[str, _Tested]] = {}
    sets = [names for k in range(len(tested)) for names in combinations(tested, k + 1)]
    nested = _nesting(model, settings)
    terms = [set(term.variables) for term in model.design.terms]
    terms += [{inner} | outer for inner, outer in nested.items()]
    for place, names in enumerate(sets):
        outer = frozenset().union(*(nested.get(name, frozenset()) for name in names))
        if outer <= set(names) and any(set(names) <= term for term in terms):
            found = _joint(model, _interaction(model, settings, names, outer), ddf)
            if found:
                credited[place] = (":".join(names), found)
    left = _confounded(model, settings, tested, [found for _, found in credited.values()], ddf)
    return credited | ({len(sets): (CONFOUNDED, left)} if left else {})


def _confounded(
    model: FittedModel,
    settings: Settings,
    tested: Sequence[str],
    credited: Sequence[_Tested],
    ddf: str | None,
) -> _Tested | None:
    """Test what differs between cells beyond what the terms are credited with."""
    cells = marginal(model.design, settings, tested, []).functions
    whole = _joint(model, np.diff(cells, axis=0), ddf)
    if whole is None or not credited:
        return whole
    parts = _joint(model, np.vstack([found.functions for found in credited]), ddf)
    df1 = whole.df1 - (parts.df1 if parts else 0)
    if parts is None or df1 < 1:
        return None
    f = (whole.df1 * whole.f - parts.df1 * parts.f) / df1
    return _Tested(max(f, 0.0), df1, whole.df2, whole.functions)


def _interaction(
    model: FittedModel, settings: Settings, names: Sequence[str], within: Collection[str]
) -> Array:
    """Give the interaction contrasts of consecutive levels, within each level of some variables.

    Returns:
        Functions of the coefficients, shape (contrasts, p_all).
    """
    of = marginal(model.design, settings, names, [])
    weights: Array = np.eye(1)
    for name in reversed(names):  # the first of the names varies fastest
        levels: Array = np.eye(len(settings[name]))
        step = levels if name in within else np.diff(levels, axis=0)
        weights = np.asarray(np.kron(weights, step), dtype=np.float64)
    found: Array = weights @ of.functions
    return found


def _nesting(model: FittedModel, settings: Settings) -> dict[str, frozenset[str]]:
    """Find which variables are nested in which, by the data or by the formula (``a / b``)."""
    axes = list(settings)
    found = dict(nesting(rows_in(model.design, settings, axes), axes))
    terms = {frozenset(term.variables) for term in model.design.terms}
    for inner in axes:
        if frozenset([inner]) in terms:
            continue
        for term in terms:
            # The levels of what has no margin in the formula are each a case of their own.
            outer = {v for v in term if term - {v} not in terms and term != {v}}
            if inner in term and inner not in outer:
                found[inner] = found.get(inner, frozenset()) | outer
    nests = {
        inner: outer.union(*(found.get(name, frozenset()) for name in outer))
        for inner, outer in found.items()
        if outer
    }
    return {inner: outer for inner, outer in nests.items() if inner not in outer}


def _joint(model: FittedModel, functions: Array, ddf: str | None) -> _Tested | None:
    """Test what can be estimated of linear functions over all columns; nothing if nothing can."""
    rows = _without_noise(model, functions)
    short = not determined(model, rows).all()
    if short:
        rows = _without_noise(model, _estimable_part(model, rows))
    if not len(rows):
        return None
    rows = rows[full_rank((rows / model.design.rank.length).T).kept]
    kept = model.design.rank.kept
    value = rows[:, kept] @ model.beta
    covariance = rows[:, kept] @ model.covariance(ddf) @ rows[:, kept].T
    sd = np.sqrt(np.diag(covariance))
    f = float(value / sd @ np.linalg.solve(covariance / np.outer(sd, sd), value / sd)) / len(rows)
    directions = np.linalg.qr(rows.T)[0].T
    df2 = float(model.inference(directions[:, kept], ddf).df.min())
    note = "only what can be estimated of it, as cells are empty" if short else ""
    return _Tested(f, len(rows), df2, rows, note)


def _without_noise(model: FittedModel, functions: Array) -> Array:
    """Set to 0 what rounding left in place of 0, and leave out rows of nothing."""
    scaled = np.abs(functions / model.design.rank.length)
    clean = np.where(scaled > _ZERO * scaled.max(initial=0.0), functions, 0.0)
    kept: Array = clean[clean.any(axis=1)]
    return kept


def _estimable_part(model: FittedModel, functions: Array) -> Array:
    """Give what of the span of functions the data determine.

    The combinations that vanish along the directions in which coefficients may move unseen
    (Searle 1971, Linear Models, 5.4).
    """
    unseen = functions / model.design.rank.length @ model.design.rank.null_space
    left, size, _ = np.linalg.svd(unseen)
    rank = int(np.sum(size > _ZERO * size.max(initial=0.0)))
    part: Array = left[:, rank:].T @ functions
    return part


def _p_of_f(f: float, df1: int, df2: float) -> float:
    from scipy.special import chdtrc, fdtrc

    return float(chdtrc(df1, df1 * f) if np.isinf(df2) else fdtrc(df1, df2, f))
