"""When requests of an open load are due: drawn, evenly spaced, or read from a file."""

from __future__ import annotations

import csv
import math
import random
from collections.abc import Iterator
from pathlib import Path

from joulebench.errors import UsageError
from joulebench.work import Load

COLUMN = "arrival_s"
"""Column of a CSV that holds the times."""


def due_times(load: Load, count: int, seed: int) -> list[float]:
    """Give when each request is due, s from the first.

    Equal seeds give equal arrivals but for the rate's scale, so that the rates of a sweep differ
    by their rate alone.

    Args:
        load: An open one.
        count: How many requests there are.
        seed: Of the arrivals, where they are drawn.

    Raises:
        UsageError: A trace that cannot be read, or that has too few arrivals.
    """
    if load.arrivals == "trace":
        return _of_trace(Path(load.trace), count)
    rate_per_s = load.rate_per_s
    assert rate_per_s is not None  # refused before
    if load.arrivals == "constant":
        return [place / rate_per_s for place in range(count)]
    drawn = random.Random(f"arrivals/{seed}")  # noqa: S311 (no secret)
    at_s = [0.0][:count]
    while len(at_s) < count:
        at_s.append(at_s[-1] - math.log(1.0 - drawn.random()) / rate_per_s)
    return at_s


def refuse_short_trace(load: Load, count: int) -> None:
    """Refuse a trace that cannot be read, or that has too few arrivals.

    Args:
        load: An open one whose arrivals are a trace.
        count: How many requests there are.

    Raises:
        UsageError: Says what is wrong with it.
    """
    _of_trace(Path(load.trace), count)


def _of_trace(file: Path, count: int) -> list[float]:
    times = read_trace(file)
    if len(times) < count:
        raise UsageError(
            f"load.trace: {file} has {len(times)} arrivals for {count} requests; set load.requests "
            "to no more, or give a longer trace"
        )
    return [at_s - times[0] for at_s in times[:count]]


def read_trace(file: Path) -> list[float]:
    """Read arrival times, s: one a line, or a CSV with a column ``arrival_s``.

    Raises:
        UsageError: Names the line that is no time, or earlier than the one before.
    """
    times: list[float] = []
    for number, text in _cells(file):
        at_s = _number(text)
        if at_s is None:
            raise UsageError(
                f"load.trace: {file}:{number}: {text[:40]!r} is no arrival time; write seconds, "
                f"one a line, or a CSV with a column {COLUMN}"
            )
        if times and at_s < times[-1]:
            raise UsageError(
                f"load.trace: {file}:{number}: {text} s is before the arrival above it; sort the "
                "lines by time"
            )
        times.append(at_s)
    if not times:
        raise UsageError(f"load.trace: {file} has no arrival times")
    return times


def _cells(file: Path) -> Iterator[tuple[int, str]]:
    """Give each line's number and the text of its time."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as cause:
        raise UsageError(f"load.trace: {file}: not UTF-8 text; save it as UTF-8") from cause
    except OSError as cause:
        raise UsageError(
            f"load.trace: {file}: cannot be read ({cause.strerror}); check the path"
        ) from cause
    numbered = [(n, line.strip()) for n, line in enumerate(lines, start=1) if line.strip()]
    names = _split(numbered[0][1]) if numbered else []
    if COLUMN not in names:
        yield from numbered
        return
    place = names.index(COLUMN)
    for number, line in numbered[1:]:
        cells = _split(line)
        yield number, cells[place] if place < len(cells) else ""


def _split(line: str) -> list[str]:
    return [cell.strip() for cell in next(csv.reader([line]))]


def _number(text: str) -> float | None:
    try:
        figure = float(text)
    except ValueError:
        return None
    return figure if math.isfinite(figure) else None
