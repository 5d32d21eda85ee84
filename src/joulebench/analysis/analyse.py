"""The analysis of a study: facts of its design, descriptions, tests; written as files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.answer import Answer
from joulebench.analysis.answer_tables import add_statistics, write_tables
from joulebench.analysis.answers import answers_to
from joulebench.analysis.asked import asked_for
from joulebench.analysis.cells import run_means
from joulebench.analysis.descriptive import describe
from joulebench.analysis.design_facts import DesignFacts, design_facts
from joulebench.analysis.folders import OutputTree
from joulebench.analysis.preset import preset_questions
from joulebench.analysis.pseudoreplication import Clustering, clustering
from joulebench.analysis.question import Question, general_questions
from joulebench.analysis.read import Choices, read_analysis
from joulebench.analysis.statistics_table import StatisticsTable
from joulebench.analysis.verdict import Verdict, verdict
from joulebench.errors import UsageError

VERDICTS = "verdicts.md"
"""What the analysis says, in words."""

Progress = Callable[[int, int, str], None]
"""Told the number of steps done, the number of all steps and what is done."""


@dataclass
class Analysis:
    """What an analysis found.

    Args:
        frame: One row a repetition.
        means: One row a run.
        facts: What the design lets anyone claim.
        questions: What was asked.
        clusterings: How alike the repetitions are, by response and factor.
        statistics: Every number.
        folder: Where the files are.
        answers: The questions with their tests.
        verdicts: What follows, one a question.
        files: Relative to ``folder``.
    """

    frame: AnalysisFrame
    means: AnalysisFrame
    facts: DesignFacts
    questions: Sequence[Question]
    folder: Path
    clusterings: list[Clustering] = field(default_factory=list)
    statistics: StatisticsTable = field(default_factory=StatisticsTable)
    answers: list[Answer] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    files: tuple[str, ...] = ()

    def on(self, level: str) -> AnalysisFrame:
        """Give the repetitions or the run means."""
        return self.means if level == "run" else self.frame

    def to_dict(self) -> dict[str, Any]:
        """Give what was found as a JSON-ready dict; its numbers are in the table of statistics."""
        return {
            "source": self.frame.to_dict(),
            "design": self.facts.to_dict(),
            "clustering": [each.to_dict() for each in self.clusterings],
            "questions": [question.to_dict() for question in self.questions],
            "verdicts": [each.to_dict() for each in self.verdicts],
            "out": str(self.folder),
        }


def analyse(
    path: Path,
    out: Path,
    choices: Choices | None = None,
    *,
    preset: str = "",
    plots: bool = True,
    progress: Progress | None = None,
) -> Analysis:
    """Analyse a study or a table, and write what was found.

    Args:
        path: A study's folder, or a table.
        out: Folder for ``tables/``, ``plots/`` and ``analysis.json``; made if absent, cleared of
            what an earlier analysis wrote there.
        choices: What the user says of the table.
        preset: Name of questions that are known; if empty the study's own, else those made for
            each response and factor.
        plots: Whether to draw.
        progress: Told how far it is.

    Raises:
        UsageError: It cannot be read, analysed or written; says which and what to do.
    """
    choices, preset = asked_for(Path(path), choices or Choices(), preset)
    frame, questions = _asked(read_analysis(path, choices), choices, preset)
    if (out / "runs.jsonl").exists():
        raise UsageError(
            f"--out {out} is a study; name a folder of its own, such as {out / 'analysis'}"
        )
    ids = tuple(dict.fromkeys(question.id for question in questions))
    tree = OutputTree.create(out, ids, plots=plots)
    found = Analysis(frame, run_means(frame), design_facts(frame), questions, out)
    described = _described(questions)
    steps = len(described) + len(questions) * (2 if plots else 1)
    for step, (id_, response) in enumerate(described):
        if progress is not None:
            progress(step, steps, id_)
        _describe(found, tree, id_, response)

    def told(answered: int, question: Question) -> None:
        if progress is not None:
            progress(len(described) + answered, steps, f"{question.id}: tests")

    for made in answers_to(questions, frame, found.means, told):
        _keep(found, tree, made)
    responses = list(dict.fromkeys(question.response for question in questions))
    found.clusterings += _clusterings(found, responses)
    statistics = Path("tables", "statistics.csv")
    tree.written.append(statistics.as_posix())
    found.statistics.write(tree.root / statistics)
    for step, made in enumerate(found.answers if plots else (), len(described) + len(questions)):
        if progress is not None:
            progress(step, steps, f"{made.question.id}: figures")
        _draw(made, tree)
    _write_verdicts(found, tree)
    tree.finish(found.to_dict())
    found.files = tuple(tree.written)
    return found


def _asked(
    frame: AnalysisFrame, choices: Choices, preset: str
) -> tuple[AnalysisFrame, list[Question]]:
    """Give the questions, and the frame with a note on each that it cannot answer."""
    if preset:
        questions, left_out = preset_questions(preset, frame)
        return replace(frame, notes=(*frame.notes, *left_out)), questions
    questions = general_questions(frame, choices.responses)
    if not questions:
        raise UsageError(
            f"{frame.name}: no response varies ({'; '.join(frame.notes)}): there is nothing to "
            "compare"
        )
    return frame, questions


def _described(questions: Sequence[Question]) -> list[tuple[str, str]]:
    """Give the folder and the response of each descriptive table, once."""
    return list(dict.fromkeys((question.id, question.response) for question in questions))


def _groupings(found: Analysis, id_: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give the levels and groups that a question's response is described by, each once.

    What it compares, also inside what it looks within, the units behind that or the factors that
    make it up, and all cells.
    """
    asked = [question for question in found.questions if question.id == id_]
    factors, units = found.frame.factors, found.frame.units
    by: list[tuple[str, ...]] = []
    for question in asked:
        behind = [(unit,) for unit, parts in units.items() if question.groups in parts]
        behind += [(part,) for part in units.get(question.groups, ())]
        inside = [(question.groups, question.within)] if question.kind == "crossed" else []
        by += [(question.groups,), *behind, *inside]
    for level in dict.fromkeys(level for question in asked for level in question.levels):
        for groups in dict.fromkeys(by):
            yield level, groups
    yield "repetition", factors


def _describe(found: Analysis, tree: OutputTree, id_: str, response: str) -> None:
    """Describe the response of a question."""
    for level, by in dict.fromkeys(_groupings(found, id_)):
        table = describe(found.on(level), response, by)
        tree.table(table, "desc", id_, f"{'_by_'.join(by)}_{level}")
        found.statistics.add(
            table.rename(columns={"mean": "estimate"}).assign(statistic="mean"),
            question=id_,
            level=level,
            response=response,
            scale="raw",
            test="descriptive",
        )


def _keep(found: Analysis, tree: OutputTree, made: Answer) -> None:
    """Write the tests of a question down, and say what follows."""
    write_tables(made, tree)
    add_statistics(made, found.statistics)
    found.answers.append(made)
    factor = made.question.groups
    # What is asked of a unit is asked of each factor that makes it up.
    factors = (factor,) if factor in found.frame.factors else made.parts
    found.verdicts.append(verdict(made, [found.facts.claim(each) for each in factors]))


def _write_verdicts(found: Analysis, tree: OutputTree) -> None:
    from joulebench.analysis.report_lines import markdown

    tree.write(Path(VERDICTS), markdown(found))


def _draw(made: Answer, tree: OutputTree) -> None:
    from joulebench.analysis.plots import plot  # drawing takes a second to import

    plot(made, tree)


def _clusterings(found: Analysis, responses: Sequence[str]) -> list[Clustering]:
    """Look at the factors that no row was set for on its own."""
    factors = [claim.factor for claim in found.facts.claims if claim.parts]
    made = [clustering(found.frame, name, factor) for name in responses for factor in factors]
    return [each for each in made if each is not None]
