"""Makes one item of each question, of lines that hold a passage with many.

Items in the flat form of the Hugging Face hub pass through.
"""

from __future__ import annotations

from typing import Any

from joulebench.errors import UsageError
from joulebench.tasks.form import Rows


def multirc_rows(where: str, line: dict[str, Any]) -> Rows:
    """Give one row for each answer to each question of a passage.

    Raises:
        UsageError: A part of the line is missing or of another kind.
    """
    if "passage" not in line:
        yield where, line
        return
    passage = _object(where, line, "passage")
    for q, question in enumerate(_objects(where, passage, "questions")):
        at = f"{where}: question {q + 1}"
        for a, answer in enumerate(_objects(at, question, "answers")):
            row = {
                "paragraph": passage.get("text"),
                "question": question.get("question"),
                "answer": answer.get("text"),
                "idx": {
                    "paragraph": line.get("idx"),
                    "question": question.get("idx"),
                    "answer": answer.get("idx"),
                },
            }
            label = {"label": answer["label"]} if "label" in answer else {}
            yield f"{at}, answer {a + 1}", row | label


def record_rows(where: str, line: dict[str, Any]) -> Rows:
    """Give one row for each query of a passage; a place's ``end`` is its last character.

    Raises:
        UsageError: A part of the line is missing or of another kind.
    """
    if "qas" not in line:
        yield where, line
        return
    passage = _object(where, line, "passage")
    text = passage.get("text")
    if not isinstance(text, str):
        raise UsageError(f"{where}: field 'passage.text' is missing or is no text")
    places = _objects(where, passage, "entities")
    entities = [_cut(where, text, place) for place in places]
    for q, question in enumerate(_objects(where, line, "qas")):
        at = f"{where}: query {q + 1}"
        found = [answer.get("text") for answer in _objects(at, question, "answers")]
        yield (
            at,
            {
                "passage": text,
                "query": question.get("query"),
                "entities": _distinct(entities),
                "answers": _distinct(found),
                "idx": {"passage": line.get("idx"), "query": question.get("idx")},
            },
        )


def squad_rows(where: str, line: dict[str, Any]) -> Rows:
    """Give one row for each question of SQuAD's own file, of one article, or of a flat item.

    Raises:
        UsageError: A part of the line is missing or of another kind.
    """
    if "data" in line:
        for n, article in enumerate(_objects(where, line, "data")):
            yield from squad_rows(f"{where}: article {n + 1}", article)
    elif "paragraphs" in line:
        for n, paragraph in enumerate(_objects(where, line, "paragraphs")):
            at = f"{where}: paragraph {n + 1}"
            for q, question in enumerate(_objects(at, paragraph, "qas")):
                item = {"context": paragraph.get("context"), **question}
                yield f"{at}, question {q + 1}", _with_texts(item)
    else:
        yield where, _with_texts(line)


def _with_texts(item: dict[str, Any]) -> dict[str, Any]:
    """Give a SQuAD item with the texts of its answers alone, each once."""
    answers = item.get("answers")
    if isinstance(answers, dict):
        answers = answers.get("text")
    elif isinstance(answers, list):
        answers = [answer.get("text") if isinstance(answer, dict) else answer for answer in answers]
    texts = _distinct(answers) if isinstance(answers, list) else answers
    kept = ("id", "context", "question")
    return {name: item[name] for name in kept if name in item} | {"answers": texts}


def _distinct(values: list[Any]) -> list[Any]:
    """Give each value once, in order; what is of no use is left for the check of the item."""
    return [value for n, value in enumerate(values) if value not in values[:n]]


def _cut(where: str, text: str, place: dict[str, Any]) -> str:
    first, last = place.get("start"), place.get("end")
    if not (isinstance(first, int) and isinstance(last, int) and 0 <= first <= last < len(text)):
        raise UsageError(f"{where}: entity {place!r} lies outside the passage")
    return text[first : last + 1]


def _object(where: str, parent: dict[str, Any], name: str) -> dict[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise UsageError(f"{where}: field {name!r} is missing or is no object")
    return value


def _objects(where: str, parent: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = parent.get(name)
    if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
        raise UsageError(f"{where}: field {name!r} is missing or is no list of objects")
    return value
