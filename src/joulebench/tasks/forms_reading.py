"""Data sets of passages with questions: MultiRC, ReCoRD, SQuAD 1.1 and 2.0.

Sources: Khashabi et al. 2018, MultiRC (N18-1023); Zhang et al. 2018, ReCoRD (arXiv:1810.12885);
Rajpurkar et al. 2016 and 2018, SQuAD (arXiv:1606.05250, arXiv:1806.03822).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from joulebench.errors import UsageError
from joulebench.tasks import answers, metrics, nested, spans
from joulebench.tasks.form import Choices, Form, Item, equal

_YES_NO = "Answer with one word, yes or no."
_NAME_ALONE = "Answer with the name alone, as the passage writes it."
_WORDS_ALONE = "Answer with words of the passage alone."
_OR_NOTHING = (
    "Answer with words of the passage alone, or with no answer if the passage does not say."
)
_MARK = "@placeholder"


def _multirc(item: Item) -> str:
    return (
        f"Passage: {item['paragraph']}\n\nQuestion: {item['question']}\n\n"
        f"Answer: {item['answer']}\n\nIs the answer correct? "
    )


def _record(item: Item) -> str:
    passage = item["passage"].replace("\n@highlight\n", "\n- ")
    return (
        f"Passage: {passage}\n\nSentence: {item['query']}\n\n"
        f"Which name in the passage does {_MARK} stand for? "
    )


def _squad(item: Item) -> str:
    return f"Passage: {item['context']}\n\nQuestion: {item['question']}\n\n"


def _grade_multirc(item: Item, text: str, variant: str) -> bool | None:
    del variant
    return equal(answers.is_correct(text), item["label"] == 1)


def _grade_record(item: Item, text: str, variant: str) -> bool | None:
    said = spans.entity(text, item["entities"], variant)
    return None if said is None else spans.exact(said, item["answers"])


def _grade_squad(item: Item, text: str, variant: str) -> bool | None:
    said = spans.span(text, variant)
    return None if said is None else spans.exact(said, item["answers"])


def _grade_squad2(item: Item, text: str, variant: str) -> bool | None:
    said = spans.span_or_nothing(text, variant)
    return None if said is None else spans.exact(said, item["answers"])


def _question(item: Item) -> Hashable:
    """Tell which question an answer belongs to; the passage itself tells equal questions apart."""
    return item["paragraph"], item["question"]


def _entities(item: Item) -> Choices:
    return Choices(tuple(dict.fromkeys(item["entities"])), tuple(dict.fromkeys(item["answers"])))


def _spans(item: Item) -> Choices:
    """Give the right answers alone: any words of the passage may be chosen."""
    return Choices((), tuple(dict.fromkeys(item["answers"])) or ("no answer",))


def _check_record(where: str, item: Item) -> None:
    entities = _texts(where, item, "entities")
    if _MARK not in item["query"]:
        raise UsageError(f"{where}: field 'query' holds no {_MARK}; ReCoRD items need it")
    for text in _texts(where, item, "answers"):
        if text not in entities:
            raise UsageError(f"{where}: answer {text!r} is not one of the item's entities")


def _check_squad(where: str, item: Item) -> None:
    if not _texts(where, item, "answers", fewest=0):
        raise UsageError(f"{where}: no answers; SQuAD 1.1 has one for each question")
    _check_within(where, item)


def _check_squad2(where: str, item: Item) -> None:
    _texts(where, item, "answers", fewest=0)
    _check_within(where, item)


def _check_within(where: str, item: Item) -> None:
    for text in item["answers"]:
        if text not in item["context"]:
            raise UsageError(f"{where}: answer {text!r} does not stand in the item's context")


def _texts(where: str, item: Item, name: str, fewest: int = 1) -> list[str]:
    """Give a list of texts that must be there."""
    value: Any = item.get(name)
    if not isinstance(value, list) or not all(isinstance(t, str) and t.strip() for t in value):
        raise UsageError(f"{where}: field {name!r} is missing or is no list of texts")
    if len(value) < fewest:
        raise UsageError(f"{where}: field {name!r} is empty; use a labelled split")
    return value


READING = (
    Form(
        name="multirc",
        title="MultiRC",
        texts=("paragraph", "question", "answer"),
        labels=(0, 1),
        prompt=_multirc,
        short=_YES_NO,
        grade=_grade_multirc,
        flat=nested.multirc_rows,
        unit=_question,
        metrics=metrics.multirc,
        words=("no", "yes"),
    ),
    Form(
        name="record",
        title="ReCoRD",
        texts=("passage", "query"),
        labels=(),
        prompt=_record,
        short=_NAME_ALONE,
        grade=_grade_record,
        flat=nested.record_rows,
        check=_check_record,
        metrics=metrics.record,
        options=_entities,
    ),
    Form(
        name="squad",
        title="SQuAD",
        texts=("context", "question"),
        labels=(),
        prompt=_squad,
        short=_WORDS_ALONE,
        grade=_grade_squad,
        flat=nested.squad_rows,
        check=_check_squad,
        metrics=metrics.squad,
        options=_spans,
    ),
    Form(
        name="squad2",
        title="SQuAD2",
        texts=("context", "question"),
        labels=(),
        prompt=_squad,
        short=_OR_NOTHING,
        grade=_grade_squad2,
        flat=nested.squad_rows,
        check=_check_squad2,
        metrics=metrics.squad2,
        options=_spans,
    ),
)
