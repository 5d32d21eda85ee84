"""What of an item an encoder is given, and the names that its answers are graded by.

An encoder takes one or two texts of the item itself, never the prompt, and says a label's name or
words of the second text. Both are compared as they stand; no rule looks for a verdict in them.
"""

from __future__ import annotations

from dataclasses import dataclass

from joulebench.errors import UsageError
from joulebench.tasks.form import ENCODED, Form, Item
from joulebench.work import Encoding


@dataclass(frozen=True, slots=True)
class Encoder:
    """How a data set is put to an encoder.

    Args:
        texts: One or two patterns of the item's fields.
        names: Of the data set's labels, in the order of :attr:`Form.labels`; empty where the
            answer is words of the second text.
        nothing: Whether a question may have no answer in the text.
    """

    texts: tuple[str, ...]
    names: tuple[str, ...] = ()
    nothing: bool = False


_ENTAILED = ("entailment", "not_entailment")
_PREMISE = ("{premise}", "{hypothesis}")
_FALSE_TRUE = ("false", "true")
_SQUAD = ("{question}", "{context}")

ENCODERS: dict[str, Encoder] = {
    "boolq": Encoder(("{question}", "{passage}"), _FALSE_TRUE),
    "cb": Encoder(_PREMISE, ("entailment", "contradiction", "neutral")),
    "rte": Encoder(_PREMISE, _ENTAILED),
    "wic": Encoder(("{word}: {sentence1}", "{sentence2}"), _FALSE_TRUE),
    "multirc": Encoder(("{question} {answer}", "{paragraph}"), _FALSE_TRUE),
    "axb": Encoder(("{sentence1}", "{sentence2}"), _ENTAILED),
    "axg": Encoder(_PREMISE, _ENTAILED),
    "sst2": Encoder(("{sentence}",), ("negative", "positive")),
    "qqp": Encoder(("{question1}", "{question2}"), ("not_duplicate", "duplicate")),
    "squad": Encoder(_SQUAD),
    "squad2": Encoder(_SQUAD, nothing=True),
}


def encoding(form: Form, item: Item) -> Encoding:
    """Give what an encoder is given of an item.

    Raises:
        UsageError: The task is none for encoders.
    """
    how = _encoder(form)
    texts = tuple(text.format_map(item).strip() for text in how.texts)
    return Encoding(texts, how.names, how.nothing)


def grade_encoded(form: Form, item: Item, text: str) -> bool | None:
    """Compare a label's name with the item's label, or words with the right answers.

    Returns:
        ``None`` for a name that is none of the task's.
    """
    names = _encoder(form).names
    if not names:
        return form.grade(item, text, ENCODED)
    said = dict(zip(names, form.labels, strict=True)).get(text)
    return None if text not in names else said == item["label"]


def _encoder(form: Form) -> Encoder:
    if form.name not in ENCODERS:
        raise UsageError(
            f"task {form.name!r} is none for an encoder; these are: {', '.join(ENCODERS)}"
        )
    return ENCODERS[form.name]
