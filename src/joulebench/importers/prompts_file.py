"""The prompts of a run: when each was answered, how many tokens came back, how it was graded."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from joulebench.channel import Window
from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.importers.delimited import Delimited, number, read_delimited

NAME = "prompts_out.tsv"
MEASURED = "measure"

_MILLISECONDS_FROM = 1e11  # as seconds that would be the year 5138
_LATEST_MS = 1e14  # the year 5138
_EXACT_DECIMALS = 6
_TEXTS = (("prompt", "prompt"), ("text", "response"))
_ABSENT = ("", "nan", "na", "none", "null")


@dataclass(frozen=True, slots=True)
class Prompts:
    """What the prompts file of a run says.

    Args:
        window: From the first start to the last end.
        work: Counts: requests, and tokens_out where every prompt has a count.
        score: Of the graded prompts; ``None`` if none is graded.
        responses: One dict a prompt, times on the clock of the window.
        findings: Checks that did not pass.
    """

    window: Window
    work: dict[str, int]
    score: dict[str, Any] | None
    responses: list[dict[str, Any]]
    findings: list[Finding] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Clock:
    """Turns stamps as written into seconds since the log's origin."""

    origin_ms: float
    to_ms: float
    tick_s: float

    @property
    def edge_s(self) -> float:
        """Doubt of a floored stamp.

        The true time lies anywhere in the tick after the stamp: uniform from 0 to one tick, whose
        root mean square about the stamp itself is tick / sqrt(3), 0.58 s for whole seconds.
        """
        return self.tick_s / math.sqrt(3.0)

    def seconds(self, stamp: float) -> float:
        return (stamp * self.to_ms - self.origin_ms) / 1e3


def read_prompts(path: Path, origin_ms: float) -> Prompts:
    """Read the prompts of a run.

    Args:
        path: Table with ``start`` and ``end`` (since 1970, in seconds or milliseconds) and, where
            known, ``prompt``, ``response``, ``response_tokens`` and ``accuracy``.
        origin_ms: Time that windows and responses are counted from, ms since 1970.

    Raises:
        UsageError: A line is damaged; names it.
    """
    table, left_out = _stamped(read_delimited(path, needed=("start", "end")))
    findings = [_unstamped(left_out, left_out + len(table))] if left_out else []
    texts = table.column("start"), table.column("end")
    clock = _clock([*texts[0], *texts[1]], origin_ms)
    starts, stops = (_seconds(table, name, clock) for name in ("start", "end"))
    _refuse_backwards(table, starts, stops)
    window = _window(path, starts, stops, clock)
    if clock.tick_s >= 0.1:
        findings.append(_whole_ticks(clock, window))
    tokens = _counts(table)
    grades = _numbers(table, "accuracy")
    responses = list(_responses(table, starts, stops, tokens, grades))
    work = _work(tokens, findings)
    return Prompts(window, work, _score(grades, findings), responses, findings)


def _stamped(table: Delimited) -> tuple[Delimited, int]:
    """Give the rows that have both stamps, and the number of those that have not."""
    kept = [
        place
        for place, stamps in enumerate(zip(table.column("start"), table.column("end"), strict=True))
        if all(stamps)
    ]
    if not kept:
        raise UsageError(f"{table.path} line 1: no prompt with stamps follows; remove this run")
    if len(kept) == len(table):
        return table, 0
    lines = [table.lines[place] for place in kept]
    rows = [table.rows[place] for place in kept]
    return replace(table, lines=lines, rows=rows), len(table) - len(kept)


def _clock(stamps: Sequence[str], origin_ms: float) -> _Clock:
    largest = max(number(stamp) or 0.0 for stamp in (stamps[0], stamps[-1]))
    to_ms = 1.0 if largest > _MILLISECONDS_FROM else 1e3
    decimals = max((_decimals(stamp) for stamp in stamps if not stamp.isdigit()), default=0)
    tick_s = 0.0 if decimals >= _EXACT_DECIMALS else to_ms * 1e-3 * 10.0**-decimals
    return _Clock(origin_ms, to_ms, tick_s)


def _decimals(stamp: str) -> int:
    """Count the decimals that a stamp was written with: none in ``12.0``."""
    return len(stamp.replace(",", ".").partition(".")[2].rstrip("0"))


def _numbers(table: Delimited, column: str) -> list[float | None]:
    """Give the numbers of a column; ``None`` where a cell is empty or the column is absent."""
    if column not in table:
        return [None] * len(table)
    texts = table.column(column)
    plain = _plain_numbers(texts)
    if plain is not None:
        return plain
    values = [None if text.lower() in _ABSENT else number(text) for text in texts]
    for line, text, value in zip(table.lines, texts, values, strict=True):
        if value is None and text.lower() not in _ABSENT:
            raise UsageError(
                f"{table.path} line {line}: {column!r} is not a number: {text[:40]!r}; mend it"
            )
    return values


def _plain_numbers(texts: Sequence[str]) -> list[float | None] | None:
    """Give the numbers of a column that is written plainly throughout; ``None`` if it is not."""
    try:
        values = list(map(float, texts))
    except ValueError:
        return None
    return [*values] if all(map(math.isfinite, values)) else None


def _seconds(table: Delimited, column: str, clock: _Clock) -> list[float]:
    stamps = _numbers(table, column)
    for line, stamp in zip(table.lines, stamps, strict=True):
        if stamp is None or not 0 <= stamp < _LATEST_MS:
            raise UsageError(f"{table.path} line {line}: {column!r} is not a time; mend it")
    return [clock.seconds(stamp) for stamp in stamps if stamp is not None]


def _refuse_backwards(table: Delimited, starts: Sequence[float], stops: Sequence[float]) -> None:
    for line, start_s, stop_s in zip(table.lines, starts, stops, strict=True):
        if stop_s < start_s:
            raise UsageError(f"{table.path} line {line}: the prompt ends before it starts; mend it")


def _window(path: Path, starts: Sequence[float], stops: Sequence[float], clock: _Clock) -> Window:
    start_s, stop_s = min(starts), max(stops)
    if stop_s <= start_s:
        raise UsageError(
            f"{path} line 2: all prompts start and end at one stamp, so their window has no "
            "length; remove this run"
        )
    return Window(MEASURED, start_s, stop_s, clock.edge_s)


def _counts(table: Delimited) -> list[int | None]:
    counts = _numbers(table, "response_tokens")
    for line, count in zip(table.lines, counts, strict=True):
        if count is not None and (count < 0 or count != int(count)):
            raise UsageError(
                f"{table.path} line {line}: {count:g} is not a number of tokens; mend it"
            )
    return [None if count is None else int(count) for count in counts]


def _responses(
    table: Delimited,
    starts: Sequence[float],
    stops: Sequence[float],
    tokens: Sequence[int | None],
    grades: Sequence[float | None],
) -> Iterator[dict[str, Any]]:
    """Give one dict a prompt, with the keys that the file has values for."""
    texts = [(ours, table.columns.index(name)) for ours, name in _TEXTS if name in table]
    rows = zip(table.rows, starts, stops, tokens, grades, strict=True)
    for place, (row, start_s, stop_s, count, grade) in enumerate(rows, start=1):
        response: dict[str, Any] = {"request_id": f"prompt-{place:04d}"}
        for ours, column in texts:
            response[ours] = row[column]
        response["start_s"], response["stop_s"] = start_s, stop_s
        if count is not None:
            response["tokens_out"] = count
        if grade is not None:
            response["grade"] = grade
        yield response


def _work(tokens: Sequence[int | None], findings: list[Finding]) -> dict[str, int]:
    work = {"requests": len(tokens)}
    counted = [count for count in tokens if count is not None]
    if len(counted) == len(tokens):
        work["tokens_out"] = sum(counted)
    elif counted:
        findings.append(_uncounted(len(tokens) - len(counted), len(tokens)))
    return work


def _score(cells: Sequence[float | None], findings: list[Finding]) -> dict[str, Any] | None:
    """Give the mean grade; where a grade is a part of one, no number of answers is correct."""
    grades = [grade for grade in cells if grade is not None]
    if not grades:
        return None
    if min(grades) < 0 or max(grades) > 1:
        findings.append(_beyond_one(min(grades), max(grades)))
        return None
    parts = sum(grade not in (0, 1) for grade in grades)
    if parts:
        findings.append(_part_grades(parts, len(grades)))
    correct = math.fsum(grades)
    score = {"accuracy": correct / len(grades), "n_graded": len(grades), "scorer": "imported"}
    return score if parts else score | {"n_correct": int(correct)}


def _unstamped(count: int, rows: int) -> Finding:
    return Finding(
        "missing-stamps",
        "warning",
        NAME,
        f"{count} of {rows} prompts have no start and end and were left out",
        "find out whether they were answered: their energy is in the window, their tokens are not",
        seen=str(count),
        possible="0",
    )


def _whole_ticks(clock: _Clock, window: Window) -> Finding:
    share = 100 * clock.tick_s / window.duration_s
    return Finding(
        "sub-second-stamps",
        "note",
        NAME,
        f"stamps are floored to {clock.tick_s:g} s, up to {share:.2g} % of the window at each edge",
        "nothing to do: the doubt is in the noise of the energy; record finer stamps next time",
        seen=f"{clock.tick_s:g} s",
    )


def _uncounted(count: int, rows: int) -> Finding:
    return Finding(
        "missing-tokens",
        "warning",
        NAME,
        f"{count} of {rows} prompts have no token count, so the run has none",
        "count the tokens of the stored answers with the model's tokenizer",
        seen=str(count),
        possible="0",
    )


def _part_grades(parts: int, graded: int) -> Finding:
    return Finding(
        "fractional-grades",
        "note",
        NAME,
        f"{parts} of {graded} grades lie between 0 and 1: accuracy is a mean grade, not a share of "
        "correct answers",
        "do not use intervals for counts on it",
        seen=str(parts),
    )


def _beyond_one(least: float, most: float) -> Finding:
    return Finding(
        "accuracy-scale",
        "warning",
        NAME,
        "grades lie outside 0 to 1 and were left out",
        "divide them by their full mark",
        seen=f"{least:g} to {most:g}",
        possible="0 to 1",
    )
