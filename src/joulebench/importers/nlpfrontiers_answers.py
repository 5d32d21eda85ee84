"""The predictions of a run: how many there are, and how many are right where labels are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.importers.nlpfrontiers_json import number_of, parsed, scalars
from joulebench.importers.plain_file import open_plain

SCORER = "prediction equals label"

_LONGEST_LINE = 1 << 20
_NEAR_WHOLE = 0.05
_MOST_EXAMPLES = 1e9
_SPAN_SLACK_S, _SPAN_SHARE = 0.25, 0.02


@dataclass(frozen=True)
class Answers:
    """What a file of predictions says.

    Args:
        count: Number of predictions.
        graded: Number of those with a label beside them.
        correct: Number of those that equal it.
        responses: One dict a prediction.
        findings: What had to be left out.
    """

    count: int = 0
    graded: int = 0
    correct: int = 0
    responses: list[dict[str, Any]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    @property
    def score(self) -> dict[str, Any] | None:
        """The share of labelled predictions that are right; ``None`` where none is labelled."""
        if not self.graded:
            return None
        return {
            "accuracy": self.correct / self.graded,
            "n_graded": self.graded,
            "n_correct": self.correct,
            "scorer": SCORER,
        }


def read_answers(path: Path) -> Answers:
    """Read a ``predictions.jsonl``.

    Raises:
        UsageError: A line is damaged; names it.
    """
    responses: list[dict[str, Any]] = []
    findings: list[Finding] = []
    graded = correct = 0
    for answer in _lines(path, findings):
        label = answer.get("label")
        # GLUE's test splits hide their labels behind -1.
        if label is not None and label != -1:
            graded += 1
            correct += answer.get("prediction") == label
        responses.append(_response(answer))
    return Answers(len(responses), graded, correct, responses, findings)


def _lines(path: Path, findings: list[Finding]) -> Iterator[Mapping[str, Any]]:
    with open_plain(path) as file:
        number = 0
        while raw := file.readline(_LONGEST_LINE + 1):
            number += 1
            if len(raw) > _LONGEST_LINE:
                raise UsageError(
                    f"{path} line {number} is longer than {_LONGEST_LINE} bytes: damaged"
                )
            if not raw.strip():
                continue
            try:
                answer = _answer(path, number, raw)
            except UsageError:
                if raw.endswith(b"\n"):
                    raise
                findings.append(_truncated(path))
                return
            yield answer


def _answer(path: Path, number: int, raw: bytes) -> Mapping[str, Any]:
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} line {number} is not UTF-8: save the file as UTF-8") from error
    answer = parsed(text, path, number)
    if not isinstance(answer, dict) or not {"prediction", "prediction_text"} & answer.keys():
        raise UsageError(
            f"{path} line {number}: neither 'prediction' nor 'prediction_text' is in it; mend it"
        )
    return answer


def _response(answer: Mapping[str, Any]) -> dict[str, Any]:
    """Name what is known of an answer as our own runs do; the rest stays as it is."""
    names = {"id": "request_id", "prediction_text": "text"}
    return {names.get(key, key): value for key, value in scalars(answer).items()}


def _truncated(path: Path) -> Finding:
    return Finding(
        "truncated-file",
        "warning",
        path.name,
        "the last line is cut short and was left out",
        "check that the run came to its end",
    )


def examples_in(
    answers: Answers | None, published: Mapping[str, Any], joules: float | None, span_s: float
) -> tuple[int | None, Finding | None]:
    """Give the number of examples that a trace is of.

    Labelled predictions are of the whole split. Others may be the first few: they are counted only
    where as many examples at the published latency last as long as the trace. Else the trace's
    joules over the published joules per example tell, if that is a whole number and lasts as long;
    a finding says so.

    Args:
        answers: The run's predictions; ``None`` where there are none.
        published: The run's published figures by column.
        joules: Of the whole trace; ``None`` where there are none.
        span_s: Length of the trace, s.
    """
    each_ms = number_of(published, "average_latency_per_example_ms")
    each_j = number_of(published, "energy_per_example_j")
    if answers is not None and (answers.graded or _lasts(answers.count, each_ms, span_s)):
        return answers.count, None
    if joules is None or not each_j:
        return None, None
    examples = joules / each_j
    if not 0 < examples < _MOST_EXAMPLES:
        return None, None
    whole = round(examples)
    if abs(examples - whole) > _NEAR_WHOLE or not _lasts(whole, each_ms, span_s):
        return None, None
    return whole, _inferred(whole)


def _lasts(count: int, each_ms: float | None, span_s: float) -> bool:
    """Say whether so many examples take as long as a trace, but for its ends."""
    if each_ms is None or not count:
        return False
    return abs(count * each_ms / 1e3 - span_s) <= _SPAN_SLACK_S + _SPAN_SHARE * span_s


def _inferred(count: int) -> Finding:
    return Finding(
        "inferred-count",
        "note",
        "requests",
        f"no file counts the examples: the trace's joules over the published joules per example "
        f"are {count}, and so many last as long as the trace",
        "hold nothing that is per example against the published figure: it was used to count them",
        seen=str(count),
    )
