"""A testbed reached over HTTP: trials are sent, followed and fetched, through cuts and restarts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from joulebench.errors import UsageError
from joulebench.record import Run
from joulebench.testbed.remote_events import SILENCE_S, Event, events
from joulebench.testbed.remote_files import fetch, place_of
from joulebench.testbed.remote_link import CHECK_S, LATER, Link, Outage, Refused, Stopping
from joulebench.testbed.testbed import NO_ANSWER, TestbedLost

Tell = Callable[[dict[str, Any]], None]
Plan = Mapping[str, Any]
State = dict[str, Any]

START_S = 60.0
"""A study waits no longer than this for a testbed that does not answer when it begins, s."""

_ENDED = ("done", "failed", "cancelled")
_BEGUN = ("queued", "cooling", "running", "done")
_PLANS_AT_ONCE = 200
_BUSY_S = 5.0
_STOP_S = 5.0
_PAUSE_S = 0.5
_NOT_FOUND, _CONFLICT = 404, 409
_MOST_ROUNDS = 20

_SILENT_S, _NOTED_S = 2.0, 15.0
"""People are shown, and told, that nobody answers after so long, s."""

_PHASES = {"queued": "waiting", "cooling": "cool-down"}
"""What people are told of a trial that does not run yet."""


@dataclass(frozen=True)
class RemoteSettings:
    """How a testbed is reached.

    Args:
        url: Of its service.
        token: Empty for none.
        token_env: Environment variable that the token is from, for messages.
        ca: File of a certificate authority; the system's if empty.
        name: What records call it; its own name if empty.
        lease_s: A trial that nobody asks about for so long is stopped there, s.
        patience_s: How long it may be out of reach, s.
    """

    url: str
    token: str = field(default="", repr=False)
    token_env: str = "JOULEBENCH_TOKEN"  # noqa: S105  (the name of a variable, not a secret)
    ca: str = ""
    name: str = ""
    lease_s: float = 300.0
    patience_s: float = 600.0


class RemoteTestbed:
    """Has trials run by ``joulebench testbed serve`` on another machine.

    Args:
        folder: The study's folder.
        settings: How it is reached.
        study_id: Drawn once for the study's folder: 32 hex digits.
    """

    def __init__(self, folder: Path, settings: RemoteSettings, study_id: str) -> None:
        self.folder = folder
        self.name = settings.name or settings.url.partition("//")[2].rstrip("/")
        self._settings = settings
        self._study_id = study_id
        self._link = Link(settings.url, settings.token, settings.token_env, settings.ca)
        self._hosts: set[str] = set()
        self._current = ""

    def prepare(self, plans: Sequence[Plan]) -> Mapping[str, Mapping[str, Any]]:
        """Have the testbed check plans and tell its facts.

        Raises:
            UsageError: A plan that cannot be run there.
            TestbedLost: Nobody answers.
        """
        patience_s = min(START_S, self._settings.patience_s)
        hosts: dict[str, dict[str, Any]] = {}
        for start in range(0, len(plans), _PLANS_AT_ONCE):
            some = [_sent(plan) for plan in plans[start : start + _PLANS_AT_ONCE]]
            outage = self._link.outage(patience_s)
            told = self._link.ask(
                "POST", "/v1/check", outage, body={"plans": some}, timeout_s=CHECK_S
            )
            hosts |= _host_of(told)
            self.name = self._settings.name or str(told.get("testbed") or self.name)
        self._hosts |= hosts.keys()
        return hosts

    def adopt(self, plans: Sequence[Plan]) -> Sequence[Plan]:
        """Name those of the plans that it has begun or done; failed ones are run anew."""
        told = self._link.ask(
            "GET", "/v1/runs", self._outage(), params={"study_id": self._study_id}
        )
        begun = {run["run_id"] for run in told.get("runs", []) if run["state"] in _BEGUN}
        return [plan for plan in plans if plan["run_id"] in begun]

    def run(self, plan: Plan, attempt: int, tell: Tell) -> Run:
        """Run one trial, or go on with it; its files are in the study's folder thereafter.

        Args:
            plan: Of the trial.
            attempt: From 1; the number there is higher where this one was cancelled there.
            tell: Is told of phases and watts, and of the facts of a host that is new.

        Raises:
            TestbedLost: It has been out of reach for too long.
            UsageError: It refuses the trial, or its files had another hash each time.
        """
        self._current = f"{self._study_id}~{plan['run_id']}"
        try:
            state = self._ended(plan, attempt, tell)
            return self._collected(plan, state, tell)
        finally:
            self._current = ""

    def cool_down(self, plan: Plan, tell: Tell) -> None:
        """Wait for nothing: the testbed cools down by itself before it begins the next trial."""
        del plan, tell

    def stop(self) -> None:
        """Cancel the trial under way; from another thread than that of :meth:`run`."""
        current = self._current
        self._link.stopped.set()
        if current:
            self._link.tell_once("DELETE", f"/v1/runs/{current}", _STOP_S)

    def close(self) -> None:
        """Close the connections."""
        self._link.close()

    def _outage(self, tell: Tell = lambda _message: None) -> Outage:
        """Begin to count how long nobody answers, and tell people of it."""
        patience_s = self._settings.patience_s
        noted: list[float] = []

        def told(silent_s: float) -> None:
            if silent_s >= _SILENT_S:
                tell({"event": "phase", "phase": f"{NO_ANSWER} for {silent_s:.0f} s"})
            if silent_s >= _NOTED_S and not noted:
                noted.append(silent_s)
                text = f"testbed {self._link.where}: {NO_ANSWER} for {silent_s:.0f} s"
                tell({"event": "note", "note": f"{text}; it is waited for {patience_s:g} s"})

        return self._link.outage(patience_s, told)

    def _ended(self, plan: Plan, attempt: int, tell: Tell) -> State:
        """Have a trial run to its end; gives its last state, with its record."""
        outage = self._outage(tell)
        for _ in range(_MOST_ROUNDS):
            try:
                state = self._begun(plan, attempt, tell, outage)
                if self._link.stopped.is_set():  # it was sent while the study was being stopped
                    self._link.tell_once("DELETE", f"/v1/runs/{self._current}", _STOP_S)
                    raise Stopping("the study was stopped")
                if state["state"] not in _ENDED:
                    state = self._follow(state, tell, outage)
            except Refused as refused:
                if refused.status == _NOT_FOUND:  # it has forgotten everything
                    continue
                if refused.status != _CONFLICT:
                    raise
                attempt = self._past(attempt)
                continue
            if state["state"] != "cancelled":
                return state
            attempt = max(attempt, int(state["attempt"])) + 1
        raise TestbedLost(
            f"testbed {self._link.where}: run {plan['run_id']} came to no end in {_MOST_ROUNDS} "
            "tries; see the testbed's log"
        )

    def _begun(self, plan: Plan, attempt: int, tell: Tell, outage: Outage) -> State:
        """Ask for a trial, as long as others are before it."""
        body = {
            "study_id": self._study_id,
            "attempt": attempt,
            "plan": _sent(plan),
            "lease_s": self._settings.lease_s,
            "callback_url": None,
        }
        while True:
            try:
                return self._link.ask("POST", "/v1/runs", outage, body=body, timeout_s=CHECK_S)
            except Refused as refused:
                if refused.status != _CONFLICT or refused.retry_after_s is None:
                    raise
                tell({"event": "phase", "phase": "waiting"})
                if self._link.stopped.wait(refused.retry_after_s or _BUSY_S):
                    raise Stopping("the study was stopped") from refused

    def _past(self, attempt: int) -> int:
        """Give the number after that of an attempt which was asked for otherwise, and end that."""
        path = f"/v1/runs/{self._current}"
        state = self._link.ask("DELETE", path, self._outage())
        while state["state"] not in _ENDED:
            params = {"wait_s": "5"}
            state = self._link.ask("GET", path, self._outage(), params=params)
        return max(attempt, int(state["attempt"])) + 1

    def _follow(self, state: State, tell: Tell, outage: Outage) -> State:
        """Tell how a trial goes on until it has ended."""
        path, last_id = f"/v1/runs/{self._current}", ""
        self._tell_state(state, tell)
        while state["state"] not in _ENDED:
            begun_s = time.monotonic()
            last_id = self._listen(f"{path}/events", last_id, tell)
            state = self._link.ask("GET", path, outage)
            if state["state"] in _ENDED:
                break
            self._tell_state(state, tell)
            if time.monotonic() - begun_s < _PAUSE_S and self._link.stopped.wait(_PAUSE_S):
                raise Stopping("the study was stopped")
        return state

    def _listen(self, path: str, last_id: str, tell: Tell) -> str:
        """Pass on events until the stream ends or is cut; gives the id of the last."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        try:
            with self._link.stream(path, headers, SILENCE_S) as answer:
                for event in events(answer.iter_lines()):
                    last_id = event.id or last_id
                    if event.kind == "state" and event.data.get("state") in _ENDED:
                        break
                    self._pass_on(event, tell)
        except (httpx.TransportError, httpx.DecodingError):
            pass
        except Refused as refused:
            if refused.status not in LATER:
                raise
        return last_id

    def _pass_on(self, event: Event, tell: Tell) -> None:
        if event.kind == "state":
            self._tell_state(event.data, tell)
        elif event.kind in ("phase", "watts"):
            tell({**event.data, "event": event.kind})

    @staticmethod
    def _tell_state(state: Mapping[str, Any], tell: Tell) -> None:
        phase = _PHASES.get(str(state.get("state"))) or str(state.get("phase") or "starts")
        tell({"event": "phase", "phase": phase})

    def _collected(self, plan: Plan, state: State, tell: Tell) -> Run:
        """Fetch a trial's files, then give its record: none speaks of a file that is not there."""
        run = self._record(plan, state)
        tell({"event": "phase", "phase": "fetch"})
        outage = self._outage(tell)
        for told in state["files"]:
            target = place_of(self.folder, plan["run_id"], str(told["name"]))
            path = f"/v1/runs/{self._current}/files/{told['name']}"
            fetch(self._link, path, told, target, outage)
        if run.host not in self._hosts:
            hosts = _host_of(self._link.ask("GET", "/v1/host", outage))
            for host, facts in hosts.items():
                tell({"event": "host", "id": host, "facts": facts})
            self._hosts |= {run.host, *hosts}
        return run

    def _record(self, plan: Plan, state: State) -> Run:
        """Read a trial's record.

        Raises:
            UsageError: It is that of another trial.
        """
        record = state.get("run")
        run = Run.from_dict(record) if isinstance(record, Mapping) else None
        if run is None or (run.run_id, run.study, run.trial) != (
            plan["run_id"],
            plan["study"],
            plan["trial"],
        ):
            raise UsageError(
                f"testbed {self._link.where}: gave no record of run {plan['run_id']}, or that of "
                "another trial; is it of this version of joulebench?"
            )
        if state["state"] == "failed" and run.status == "done":  # its files could not be kept
            run.status, run.error = "failed", str(state.get("error") or "its files were lost")
        run.testbed = self.name
        return run


def _sent(plan: Plan) -> dict[str, Any]:
    """Give a plan without what is the orchestrator's alone and may change between attempts."""
    protocol = {key: value for key, value in plan["protocol"].items() if key != "attempts"}
    return {**plan, "protocol": protocol}


def _host_of(told: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    host, facts = told.get("host"), told.get("facts")
    if not (isinstance(host, str) and isinstance(facts, dict)):
        return {}
    return {host: {**facts, "sensors": told.get("sensors", [])}}
