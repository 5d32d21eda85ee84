"""Multiple choice: the label that a model holds for the likeliest is its answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from joulebench.errors import UsageError
from joulebench.tasks.form import Choices
from joulebench.tasks.weighing import WeighingEngine, logprobs_of
from joulebench.work import Engine, Request, Task
from joulebench.workloads.score import RANDOM, has_random_weights, put_score
from joulebench.workloads.workload import WorkResult


class ChoiceScorer:
    """Has the measured work be to tell how likely each choice is, and takes the first as answer.

    Nothing is generated: joules of answers that nobody reads would stand beside an accuracy that
    is not theirs.

    Args:
        task: Tells each request's choices.

    Raises:
        UsageError: A task that has none.
    """

    window = ""
    frees_engine = False

    def __init__(self, task: Task) -> None:
        self._choices = getattr(task, "choices", lambda _request: None)
        if not any(self._of(request) for request in task.requests()):
            raise UsageError(
                f"tasks.score: kind: choice needs answers to choose from, and task {task.name!r} "
                "has none; score it by rules or by a judge"
            )

    def engine_for(self, engine: Engine) -> Engine:
        """Give what has the engine weigh the choices of each request.

        Raises:
            UsageError: An engine that tells no log-likelihoods.
        """
        return WeighingEngine(engine, self._offers, "tasks.score: kind: choice")

    def grade(self, result: WorkResult, engine: Engine) -> None:
        """Take the likeliest choice of each request for its answer, unless weights are random."""
        del engine
        if has_random_weights(result):
            result.facts["no_score"] = RANDOM
            return
        pairs = zip(result.requests, result.responses, strict=True)
        result.marks = [_mark(self._of(asked), logprobs_of(said.text)) for asked, said in pairs]
        grades = [mark["grade"] for mark in result.marks]
        by_length = [mark.get("grade_by_length") for mark in result.marks]
        both = {"choice_accuracy": _share(grades), "choice_accuracy_by_length": _share(by_length)}
        told_of = {name: share for name, share in both.items() if share is not None}
        put_score(result, grades, "choice", told_of)

    def _of(self, request: Request) -> Choices | None:
        choices = self._choices(request)
        return choices if choices is not None and len(choices.texts) > 1 else None

    def _offers(self, request: Request) -> list[tuple[str, Sequence[str]]]:
        choices = self._of(request)
        return [] if choices is None else [(request.prompt, choices.texts)]


def _mark(choices: Choices | None, logprobs: Sequence[float]) -> dict[str, Any]:
    """Grade the likeliest choice, by its sum and by its mean over the bytes of its text."""
    if choices is None:
        return {"grade": None}
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
