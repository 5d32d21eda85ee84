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
        there is no score. Accuracy is correct over graded, from 0 to 1.
    """
    if engine.get("random_weights"):
        return None, "the model's weights are random"
    pairs = zip(requests, responses, strict=True)
    grades = [task.grade(request, response.text) for request, response in pairs]
    graded = [grade for grade in grades if grade is not None]
    if not graded:
        return None, "no answer could be graded"
    return {
        "accuracy": sum(graded) / len(graded),
        "n_graded": len(graded),
        "n_correct": sum(graded),
        "scorer": SCORER,
    }, None
