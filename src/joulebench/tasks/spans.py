"""Answers that are words of a passage: how they are found in a text, and compared.

Comparison is that of SQuAD's official scripts: lower case, no punctuation, no articles, single
blanks; then equal (exact match), or the F1 of their words.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from joulebench.tasks.form import ENCODED, SHORT

LONGEST_BARE = 10
"""A sentence of at most so many words is taken for an answer by itself, in words."""

LONGEST_NAME = 5
"""A line of at most so many words is taken for a name by itself, in words."""

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_STATED = re.compile(
    r"\b(?:answer(?:[^.:\n]{0,120}? (?:is|would be)|:)|stands for|refers to|replaced (?:by|with))"
    r"[:\s]+(?!not\b)([^\n]+)",
    re.IGNORECASE,
)
_LEAD = re.compile(r"^\W*(?:(?:the )?(?:correct |final )?answer(?: is|:)\W*)", re.IGNORECASE)
_QUOTED = re.compile(r"[\"\u201c]([^\"\u201d]+)[\"\u201d]")
_SENTENCE_END = re.compile(r"(?<=[\w\"')\]])[.!?](?=\s|$)|\n")
_NOTHING = re.compile(
    r"\b(?:no answer|unanswerable|(?:cannot|can't|can not|could not) be "
    r"(?:answered|determined|found|inferred)"
    r"|(?:does|do|did) ?(?:not|n't) (?:say|state|mention|specify|tell|answer|provide|contain"
    r"|indicate|include|give)"
    r"|(?:is|are|was) ?(?:not|n't) (?:stated|mentioned|specified|given|provided|answered|said))\b"
)


def normalised(text: str) -> str:
    """Give a text in the form in which answers are compared."""
    bare = text.lower().translate(_PUNCTUATION)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def exact(said: str, golds: Sequence[str]) -> bool:
    """Say whether an answer equals one of the right ones; none of them means "no answer"."""
    return any(normalised(said) == normalised(gold) for gold in _right(golds))


def f1(said: str, golds: Sequence[str]) -> float:
    """Give the F1 of an answer's words against the nearest right answer, 0 to 1."""
    return max(_f1(normalised(said).split(), normalised(gold).split()) for gold in _right(golds))


def span(text: str, variant: str) -> str | None:
    """Find the answer of a text; ``None`` if the rules cannot tell.

    A short answer is its first line, without "the answer is". In free text it is what is stated
    ("the answer is ..."), its quoted part if there is one; else a first sentence of at most
    :data:`LONGEST_BARE` words. An encoder's answer is taken as it stands.
    """
    if variant == ENCODED:
        return text
    said = _unmarked(text)
    if not said:
        return None
    if variant == SHORT:
        return _bare(_LEAD.sub("", said.split("\n")[0])) or None
    stated = _STATED.search(said)
    if stated is not None:
        return _named(stated[1])
    first = _first_sentence(said)
    return _bare(first) if len(first.split()) <= LONGEST_BARE else None


def span_or_nothing(text: str, variant: str) -> str | None:
    """Find the answer of a text, empty where it says that the passage gives none."""
    if variant == ENCODED:
        return text
    said = _unmarked(text)
    denied = _NOTHING.search(_first_sentence(said).casefold().replace("\u2019", "'"))
    if denied is not None:
        return ""
    found = span(text, variant)
    if found is None and _NOTHING.search(said.casefold().replace("\u2019", "'")):
        return ""
    return "" if found is not None and _NOTHING.search(found.casefold()) else found


def entity(text: str, entities: Sequence[str], variant: str) -> str | None:
    """Find which of a passage's names a text gives; ``None`` if the rules cannot tell.

    The first name in what is stated ("the answer is ..."), else the only one that is named; a
    short answer that names none of them is taken as it stands if it has at most
    :data:`LONGEST_NAME` words, and is then wrong.
    """
    said = _unmarked(text)
    stated = _STATED.search(said)
    if stated is not None:
        named = _mentions(stated[1], entities)
        if named:
            return named[0]
    if variant == SHORT:
        said = said.split("\n")[0]
    named = _mentions(said, entities)
    if len(set(map(normalised, named))) == 1:
        return named[0]
    short = variant == SHORT and not named and 0 < len(said.split()) <= LONGEST_NAME
    return _bare(said) if short else None


def _right(golds: Sequence[str]) -> Sequence[str]:
    return [gold for gold in golds if normalised(gold)] or [""]


def _f1(said: list[str], gold: list[str]) -> float:
    if not said or not gold:
        return float(said == gold)
    shared = sum((Counter(said) & Counter(gold)).values())
    return 2 * shared / (len(said) + len(gold))


def _unmarked(text: str) -> str:
    return re.sub(r"[*_`#]", "", text).strip()


def _first_sentence(text: str) -> str:
    return _SENTENCE_END.split(text, maxsplit=1)[0]


def _named(stated: str) -> str | None:
    quoted = _QUOTED.search(_first_sentence(stated))
    return (quoted[1].strip() if quoted else _bare(_first_sentence(stated))) or None


def _bare(text: str) -> str:
    return text.strip().strip(string.punctuation + "\u201c\u201d").strip()


def _mentions(text: str, entities: Sequence[str]) -> list[str]:
    """Give the names in a text in its order; a longer name covers those inside it."""
    # Names that begin or end with a mark have no word boundary there.
    names = sorted({name.strip() for name in entities}, key=len, reverse=True)
    each = "|".join(re.escape(name) for name in names)
    found = re.finditer(rf"(?<!\w)(?:{each})(?!\w)", text, re.IGNORECASE) if names else ()
    return [match[0] for match in found]
