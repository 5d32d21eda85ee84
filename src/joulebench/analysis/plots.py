"""The figures of one answered question, and where they go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.answer import Answer
from joulebench.analysis.folders import ASSUMPTIONS, DESCRIPTIVE, TESTS, OutputTree
from joulebench.analysis.plot_box import box_sheet
from joulebench.analysis.plot_density import density_sheet, violin_sheet
from joulebench.analysis.plot_ecdf import ecdf_sheet
from joulebench.analysis.plot_effect_rows import sections, sections_inside
from joulebench.analysis.plot_effects import effect_sheet
from joulebench.analysis.plot_groups import MOST_LEVELS, axis_of, groups_of, words_of
from joulebench.analysis.plot_profile import profile_sheet
from joulebench.analysis.plot_residuals import fits_of, fitted_sheet, qq_sheet
from joulebench.analysis.plot_scatter import pair_of, scatter_sheet
from joulebench.analysis.plot_sheet import Sheet
from joulebench.analysis.question import Level

Progress = Callable[[int, int, str], None]
"""Told the number of figures done, the number of all and which comes next."""

_STYLE: Any = {"text.parse_math": False, "font.size": 8.0}
_ROWS: dict[Level, str] = {"run": "run\u00a0means", "repetition": "repetitions"}
_MOST_PROFILES = 2
"""Factors that the units are drawn over; more make no figure that anybody looks at."""


@dataclass(frozen=True, eq=False)
class Plot:
    """A figure that is drawn when it is its turn.

    Args:
        stage: Folder that it belongs to.
        name: Of its files, without ending.
        draw: Makes it; ``None`` where it turns out to have nothing to show.
    """

    stage: str
    name: str
    draw: Callable[[], Sheet | None]


def plot(answer: Answer, tree: OutputTree, progress: Progress | None = None) -> list[str]:
    """Draw the figures of an answered question, each as PNG with 300 dots an inch and as SVG.

    Args:
        answer: The question with what was computed for it.
        tree: Where they go. A figure that another question of the same folder has drawn already is
            not drawn again.
        progress: Told how far it is.

    Returns:
        The files that were written, relative to the root of the tree.
    """
    from matplotlib import style

    waiting = list(plots_of(answer))
    written: list[str] = []
    with style.context(_STYLE):
        for done, each in enumerate(waiting):
            if progress is not None:
                progress(done, len(waiting), each.name)
            written += _drawn(answer, tree, each)
    return written


def _drawn(answer: Answer, tree: OutputTree, each: Plot) -> list[str]:
    before = len(tree.written)
    id_ = answer.question.id
    if any(name.endswith(f"/{each.stage}/{id_}/{each.name}.svg") for name in tree.written):
        return []
    made = each.draw()
    if made is not None:
        png, svg = (tree.plot_place(each.stage, id_, each.name, end) for end in ("png", "svg"))
        made.write(png, svg)
    return tree.written[before:]


def plots_of(answer: Answer) -> Iterator[Plot]:
    """Give the figures of a question, in the order of an analysis."""
    for level in answer.question.levels:
        yield from _descriptive(answer, level)
    for level in answer.question.levels:
        yield from _assumptions(answer, level)
    for level in answer.question.levels:
        yield from _tests(answer, level)
    yield from _unit_profiles(answer)


def _descriptive(answer: Answer, level: Level) -> Iterator[Plot]:
    question = answer.question
    frame = _frame(answer, level)
    axis = axis_of(answer.repetitions, question.response)
    groups = groups_of(frame, question.response, question.groups, axis)
    if not groups.names:
        return
    stem = f"{question.id}_{question.groups}_{question.response}_{level}"
    title = _title(answer, level)
    yield Plot(DESCRIPTIVE, f"{stem}_box", lambda: _box(answer, level, title))
    for kind, draw in (("violin", violin_sheet), ("density", density_sheet), ("ecdf", ecdf_sheet)):
        yield Plot(DESCRIPTIVE, f"{stem}_{kind}", partial(draw, groups, title))
    for covariate in question.covariates:
        y = "energy_j" if answer.repetitions.has("energy_j") else question.response
        name = f"{question.id}_{question.groups}_{y}_against_{covariate}_{level}_scatter"
        yield Plot(DESCRIPTIVE, name, partial(_scatter, answer, level, y, covariate))


def _assumptions(answer: Answer, level: Level) -> Iterator[Plot]:
    checked = next((each for each in answer.checks if each.level == level), None)
    fits = fits_of(answer, checked) if checked is not None else []
    if not fits:
        return
    question, title = answer.question, _title(answer, level)
    stem = f"{question.id}_{question.groups}_{question.response}_{level}"
    yield Plot(ASSUMPTIONS, f"{stem}_qq", lambda: qq_sheet(fits, title, level))
    yield Plot(ASSUMPTIONS, f"{stem}_residuals",
               lambda: fitted_sheet(fits, answer, title, level))  # fmt: skip


def _tests(answer: Answer, level: Level) -> Iterator[Plot]:
    question, title = answer.question, _title(answer, level)
    stem = f"{question.id}_{question.groups}_{question.response}_{level}"
    found = sections(answer, level)
    if found:
        yield Plot(TESTS, f"{stem}_effects",
                   lambda: effect_sheet(answer, found, title))  # fmt: skip
    inside = sections_inside(answer, level)
    if inside:
        yield Plot(TESTS, f"{stem}_effects_inside",
                   lambda: effect_sheet(answer, inside, title, colours=True))  # fmt: skip
    # Repetitions of several units in one cell are no scatter that a claim on levels can rest on.
    if question.kind == "crossed" and (level == "run" or answer.unit == question.groups):
        by = question.groups, question.within
        yield Plot(TESTS, f"{stem}_by_{question.within}_interaction",
                   partial(_profile, answer, level, by))  # fmt: skip


def _unit_profiles(answer: Answer) -> Iterator[Plot]:
    """Give the units over what they were crossed with, on the rows that repeat a cell."""
    question, layout = answer.question, answer.layout
    several = len(answer.repetitions) > len(answer.means)
    level: Level = "repetition" if several else "run"
    blocks = (layout.conditions,) if layout.places <= MOST_LEVELS else layout.others
    for block in blocks[:_MOST_PROFILES] if layout.others else ():
        by = answer.unit, block
        asked = question.kind == "crossed" and by == (question.groups, question.within)
        if asked and level in question.levels:
            continue
        name = f"{question.id}_{answer.unit}_{question.response}_{level}_by_{block}_interaction"
        yield Plot(TESTS, name, partial(_profile, answer, level, by))


def _frame(answer: Answer, level: Level) -> AnalysisFrame:
    return answer.means if level == "run" else answer.repetitions


def _title(answer: Answer, level: Level) -> str:
    question = answer.question
    words = answer.means.response(question.response).words
    return _headed(answer, f"{words} by {words_of(question.groups)}", level)


def _headed(answer: Answer, words: str, level: Level) -> str:
    """Give a title: the question where it has a number, what is drawn, and what one value is."""
    mark = f"{answer.question.id} · " if answer.question.id != answer.question.response else ""
    return f"{mark}{words[:1].upper()}{words[1:]} · {_ROWS[level]}"


def _box(answer: Answer, level: Level, title: str) -> Sheet:
    response, by = answer.question.response, answer.question.groups
    axis = axis_of(answer.repetitions, response)
    several = len(answer.repetitions) > len(answer.means)
    repetitions = groups_of(answer.repetitions, response, by, axis) if several else None
    means = groups_of(answer.means, response, by, axis)
    groups = means if level == "run" or repetitions is None else repetitions
    return box_sheet(groups, title, repetitions, means)


def _scatter(answer: Answer, level: Level, y: str, covariate: str) -> Sheet | None:
    frame = _frame(answer, level)
    if y == covariate or not frame.has(covariate):
        return None
    pair = pair_of(frame, covariate, y, answer.question.groups)
    words = (frame.response(name).words for name in (y, covariate))
    title = _headed(answer, " against ".join(words), level)
    return scatter_sheet(answer, pair, covariate, level, title) if len(pair.x) else None


def _profile(answer: Answer, level: Level, by: tuple[str, str]) -> Sheet | None:
    question = answer.question
    words = answer.means.response(question.response).words
    title = _headed(answer, f"{words} by {' and '.join(map(words_of, by))}", level)
    return profile_sheet(_frame(answer, level), question.response, by, title,
                         logged="log" in question.scales)  # fmt: skip
