"""Grades the answers of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from joulebench.answer_energy import wilson_95
from joulebench.work import Engine, Request, Task
from joulebench.workloads.workload import WorkResult

Grades = Sequence[bool | None]

RANDOM = "the model's weights are random"


class Scorer(Protocol):
    """Grades the answers of a run, after its last window.

    One whose answers are not plainly generated may offer ``engine_for(engine)``, as a task may:
    what the requests are put to.

    Args:
        window: Name of the window that its work is put into; empty where it is next to none.
        frees_engine: Whether the measured engine is closed before that window begins.
    """

    window: str
    frees_engine: bool

    def grade(self, result: WorkResult, engine: Engine) -> None:
        """Put score, marks and facts into a result; ``engine`` is the one that was measured."""


class RulesScorer:
    """Has the task read each answer by its rules.

    Args:
        task: Grades.
    """

    window = ""
    frees_engine = False

    def __init__(self, task: Task) -> None:
        self.task = task

    def grade(self, result: WorkResult, engine: Engine) -> None:
        """Grade by rules, unless the answers mean nothing."""
        del engine
        if has_random_weights(result):
            result.facts["no_score"] = RANDOM
            return
        grades = by_rules(self.task, result)
        result.marks = [{"grade": grade} for grade in grades]
        put_score(result, grades, "rules", metrics_of(self.task, result, grades))


def by_rules(task: Task, result: WorkResult) -> list[bool | None]:
    """Give the task's own grade of each answer."""
    pairs = zip(result.requests, result.responses, strict=True)
    return [task.grade(asked, said.text) for asked, said in pairs]


def has_random_weights(result: WorkResult) -> bool:
    """Say whether the model that answered was never trained."""
    return bool((result.facts.get("engine") or {}).get("random_weights"))


def put_score(
    result: WorkResult, grades: Grades, scorer: str, metrics: Mapping[str, float]
) -> None:
    """Put the score of graded answers into a result, or why there is none.

    Args:
        result: Takes ``score``: ``accuracy`` (correct over graded, 0 to 1) with its 95 % interval
            ``accuracy_low`` and ``accuracy_high``, ``n_graded``, ``n_correct``, ``n_asked``,
            ``scorer``, and ``metrics`` where there are any.
        grades: Of each answer; ``None`` where it could not be graded.
        scorer: ``rules``, ``judge`` or ``choice``.
        metrics: What is measured besides accuracy.
    """
    graded = [grade for grade in grades if grade is not None]
    if not graded:
        result.facts["no_score"] = "no answer could be graded"
        if metrics:  # a benchmark may measure what is neither right nor wrong
            result.facts["metrics"] = dict(metrics)
        return
    accuracy = sum(graded) / len(graded)
    items = _independent(result.requests, grades)
    low, high = wilson_95(accuracy * items, items)
    score: dict[str, Any] = {
        "accuracy": accuracy,
        "n_graded": len(graded),
        "n_correct": sum(graded),
        "n_asked": len(grades),
        "accuracy_low": low,
        "accuracy_high": high,
        "scorer": scorer,
    }
    result.score = score | ({"metrics": dict(metrics)} if metrics else {})


def metrics_of(task: Task, result: WorkResult, grades: Grades) -> dict[str, float]:
    """Give what a task measures besides accuracy; most tasks measure nothing else."""
    measure = getattr(task, "metrics", None)
    if measure is None:
        return {}
    texts = (response.text for response in result.responses)
    return dict(measure(list(zip(result.requests, texts, grades, strict=True))))


def _independent(requests: Sequence[Request], grades: Grades) -> int:
    """Count the graded prompts: one that a load asked again is no further item."""
    pairs = zip(requests, grades, strict=True)
    return len({request.prompt for request, grade in pairs if grade is not None})
