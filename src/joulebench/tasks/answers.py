"""Reads a verdict out of a free-text answer by rules; ``None`` where the rules cannot tell.

The rules look for a stated verdict first (an opening "Yes," or "the answer is no"), then for the
words of the task ("does not follow"). A text whose statements contradict each other is not graded.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence

_STATED = re.compile(
    r"\b(?:(?:answer|verdict|conclusion)(?:[^.:]{0,120}? is|:)(?: that)?"
    r"|i would (?:say|answer|choose)(?: that)?)"
    r"\W{0,6}(yes|no|true|false)\b"
)
_OPENING = re.compile(
    r"^\W*(?:(?:sure|well|okay|answer|(?:based on|according to) [^,.]{1,60})\W+)?"
    r"(yes|true|false|no(?=\W*$|\s*[,.;:!\n]|\s+(?:it|the|this|that|there|they|he|she|you|i)\b))\b"
)
_NOT = r"(?:\bnot|n't|\bcannot|\bnever)\s+(?:[\w-]+\s+){0,4}?"
_FOLLOWS = re.compile(
    rf"{_NOT}(entail|follow|impl|support)|\b(contradict)"
    r"|\b(entails|follows|(?:does|do|is) (?!not\b|never\b)(?:\w+ )?(?:entail|follow|support|impl))"
)
_SAME = re.compile(
    rf"{_NOT}(same meaning|same sense|same thing|the same)|\b(different (?:meaning|sense)s?)"
    r"|\b(same meaning|same sense)"
)
_REFERS = re.compile(r"\b(?:refers?|referring) (?:back )?to\s+([^.;:\n]+)")
_NOT_REFERS = re.compile(rf"{_NOT}refer(?:s|ring)?\b")
_CORRECT = re.compile(
    rf"{_NOT}(correct|accurate|true|supported)|\b(incorrect|inaccurate|wrong|false)\b"
    r"|\b(correct|accurate|true)\b"
)
_SAME_QUESTION = re.compile(
    rf"{_NOT}(same|duplicate|equivalent|paraphrase)|\b(different (?:thing|question|meaning)s?)"
    r"|\b(same (?:thing|question|meaning)|duplicates?\b|equivalent|paraphrases?\b)"
)
_FEELINGS = re.compile(
    r"^\W*(positive|negative)\b|\b(?:review|sentiment|sentence|answer|tone|it)\b[^.:\n]{0,60}?"
    r"(?: is|:)(?: (?!not\b)[\w-]+){0,3}?\W{1,6}(positive|negative)\b"
)
_FEELING = re.compile(r"\b(positive|negative)\b")
_NOT_FEELING = re.compile(rf"{_NOT}(?:positive|negative)\b")
_LABELS = re.compile(r"\b(entailment|contradiction|neutral)\b")
_DECIDED = re.compile(
    r"\b(?:choose|chose|select|pick|go with|(?:answer|choice|option|cause|effect)\b[^.:]{0,80}?"
    r"\b(?:is|be|be that|appears to be|seems to be)|(?:answer|choice|cause|effect)[^.:]{0,80}:)"
    r"\W{0,6}(?:(?:choice|option|answer|number)\W{0,3})?([12])\b"
)
_NUMBERED = re.compile(r"\b(?:choice|option|answer|number)\W{0,3}([12])\b|\(([12])\)")
_BARE_NUMBER = re.compile(
    r"^\W*(?:(?:choice|option|answer)\W{0,3})?([12])\b(?!\W{0,3}(?:and|or)\b)"
)


def plain(text: str) -> str:
    """Give a text in lower case, without mark-up, with straight quotes and single blanks."""
    text = text.casefold().replace("’", "'")
    text = re.sub(r"[*_`#“”\"]", "", text)
    return re.sub(r"[ \t\r\f\v]+", " ", text).strip()


def yes_no(text: str) -> bool | None:
    """Read yes (or true) or no (or false) where the answer states it."""
    said = plain(text)
    stated = [match[1] for match in _STATED.finditer(said)]
    opening = _OPENING.match(said)
    if opening is not None:
        stated.append(opening[1])
    return _agreed(word in ("yes", "true") for word in stated)


def follows(text: str) -> bool | None:
    """Read whether a hypothesis is said to follow from its premise."""
    return _stated_or_worded(text, _FOLLOWS)


def same_meaning(text: str) -> bool | None:
    """Read whether a word is said to have the same meaning twice."""
    return _stated_or_worded(text, _SAME)


def is_correct(text: str) -> bool | None:
    """Read whether a proposed answer is said to be correct."""
    return _stated_or_worded(text, _CORRECT)


def same_question(text: str) -> bool | None:
    """Read whether two questions are said to ask the same thing."""
    return _stated_or_worded(text, _SAME_QUESTION)


def positive(text: str) -> bool | None:
    """Read whether a review is said to be positive; ``None`` where a label is denied."""
    said = plain(text)
    stated = {word for match in _FEELINGS.finditer(said) for word in match.groups() if word}
    if not stated and _NOT_FEELING.search(said) is None:
        stated = set(_FEELING.findall(said))
    return stated.pop() == "positive" if len(stated) == 1 else None


def one_of(text: str, labels: Sequence[str]) -> str | None:
    """Read which of some labels was given: the whole answer, or the only one that is named.

    A label inside a longer one that is named does not count; case and mark-up make no difference.
    """
    said = plain(text)
    whole = {plain(label): label for label in labels}
    bare = said.strip(string.punctuation + " \n")
    if bare in whole:
        return whole[bare]
    each = "|".join(re.escape(label) for label in sorted(whole, key=len, reverse=True))
    named = {match[0] for match in re.finditer(rf"(?<!\w)(?:{each})(?!\w)", said)}
    return whole[named.pop()] if len(named) == 1 else None


def refers_to(text: str, span: str) -> bool | None:
    """Read whether a pronoun is said to refer to a span of its sentence."""
    verdict = yes_no(text)
    if verdict is not None:
        return verdict
    said = plain(text)
    denied = _NOT_REFERS.search(said)
    if denied is not None:
        return False if _within(span, said[denied.end() :][:80]) else None
    named = _REFERS.search(said)
    return None if named is None else _within(span, named[1])


def entailment_label(text: str) -> str | None:
    """Read one of ``entailment``, ``contradiction``, ``neutral`` where only one is named."""
    named = set(_LABELS.findall(plain(text)))
    return named.pop() if len(named) == 1 else None


def choice(text: str, choices: Sequence[str]) -> int | None:
    """Read which of two numbered choices was taken.

    Returns:
        0 for the first, 1 for the second.
    """
    said = plain(text)
    for pattern in (_BARE_NUMBER, _DECIDED, _NUMBERED):
        numbers = {
            number for match in pattern.finditer(said) for number in match.groups() if number
        }
        if numbers:
            return int(numbers.pop()) - 1 if len(numbers) == 1 else None
    quoted = [i for i, words in enumerate(choices) if plain(words).rstrip(".") in said]
    return quoted[0] if len(quoted) == 1 else None


def _stated_or_worded(text: str, pattern: re.Pattern[str]) -> bool | None:
    """Take the stated verdict, else what all sentences agree on, else the first that tells."""
    verdict = yes_no(text)
    if verdict is not None:
        return verdict
    said = plain(text)
    everywhere = _agreed(_positive(match) for match in pattern.finditer(said))
    if everywhere is not None:
        return everywhere
    for sentence in re.split(r"[.\n]", said):
        found = [_positive(match) for match in pattern.finditer(sentence)]
        if found:
            return _agreed(found)
    return None


def _positive(match: re.Match[str]) -> bool:
    """Tell a pattern's last group, the affirmative one, from those before it."""
    return match.lastindex == match.re.groups


def _agreed(verdicts: Iterable[bool]) -> bool | None:
    found = set(verdicts)
    return found.pop() if len(found) == 1 else None


def _within(span: str, words: str) -> bool:
    wanted = re.sub(r"^(?:the|a|an|my|his|her|their) ", "", plain(span))
    return re.search(rf"\b{re.escape(wanted)}(?:\b|$)", words) is not None
