"""SuperGLUE, GLUE's SST-2 and QQP, and SQuAD as prompts, graded by rules."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from joulebench.errors import unknown
from joulebench.tasks.draw import drawn
from joulebench.tasks.encoded import encoding, grade_encoded
from joulebench.tasks.form import ENCODED, EXPLAIN, VARIANTS, Choices, Form, Graded, Item
from joulebench.tasks.forms import FORMS, form_named
from joulebench.tasks.items import DEMO, read_items
from joulebench.work import Request


class SuperGlueTask:
    """One data set's task; reads and checks its items when it is made.

    Args:
        name: One of :data:`joulebench.tasks.forms.FORMS`, in any case.
        data: ``demo``, ``hub``, a folder or a JSONL file.
        items: How many items, from the first on; all of them if not given. An item of MultiRC is
            a question with all its answers, each of which is asked by itself.
        prompt: ``explain`` (free text) or ``short`` (one word).
        seed: If given, items are drawn in this seed's order instead of the file's.
        encoded: Whether items are put to an encoder: their texts instead of a prompt.

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
        encoded: bool = False,
    ) -> None:
        form = form_named(name)
        if form is None:
            raise unknown("task", name, FORMS)
        if prompt not in VARIANTS:
            raise unknown("tasks: prompt", prompt, VARIANTS)
        self.form = form
        self.name = self.form.name
        self.prompt = ENCODED if encoded else prompt
        self._requests = self._draw(str(data), items, seed)

    def requests(self) -> list[Request]:
        """Give the prompts; a request's number is its item's place in the data, from 0."""
        return list(self._requests)

    def grade(self, request: Request, text: str) -> bool | None:
        """Say by rules whether an answer is right; ``None`` if the rules cannot tell."""
        if self.prompt == ENCODED:
            return grade_encoded(self.form, request.item, text)
        return self.form.grade(request.item, text, self.prompt)

    def choices(self, request: Request) -> Choices | None:
        """Give the answers that a request allows, and the right ones."""
        return self.form.choices(request.item, self.prompt)

    def metrics(self, answers: Sequence[tuple[Request, str, bool | None]]) -> dict[str, float]:
        """Give what the benchmark measures besides accuracy; empty if that is all it measures.

        Args:
            answers: Requests of this task, what was answered, and the grade.
        """
        if self.form.metrics is None:
            return {}
        return self.form.metrics(
            [Graded(request.item, text, self.prompt, right) for request, text, right in answers]
        )

    def _draw(self, data: str, items: int | None, seed: int | None) -> list[Request]:
        units: dict[Hashable, list[Request]] = {}
        for number, item in enumerate(read_items(self.form, data)):
            unit = number if self.form.unit is None else self.form.unit(item)
            request = _request(self.form, f"{self.name}-{number:04d}", item, self.prompt)
            units.setdefault(unit, []).append(request)
        where = f"tasks: {self.form.title} in {data!r}"
        return [
            request for unit in drawn([*units.values()], items, seed, where) for request in unit
        ]


def _request(form: Form, request_id: str, item: Item, variant: str) -> Request:
    if variant != ENCODED:
        return Request(request_id, form.full_prompt(item, variant), item)
    given = encoding(form, item)
    return Request(request_id, "\n".join(given.texts), item, given)
