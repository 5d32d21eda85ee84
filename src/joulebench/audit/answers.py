"""Repetitions that repeat the text, and items that were asked twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from joulebench.audit.design_factors import Codes, design_of
from joulebench.audit.digest import RunDigest
from joulebench.audit.evidence import Evidence
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding
from joulebench.stats.repeat_spread import sorted_within

_MOSTLY = 0.9
_FEWEST_REPEATS = 3
_FEWEST_CELLS = 3
_LARGEST_STEP = 4
_FEW_TWICE = 0.05


def _identical(evidence: Evidence) -> Iterator[Finding]:
    """Find runs that gave the very answers of another run of the same prompts."""
    for unit in evidence.units:
        groups = _same_prompts([d for d in unit.digests if _has_answers(d)])
        alike = [same for runs in groups for same in _same_answers(runs)]
        if alike:
            yield _repeats_text(unit.name, alike, groups)


def _has_answers(digest: RunDigest) -> bool:
    return any(answer for _, answer in digest.responses)


def _same_prompts(digests: Sequence[RunDigest]) -> list[list[RunDigest]]:
    """Put runs together that may be repetitions: the same prompts at the same levels."""
    groups: dict[Any, list[RunDigest]] = {}
    for digest in digests:
        prompts = tuple(prompt for prompt, _ in digest.responses)
        levels = tuple(sorted((name, str(level)) for name, level in digest.run.levels.items()))
        groups.setdefault((levels, prompts), []).append(digest)
    return [runs for runs in groups.values() if len(runs) > 1]


def _same_answers(runs: Sequence[RunDigest]) -> list[list[RunDigest]]:
    """Give groups of runs whose answers are all equal."""
    groups: dict[Any, list[RunDigest]] = {}
    for digest in runs:
        groups.setdefault(tuple(answer for _, answer in digest.responses), []).append(digest)
    return [same for same in groups.values() if len(same) > 1]


def _repeats_text(
    unit: str, alike: Sequence[Sequence[RunDigest]], groups: Sequence[Sequence[RunDigest]]
) -> Finding:
    count = sum(len(same) for same in alike)
    of = sum(len(runs) for runs in groups)
    stated = any(_is_sampled(digest) for same in alike for digest in same)
    mixed = count < of
    first = ", ".join(digest.run.run_id for digest in alike[0][:3])
    told = "as decoding without a new seed does"
    if mixed or stated:
        told = "while others vary their text" if mixed else "although answers are sampled"
    return Finding(
        "identical-responses",
        "warning" if mixed or stated else "note",
        f"{unit}: responses",
        f"{count} of {of} repeated runs gave the answers of another run of the same prompts, word "
        f"for word, in {len(alike)} group(s) ({first}), {told}: their spread is that of the "
        "machine, and says nothing of how the energy varies with the text",
        "give each repetition a seed of its own and record it; until then call the intervals those "
        "of the machine, and count one repetition where accuracy is concerned",
        seen=f"{count} runs",
        possible="other answers in each repetition where they are sampled",
    )


def _is_sampled(digest: RunDigest) -> bool:
    """Say whether a run's record says that its answers were drawn at random."""
    sampling = digest.run.facts.get("sampling")
    temperature = sampling.get("temperature", 0) if isinstance(sampling, dict) else 0
    return isinstance(temperature, int | float) and temperature > 0


def _same_counts(table: AuditTable) -> Iterator[Finding]:
    """Find tables in which repetitions have as many output tokens as each other, cell by cell."""
    design = design_of(table)
    columns = [c for c in table.measures("tokens", per="") if _is_output(table, c)]
    for column in columns[:1]:
        counts = table.numbers(column)
        known = np.isfinite(counts) & (counts > 0)
        if not known.any():
            continue
        most, times, size = _modes(counts[known], design.cells[known], design.cell_count)
        repeated = size >= _FEWEST_REPEATS
        fixed = repeated & (times >= _MOSTLY * size)
        if fixed.sum() >= max(_FEWEST_CELLS, repeated.sum() / 2) and _is_free(most[fixed]):
            yield _counts_repeat(table, column, int(fixed.sum()), int(repeated.sum()))


def _is_free(counts: Floats) -> bool:
    """Say whether counts look like those of free text: all different, with no common step.

    Lengths that were fixed are equal, or multiples of one number of tokens.
    """
    whole = counts.astype(np.int64)
    step = int(np.gcd.reduce(whole))
    return step <= _LARGEST_STEP and len(np.unique(whole)) >= _MOSTLY * len(whole)


def _is_output(table: AuditTable, column: str) -> bool:
    meaning = table.meaning(column)
    return meaning is not None and meaning.part in ("out", "")


def _modes(counts: Floats, cells: Codes, number: int) -> tuple[Floats, Floats, Floats]:
    """Give the most frequent count of each cell, how often it comes, and the rows of the cell."""
    order = sorted_within(counts, cells)
    cell, count = cells[order], counts[order]
    starts = np.flatnonzero(np.r_[True, (np.diff(cell) != 0) | (np.diff(count) != 0)])
    length = np.diff(np.r_[starts, len(order)]).astype(np.float64)
    most, times = np.zeros(number), np.zeros(number)
    for start, here in zip(np.argsort(length, kind="stable"), np.sort(length), strict=True):
        place = cell[starts[start]]
        most[place], times[place] = count[starts[start]], here
    size = np.bincount(cells, minlength=number).astype(np.float64)
    return most, times, size


def _counts_repeat(table: AuditTable, column: str, fixed: int, repeated: int) -> Finding:
    return Finding(
        "identical-responses",
        "note",
        table.where(column),
        f"in {fixed} of {repeated} repeated combinations nearly all repetitions have the same "
        f"{column}, which differs between combinations: the answers were very likely the same "
        "text each time, so that the spread is that of the machine",
        "compare the answers; give each repetition a seed of its own where they are sampled",
        seen=f"{fixed} of {repeated}",
        possible="counts that vary with the text, where it is sampled",
    )


def _repeated(evidence: Evidence) -> Iterator[Finding]:
    """Find runs that were asked the same thing more than once."""
    for unit in evidence.units:
        found = [(d, more) for d in unit.digests if (more := _asked_again(d))]
        if found:
            yield _asked_twice(unit.name, found)


def _asked_again(digest: RunDigest) -> int:
    """Give the number of prompts of a run that had been asked before in it."""
    asked = Counter(prompt for prompt, _ in digest.responses if prompt)
    return sum(asked.values()) - len(asked)


def _asked_twice(unit: str, found: Sequence[tuple[RunDigest, int]]) -> Finding:
    digest, most = max(found, key=lambda each: each[1] / len(each[0].responses))
    share = most / len(digest.responses)
    if all(_asked_for(each) for each, _ in found):
        return _as_asked_for(unit, found, f"{most} of {len(digest.responses)}")
    return Finding(
        "repeated-items",
        "note" if share < _FEW_TWICE else "warning",
        f"{unit}: prompts",
        f"{len(found)} run(s) hold a prompt more than once, up to {most} of "
        f"{len(digest.responses)} prompts in {digest.run.run_id}: what was cached of the first "
        "makes the next cheaper, and its grade counts twice",
        "remove the doubles from the items, and count different ones where n is asked",
        seen=f"{most} of {len(digest.responses)}",
        possible="0",
    )


def _asked_for(digest: RunDigest) -> bool:
    """Say whether a run's load states how many requests it puts, the prompts taken again."""
    load = digest.run.facts.get("load")
    return isinstance(load, Mapping) and bool(load.get("requests"))


def _as_asked_for(unit: str, found: Sequence[tuple[RunDigest, int]], most: str) -> Finding:
    return Finding(
        "repeated-items",
        "note",
        f"{unit}: prompts",
        f"{len(found)} run(s) put prompts more than once, up to {most}, as their load asks: where "
        "the engine keeps what it made of a prompt, the next costs less",
        "have as many different prompts (tasks.items) as requests (load.requests), or make sure "
        "that nothing is cached; accuracy counts each prompt once",
        seen=most,
        possible="0",
    )


RULES = (
    Rule("identical-responses", "design", table=_same_counts, evidence=_identical),
    Rule("repeated-items", "design", evidence=_repeated),
)
