"""The web application of a testbed's service."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from joulebench import __version__
from joulebench.errors import UsageError
from joulebench.testbed.service_callback import call_back
from joulebench.testbed.service_device import Device
from joulebench.testbed.service_guard import Guard
from joulebench.testbed.service_parts import NotFound, Parts
from joulebench.testbed.service_queue import ServedQueue
from joulebench.testbed.service_refusals import Busy, Conflict, NoRoom
from joulebench.testbed.service_routes import add_health, routes
from joulebench.testbed.service_settings import RETRY_S, ServiceSettings
from joulebench.testbed.service_store import Store

_LOG = logging.getLogger("joulebench.testbed.service")

_MOST_SHOWN = 3

_ABOUT = """Runs trials on this machine, one at a time, and keeps what they gave.

A trial is asked for with `POST /v1/runs` and followed with `GET /v1/runs/{id}`; nobody asking for
longer than its lease stops it."""


class Service:
    """A testbed that is served: its parts and its web application.

    Args:
        settings: Of it.

    Raises:
        UsageError: Its folder cannot be written, or another service has it.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        store = Store(settings.state)
        device = Device(settings.state, settings.called)
        queue = ServedQueue(store, device, call_back, settings.keep_days)
        self._closing = threading.Lock()
        self.parts = Parts(settings, store, device, queue)
        self.app = Guard(_application(self.parts, self), settings)
        self.parts.answered = self.app.answered

    def start(self) -> None:
        """Take up what is on disk and begin to work."""
        self.parts.queue.start()

    def close(self) -> None:
        """Stop the trial under way, write that down, and let the folder go."""
        with self._closing:  # a second one waits for the first
            self.parts.queue.close()
            self.parts.store.close()

    def part(self) -> None:
        """Take no more trials, and let all who wait for news go."""
        self.parts.queue.refuse_more()


def _application(parts: Parts, service: Service) -> FastAPI:
    @asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(service.start)
        yield
        await run_in_threadpool(service.close)

    app = FastAPI(
        title="Joulebench testbed",
        description=_ABOUT,
        version=__version__,
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=life,
        redirect_slashes=False,
    )
    app.include_router(routes(parts))
    health = APIRouter()
    add_health(health)
    app.include_router(health)
    _add_errors(app)
    return app


def _add_errors(app: FastAPI) -> None:
    async def http_error(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        headers = dict(error.headers or {})
        if error.status_code == 405:
            headers["Allow"] = ", ".join(_methods(app, request.url.path))
        return _error(_in_words(error), error.status_code, headers)

    async def validation_error(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        unread = any(each["type"] == "json_invalid" for each in error.errors())
        return _error(_summary(error), 400 if unread else 422)

    async def usage_error(_request: Request, error: Exception) -> JSONResponse:
        return _refused(error)

    async def own_error(_request: Request, error: Exception) -> JSONResponse:
        return _error(f"the testbed failed: {type(error).__name__}; its log says where", 500)

    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(RequestValidationError, validation_error)
    app.add_exception_handler(UsageError, usage_error)
    app.add_exception_handler(Exception, own_error)


def _methods(app: FastAPI, path: str) -> list[str]:
    """Name the methods of an address, which several routes may share."""
    for template, methods in app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\\{[^}]+\\}", "[^/]+", re.escape(template)), path):
            return sorted(method.upper() for method in methods)
    return ["GET"]


def _refused(error: Exception) -> JSONResponse:
    message = " ".join(str(error).split())
    if isinstance(error, Busy):
        body = {"error": message, "retry_after_s": RETRY_S}
        return JSONResponse(body, 409, {"Retry-After": f"{RETRY_S:.0f}"})
    if isinstance(error, NoRoom):
        return _error(message, 503, {"Retry-After": "60"})
    if isinstance(error, Conflict):
        return _error(message, 409)
    return _error(message, 404 if isinstance(error, NotFound) else 422)


def _error(message: str, status: int, headers: dict[str, str] | None = None) -> JSONResponse:
    text = message.encode("utf-8", "replace").decode()
    return JSONResponse({"error": text}, status, headers)


def _in_words(error: HTTPException) -> str:
    known = {
        400: "the body is no JSON that can be read",
        404: "there is no such address; GET /v1/openapi.json lists those there are",
        405: "this address does not know that method; GET /v1/openapi.json lists those it knows",
    }
    return known.get(error.status_code, str(error.detail))


def _summary(error: RequestValidationError) -> str:
    """Say in one line what is wrong with a request, without repeating what it held."""
    found = [_problem(each) for each in error.errors()]
    more = f" (and {len(found) - _MOST_SHOWN} more)" if len(found) > _MOST_SHOWN else ""
    return "; ".join(dict.fromkeys(found[:_MOST_SHOWN])) + more


def _problem(problem: Any) -> str:
    place = ".".join(str(part) for part in problem["loc"][:12])
    if problem["type"] == "json_invalid":
        return "body: it is no JSON that can be read"
    if problem["type"] == "extra_forbidden":
        return (
            f"{place[:200]}: this key is not known here; upgrade joulebench here, or leave it out"
        )
    return f"{place[:200]}: {problem['msg'][:300]}"
