"""The form of a data set: its fields, labels, prompts and how an answer is graded."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Item = Mapping[str, Any]
Rows = Iterator[tuple[str, dict[str, Any]]]
EXPLAIN, SHORT = "explain", "short"
VARIANTS = (EXPLAIN, SHORT)
ENCODED = "encoded"
"""The variant of tasks that are put to an encoder: no prompt, and answers that stand bare."""


@dataclass(frozen=True, slots=True)
class Graded:
    """An answer with its grade.

    Args:
        item: What was asked.
        text: What was answered.
        variant: The prompt's, ``explain`` or ``short``.
        right: Whether the answer is right; ``None`` if it could not be graded.
    """

    item: Item
    text: str
    variant: str
    right: bool | None


@dataclass(frozen=True, slots=True)
class Choices:
    """The answers that an item allows.

    Args:
        texts: Each as it would be said; empty where any text may be an answer.
        right: Those that are right.
    """

    texts: tuple[str, ...]
    right: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """One data set's form.

    Args:
        name: Our name, lower case.
        title: The data set's own spelling, which its files carry.
        texts: Fields that must be there and be text; a dot reaches into an object.
        labels: The values that ``label`` may take, of exactly these types; empty if there is none.
        prompt: Makes the prompt of an item, without its last line.
        short: The last line of the short variant.
        grade: Says whether an answer to an item is right, given the prompt's variant.
        flat: Makes items of a line that holds several, in the data set's own form.
        check: Refuses an item for what is special to its data set, given its place.
        unit: Tells which rows make one item; each row is one where it is not given.
        metrics: Gives what the benchmark measures besides accuracy.
        words: How each of the labels is said as an answer, in their order.
        explain_words: The same where the ``explain`` prompt asks for other words.
        options: Gives the answers to choose from and which are right, where no label says it.
    """

    name: str
    title: str
    texts: tuple[str, ...]
    labels: tuple[bool | int | str, ...]
    prompt: Callable[[Item], str]
    short: str
    grade: Callable[[Item, str, str], bool | None]
    flat: Callable[[str, dict[str, Any]], Rows] | None = None
    check: Callable[[str, Item], None] | None = None
    unit: Callable[[Item], Hashable] | None = None
    metrics: Callable[[Sequence[Graded]], dict[str, float]] | None = None
    words: tuple[str, ...] = ()
    explain_words: tuple[str, ...] = ()
    options: Callable[[Item], Choices] | None = None

    def full_prompt(self, item: Item, variant: str) -> str:
        """Give an item's whole prompt in a variant, ``explain`` or ``short``."""
        return self.prompt(item) + ("Explain your choice." if variant == EXPLAIN else self.short)

    def choices(self, item: Item, variant: str) -> Choices | None:
        """Give the answers that an item allows; ``None`` where its form does not tell."""
        if self.options is not None:
            return self.options(item)
        words = self.explain_words if variant == EXPLAIN and self.explain_words else self.words
        if not words:
            return None
        right = words[self.labels.index(item["label"])]
        return Choices(tuple(dict.fromkeys(words)), (right,))


def equal(verdict: object, label: object) -> bool | None:
    """Compare a verdict with a label; ``None`` where there is no verdict."""
    return None if verdict is None else verdict == label
