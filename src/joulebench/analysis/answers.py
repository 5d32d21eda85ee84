"""All questions answered, in two processes where that is safe and pays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.answer import Answer, answer
from joulebench.analysis.question import Question
from joulebench.importers.two_processes import in_two

_FEWEST = 4
"""Questions below which a second process is not worth its start."""

_MOST_ROWS = 50_000
"""Rows beyond which two processes might not fit into memory."""


def answers_to(
    questions: Sequence[Question],
    repetitions: AnalysisFrame,
    means: AnalysisFrame,
    told: Callable[[int, Question], None],
) -> list[Answer]:
    """Answer questions; a second process takes every second one where there is a core for it.

    Args:
        questions: What is asked.
        repetitions: One row a repetition.
        means: One row a run.
        told: Told how many are answered, and the question that is next.

    Returns:
        In the order of the questions.
    """
    order = _in_turn(questions)

    def work(place: int) -> Answer:
        return answer(questions[order[place]], repetitions, means)

    few = _FEWEST if len(repetitions) <= _MOST_ROWS else len(order) + 1
    made: dict[int, Answer] = {}
    told(0, questions[order[0]])
    for place, one in zip(order, in_two(work, len(order), few), strict=True):
        # What comes from the other process has frames of its own.
        one.look_at(repetitions, means)
        made[place] = one
        told(len(made), questions[order[min(len(made), len(order) - 1)]])
    return [made[place] for place in range(len(questions))]


def _in_turn(questions: Sequence[Question]) -> list[int]:
    """Give an order in which every second one, after the first, takes half of the time.

    The quickest comes first, since it alone is waited for; of the others the first process takes
    the longest, the second one the next two, the first one the next two, and so on.
    """
    first, *others = sorted(range(len(questions)), key=lambda place: _work(questions[place]))
    others.reverse()
    # Of each four the last two change places: so the sums of every second one are alike.
    turned = [others[k : k + 2][:: -1 if k // 2 % 2 else 1] for k in range(0, len(others), 2)]
    return [first, *(place for pair in turned for place in pair)]


def _work(question: Question) -> int:
    """Estimate how long a question takes, in an arbitrary unit."""
    levels = 1 + 2 * ("repetition" in question.levels)
    return levels * len(question.scales) * (2 if question.kind == "crossed" else 1)
