"""A user's own prompts, without grading."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.tasks.jsonl import read_objects
from joulebench.work import Request


class PromptsTask:
    """Prompts from a JSONL file with ``{"prompt": "..."}`` on each line.

    Args:
        prompts: The file.
        name: What the task is called in results.
        items: How many, from the first on; all of them if not given.

    Raises:
        UsageError: The file is missing, empty or malformed, or has fewer prompts than asked for.
    """

    def __init__(self, prompts: str, *, name: str = "prompts", items: int | None = None) -> None:
        self.name = name
        file = Path(prompts).expanduser()
        found = [_request(name, n, *row) for n, row in enumerate(read_objects(file))]
        if not found:
            raise UsageError(f'{file}: no prompts; give one {{"prompt": "..."}} a line')
        if items is not None and not 1 <= items <= len(found):
            raise UsageError(
                f"{file} has {len(found)} prompts, so items = {items} must lie from 1 to that"
            )
        self._requests = found[:items]

    def requests(self) -> list[Request]:
        """Give the prompts in the file's order."""
        return list(self._requests)

    def grade(self, request: Request, text: str) -> bool | None:
        """Give ``None``: bare prompts have no right answer."""
        del request, text
        return None


def _request(name: str, number: int, where: str, item: dict[str, Any]) -> Request:
    prompt = item.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        raise UsageError(f"{where}: field 'prompt' is missing or is no text")
    return Request(f"{name}-{number:04d}", prompt, item)
