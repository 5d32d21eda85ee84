"""Single rows that stray from what explains all others of their column."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from joulebench.audit.joint_effect import Effect
from joulebench.audit.joint_fit import Bools, Fit
from joulebench.audit.table import Floats
from joulebench.finding import Finding

_SLACK = 0.02
"""How far a wrapped figure may be from the counter's range plus or minus the energy, as a share of
the energy: what else its tool did to it is not known."""

_MOST_STRAYS, _FEWEST_ALIKE = 0.5, 2
_TWIN = 1e-6
_AMONG = 2.0


def stray_findings(fit: Fit) -> Iterator[Finding]:
    """Name the rows that differ though nearly all others agree or are explained."""
    strays = fit.strays
    if not strays.any():
        return
    wrapped = wrapped_rows(fit) & strays
    if wrapped.any():
        yield _wrapped(fit, wrapped)
    twins = _twins(fit, strays & ~wrapped)
    swapped = twins >= 0
    if swapped.any():
        yield _swapped(fit, twins)
    rest = strays & ~wrapped & ~swapped
    if rest.any():
        yield _rest(fit, rest)


def explained_strays(fit: Fit) -> list[Finding]:
    """Name the rows that differ although most others agree, if each of them is explained.

    By the range of a counter, or by a sum of other parts. Nothing where one row is left.
    """
    strays = fit.strays
    if not 0 < strays.sum() <= _MOST_STRAYS * fit.present.sum():
        return []
    found = []
    wrapped = wrapped_rows(fit) & strays
    if wrapped.any():
        found.append(_wrapped(fit, wrapped))
    rest = strays & ~wrapped
    other = _other_sum(fit, rest) if rest.any() else None
    if other is not None:
        found.append(other)
    return found if other is not None or not rest.any() else []


def _other_sum(fit: Fit, rows: Bools) -> Finding | None:
    """Find a sum of other parts that gives all of some rows."""
    own = fit.meant.parts
    if int(rows.sum()) < _FEWEST_ALIKE or fit.meaning.part not in ("", "total", "node"):
        return None
    for size in range(1, len(own)):
        for parts in combinations(own, size):
            share = sum(fit.joined.joules(p, fit.joined.plain_key(p)) for p in parts)
            with np.errstate(all="ignore"):
                other = fit.ours * np.asarray(share) / fit.meant.joules(fit.joined)
                near = np.abs(fit.published - other) <= fit.doubt
            if near[rows].all():
                return _lacks(fit, rows, parts)
    return None


def _lacks(fit: Fit, rows: Bools, parts: tuple[str, ...]) -> Finding:
    missing = " and ".join(part for part in fit.meant.parts if part not in parts)
    named = fit.joined.table.places(fit.joined.rows[np.flatnonzero(rows)].tolist())
    return _of_rows(
        fit, rows, "scope-mismatch", "error",
        f"{int(rows.sum())} of {int(fit.present.sum())} figures lack the {missing} energy, which "
        f"the others hold: {named}",
        "let all rows cover the same parts; --fix writes the corrected column",
    )  # fmt: skip


def unwrapped(fit: Fit) -> Floats:
    """Give the figures with the counter's range taken out again; as published where it is not."""
    figures = fit.published.copy()
    if fit.meaning.kind != "energy" or fit.meaning.per:
        return figures
    parts = fit.hypothesis.parts if fit.hypothesis else fit.meant.parts
    size = fit.claimed
    for part in parts:
        for wrap_j in (fit.joined.wraps_j(part), -fit.joined.wraps_j(part)):
            for undone in (fit.published + wrap_j, wrap_j - fit.published):
                near = np.abs(undone - size) <= _SLACK * np.abs(size) + fit.doubt
                figures = np.where(near & fit.strays, undone, figures)
    return figures


def likely_unwrapped(fit: Fit, figures: Floats) -> Floats:
    """Take the counter's range out of figures of runs without traces.

    Only where the figure lies far outside those that are explained, and what is left lies among
    them.

    Args:
        fit: The column, on the rows that have traces.
        figures: All figures of the column, J.
    """
    explained = fit.published[fit.present & ~fit.strays]
    if not explained.size or fit.meaning.kind != "energy" or fit.meaning.per:
        return figures
    low, high = float(explained.min()) / _AMONG, float(explained.max()) * _AMONG
    undone = figures.copy()
    for part in fit.hypothesis.parts if fit.hypothesis else fit.meant.parts:
        range_j = float(np.nanmax(fit.joined.wraps_j(part), initial=0.0))
        if not range_j:
            continue
        far = (figures < min(low, 0.0)) | (figures > 0.5 * range_j)
        for each in (figures + range_j, range_j - figures, figures - range_j):
            undone = np.where(far & (each >= low) & (each <= high), each, undone)
    return undone


def wrapped_rows(fit: Fit) -> Bools:
    """Say which rows are off by the counter's range."""
    found: Bools = unwrapped(fit) != fit.published
    return found & fit.strays


def _wrapped(fit: Fit, rows: Bools) -> Finding:
    parts = fit.hypothesis.parts if fit.hypothesis else fit.meant.parts
    range_j = max(float(np.nanmax(fit.joined.wraps_j(p), initial=0.0)) for p in parts)
    named = fit.joined.table.places(fit.joined.rows[np.flatnonzero(rows)].tolist())
    return _of_rows(
        fit, rows, "counter-wrap", "error",
        f"{int(rows.sum())} of {int(fit.present.sum())} figures are off by the counter's range of "
        f"{range_j:.6g} J, or are that range less the energy: {named}",
        "add the counter's range wherever it falls; --fix writes the corrected column",
    )  # fmt: skip


def _twins(fit: Fit, strays: Bools) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Give for each stray the row whose run gives its figure; -1 where none does."""
    found = np.full(len(fit.joined), -1, dtype=np.intp)
    if not fit.exact or strays.sum() > 50:
        return found
    for row in np.flatnonzero(strays):
        with np.errstate(divide="ignore", invalid="ignore"):
            apart = np.abs(fit.claimed / fit.published[row] - 1.0)
        apart[row] = np.inf
        near = int(np.nanargmin(apart))
        if apart[near] <= _TWIN and not np.isclose(fit.claimed[near], fit.claimed[row]):
            found[row] = near
    return found


def _swapped(fit: Fit, twins: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Finding:
    rows = np.flatnonzero(twins >= 0)
    ids = [each.run.run_id for each in fit.joined.digests]
    pairs = ", ".join(f"{ids[row]} has that of {ids[twins[row]]}" for row in rows[:3])
    return _of_rows(
        fit, twins >= 0, "mislabelled-row", "error",
        f"{rows.size} figures are those of another run: {pairs}",
        "give each row the figure of its own run; --fix writes the corrected column",
    )  # fmt: skip


def _rest(fit: Fit, rows: Bools) -> Finding:
    named = fit.joined.table.places(fit.joined.rows[np.flatnonzero(rows)].tolist())
    return _of_rows(
        fit, rows, "unexplained-difference", "warning",
        f"{int(rows.sum())} of {int(fit.present.sum())} figures differ from what explains the "
        f"others: {named}",
        "find out what happened in these runs; --fix writes the corrected column",
    )  # fmt: skip


def _of_rows(
    fit: Fit, rows: Bools, rule: str, severity: str, message: str, remedy: str
) -> Finding:  # fmt: skip
    effect = Effect(np.where(rows, fit.inflation, np.nan), {})
    place = f"{fit.joined.table.where(fit.column)} against its runs: single rows"
    return Finding(rule, severity, place, message, remedy, effect.seen(), "as the other rows")
