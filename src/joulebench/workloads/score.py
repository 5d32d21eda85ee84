"""Grades the answers of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joulebench.work import Request, Response, Task

SCORER = "rules"


def score_responses(
    task: Task,
    requests: Sequence[Request],
    responses: Sequence[Response],
    engine: Mapping[str, Any],
) -> tuple[dict[str, Any] | None, str | None]:
    """Grade answers, unless a score would mean nothing.

    Args:
        task: Grades.
        requests: What was asked.
        responses: What was answered, in the same order.
        engine: The engine's facts.

    Returns:
        ``{"accuracy", "n_graded", "n_correct", "scorer"}`` and ``None``; or ``None`` and why
        there is no score. Accuracy is correct over graded, from 0 to 1. ``"metrics"`` is there
        besides where the task's benchmark measures more.
    """
    if engine.get("random_weights"):
        return None, "the model's weights are random"
    pairs = zip(requests, responses, strict=True)
    answers = [(asked, said.text, task.grade(asked, said.text)) for asked, said in pairs]
    graded = [grade for _, _, grade in answers if grade is not None]
    if not graded:
        return None, "no answer could be graded"
    metrics = _metrics(task, answers)
    return {
        "accuracy": sum(graded) / len(graded),
        "n_graded": len(graded),
        "n_correct": sum(graded),
        "scorer": SCORER,
        **({"metrics": metrics} if metrics else {}),
    }, None


def _metrics(task: Task, answers: Sequence[tuple[Request, str, bool | None]]) -> dict[str, float]:
    """Give what a task measures besides accuracy; most tasks measure nothing else."""
    measure = getattr(task, "metrics", None)
    return {} if measure is None else dict(measure(answers))
