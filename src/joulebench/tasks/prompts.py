"""A user's own prompts, graded where the file says what is right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.tasks.answers import one_of, plain
from joulebench.tasks.draw import drawn
from joulebench.tasks.form import Choices
from joulebench.tasks.jsonl import read_objects
from joulebench.work import Encoding, Request


class PromptsTask:
    """Prompts from a JSONL file with ``{"prompt": "..."}`` on each line.

    A line may carry the right answer as ``label``, and as ``choices`` the labels to choose from.

    Args:
        prompts: The file.
        name: What the task is called in results.
        items: How many, from the first on; all of them if not given.
        seed: If given, prompts are drawn in this seed's order instead of the file's.
        encoded: Whether they are put to an encoder: each is a text, its choices the labels.

    Raises:
        UsageError: The file is missing, empty or malformed, or has fewer prompts than asked for.
    """

    def __init__(
        self,
        prompts: str,
        *,
        name: str = "prompts",
        items: int | None = None,
        seed: int | None = None,
        encoded: bool = False,
    ) -> None:
        self.name = name
        file = Path(prompts).expanduser()
        found = [_request(name, n, *row) for n, row in enumerate(read_objects(file))]
        if not found:
            raise UsageError(f'{file}: no prompts; give one {{"prompt": "..."}} a line')
        self._requests = drawn(found, items, seed, str(file))
        if encoded:
            self._requests = [_encoded(request) for request in self._requests]

    def requests(self) -> list[Request]:
        """Give the prompts in the file's order, or in that of the seed."""
        return list(self._requests)

    def grade(self, request: Request, text: str) -> bool | None:
        """Compare an answer with the prompt's label, if it has one.

        With choices the answer is the only one of them that it names. Without, it is the whole
        text, without mark-up, the marks around it and regard to case. ``None`` if there is no
        label, no answer, or not one choice.
        """
        label = request.item.get("label")
        if label is None or not text.strip():
            return None
        choices = request.item.get("choices")
        if choices is None:
            return _bare(text) == _bare(str(label))
        said = one_of(text, [str(choice) for choice in choices])
        return None if said is None else _bare(said) == _bare(str(label))

    def choices(self, request: Request) -> Choices | None:
        """Give the answers that a prompt allows, and the right one; ``None`` without a label."""
        label, choices = request.item.get("label"), request.item.get("choices") or []
        return None if label is None else Choices(tuple(map(str, choices)), (str(label),))


def _bare(text: str) -> str:
    return plain(text).strip(".,;:!?'()[] \n")


def _request(name: str, number: int, where: str, item: dict[str, Any]) -> Request:
    prompt = item.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise UsageError(f"{where}: field 'prompt' is missing or is no text")
    _check_label(where, item)
    return Request(f"{name}-{number:04d}", prompt, item)


def _encoded(request: Request) -> Request:
    """Give a prompt as a text for an encoder.

    Raises:
        UsageError: It has no choices.
    """
    choices = tuple(str(choice) for choice in request.item.get("choices") or ())
    if not choices:
        raise UsageError(
            f"tasks: {request.request_id} has no choices, which an encoder needs for labels; "
            'write "choices": [...] on each line of the file'
        )
    return replace(request, encoding=Encoding((request.prompt,), choices))


def _check_label(where: str, item: dict[str, Any]) -> None:
    """Refuse a label that is no text or number, or none of the choices."""
    label, choices = item.get("label"), item.get("choices")
    if label is not None and not _is_label(label):
        raise UsageError(f"{where}: label {label!r} must be text or a whole number")
    if choices is None:
        return
    if not (isinstance(choices, list) and len(choices) > 1 and all(map(_is_label, choices))):
        raise UsageError(f"{where}: choices {choices!r} must be a list of two labels or more")
    if len({_bare(str(choice)) for choice in choices}) < len(choices):
        raise UsageError(f"{where}: choices {choices!r} holds one of them twice")
    if label is not None and label not in choices:
        allowed = ", ".join(map(str, choices))
        raise UsageError(f"{where}: label {label!r} is not one of the choices: {allowed}")


def _is_label(value: object) -> bool:
    if isinstance(value, str):
        return bool(_bare(value))
    return isinstance(value, int) and not isinstance(value, bool)
