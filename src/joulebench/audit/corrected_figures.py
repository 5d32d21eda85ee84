"""What published figures should have been, as far as traces or the table itself determine it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from joulebench.audit.evidence import Evidence
from joulebench.audit.joint import Explained, explained
from joulebench.audit.joint_count_findings import count_findings
from joulebench.audit.joint_counts import CountFit
from joulebench.audit.joint_findings import energy_findings, rows_of_rule
from joulebench.audit.joint_fit import Bools, Fit
from joulebench.audit.joint_strays import likely_unwrapped
from joulebench.audit.table import AuditTable, Floats

KEPT = ("scope-mismatch",)
"""Rules whose figures are right for what they cover: they are named, not changed."""

_TIMES = (-2, -1, 1, 2)


@dataclass(frozen=True, eq=False)
class Mended:
    """Rows of a column with what their figures should have been, for one reason.

    Args:
        table: The published table.
        column: The column.
        places: Number of each row that is corrected, from 0; shape (n,).
        rows: Runs of these rows, or their lines where the table names no runs.
        unit: Of the column as it is named; empty where the name says none.
        published: As published, in that unit; shape (n,).
        corrected: As it should have been, in that unit; shape (n,).
        uncertainty: Standard uncertainty of that, in that unit; shape (n,).
        rule: Rules that they break, joined by semicolons.
        source: "traces", or "table" where other columns of the same run determine it.
    """

    table: AuditTable
    column: str
    places: tuple[int, ...]
    rows: tuple[str, ...]
    unit: str
    published: Floats
    corrected: Floats
    uncertainty: Floats
    rule: str
    source: str = "traces"


def mended_figures(evidence: Evidence) -> list[Mended]:
    """Give every published figure whose correction is determined, with the corrected one.

    Where traces are, the figure is recomputed from them. In rows without traces, a way that was
    proven to the last digit on the others is undone if other columns of the same run suffice.
    """
    known = explained(evidence)
    found = [each for fit in known.fits for each in _of_energy(fit, known)]
    found += [c for fit in known.counts if (c := _of_count(fit)) is not None]
    return found


def _rules(fit: Fit | CountFit) -> list[str]:
    findings = energy_findings(fit) if isinstance(fit, Fit) else count_findings(fit)
    return list(dict.fromkeys(f.rule for f in findings if f.rule not in KEPT))


def _of_energy(fit: Fit, known: Explained) -> Iterator[Mended]:
    rules = _rules(fit)
    if not rules:
        return
    everywhere = fit.hypothesis is not None or not fit.agrees
    rows = fit.present if everywhere else fit.strays
    for chosen, alike in _by_rules(fit, rules, rows):
        places = np.flatnonzero(alike)
        yield _made(
            fit, fit.joined.rows[places].tolist(), fit.published[places], fit.ours[places],
            fit.stated[places], chosen,
        )  # fmt: skip
    yield from _without_traces(fit, known, rules)


def _by_rules(fit: Fit, rules: Sequence[str], rows: Bools) -> Iterator[tuple[str, Bools]]:
    """Part rows by the rules that they break: a wrap concerns single ones."""
    broken = [(rule, rows_of_rule(fit, rule)) for rule in rules]
    chosen: dict[str, list[int]] = {}
    for row in np.flatnonzero(rows):
        chosen.setdefault(";".join(r for r, of in broken if of[row]), []).append(int(row))
    for names, places in chosen.items():
        alike = np.zeros(len(fit.joined), dtype=np.bool_)
        alike[places] = True
        yield names, alike


def _made(
    fit: Fit | CountFit,
    places: Sequence[int],
    published: Floats,
    corrected: Floats,
    uncertainty: Floats,
    rule: str,
    source: str = "traces",
) -> Mended:
    table = fit.joined.table
    meaning = table.meaning(fit.column)
    size = meaning.to_si if meaning else 1.0
    ids = table.run_ids
    rows = tuple(ids[place] or table.places([place]) for place in places)
    return Mended(
        table, fit.column, tuple(places), rows, meaning.unit if meaning else "",
        published / size, corrected / size, uncertainty / size, rule, source,
    )  # fmt: skip


def _without_traces(fit: Fit, known: Explained, rules: Sequence[str]) -> Iterator[Mended]:
    """Correct rows without traces as far as the proven way can be undone from the table."""
    table = fit.joined.table
    others = np.setdiff1d(np.arange(len(table)), fit.joined.rows)
    if not others.size or fit.hypothesis is None or not fit.exact:
        return
    published = table.si(fit.column)
    undone = np.full(len(table), np.nan)
    used: list[str] = []
    if fit.divisor is not None and fit.divisor.fault:
        return
    factor = _factor(fit, known)
    if factor is not None:
        undone = published / fit.scale * factor
        used = [rule for rule in rules if rule in _UNDONE]
    elif fit.scale != 1.0 and _weights_right(fit):
        undone, used = published / fit.scale, ["unit-scale"]
    elif _weights_right(fit) and "counter-wrap" in rules:
        guess = likely_unwrapped(fit, published)
        undone = np.where(guess != published, guess, np.nan)
        used = ["counter-wrap"]
    rows = others[np.isfinite(undone[others]) & np.isfinite(published[others])]
    if rows.size and used:
        share = _share_left(fit)
        yield _made(
            fit, rows.tolist(), published[rows], undone[rows], share * np.abs(undone[rows]),
            ";".join(used), "table",
        )  # fmt: skip


_UNDONE = ("double-counted-channel", "nested-domains-added", "unit-scale")


def _weights_right(fit: Fit) -> bool:
    return fit.hypothesis is not None and set(fit.hypothesis.weights) == set(fit.meant.weights)


def _share_left(fit: Fit) -> float:
    """Give the relative standard uncertainty of a figure whose smaller faults stay in it."""
    assert fit.hypothesis is not None, "only explained columns are undone"
    stated = np.median(fit.stated[fit.present] / np.abs(fit.ours[fit.present]))
    alike = _weighted(fit, dict(fit.meant.weights))
    if alike is None:
        return float(stated)
    left = np.abs(alike[fit.present] / fit.ours[fit.present] - 1.0)
    return float(np.hypot(stated, np.nanmax(left, initial=0.0)))


def _weighted(fit: Fit, weights: Mapping[str, int]) -> Floats | None:
    """Give what the column would say of other weights, all else as it was done."""
    assert fit.hypothesis is not None, "only explained columns are undone"
    keys = dict(zip(fit.hypothesis.parts, fit.hypothesis.keys, strict=True))
    if not set(weights) <= set(keys):
        return None
    joules = sum(n * fit.joined.joules(part, keys[part]) for part, n in weights.items())
    return np.asarray(joules / fit.right.by)


def _factor(fit: Fit, known: Explained) -> Floats | None:
    """Give what multiplies each row's figure so that each part is counted as it should be.

    Both the weights that were used and those that are meant are put together from columns of
    energies of the same runs, in this table or another, whose own weights are proven.
    """
    if _weights_right(fit) or fit.hypothesis is None:
        return None
    columns = [other for other in known.fits if _is_proven(other, fit)]
    wrong = _put_together(fit, dict(fit.hypothesis.weights), columns)
    right = _put_together(fit, dict(fit.meant.weights), columns)
    if wrong is None or right is None:
        return None
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(right / wrong)


def _is_proven(other: Fit, fit: Fit) -> bool:
    """Say whether a column is a plain sum of parts, each integrated as in another column."""
    if not (other.exact and other.hypothesis and fit.hypothesis) or other.scale != 1.0:
        return False
    if other.meaning.kind != "energy" or other.meaning.per:
        return False
    ways = dict(zip(fit.hypothesis.parts, fit.hypothesis.keys, strict=True))
    own = dict(zip(other.hypothesis.parts, other.hypothesis.keys, strict=True))
    return all(ways.get(part, key) == key for part, key in own.items())


def _put_together(fit: Fit, wanted: Mapping[str, int], columns: Sequence[Fit]) -> Floats | None:
    """Find one or two columns whose weights, times small numbers, add up to those wanted."""
    for other in columns:
        for times in (1, 2):
            if _weights_of([(times, other)]) == dict(wanted):
                return times * _by_run(other, fit)
    for first, second in itertools.combinations(columns, 2):
        for a, b in itertools.product(_TIMES, _TIMES):
            if _weights_of([(a, first), (b, second)]) == dict(wanted):
                return a * _by_run(first, fit) + b * _by_run(second, fit)
    return None


def _weights_of(terms: Sequence[tuple[int, Fit]]) -> dict[str, int]:
    summed: dict[str, int] = {}
    for times, fit in terms:
        for part, weight in fit.hypothesis.weights if fit.hypothesis else ():
            summed[part] = summed.get(part, 0) + times * weight
    return {part: weight for part, weight in summed.items() if weight}


def _by_run(other: Fit, fit: Fit) -> Floats:
    """Give a column's figures for the rows of the table of another, by run."""
    figures = other.joined.table.si(other.column)
    if other.joined.table is fit.joined.table:
        return figures
    by_id = dict(zip(other.joined.table.run_ids, figures.tolist(), strict=True))
    return np.array([by_id.get(run_id, np.nan) for run_id in fit.joined.table.run_ids])


def _of_count(fit: CountFit) -> Mended | None:
    """Correct durations, counts and accuracies that are not those of the stored run."""
    rules = _rules(fit)
    rows = fit.present if fit.rule else fit.outside
    places = np.flatnonzero(rows)
    if not rules or not places.size:
        return None
    meaning = fit.joined.table.meaning(fit.column)
    timed = meaning is not None and meaning.kind == "duration"
    doubt = fit.joined.duration_doubt_s / 1.96 if timed else np.zeros(len(fit.joined))
    return _made(
        fit, fit.joined.rows[places].tolist(), fit.published[places], fit.ours[places],
        doubt[places], ";".join(rules),
    )  # fmt: skip
