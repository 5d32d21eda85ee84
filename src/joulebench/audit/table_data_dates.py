"""Rules on time stamps: dates that may be read in two ways, whole seconds, stamps that repeat."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.columns import words_of
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats, Texts
from joulebench.audit.table_data_cells import begins_with_numbers
from joulebench.audit.table_energy_pairs import meaning_in, rounding_si
from joulebench.finding import Finding

_TWO_FIRST = re.compile(r"(\d{1,2})([/\-.])(\d{1,2})\2(\d{4}|\d{2})(?!\d)(.*)")
_WHOLE_STAMP = re.compile(r"\d{9,10}|.*\d{1,2}:\d{2}:\d{2}(Z|[+-]\d{2}:?\d{2}| ?[AP]M)?")
_SECONDS = re.compile(r":\d{2}:\d{2}")
_PLACES = frozenset({"host", "hostname", "testbed", "device", "gpu", "node", "worker", "machine"})
_MONTHS = 12
_SAMPLED = 2000
_TWO_STAMPS = np.sqrt(1 / 6)
"""Standard uncertainty, s, of the difference of two stamps cut to whole seconds."""

_ONE_ROUNDED = np.sqrt(1 / 12)
_DOUBT = 0.05
"""Share of a duration that its 95 % uncertainty may be."""

_Z_95 = 1.96
_RISING = 0.9
_BATCH = 0.5


def locale_date(table: AuditTable) -> Iterator[Finding]:
    """Find dates that mean two days, and stamps that run backwards."""
    for column in _stamps(table):
        texts = [str(text) for text in table.texts(column)]
        yield from _two_ways(table, column, texts)
        yield from _backwards(table, column, texts)
    yield from _stops_before_start(table)


def _stamps(table: AuditTable) -> list[str]:
    return [
        column
        for column in table.columns
        if (meaning := table.meaning(column)) is not None
        and meaning.kind == "timestamp"
        and meaning.is_value
    ]


def _two_ways(table: AuditTable, column: str, texts: list[str]) -> Iterator[Finding]:
    """Judge the order of day and month by all dates of a column together."""
    found = [match for text in dict.fromkeys(texts) if (match := _TWO_FIRST.match(text))]
    slashed = [match for match in found if match.group(2) != "."]
    firsts = [int(match.group(1)) for match in slashed]
    seconds = [int(match.group(3)) for match in slashed]
    if not slashed:
        return
    day_first, month_first = max(firsts) > _MONTHS, max(seconds) > _MONTHS
    if day_first != month_first:
        return
    if not day_first and firsts == seconds:
        return  # the fourth of April is 04/04 either way
    example = next(m.group(0) for m, a, b in zip(slashed, firsts, seconds, strict=True) if a != b)
    how = (
        "mix day/month and month/day"
        if day_first
        else "may be day/month or month/day: no number above 12 tells"
    )
    yield Finding(
        "locale-date",
        "error" if day_first else "warning",
        table.where(column),
        f"the {len(slashed)} different dates of {column} {how}",
        "write dates as 2025-11-20T14:00:00+00:00",
        example,
        "one order of day and month that the dates themselves show",
    )


def _backwards(table: AuditTable, column: str, texts: list[str]) -> Iterator[Finding]:
    """Find stamps that step back in a table that is otherwise in the order of time."""
    times = stamps_s(table, column, texts)
    held = np.flatnonzero(np.isfinite(times))
    if held.size < 3:
        return
    steps = np.diff(times[held])
    back = np.flatnonzero(steps < 0)
    if not back.size or np.mean(steps >= 0) < _RISING:
        return
    rows = held[back + 1]
    if _begins_a_group(table, held, back):
        return
    yield Finding(
        "locale-date",
        "warning",
        table.where(column) + " in order",
        f"{column} steps back in {rows.size} rows of a table that is otherwise in the order of "
        f"time: {table.places(rows.tolist())}",
        "look for a change of the date format, of daylight saving time or of the clock there; "
        "write stamps with their offset from UTC",
        f"{float(steps.min()):,.0f} s",
        "stamps that grow with the rows",
    )


def _begins_a_group(table: AuditTable, held: NDArray[np.intp], back: NDArray[np.intp]) -> bool:
    """Say whether stamps step back only where a group begins: rows were sorted by settings."""
    keys = [_carried(table.texts(name)) for name in table.varied]
    for codes in (*keys, table.cell_of_row):
        changes = codes[held][1:] != codes[held][:-1]
        grouped = np.count_nonzero(changes) < len(np.unique(codes[held]))
        if grouped and changes[back].all():
            return True
    return False


def _carried(texts: Texts) -> NDArray[np.intp]:
    """Number the levels of a setting; a row that says none has that of the row before."""
    filled = np.maximum.accumulate(np.where(texts != "", np.arange(texts.size), 0))
    codes: NDArray[np.intp] = np.unique(texts[filled], return_inverse=True)[1]
    return codes


def _stops_before_start(table: AuditTable) -> Iterator[Finding]:
    pairs = [
        (start, stop)
        for start in _stamps(table)
        for stop in _stamps(table)
        if {"start", "started", "begin", "began"} & set(words_of(start))
        and _other_end(start) == _other_end(stop)
        and {"end", "stop", "ended", "finished"} & set(words_of(stop))
    ]
    for start, stop in pairs:
        with np.errstate(invalid="ignore"):
            rows = np.flatnonzero(stamps_s(table, stop) < stamps_s(table, start))
        if rows.size:
            yield Finding(
                "locale-date",
                "error",
                table.where(stop),
                f"{stop} lies before {start} in {rows.size} rows: {table.places(rows.tolist())}",
                "write both with date, time and offset from UTC, by one clock",
                str(table.texts(stop)[rows[0]]),
                f"after {table.texts(start)[rows[0]]}",
            )


def _other_end(column: str) -> frozenset[str]:
    ends = {"start", "started", "begin", "began", "end", "stop", "ended", "finished"}
    return frozenset(set(words_of(column)) - ends)


def stamps_s(table: AuditTable, column: str, texts: list[str] | None = None) -> Floats:
    """Give stamps as seconds of one clock: numbers as they are, and dates in ISO form.

    A date without offset is taken as UTC; NaN where a cell is neither.
    """
    if begins_with_numbers(table, column) and table.is_number(column):
        numbers = table.numbers(column)
        middle = float(np.nanmedian(numbers)) if np.isfinite(numbers).any() else 0.0
        return numbers * (1e-9 if middle > 1e17 else 1e-3 if middle > 1e11 else 1.0)
    texts = [str(text) for text in table.texts(column)] if texts is None else texts
    known = {text: _iso_s(text) for text in dict.fromkeys(texts)}
    return np.array([known[text] for text in texts])


def _iso_s(text: str) -> float:
    try:
        stamp = datetime.fromisoformat(text)
    except ValueError:
        return float("nan")
    return (stamp if stamp.tzinfo else stamp.replace(tzinfo=UTC)).timestamp()


def sub_second_stamps(table: AuditTable) -> Iterator[Finding]:
    """Find whole seconds where runs are so short that they are in doubt by more than 5 %."""
    for start in _stamps(table):
        for stop in _stamps(table):
            if _other_end(start) == _other_end(stop) and "start" in "".join(words_of(start)):
                yield from _whole_stamps(table, start, stop)
    for column in table.measures("duration", per="", statistic=""):
        seconds = table.si(column)
        whole = rounding_si(table, column) >= 1.0 and meaning_in(table, column).phase != "idle"
        if whole:
            yield from _coarse(table, column, seconds, _ONE_ROUNDED, "is in whole seconds")


def _whole_stamps(table: AuditTable, start: str, stop: str) -> Iterator[Finding]:
    if start == stop or not all(_is_whole(table, column) for column in (start, stop)):
        return
    seconds = stamps_s(table, stop) - stamps_s(table, start)
    told = f"and {start} are whole seconds"
    yield from _coarse(table, stop, seconds, _TWO_STAMPS, told)


def _is_whole(table: AuditTable, column: str) -> bool:
    texts = [str(text) for text in table.texts(column)[:_SAMPLED] if text]
    return bool(texts) and all(_WHOLE_STAMP.fullmatch(text.removesuffix(".0")) for text in texts)


def _coarse(
    table: AuditTable, column: str, seconds: Floats, doubt_s: float, how: str
) -> Iterator[Finding]:
    worked = seconds[np.isfinite(seconds) & (seconds >= 0)]
    if not worked.size:
        return
    middle = float(np.median(worked))
    share = _Z_95 * doubt_s / max(middle, 0.5)
    if share <= _DOUBT:
        return
    yield Finding(
        "sub-second-stamps",
        "warning",
        table.where(column),
        f"{column} {how}, and half of the runs last {middle:g} s or less: powers and energies cut "
        f"at such stamps are in doubt by {share:.0%}",
        "keep stamps with their fractions of a second, or measure longer",
        f"± {_Z_95 * doubt_s:.2f} s in {middle:g} s",
        f"at most {_DOUBT:.0%}: runs of {_Z_95 * doubt_s / _DOUBT:.0f} s or longer",
    )


def repeated_timestamp(table: AuditTable) -> Iterator[Finding]:
    """Find stamps that several rows share although each row is a run of its own."""
    places = [column for column in table.columns if set(words_of(column)) & _PLACES]
    for column in _stamps(table):
        texts = [str(text) for text in table.texts(column)]
        if not any(":" in text or text.replace(".", "").isdigit() for text in texts[:50] if text):
            continue  # days alone
        keys = list(zip(texts, *(table.texts(place).tolist() for place in places), strict=True))
        longer = _longer_than_a_tick(table, texts).tolist()
        counts = Counter(key for key, long in zip(keys, longer, strict=True) if key[0] and long)
        rows = [row for row, key in enumerate(keys) if counts[key] > 1 and longer[row]]
        if rows and len(rows) < _BATCH * len(texts):
            yield Finding(
                "repeated-timestamp",
                "warning",
                table.where(column),
                f"{len(rows)} rows share their {column} with another row, while most have one of "
                f"their own: {table.places(rows)}",
                "look whether a row was copied or a run was counted twice; one machine begins one "
                "run at a time",
                texts[rows[0]],
                "one stamp a run",
            )


def _longer_than_a_tick(table: AuditTable, texts: list[str]) -> NDArray[np.bool_]:
    """Say of each row whether its run outlasts the unit of its stamps, which may well repeat."""
    held = [text for text in texts[:_SAMPLED] if text]
    minutes = any(":" in text for text in held) and not any(_SECONDS.search(t) for t in held)
    tick_s = 60.0 if minutes else 1.0 if all(map(_WHOLE_STAMP.fullmatch, held)) else 0.0
    durations = table.measures("duration", per="")
    if not durations:
        return np.full(len(texts), not minutes)
    longest = np.fmax.reduce([table.si(column) for column in durations])
    with np.errstate(invalid="ignore"):
        return np.asarray(np.isnan(longest) | (longest > tick_s), dtype=bool)


RULES = (
    Rule("locale-date", "data", table=locale_date),
    Rule("sub-second-stamps", "data", table=sub_second_stamps),
    Rule("repeated-timestamp", "data", table=repeated_timestamp),
)
