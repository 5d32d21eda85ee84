"""Keeps passwords and tokens out of what is written and told; what was measured stays as it is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

HIDDEN = "[hidden]"
"""Stands where a secret was."""

_KEY = re.compile(
    r"(?:^|[._-])(?:(?<!bos_)(?<!eos_)(?<!pad_)(?<!unk_)(?<!sep_)(?<!cls_)(?<!mask_)token|"
    r"api_?key|password|passwd|passphrase|secret|authorization|credentials?|private_?key|"
    r"access_?key|secret_?key|bearer|cookie)$",
    re.IGNORECASE,
)
"""Keys that mean a secret; the special tokens of a model are none."""

_IN_ADDRESS = re.compile(r"(?<=://)([^\s/:@]*):([^\s/@]+)@")
_SHORTEST = 6  # what is shorter stands in too many words by chance
_NAMES = ("format", "run_id", "study", "trial", "status", "host", "testbed")


def is_secret(key: str) -> bool:
    """Say whether what stands under a key is a secret: token, api_key, password, ..."""
    return _KEY.search(key.replace("-", "_")) is not None


def redacted(value: Any, key: str = "") -> Any:
    """Give a JSON-ready value with what stands under secret keys, and in addresses, hidden.

    Args:
        value: As it is.
        key: Under which it stands.
    """
    if isinstance(value, Mapping):
        return {name: redacted(inner, _inherited(key, str(name))) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redacted(inner, key) for inner in value]
    if is_secret(key) and _can_be_secret(value, key):
        return HIDDEN
    return _IN_ADDRESS.sub(rf"\1:{HIDDEN}@", value) if isinstance(value, str) else value


def _inherited(key: str, name: str) -> str:
    """Give the key that counts: all below a secret one is secret."""
    return key if is_secret(key) else name


def _can_be_secret(value: Any, key: str) -> bool:
    if isinstance(value, str):
        return value != ""
    # Numbers under ..._token count or weigh what a model reads and writes.
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and not key.casefold().endswith("token")


class Secrets:
    """What is secret in a plan, so that it can be hidden wherever a trial repeats it.

    Args:
        plan: Of a trial.
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        found = {text for text in _found(plan) if len(text) >= _SHORTEST}
        self.values = sorted(found, key=len, reverse=True)

    def hide(self, text: str) -> str:
        """Give a text without them."""
        for value in self.values:
            text = text.replace(value, HIDDEN)
        return _IN_ADDRESS.sub(rf"\1:{HIDDEN}@", text)

    def hide_in(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Give a record without them; its numbers and names stay."""
        hidden: dict[str, Any] = self._hidden(record)
        return hidden | {name: record[name] for name in _NAMES if name in record}

    def _hidden(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: self._hidden(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self._hidden(inner) for inner in value]
        return self.hide(value) if isinstance(value, str) else value


def _found(value: Any, key: str = "") -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _found(inner, _inherited(key, str(name)))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _found(inner, key)
    elif is_secret(key) and _can_be_secret(value, key):
        yield str(value)
    elif isinstance(value, str):
        yield from (match[2] for match in _IN_ADDRESS.finditer(value))
