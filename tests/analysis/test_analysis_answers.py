"""Questions answered in two processes: the same answers, in the order of the questions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from runs_table import generations, write

from joulebench.analysis.answer import Answer
from joulebench.analysis.answers import _in_turn, answers_to
from joulebench.analysis.cells import run_means
from joulebench.analysis.question import Question
from joulebench.analysis.read import read_analysis
from joulebench.importers import two_processes

QUESTIONS = [
    Question("A", "", "energy_j", "generation", ("run",)),
    Question("B", "", "energy_j", "generation", ("run", "repetition")),
    Question("C", "", "power_w", "model_size", ("run",), ("raw",)),
    Question("D", "", "energy_j", "task", ("run",)),
]


def _answers(path: Path) -> tuple[list[Answer], list[tuple[int, str]]]:
    frame = read_analysis(path)
    told: list[tuple[int, str]] = []
    made = answers_to(
        QUESTIONS, frame, run_means(frame), lambda done, question: told.append((done, question.id))
    )
    return made, told


def test_two_processes_answer_as_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "t.csv", generations())
    together, told = _answers(path)
    monkeypatch.setattr(two_processes, "may_fork", lambda: False)
    alone, _ = _answers(path)
    assert [made.question.id for made in together] == ["A", "B", "C", "D"]
    assert [done for done, _ in told] == [0, 1, 2, 3, 4]
    for one, other in zip(together, alone, strict=True):
        assert [result.reason for result in one.results] == [
            result.reason for result in other.results
        ]
        for result, same in zip(one.results, other.results, strict=True):
            pd.testing.assert_frame_equal(result.found, same.found)


def test_every_second_question_after_the_quickest_is_half_of_the_work() -> None:
    run = Question("2", "", "y", "g", ("run",))
    both = Question("6", "", "y", "g")
    questions = [
        run, replace(run, id="1", scales=("raw",)), run, replace(both, id="12", kind="crossed"),
        both, both, replace(both, id="3", scales=("raw",)),
    ]  # fmt: skip
    order = _in_turn(questions)
    assert sorted(order) == list(range(7))
    work = [int(questions[place].id) for place in order]
    assert work[0] == 1
    assert abs(sum(work[1::2]) - sum(work[2::2])) <= 4
    assert _in_turn(questions[:1]) == [0]
