"""The route by which files of a trial are fetched, whole or in parts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Response
from fastapi.responses import JSONResponse, StreamingResponse

from joulebench.testbed.service_answers import FILE, RANGE_HEADERS, errors, header
from joulebench.testbed.service_bodies import ErrorBody
from joulebench.testbed.service_files import MEDIA, byte_range, digest_header, opened, pieces, place
from joulebench.testbed.service_parts import Id, NotFound, Parts

Name = Annotated[Literal["traces.parquet", "responses.jsonl", "log.txt"], Path()]


def add_files(router: APIRouter, parts: Parts) -> None:
    """Add the route of files."""

    @router.get(
        "/v1/runs/{id}/files/{name}",
        response_class=Response,
        responses=errors(404, 422)
        | {
            200: {"description": "The file.", "content": FILE, "headers": RANGE_HEADERS},
            206: {
                "description": "A part of it.",
                "content": FILE,
                "headers": RANGE_HEADERS | {"Content-Range": header("Which part.")},
            },
            416: {
                "model": ErrorBody,
                "description": "No byte of it lies in the range.",
                "headers": {"Content-Range": header("Its size.")},
            },
        },
        tags=["runs"],
    )
    def run_file(
        id: Id,  # noqa: A002
        name: Name,
        range: Annotated[str, Header(description="bytes=FIRST-LAST")] = "",  # noqa: A002
        if_range: Annotated[str, Header(description="An ETag: else the whole is sent.")] = "",
    ) -> Response:
        """Give a file of a trial that has ended, or a part of it."""
        trial = parts.find(id)
        known = next((file for file in trial.files if file["name"] == name), None)
        fd = None
        if known is not None:
            fd = opened(place(trial.folder, trial.run_id, name), known["bytes"])
        if known is None or fd is None:
            raise NotFound(f"run {trial.run_id}: it has no {name}; its state lists its files")
        return _sent(fd, known, range, if_range)


def _sent(fd: int, known: Mapping[str, Any], wanted: str, if_range: str) -> Response:
    etag, size = f'"{known["sha256"]}"', int(known["bytes"])
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        "Repr-Digest": digest_header(known["sha256"]),
        "X-Content-Type-Options": "nosniff",
        "Content-Disposition": f'attachment; filename="{known["name"]}"',
    }
    part = None
    if wanted and if_range.strip() in ("", etag):
        try:
            part = byte_range(wanted, size)
        except ValueError:
            error = {"error": f"header Range: the file has {size} bytes; ask for some of them"}
            os.close(fd)
            return JSONResponse(error, 416, {"Content-Range": f"bytes */{size}"})
    start, stop = part or (0, size)
    headers["Content-Length"] = str(stop - start)
    if part is not None:
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
    return StreamingResponse(
        pieces(fd, start, stop),
        status_code=200 if part is None else 206,
        headers=headers,
        media_type=MEDIA[known["name"]],
    )
