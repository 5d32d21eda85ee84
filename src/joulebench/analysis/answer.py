"""One question answered: the tests that belong to it, made in order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from joulebench.analysis.aligned_tests import aligned
from joulebench.analysis.analysis_frame import BLOCK, AnalysisFrame
from joulebench.analysis.assumption_checks import Checked, check_assumptions
from joulebench.analysis.block_tests import blocked, repeated
from joulebench.analysis.coupling_tests import couplings
from joulebench.analysis.crossed_tests import crossed_means, mixed
from joulebench.analysis.group_tests import parametric, ranked
from joulebench.analysis.question import Level, Question, Scale
from joulebench.analysis.result import Result
from joulebench.analysis.sample import Sample
from joulebench.analysis.size_tests import Numbers, numbers_of, slopes
from joulebench.analysis.unit_layout import (
    UnitLayout,
    layout_of,
    one_row_a_cell,
    runs_are_cells,
    with_conditions,
)
from joulebench.analysis.unit_steps import unit_steps
from joulebench.analysis.unit_tests import factors_of_units, mixed_units, random_blocks, two_way


@dataclass
class Answer:
    """A question with everything that was computed for it.

    Args:
        question: What was asked.
        repetitions: One row a repetition.
        means: One row a run.
        checks: Of the assumptions, one a level.
        results: In the order in which they were made.
    """

    question: Question
    repetitions: AnalysisFrame
    means: AnalysisFrame
    checks: list[Checked] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Add the columns that the tests of units need."""
        self.look_at(self.repetitions, self.means)

    def look_at(self, repetitions: AnalysisFrame, means: AnalysisFrame) -> None:
        """Take these rows, with columns of the conditions and cells that tests of units need.

        Args:
            repetitions: One row a repetition.
            means: One row a run.
        """
        self.repetitions, _ = with_conditions(repetitions, self.parts)
        self.means, self._columns = with_conditions(means, self.parts)

    @cached_property
    def unit(self) -> str:
        """Column of what a claim about the factor is about: the model of a generation."""
        factor = self.question.groups
        if factor in self.means.units:
            return factor
        return next((u for u, parts in self.means.units.items() if factor in parts), factor)

    @property
    def parts(self) -> tuple[str, ...]:
        """Factors that make up a unit."""
        return self.means.units.get(self.unit, (self.unit,))

    @cached_property
    def layout(self) -> UnitLayout:
        """How the units lie among the other factors."""
        response = self.question.response
        return layout_of(self.means, response, self.unit, self.parts, self._columns)

    @cached_property
    def steps(self) -> dict[str, dict[str, float]]:
        """Contrasts of units that differ by one step of one factor, weights by name."""
        if self.unit in self.means.factors:
            return {}
        return unit_steps(self.sample("run", "raw").frame, self.unit, self.parts)

    @cached_property
    def numbers(self) -> Numbers | None:
        """The number that stands behind the units, where there is one: a size, a batch."""
        return numbers_of(self.means, self.unit)

    def sample(self, level: Level, scale: Scale) -> Sample:
        """Give the rows of a level on a scale."""
        if level not in self._samples:
            source = self.means if level == "run" else self.repetitions
            taken = Sample.of(source, self.question.response, self.question.groups)
            self._samples[level] = taken
        return self._samples[level].on(scale)

    @cached_property
    def _samples(self) -> dict[Level, Sample]:
        """The rows of each level that were taken, on the raw scale."""
        return {}

    def cells(self, scale: Scale) -> Sample:
        """Give one row a cell of all factors: the runs, averaged where a cell has several."""
        sample = self.sample("run", scale)
        return replace(sample, frame=one_row_a_cell(sample.frame, self.layout.cell))

    def repeats(self, scale: Scale) -> Sample:
        """Give what tells how one cell scatters: its runs if it has several, else repetitions."""
        runs = self.sample("run", scale)
        one = runs_are_cells(runs.frame, self.layout.cell)
        return self.sample("repetition", scale) if one else runs

    @property
    def block(self) -> str:
        """Column of the rounds in which cells were run; empty where there are none."""
        rows = self.repetitions.frame
        free = BLOCK in rows and BLOCK not in self.means.factors
        there = free and rows[BLOCK].nunique() > 1
        return BLOCK if there and rows[BLOCK].notna().all() else ""

    def find(self, test: str, scale: str | None = None, ending: str | None = None) -> Result | None:
        """Give the first result of a test; ``None`` where it could not be given."""
        return next(
            (each for each in self.all_of(test, scale, ending) if not each.reason),
            None,
        )

    def all_of(
        self, test: str, scale: str | None = None, ending: str | None = None
    ) -> Iterator[Result]:
        """Give the results of a test, also those that say why there is none."""
        for each in self.results:
            if each.test == test and scale in (None, each.scale) and ending in (None, each.ending):
                yield each


def answer(question: Question, repetitions: AnalysisFrame, means: AnalysisFrame) -> Answer:
    """Answer a question: check the assumptions, then make its tests.

    Args:
        question: What is asked.
        repetitions: One row a repetition.
        means: One row a run.
    """
    if len(repetitions) == len(means):  # one row a run: the means are the rows
        question = replace(question, levels=("run",))
    made = Answer(question, repetitions, means)
    for level in question.levels:
        checked = check_assumptions(made.sample(level, "raw"), question)
        made.checks.append(checked)
        made.results += [checked.marked(result) for result in _of_level(made, level)]
    for scale in question.scales:
        made.results += _of_units(made, scale)
    if question.covariates:
        made.results += _couplings(made)
    return made


def _of_level(made: Answer, level: Level) -> Iterator[Result]:
    question = made.question
    yield from ranked(made.sample(level, "raw"))
    for scale in question.scales:
        yield from parametric(made.sample(level, scale))
        if question.kind == "crossed":
            tests = crossed_means if level == "run" else mixed
            yield from tests(made.sample(level, scale), question.within)
    if level == "repetition" or question.kind == "crossed":
        within = question.within if question.kind == "crossed" else ""
        yield from aligned(made.sample(level, "raw"), within)


def _of_units(made: Answer, scale: Scale) -> Iterator[Result]:
    """Make the tests that the verdict rests on: of units, whatever else the question asks."""
    question, layout = made.question, made.layout
    cells, repeats = made.cells(scale), made.repeats(scale)
    if "repetition" in question.levels or repeats.level == "run":
        block = made.block if repeats.level == "repetition" else ""
        yield from repeated(repeats, layout, made.steps, block)
    yield from blocked(cells, layout, made.steps)
    yield from factors_of_units(cells, layout)
    if len(layout.parts) > 1:
        yield from two_way(cells, layout)
    if question.groups != layout.unit:
        if "run" in question.levels:
            yield from random_blocks(made.sample("run", scale), layout)
        if "repetition" in question.levels:
            yield from mixed_units(made.sample("repetition", scale), layout)
    if made.numbers is not None:
        yield from slopes(cells, layout, made.numbers)


def _couplings(made: Answer) -> Iterator[Result]:
    question = made.question
    for level in question.levels:
        sample = made.sample(level, "raw")
        yield from couplings(_coupled(sample), question.covariates)


def _coupled(sample: Sample) -> Sample:
    """Hold the energy against the covariates where there is one, not what is made of it."""
    return replace(sample, response="energy_j") if "energy_j" in sample.frame else sample
