"""What the options of the openai engine may be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from joulebench.engines.openai_address import endpoint_root, is_here
from joulebench.engines.server_process import Serve
from joulebench.errors import UsageError

OWN_URL = "http://127.0.0.1:{port}"
"""Address of a server that is started, where the study gives none."""


def checked_url(url: str, serve: Serve | None) -> str:
    """Give the server's address, with ``{port}`` where it is started with a free one.

    Raises:
        UsageError: There is none, or it is no address.
    """
    if not url and serve is None:
        raise UsageError(
            "engine 'openai': give the server's address with url, for example "
            "http://localhost:8000, or have one started with serve"
        )
    if serve is None and "{port}" in url:
        raise UsageError("engine 'openai': {port} in url means a server that 'serve' starts")
    if serve is not None and not is_here(endpoint_root((url or OWN_URL).replace("{port}", "1"))):
        raise UsageError(f"engine 'openai': url {url!r}: what 'serve' starts runs on this machine")
    endpoint_root((url or OWN_URL).replace("{port}", "1"))
    return url or OWN_URL


def checked_fields(extra: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Give the extra fields of a request.

    Raises:
        UsageError: They cannot be sent, or would undo an option.
    """
    if extra is None:
        return {}
    if not isinstance(extra, Mapping):
        raise UsageError(f"engine 'openai': extra = {extra!r} must be fields with their values")
    try:
        json.dumps(dict(extra), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"engine 'openai': extra cannot be sent as JSON: {error}") from error
    for field in ("stream", "model", "messages", "prompt"):
        if field in extra:
            raise UsageError(
                f"engine 'openai': extra.{field} would undo an option; set that instead"
            )
    if extra.get("n") not in (None, 1):
        raise UsageError("engine 'openai': extra.n: one answer is measured for each request")
    return dict(extra)


def checked_seconds(value: object) -> float:
    """Give a time limit, s.

    Raises:
        UsageError: It is none.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 < float(str(value)) < 1e6):
        raise UsageError(f"engine 'openai': timeout_s = {value!r} must be seconds above 0")
    return float(str(value))


def checked_number(name: str, value: object, least: int, most: int) -> int:
    """Give a whole number between two.

    Raises:
        UsageError: It is none, or lies outside.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise UsageError(
            f"engine 'openai': {name} = {value!r} must be a whole number from {least} to {most}"
        )
    return value
