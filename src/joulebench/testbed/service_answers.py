"""The answers of a testbed's service, as its description has them."""

from __future__ import annotations

from typing import Any

from joulebench.testbed.service_bodies import BusyBody, ErrorBody
from joulebench.testbed.service_files import MEDIA


def errors(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Document the answers of a route that are no success.

    Args:
        *codes: Besides those that every route has.
    """
    what = {
        400: "No request that can be read.",
        401: "No valid token.",
        404: "No such trial or file.",
        408: "The body did not come in time.",
        409: "Not taken now, or contradicts what is known.",
        413: "The body is too long.",
        422: "Refused: says what, where and what to do.",
        503: "Not now: too many requests, no room on the disk, or the testbed is being stopped.",
    }
    always = (400, 401, 408, 413, 503)
    found: dict[int | str, dict[str, Any]] = {
        code: {"model": ErrorBody, "description": what[code]} for code in sorted({*always, *codes})
    }
    found[401] |= {"headers": {"WWW-Authenticate": header("Always Bearer.")}}
    found[503] |= {"headers": {"Retry-After": header("Ask again after so many seconds.", False)}}
    return found


def header(what: str, required: bool = True) -> dict[str, Any]:
    """Document a header."""
    return {"description": what, "schema": {"type": "string"}, "required": required}


BUSY = {
    409: {
        "model": BusyBody,
        "description": "One trial runs and one waits; or this attempt is known with another plan, "
        "or a later one is, or an earlier one has not ended.",
        "headers": {"Retry-After": header("Ask again after so many seconds.", False)},
    }
}
RANGE_HEADERS = {
    "Accept-Ranges": header("Always bytes."),
    "ETag": header("SHA-256 of the whole file."),
    "Repr-Digest": header("The same in base64."),
}
EVENT = {
    "type": "object",
    "description": "One event; data is JSON.",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string"},
        "event": {"enum": ["state", "phase", "watts"]},
        "data": {"type": "string"},
    },
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
FILE = dict.fromkeys(MEDIA.values(), _BINARY)
