"""Rule on tables of means whose rows stand in another table: means in another unit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.evidence import Evidence
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.table_data_cells import written_alike
from joulebench.audit.table_energy_pairs import meaning_in, rounding_si
from joulebench.audit.table_units_factors import factor_told, unit_factor
from joulebench.finding import Finding

_KINDS = ("energy", "duration", "tokens", "emissions", "memory")
_ALIKE = 1e-3
_MOST_GROUPS = 200


@dataclass(frozen=True, eq=False)
class _Groups:
    """The rows of a table that each row of a summary is made of."""

    summary: AuditTable
    rows: AuditTable
    members: Sequence[NDArray[np.intp]]

    def of(self, numbers: Floats, statistic: str) -> Floats:
        """Give the mean or median of each group."""
        middle: Callable[..., np.floating] = np.nanmedian if statistic == "median" else np.nanmean
        taken = [numbers[group] for group in self.members]
        return np.array([middle(x) if np.isfinite(x).any() else np.nan for x in taken])


def against_rows(evidence: Evidence) -> Iterator[Finding]:
    """Find means that the rows of another table give only with another unit."""
    for summary in evidence.tables:
        columns = [
            column
            for kind in _KINDS
            for statistic in ("mean", "median")
            for column in summary.measures(kind, per="", statistic=statistic)
        ]
        for other in evidence.tables if columns else ():
            groups = _grouped(summary, other)
            if groups is not None:
                for column in columns:
                    yield from _held(groups, column)


def _grouped(summary: AuditTable, rows: AuditTable) -> _Groups | None:
    """Find the rows of each group by the settings that both tables have."""
    if summary is rows or len(rows) < 2 * len(summary) or len(summary) > _MOST_GROUPS:
        return None
    theirs = {column.casefold(): column for column in rows.settings}
    shared = {
        column: theirs[low] for column in summary.settings if (low := column.casefold()) in theirs
    }
    if not shared:
        return None
    members: dict[tuple[str, ...], list[int]] = {}
    for place, key in enumerate(_keys(rows, list(shared.values()))):
        members.setdefault(key, []).append(place)
    keys = _keys(summary, list(shared))
    if len(set(keys)) < len(keys) or not all(key in members for key in keys):
        return None
    return _Groups(summary, rows, [np.array(members[key], dtype=np.intp) for key in keys])


def _keys(table: AuditTable, columns: Sequence[str]) -> list[tuple[str, ...]]:
    alike: list[Mapping[str, str]] = [
        {text: written_alike(text) for text in set(table.texts(column).tolist())}
        for column in columns
    ]
    texts = [
        [known[text] for text in table.texts(column).tolist()]
        for column, known in zip(columns, alike, strict=True)
    ]
    return list(zip(*texts, strict=True))


def _held(groups: _Groups, column: str) -> Iterator[Finding]:
    """Hold a column of means against every column that it may be made of."""
    meaning = meaning_in(groups.summary, column)
    sources = groups.rows.measures(meaning.kind, per="", statistic="")
    made = {
        source: groups.of(groups.rows.si(source), meaning.statistic)
        for source in sources
        if meaning_in(groups.rows, source).phase == meaning.phase
    }
    stated = groups.summary.si(column)
    slack = rounding_si(groups.summary, column)
    if any(_same(stated, means, slack) for means in made.values()):
        return
    for source, means in made.items():
        found = _in_another_unit(groups, column, source, stated, means)
        if found is not None:
            yield found
            return


def _same(stated: Floats, means: Floats, slack: float) -> bool:
    held = np.isfinite(stated) & np.isfinite(means)
    if not held.any():
        return False
    return bool(np.all(np.abs(stated - means)[held] <= _ALIKE * np.abs(means[held]) + slack))


def _in_another_unit(
    groups: _Groups, column: str, source: str, stated: Floats, means: Floats
) -> Finding | None:
    with np.errstate(all="ignore"):
        ratio = stated / means
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    factor = unit_factor(ratio, 0.005) if ratio.size else 0.0
    if not factor:
        return None
    return Finding(
        "unit-scale",
        "error",
        groups.summary.where(column) + " against its rows",
        f"{column} is off by a factor of {factor_told(factor)} from the means of {source} of "
        f"{groups.rows.name}",
        "find which of the two names the wrong unit, and convert it",
        f"{stated[0]:.6g}",
        f"{means[0]:.6g}",
    )


RULES = (Rule("unit-scale", "data", evidence=against_rows),)
