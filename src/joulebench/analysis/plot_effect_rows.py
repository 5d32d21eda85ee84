"""Which comparisons of a question a forest plot shows: ratios with intervals, in sections."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from joulebench.analysis.answer import Answer
from joulebench.analysis.block_tests import ONE_STEP, ONE_STEP_HERE, PAIRS, PAIRS_HERE, REPEATED
from joulebench.analysis.own_uncertainty import (
    OwnUncertainty,
    own_uncertainty,
    widened,
    widened_difference,
)
from joulebench.analysis.plot_groups import words_of
from joulebench.analysis.question import Level
from joulebench.analysis.result import Result
from joulebench.report.drawing import label_text
from joulebench.report.numbers import MINUS

MOST_INSIDE = 72
"""Rows of a figure that has a section a level."""

MOST_ROWS = 30
"""Comparisons of one section that are drawn; of more, those furthest from no difference."""

_ONE_LINE = 34
"""Two names with more letters stand below one another."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One comparison.

    Args:
        label: What is compared with what.
        value: Ratio, or difference in SI units.
        low: Lower end of its 95 % interval by scatter.
        high: Upper end.
        wide_low: Lower end with the uncertainty of the energies themselves.
        wide_high: Upper end with it.
    """

    label: str
    value: float
    low: float
    high: float
    wide_low: float
    wide_high: float

    @property
    def finite(self) -> bool:
        """Whether there is something to draw."""
        return math.isfinite(self.value)


@dataclass(frozen=True, slots=True)
class Section:
    """Comparisons that belong together.

    Args:
        title: What they are, and what their scatter is.
        effects: One a row.
        left_out: Those that are not drawn.
    """

    title: str
    effects: tuple[Effect, ...]
    left_out: int = 0


def is_ratio(answer: Answer) -> bool:
    """Say whether the comparisons of a question are ratios; else they are differences."""
    return "log" in answer.question.scales


def sections(answer: Answer, level: Level) -> list[Section]:
    """Give what a forest plot of a question shows: successive levels, then units, then all pairs.

    Args:
        answer: The question with its tests.
        level: ``run`` or ``repetition``.
    """
    return [section for section in _made(answer, level) if section.effects]


def sections_inside(answer: Answer, level: Level) -> list[Section]:
    """Give successive comparisons inside each level of another factor, a section each."""
    question = answer.question
    if question.kind == "crossed":
        test = "two-way ANOVA" if level == "run" else "mixed model, satterthwaite"
        ending = "ratios" if is_ratio(answer) else f"in each {question.within}"
        result = _found(answer, level, f"{test}, {ending}", "consec")
        if result is not None and question.within in result.found:
            return _first(_inside(answer, result, question.groups, question.within))
    result = _found(answer, level, REPEATED, "consec")
    conditions = answer.layout.conditions
    if result is None or conditions not in result.found:
        return []
    return _first(_inside(answer, result, answer.unit, conditions))


def _first(found: Iterator[Section]) -> list[Section]:
    """Give the first sections, as many as can be read; the last says what is left out."""
    made = [section for section in found if section.effects]
    rows = np.cumsum([1 + len(section.effects) for section in made])
    kept = made[: max(1, int(np.sum(rows <= MOST_INSIDE)))]
    if len(kept) == len(made):
        return kept
    left = sum(len(section.effects) for section in made[len(kept) :])
    return [*kept[:-1], replace(kept[-1], left_out=left)]


def _made(answer: Answer, level: Level) -> Iterator[Section]:
    unit = words_of(answer.unit)
    yield from _successive(answer, level)
    # Run means show what holds in other conditions, repetitions what holds in these alone.
    for one_step, all_pairs, scatter in (
        (ONE_STEP, PAIRS, f"{' and '.join(map(words_of, answer.layout.others))} as block"),
        (ONE_STEP_HERE, PAIRS_HERE, "these runs alone"),
    ):
        steps = _found(answer, level, one_step, "consec")
        if steps is not None:
            yield _section(answer, steps, f"{unit}s one factor apart, {scatter}", answer.unit)
        pairs = _found(answer, level, all_pairs, "pairwise")
        if pairs is not None:
            yield _section(answer, pairs, f"pairs: {unit}, {scatter}", answer.unit)


def _successive(answer: Answer, level: Level) -> Iterator[Section]:
    """Give the successive levels of what is compared, by the model that the question asks for."""
    question = answer.question
    groups, within = words_of(question.groups), words_of(question.within)
    crossed = question.kind == "crossed"
    test = "mixed model, satterthwaite" if level == "repetition" else "two-way ANOVA"
    over = f"{test}, {'ratios ' if is_ratio(answer) else ''}over {question.within}"
    result = _found(answer, level, over if crossed else "planned contrasts", "consec")
    if result is None:
        return
    # What several units share in one level is not repeated by repeating the units.
    alike = level == "repetition" and not crossed and answer.unit != question.groups
    told = f", mean over {within}" if crossed else ", repetitions as if independent" * alike
    yield _section(answer, result, f"successive: {groups}{told}", question.groups)


def _found(answer: Answer, level: str, test: str, ending: str) -> Result | None:
    scale = "log" if is_ratio(answer) else "raw"
    for result in answer.results:
        named = (result.test, result.ending, result.level, result.scale)
        if named == (test, ending, level, scale) and not result.reason and len(result.found):
            return result
    return None


def _section(answer: Answer, result: Result, title: str, by: str) -> Section:
    effect = _reader(answer, by)
    rows = [effect(row) for row in result.found.to_dict("records")]
    kept = [row for row in rows if row.finite]
    if len(kept) > MOST_ROWS:
        far = sorted(kept, key=lambda row: -_distance(answer, row))[:MOST_ROWS]
        told = f"{title}: the {MOST_ROWS} farthest"
        return Section(told, tuple(row for row in kept if row in far), len(kept) - MOST_ROWS)
    return Section(title, tuple(kept))


def _inside(answer: Answer, result: Result, by: str, block: str) -> Iterator[Section]:
    effect = _reader(answer, by)
    for level, rows in result.found.groupby(block, sort=False, observed=True):
        kept = [row for row in map(effect, rows.to_dict("records")) if row.finite]
        yield Section(label_text(str(level)), tuple(kept))


def _distance(answer: Answer, row: Effect) -> float:
    return abs(math.log(row.value)) if is_ratio(answer) else abs(row.value)


def _reader(answer: Answer, by: str) -> Callable[[Mapping[Any, Any]], Effect]:
    own = own_uncertainty(answer.repetitions, answer.question.response, by)
    ratio = is_ratio(answer)
    return lambda row: _effect(row, own, ratio=ratio)


def _effect(row: Mapping[Any, Any], own: OwnUncertainty, *, ratio: bool) -> Effect:
    """Read a row of contrasts; those on the scale of the logarithm become ratios."""
    value, low, high = (float(row[name]) for name in ("estimate", "ci_low", "ci_high"))
    contrast = str(row["contrast"])
    if ratio and row.get("effect_size") != "ratio":
        value, low, high = (_exp(each) for each in (value, low, high))
    above, below = _sides(contrast)
    if ratio:
        wide = widened(low, high, own.of_ratio(above, below), own.noise_of_ratio(above, below))
    else:
        wide = widened_difference(low, high, own.of_difference(above, below))
    return Effect(_plain(above, below, ratio=ratio), value, low, high, *wide)


def _sides(contrast: str) -> tuple[str, str]:
    """Give the two levels of a comparison, without the brackets of names that have a hyphen."""
    bare = contrast.replace("(", "").replace(")", "")
    above, _, below = bare.replace(" - ", " / ").partition(" / ")
    return above, below


def _plain(above: str, below: str, *, ratio: bool) -> str:
    """Write a comparison with its own sign, below one another where the names are long."""
    sign = " / " if ratio else f" {MINUS} "
    sides = label_text(above), label_text(below)
    return (f"\n{sign[1:]}" if sum(map(len, sides)) > _ONE_LINE else sign).join(sides)


def _exp(value: float) -> float:
    return math.exp(min(value, 700.0)) if math.isfinite(value) else value
