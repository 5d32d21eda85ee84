"""Multiple choice: the label that a model holds for the likeliest is its answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from joulebench.errors import UsageError
from joulebench.tasks.form import Choices
from joulebench.work import Choosing, Engine, Request, Task
from joulebench.workloads.score import RANDOM, has_random_weights, put_score
from joulebench.workloads.workload import WorkResult

WINDOW = "choice"


class ChoiceScorer:
    """Has the measured engine tell how likely each choice is as the answer, and takes the first.

    Args:
        task: Tells each request's choices.
        engine: The measured one, to see that it can.
        together: Requests that are given to the engine at a time.

    Raises:
        UsageError: An engine or a task that has no such thing.
    """

    window = WINDOW
    frees_engine = False

    def __init__(self, task: Task, engine: Engine, together: int = 1) -> None:
        if not callable(getattr(engine, "choice_logprobs", None)):
            raise UsageError(
                "tasks.score: kind: choice needs an engine that tells how likely an answer is, and "
                f"{type(engine).__name__} does not; use engine: {{kind: transformers}}, or score "
                "by rules"
            )
        self._choices = getattr(task, "choices", lambda _request: None)
        if not any(self._of(request) for request in task.requests()):
            raise UsageError(
                f"tasks.score: kind: choice needs answers to choose from, and task {task.name!r} "
                "has none; score it by rules or by a judge"
            )
        self._together = together

    def grade(self, result: WorkResult, engine: Engine) -> None:
        """Ask how likely the choices are, unless the weights are random."""
        if has_random_weights(result):
            result.facts["no_score"] = RANDOM
            return
        found = {i: c for i, request in enumerate(result.requests) if (c := self._of(request))}
        told = self._logprobs(engine, [result.requests[i] for i in found], [*found.values()])
        result.marks = [{"grade": None} for _ in result.requests]
        for (place, choices), logprobs in zip(found.items(), told, strict=True):
            result.marks[place] = _mark(choices, logprobs)
        grades = [mark["grade"] for mark in result.marks]
        by_length = [mark.get("grade_by_length") for mark in result.marks]
        both = {"choice_accuracy": _share(grades), "choice_accuracy_by_length": _share(by_length)}
        told_of = {name: share for name, share in both.items() if share is not None}
        put_score(result, grades, "choice", told_of)

    def _of(self, request: Request) -> Choices | None:
        choices = self._choices(request)
        return choices if choices is not None and len(choices.texts) > 1 else None

    def _logprobs(
        self, engine: Any, requests: Sequence[Request], choices: Sequence[Choices]
    ) -> list[list[float]]:
        asked: Choosing = engine
        told: list[list[float]] = []
        for i in range(0, len(requests), self._together):
            texts = [each.texts for each in choices[i : i + self._together]]
            told += asked.choice_logprobs(requests[i : i + self._together], texts)
        return told


def _mark(choices: Choices, logprobs: Sequence[float]) -> dict[str, Any]:
    """Grade the likeliest choice, by its sum and by its mean over the bytes of its text."""
    lengths = [len(text.encode()) for text in choices.texts]
    means = [sum_ / length for sum_, length in zip(logprobs, lengths, strict=True)]
    plain, fair = _first(choices.texts, logprobs), _first(choices.texts, means)
    return {
        "grade": None if plain is None else plain in choices.right,
        "grade_by_length": None if fair is None else fair in choices.right,
        "chosen": plain,
        "chosen_by_length": fair,
        "choices": list(choices.texts),
        "logprobs": [each if math.isfinite(each) else None for each in logprobs],
    }


def _first(texts: Sequence[str], figures: Sequence[float]) -> str | None:
    """Give the text of the highest figure; ``None`` where two are highest or one is no number."""
    if any(math.isnan(each) for each in figures):
        return None
    best = max(figures)
    at = [text for text, each in zip(texts, figures, strict=True) if each == best]
    return at[0] if len(at) == 1 else None


def _share(grades: Sequence[bool | None]) -> float | None:
    graded = [grade for grade in grades if grade is not None]
    return sum(graded) / len(graded) if graded else None
