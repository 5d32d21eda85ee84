"""SuperGLUE's BoolQ, CB, COPA, RTE, WiC and WSC as prompts, graded by rules."""

from __future__ import annotations

import random

from joulebench.errors import UsageError, unknown
from joulebench.tasks.forms import EXPLAIN, FORMS, VARIANTS
from joulebench.tasks.items import DEMO, read_items
from joulebench.work import Request


class SuperGlueTask:
    """One of the six tasks; reads and checks its items when it is made.

    Args:
        name: ``boolq``, ``cb``, ``copa``, ``rte``, ``wic`` or ``wsc``, in any case.
        data: ``demo``, ``hub``, a folder or a JSONL file.
        items: How many items, from the first on; all of them if not given.
        prompt: ``explain`` (free text) or ``short`` (one word).
        seed: If given, items are drawn in this seed's order instead of the file's.

    Raises:
        UsageError: An unknown name or variant, bad data, or fewer items than asked for.
        Unavailable: ``hub`` without its package or a network.
    """

    def __init__(
        self,
        name: str,
        *,
        data: str = DEMO,
        items: int | None = None,
        prompt: str = EXPLAIN,
        seed: int | None = None,
    ) -> None:
        if name.casefold() not in FORMS:
            raise unknown("task", name, FORMS)
        if prompt not in VARIANTS:
            raise unknown("tasks: prompt", prompt, VARIANTS)
        self.form = FORMS[name.casefold()]
        self.name = self.form.name
        self.prompt = prompt
        self._requests = self._draw(str(data), items, seed)

    def requests(self) -> list[Request]:
        """Give the prompts; a request's number is its item's place in the data, from 0."""
        return list(self._requests)

    def grade(self, request: Request, text: str) -> bool | None:
        """Say by rules whether an answer is right; ``None`` if the rules cannot tell."""
        return self.form.grade(request.item, text, self.prompt)

    def _draw(self, data: str, items: int | None, seed: int | None) -> list[Request]:
        found = list(enumerate(read_items(self.form, data)))
        wanted = _wanted(items, len(found), f"tasks: {self.form.title} in {data!r}")
        if seed is not None:
            random.Random(seed).shuffle(found)  # noqa: S311 (no secret)
        return [
            Request(f"{self.name}-{number:04d}", self.form.full_prompt(item, self.prompt), item)
            for number, item in found[:wanted]
        ]


def _wanted(items: int | None, available: int, where: str) -> int:
    if items is None:
        return available
    if isinstance(items, bool) or not isinstance(items, int) or items < 1:
        raise UsageError(f"tasks: items = {items!r} must be a whole number from 1")
    if items > available:
        raise UsageError(
            f"{where} has {available} items but {items} are asked for; set items: {available} or "
            "point data: to more"
        )
    return items
