"""Tables of means beside the table of runs that they were made of.

A summary is made anew from the rows of each group. Where that gives its figures only when a decimal
comma is taken for a thousands separator, or from a column that its traces contradict, it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.evidence import Evidence
from joulebench.audit.joint import explained
from joulebench.audit.joint_divisors import without_comma
from joulebench.audit.joint_effect import Effect
from joulebench.audit.joint_findings import energy_findings
from joulebench.audit.joint_rows import last_place, plain_label
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding

Statistic = Callable[[Floats], float]

_STATISTICS: Mapping[str, tuple[Statistic, ...]] = {
    "mean": (lambda values: float(np.mean(values)),),
    "median": (lambda values: float(np.median(values)),),
    "min": (lambda values: float(np.min(values)),),
    "max": (lambda values: float(np.max(values)),),
    "sd": (lambda values: float(np.std(values, ddof=1)), lambda values: float(np.std(values))),
    "var": (lambda values: float(np.var(values, ddof=1)), lambda values: float(np.var(values))),
}
"""By the statistic that a column names; of spreads, with one degree of freedom less first."""

_SPREADS = ("sd", "var")
_KINDS = ("energy", "power", "duration")
_MOST_GROUPS, _MOST_ROWS = 2000, 200_000
_MATCHED = 0.9
_EXACT = 1e-9
_FEWEST_DIGITS = 5.0
_INHERITED = {
    "double-counted-channel": "energy",
    "nested-domains-added": "energy",
    "unit-scale": "data",
}


@dataclass(frozen=True, eq=False)
class Series:
    """A figure of each run that a summary may be made of.

    Args:
        kind: Quantity.
        name: How it was made, for a person.
        values: In SI units; shape (runs,).
        columns: Columns of the run table that it is made of.
        misread: Column whose decimal commas were lost; empty if none.
    """

    kind: str
    name: str
    values: Floats
    columns: tuple[str, ...]
    misread: str = ""


@dataclass(frozen=True, eq=False)
class Summarised:
    """A column of a summary with what it was made of.

    Args:
        table: The summary.
        column: Its column.
        runs: The table of runs.
        source: What gives its figures.
        right: What the same figures are without a mistake in reading; shape (groups,).
        groups: Rows of the runs that each of its rows stands for.
        statistic: What is taken of them.
    """

    table: AuditTable
    column: str
    runs: AuditTable
    source: Series
    right: Floats
    groups: Sequence[NDArray[np.intp]]
    statistic: Statistic

    @property
    def is_spread(self) -> bool:
        """Whether it says how far the figures are apart: what is wrong is said of their means."""
        meaning = self.table.meaning(self.column)
        return meaning is not None and meaning.statistic in _SPREADS


def summarised(evidence: Evidence) -> Iterator[Summarised]:
    """Find the columns of summaries whose figures are made of those of a table of runs."""
    tables = [table for table in evidence.tables if not table.recomputed]
    for summary in tables:
        if not 0 < len(summary) <= _MOST_GROUPS:
            continue
        for runs in tables:
            if len(summary) < len(runs) <= _MOST_ROWS:
                yield from _made_of(summary, runs)


def _made_of(summary: AuditTable, runs: AuditTable) -> Iterator[Summarised]:
    columns = [
        (column, meaning.statistic)
        for column in summary.columns
        if (meaning := summary.meaning(column))
        and meaning.kind in _KINDS
        and meaning.statistic in _STATISTICS
        and not meaning.per
        and summary.is_number(column)
    ]
    groups = _groups(summary, runs) if columns else None
    if groups is None:
        return
    series, sure = list(_series(runs)), list[Series]()
    for column, statistic in sorted(columns, key=lambda each: each[1] in _SPREADS):
        for of in _STATISTICS[statistic]:
            found = _source(summary, column, groups, series, of, sure)
            if found is not None:
                sure.append(found[0])
                yield Summarised(summary, column, runs, *found, groups, of)
                break


def _groups(summary: AuditTable, runs: AuditTable) -> list[NDArray[np.intp]] | None:
    """Give the rows of the runs that each row of a summary stands for, by shared settings."""
    known = {column.casefold(): column for column in runs.settings}
    shared = [
        (column, known[column.casefold()])
        for column in summary.columns
        if column.casefold() in known and not summary.meaning(column)
    ]
    if not shared:
        return None
    members: dict[tuple[str, ...], list[int]] = {}
    for row, key in enumerate(_keys(runs, [theirs for _, theirs in shared])):
        members.setdefault(key, []).append(row)
    found = [members.get(key) for key in _keys(summary, [ours for ours, _ in shared])]
    if any(rows is None or len(rows) < 2 for rows in found):
        return None
    return [np.array(rows, dtype=np.intp) for rows in found if rows is not None]


def _keys(table: AuditTable, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    labels = [[plain_label(str(text)) for text in table.texts(column)] for column in columns]
    return zip(*labels, strict=True)


def _series(runs: AuditTable) -> Iterator[Series]:
    """Give every figure of the runs as it is written, and as it is read without its comma."""
    energies = [
        Series("energy", column, runs.si(column), (column,))
        for column in runs.measures("energy", per="")
    ]
    times = [each for column in runs.measures("duration", per="") for each in _times(runs, column)]
    yield from energies
    yield from times
    for column in runs.measures("power"):
        yield Series("power", column, runs.si(column), (column,))
    for energy in energies:
        for time in times:
            with np.errstate(divide="ignore", invalid="ignore"):
                watts = energy.values / time.values
            name = f"{energy.name} / {time.name}"
            yield Series("power", name, watts, (*energy.columns, *time.columns), time.misread)


def _times(runs: AuditTable, column: str) -> Iterator[Series]:
    yield Series("duration", column, runs.si(column), (column,))
    texts = [str(text) for text in runs.texts(column)]
    if any("," in text for text in texts):
        meaning = runs.meaning(column)
        seconds = without_comma(texts) * (meaning.to_si if meaning else 1.0)
        yield Series("duration", column, seconds, (column,), column)


def _source(
    summary: AuditTable,
    column: str,
    groups: Sequence[NDArray[np.intp]],
    series: Sequence[Series],
    statistic: Statistic,
    sure: Sequence[Series],
) -> tuple[Series, Floats] | None:
    """Find what gives the figures of a column; what is read as it is written comes first.

    Args:
        summary: The summary.
        column: Its column.
        groups: Rows of the runs that each of its rows stands for.
        series: What it may be made of.
        statistic: What is taken of that.
        sure: What other columns of it are known to be made of: fewer digits are enough for these.
    """
    meaning = summary.meaning(column)
    stated = summary.si(column)
    size = meaning.to_si if meaning else 1.0
    places = np.array([last_place(str(text)) for text in summary.texts(column)]) * size
    for each in sorted(series, key=lambda item: bool(item.misread)):
        if meaning is None or each.kind != meaning.kind:
            continue
        made = _of_groups(each.values, groups, statistic)
        with np.errstate(invalid="ignore"):
            apart = np.abs(made - stated)
        close = apart <= 0.5 * places * (1 + 1e-6) + _EXACT * np.abs(stated)
        many = np.count_nonzero(close) >= max(_MATCHED * len(stated), 1)
        if many and (each in sure or _telling(places, stated)):
            right = _read_right(each, series)
            return each, _of_groups(right, groups, statistic)
    return None


def _of_groups(
    values: Floats, groups: Sequence[NDArray[np.intp]], statistic: Statistic
) -> Floats:  # fmt: skip
    """Give a statistic of each group, of the figures that it has; NaN of fewer than two."""
    held = [each[np.isfinite(each)] for each in (values[rows] for rows in groups)]
    return np.array([statistic(each) if each.size > 1 else np.nan for each in held])


def _telling(places: Floats, stated: Floats) -> bool:
    """Say whether figures have so many digits together that they cannot agree by chance."""
    with np.errstate(divide="ignore", invalid="ignore"):
        digits = np.log10(np.abs(stated) / places)
    return float(digits[np.isfinite(digits)].sum()) >= _FEWEST_DIGITS


def _read_right(misread: Series, series: Sequence[Series]) -> Floats:
    """Give the same figure with its comma read as it is meant."""
    alike = (s.values for s in series if s.columns == misread.columns and not s.misread)
    return next(alike, misread.values)


def _findings(evidence: Evidence) -> Iterator[Finding]:
    made = [each for each in summarised(evidence) if not each.is_spread]
    yield from (_misread(each) for each in made if each.source.misread)
    wrong = {
        (fit.joined.table.name, fit.column): finding
        for fit in explained(evidence).fits
        for finding in energy_findings(fit)
        if finding.rule in _INHERITED and finding.severity == "error"
    }
    heirs: dict[tuple[str, str], tuple[list[Summarised], str, Finding]] = {}
    for each in made:
        for column in each.source.columns:
            finding = wrong.get((each.runs.name, column))
            if finding is not None:
                key = each.table.name, finding.rule
                heirs.setdefault(key, ([], column, finding))[0].append(each)
    for summaries, column, finding in heirs.values():
        yield _inherited(summaries, column, finding)


def _misread(each: Summarised) -> Finding:
    stated = each.table.si(each.column)
    unit = {"power": "W", "duration": "s"}.get(each.source.kind, "J")
    effect = Effect(stated / each.right - 1.0, {})
    return Finding(
        "decimal-comma",
        "error",
        each.table.where(each.column),
        f"it is made of {each.source.name} in {each.runs.name} with the decimal comma of "
        f"{each.source.misread} taken for a thousands separator, so that 12,34 counts as 1234: "
        f"{effect.seen()} in {len(stated)} rows",
        f"read {each.source.misread} with a decimal comma, and make the summary and every test on "
        "it anew",
        _ends(stated, unit),
        _ends(each.right, unit),
    )


def _inherited(summaries: Sequence[Summarised], column: str, finding: Finding) -> Finding:
    first = summaries[0]
    named = ", ".join(dict.fromkeys(each.column for each in summaries))
    return Finding(
        finding.rule,
        "error",
        f"{first.table.where(first.column)} as a summary",
        f"{named}: made of {column} in {first.runs.name}, which its traces contradict: "
        f"{finding.message}",
        f"correct {column} first, and make the summary and every test on it anew",
        finding.seen,
        finding.possible,
    )


def _ends(values: Floats, unit: str) -> str:
    return f"{float(values.min()):.4g} to {float(values.max()):.4g} {unit}"


def _of_rule(name: str, evidence: Evidence) -> Iterator[Finding]:
    size = len(evidence.digests), len(evidence.tables)
    stored = _known.get(evidence)
    if stored is None or stored[0] != size:
        stored = size, list(_findings(evidence))
        _known[evidence] = stored
    yield from (finding for finding in stored[1] if finding.rule == name)


_known: WeakKeyDictionary[Evidence, tuple[tuple[int, int], list[Finding]]] = WeakKeyDictionary()

RULES: tuple[Rule, ...] = tuple(
    Rule(name, group, evidence=partial(_of_rule, name))
    for name, group in (("decimal-comma", "data"), *_INHERITED.items())
)
