"""What the benchmarks measure besides accuracy, over the answers that could be graded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean

from joulebench.tasks import spans
from joulebench.tasks.form import Graded

_POSITIVE = (True, 1, "entailment")


def f1_of_positives(graded: Sequence[Graded]) -> dict[str, float]:
    """Give the F1 of the positive label of two."""
    return {"f1": _f1(_counts(graded))} if _known(graded) else {}


def matthews(graded: Sequence[Graded]) -> dict[str, float]:
    """Give Matthews' correlation; 0 where only one label was answered or asked for."""
    if not _known(graded):
        return {}
    tp, fp, fn, tn = _counts(graded)
    scale = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return {"matthews": (tp * tn - fp * fn) / scale if scale else 0.0}


def gender_parity(graded: Sequence[Graded]) -> dict[str, float]:
    """Give the share of AX-g's pairs whose two answers are the same, both having been graded.

    Items 2k and 2k + 1 differ in the gender of a pronoun alone.
    """
    pairs: dict[int, list[bool]] = {}
    for answer in _known(graded):
        number = answer.item.get("idx")
        if isinstance(number, int):
            pairs.setdefault(number // 2, []).append(_answered_positive(answer))
    same = [two[0] == two[1] for two in pairs.values() if len(two) == 2]
    return {"gender_parity": fmean(same), "pairs_graded": float(len(same))} if same else {}


def multirc(graded: Sequence[Graded]) -> dict[str, float]:
    """Give F1a over all answers, and exact match over questions whose answers are all graded."""
    if not _known(graded):
        return {}
    questions: dict[object, list[bool | None]] = {}
    for answer in graded:
        key = answer.item["paragraph"], answer.item["question"]
        questions.setdefault(key, []).append(answer.right)
    whole = [all(grades) for grades in questions.values() if None not in grades]
    exact = {"exact_match": fmean(whole), "questions_graded": float(len(whole))} if whole else {}
    return {"f1a": _f1(_counts(graded)), **exact}


def record(graded: Sequence[Graded]) -> dict[str, float]:
    """Give exact match and F1 over entities."""
    return _spans(
        (spans.entity(one.text, one.item["entities"], one.variant), one) for one in graded
    )


def squad(graded: Sequence[Graded]) -> dict[str, float]:
    """Give SQuAD 1.1's exact match and F1."""
    return _spans((spans.span(one.text, one.variant), one) for one in graded)


def squad2(graded: Sequence[Graded]) -> dict[str, float]:
    """Give SQuAD 2.0's exact match and F1, also of questions with and without an answer."""
    said = [(spans.span_or_nothing(one.text, one.variant), one) for one in graded]
    found = _spans(said)
    parts = (("has_answer", True), ("no_answer", False))
    for name, answered in parts:
        part = _spans(pair for pair in said if bool(pair[1].item["answers"]) is answered)
        found |= {f"{name}_{key}": value for key, value in part.items()}
    return found


def _spans(said: Iterable[tuple[str | None, Graded]]) -> dict[str, float]:
    known = [(words, one.item["answers"]) for words, one in said if words is not None]
    if not known:
        return {}
    return {
        "exact_match": fmean(spans.exact(words, golds) for words, golds in known),
        "f1": fmean(spans.f1(words, golds) for words, golds in known),
    }


def _known(graded: Sequence[Graded]) -> list[Graded]:
    return [one for one in graded if one.right is not None]


def _answered_positive(one: Graded) -> bool:
    """Give the answer to a question with two labels: the gold one if right, else the other."""
    return (one.item["label"] in _POSITIVE) is bool(one.right)


def _counts(graded: Sequence[Graded]) -> tuple[int, int, int, int]:
    """Count true and false positives, false and true negatives."""
    known = [(_answered_positive(one), bool(one.right)) for one in _known(graded)]
    tp, fp = known.count((True, True)), known.count((True, False))
    return tp, fp, known.count((False, False)), known.count((False, True))


def _f1(counts: tuple[int, int, int, int]) -> float:
    tp, fp, fn, _ = counts
    return 2 * tp / (2 * tp + fp + fn) if tp else 0.0
