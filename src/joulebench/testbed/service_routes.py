"""The routes of a testbed's service."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response, Security
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from fastapi.security import HTTPBearer

from joulebench import __version__
from joulebench.testbed.disk import DISK_FULL
from joulebench.testbed.service_answers import BUSY, EVENT, errors
from joulebench.testbed.service_bodies import (
    CheckRequest,
    ErrorBody,
    Health,
    HostNow,
    HostState,
    RunList,
    RunRequest,
    RunState,
    RunStateWithRecord,
    SentPlan,
    StudyId,
)
from joulebench.testbed.service_device import build
from joulebench.testbed.service_download import add_files
from joulebench.testbed.service_events import events, wait_for_change
from joulebench.testbed.service_metrics import metrics
from joulebench.testbed.service_parts import Id, Parts
from joulebench.testbed.service_plan import check_callback, refuse_forbidden
from joulebench.testbed.service_settings import LONGEST_POLL_S
from joulebench.testbed.service_trial import ENDED, ServedTrial, digest_of


def routes(parts: Parts) -> APIRouter:
    """Give the routes of a service.

    Args:
        parts: What they are about.
    """
    bearer = HTTPBearer(auto_error=False, description="What is in the testbed's --token-file.")
    router = APIRouter(dependencies=[] if parts.settings.open else [Security(bearer)])
    _add_checks(router, parts)
    _add_runs(router, parts)
    _add_one_run(router, parts)
    add_files(router, parts)
    return router


def _add_checks(router: APIRouter, parts: Parts) -> None:
    @router.post("/v1/check", responses=errors(422), tags=["testbed"])
    def check(body: CheckRequest) -> HostState:
        """Say whether plans can be run here: builds their workloads, finds their meters."""
        plans = [as_plan(plan) for plan in body.plans]
        for plan in plans:
            refuse_forbidden(plan, parts.settings)
        return HostState(**parts.host(parts.device.check(plans)))

    @router.get("/v1/host", responses=errors(), tags=["testbed"])
    def host() -> HostNow:
        """Give the facts of the machine, its sensors, and whether it is busy."""
        found = parts.host(parts.sensors())
        return HostNow(**found, version=__version__, busy=parts.queue.busy)

    @router.get(
        "/metrics",
        response_class=Response,  # its errors are JSON
        responses=errors()
        | {
            200: {
                "description": "Prometheus' text form.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        },
        tags=["testbed"],
    )
    def prometheus() -> PlainTextResponse:
        """Give figures for Prometheus."""
        text = metrics(parts.queue, parts.device.name, parts.answered)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_runs(router: APIRouter, parts: Parts) -> None:
    @router.post(
        "/v1/runs",
        status_code=201,
        response_model=RunStateWithRecord,
        responses=errors(422)
        | BUSY
        | {200: {"model": RunStateWithRecord, "description": "This attempt is known already."}},
        tags=["runs"],
    )
    def ask_for_run(body: RunRequest) -> JSONResponse:
        """Ask for a trial; asking again for the same attempt gives its state and nothing else."""
        asked = _as_trial(body, parts)
        known = parts.queue.known(asked)
        if known is not None:
            return JSONResponse(_whole(known, parts))
        assert asked.plan is not None
        refuse_forbidden(asked.plan, parts.settings)
        if asked.callback_url:
            check_callback(asked.callback_url, parts.settings)
        build(asked.plan)
        parts.check_meters(asked.plan["meters"])
        trial, new = parts.queue.add(asked)
        return JSONResponse(_whole(trial, parts), status_code=201 if new else 200)

    @router.get("/v1/runs", responses=errors(422), tags=["runs"])
    def list_runs(
        study_id: Annotated[StudyId | None, Query(description="Of one study alone.")] = None,
    ) -> RunList:
        """List the trials that it knows, without their records."""
        found = [trial.public() for trial in parts.queue.all(study_id)]
        return RunList.model_construct(runs=[RunState.model_validate(each) for each in found])


def _add_one_run(router: APIRouter, parts: Parts) -> None:
    @router.get(
        "/v1/runs/{id}",
        response_model=RunStateWithRecord,
        responses=errors(404, 422),
        tags=["runs"],
    )
    async def run_state(
        request: Request,
        id: Id,  # noqa: A002
        wait_s: Annotated[
            float,
            Query(ge=0.0, le=LONGEST_POLL_S, description="Wait so long for a change, s."),
        ] = 0.0,
        seen: Annotated[
            Literal["", "queued", "cooling", "running", "done", "failed", "cancelled"],
            Query(description="The state that you know: there is no wait where it is another."),
        ] = "",
    ) -> JSONResponse:
        """Give the state of a trial, its record once it has ended; renews its lease."""
        trial = parts.find(id)
        trial.renew()
        if wait_s:
            await wait_for_change(trial, wait_s, seen, request.is_disconnected, parts.closing)
        trial.renew()
        return JSONResponse(await parts.in_thread(lambda: _whole(trial, parts)))

    @router.delete(
        "/v1/runs/{id}",
        status_code=202,
        response_model=RunStateWithRecord,
        responses=errors(404, 422)
        | {200: {"model": RunStateWithRecord, "description": "It had ended already."}},
        tags=["runs"],
    )
    def cancel_run(id: Id) -> JSONResponse:  # noqa: A002
        """Cancel a trial that waits or runs; it stays known, as cancelled."""
        trial = parts.find(id)
        had_ended = trial.ended
        parts.queue.cancel(trial)
        return JSONResponse(_whole(trial, parts), status_code=200 if had_ended else 202)

    @router.get(
        "/v1/runs/{id}/events",
        response_class=Response,
        responses=errors(404, 422)
        | {
            200: {
                "description": "Events state, phase and watts, until the trial has ended.",
                "content": {"text/event-stream": {"schema": EVENT}},
            }
        },
        tags=["runs"],
    )
    async def run_events(
        request: Request,
        id: Id,  # noqa: A002
        last_event_id: Annotated[
            str, Header(description="Go on after this event.", max_length=200)
        ] = "",
    ) -> StreamingResponse:
        """Follow a trial as server-sent events; an open stream renews its lease."""
        trial = parts.find(id)
        trial.renew()
        stream = events(trial, last_event_id, request.is_disconnected, parts.closing)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)


def add_health(router: APIRouter) -> None:
    """Add the route that needs no token."""

    @router.get("/healthz", tags=["testbed"], responses={400: {"model": ErrorBody}})
    def healthz() -> Health:
        """Say that the service answers."""
        return Health(status="ok")


def as_plan(body: SentPlan) -> dict[str, Any]:
    """Give a plan as it was sent, its protocol with what was left out."""
    return body.model_dump(exclude_unset=True) | {"protocol": body.protocol.model_dump()}


def _as_trial(body: RunRequest, parts: Parts) -> ServedTrial:
    plan = as_plan(body.plan)
    run_id = plan["run_id"]
    return ServedTrial(
        study_id=body.study_id,
        run_id=run_id,
        attempt=body.attempt,
        folder=parts.store.place(body.study_id, run_id, body.attempt),
        digest=digest_of(plan),
        study=plan["study"],
        trial=plan["trial"],
        plan=plan,
        lease_s=body.lease_s,
        callback_url=body.callback_url or "",
    )


def _whole(trial: ServedTrial, parts: Parts) -> dict[str, Any]:
    """Give the state of a trial with its record, if it has ended and has one."""
    state = trial.public()
    if state["state"] not in ENDED or state["state"] == "cancelled":
        return state | {"run": None}
    record = parts.store.record(trial)
    if record is None:  # the disk was full
        run = parts.device.failed(trial, state["error"] or "its record was lost")
        run.facts[DISK_FULL] = True
        record = run.to_dict()
    return state | {"run": record}
