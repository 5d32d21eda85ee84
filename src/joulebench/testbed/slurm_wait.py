"""Waits for a Slurm job and makes a run of what it left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.record import Run
from joulebench.testbed.local_ends import failed_run, rescue_traces
from joulebench.testbed.slurm_ends import STOPPED, not_shared, why_ended
from joulebench.testbed.slurm_job import slurm_facts, testbed_name
from joulebench.testbed.slurm_place import Place
from joulebench.testbed.slurm_queue import GONE, JobState, Queue, SlurmSilent, ask
from joulebench.testbed.testbed import TestbedLost

Tell = Callable[[dict[str, Any]], None]
Plan = Mapping[str, Any]

_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 1.0
_KILL_WAIT_S = 60.0
_LATE_S = 60.0
_LOG_TAIL = 10


@dataclass(frozen=True)
class Patience:
    """How long is waited for what.

    Args:
        silent_s: For a Slurm that does not answer, s.
        settle_s: For files of a job that has ended, s: network file systems show them late.
    """

    silent_s: float = 600.0
    settle_s: float = 10.0


class JobWait:
    """The wait for one job.

    Args:
        place: Of its submission.
        study: The study's folder.
        plan: Of its trial.
        queue: Asks Slurm.
        stop: Is set when the user stops the study.
        patience: How long is waited for what.
    """

    def __init__(
        self,
        place: Place,
        study: Path,
        plan: Plan,
        queue: Queue,
        stop: threading.Event,
        patience: Patience,
    ) -> None:
        self.place = place
        self._study = study
        self._plan = plan
        self._queue = queue
        self._stop = stop
        self._patience = patience
        self._begun_s = time.monotonic()
        self._answered_s = time.monotonic()
        self._last_state = JobState(GONE)
        self._order = place.read("order") or {}
        self._log = place.folder.parent / self._order.get("log", "")
        self.job = str((place.read("job") or {}).get("job", ""))

    def end(self, tell: Tell) -> Run:
        """Wait for its end.

        Args:
            tell: Is told of phases and watts.

        Raises:
            TestbedLost: Slurm has not answered for too long.
        """
        told: dict[str, Any] = {}
        try:
            while not self._stop.is_set():
                if self._recorded():
                    return self._collected()
                state = self._state()
                if state.ended and not self._taken_by_another():
                    return self._after(state)
                told = self._told(state, told, tell)
                self._stop.wait(min(_LONGEST_PAUSE_S, _PAUSE_S + self._age_s / 20))
            return self.withdrawn()
        finally:
            self._queue.forget(self.job)

    @property
    def _age_s(self) -> float:
        return time.monotonic() - self._begun_s

    def _recorded(self) -> bool:
        return self.place.read("record") is not None

    def _state(self) -> JobState:
        """Ask Slurm; what it said last holds while it is silent."""
        try:
            self._last_state = self._queue.state(self.job, self._age_s)
            self._answered_s = time.monotonic()
        except SlurmSilent as error:
            silent_s = time.monotonic() - self._answered_s
            if silent_s > self._patience.silent_s:
                raise TestbedLost(
                    f"Slurm has not answered for {silent_s:.0f} s: {error}"
                ) from error
            return JobState("PENDING", f"Slurm does not answer ({error})")
        return self._last_state

    def _taken_by_another(self) -> bool:
        """Turn to the job that took the order, where it was submitted twice by a crash."""
        claim = self.place.read("claim")
        if claim is None or claim["job"] == self.job:
            return False
        self.job = str(claim["job"])
        self.place.write("job", {"job": self.job})
        return True

    def _told(self, state: JobState, before: dict[str, Any], tell: Tell) -> dict[str, Any]:
        """Tell what is new of its state; gives what has been told."""
        now = self.place.read("progress") if state.state == "RUNNING" else None
        now = now or {"phase": _phase(state)}
        if now.get("phase") != before.get("phase"):
            tell({"event": "phase", "phase": now["phase"]})
        if "watts" in now and now != before:
            tell({"event": "watts", "watts": now["watts"], "method": now.get("method", "")})
        return now

    def _after(self, state: JobState) -> Run:
        """Wait for the files of a job that has ended; make its run if it left no record."""
        begun = bool(state.nodes) or state.state in ("COMPLETED", GONE)
        length_s = self._patience.settle_s if begun else 0.0
        if state.state == "COMPLETED":  # it says so only when its record is written
            length_s = max(length_s, min(_LATE_S, 6 * length_s))
        until_s = time.monotonic() + length_s
        while not self._recorded() and time.monotonic() < until_s and not self._stop.wait(0.2):
            self.place.look()
        return self._collected() if self._recorded() else self.failed(self._why(state))

    def _why(self, state: JobState) -> str:
        left = self.place.read("claim") is not None or self._log.exists()
        if not left and state.nodes and state.state in ("FAILED", "COMPLETED"):
            return not_shared(self._study, self.job, state)
        why = why_ended(self.job, state, self._order.get("slurm", {}))
        printed = self._printed() if state.state in ("FAILED", "COMPLETED") else []
        return f"{why}: {' '.join(printed[-1].split())}" if printed else why

    def _collected(self) -> Run:
        """Give the run that a job recorded, with its files in the study's folder."""
        record = self.place.read("record") or {}
        try:
            run = Run.from_dict(record["run"])
        except (KeyError, TypeError, UsageError) as error:
            return self.failed(f"the record in {self.place.folder} cannot be read: {error}")
        if run.error == STOPPED:
            run.error = self._who_stopped()
        return self._with_files(run)

    def _who_stopped(self) -> str:
        """Say why Slurm ended a job, which Slurm knows some time after the job does."""
        until_s = time.monotonic() + _KILL_WAIT_S
        state = self._state()
        while not state.ended and time.monotonic() < until_s and not self._stop.wait(0.5):
            state = self._state()
        if state.state in ("COMPLETED", "FAILED", GONE) or not state.ended:
            return f"Slurm's job {self.job} was told to end (SIGTERM)"
        return why_ended(self.job, state, self._order.get("slurm", {}))

    def failed(self, why: str) -> Run:
        """Make the run of a job that left no record.

        Args:
            why: In one line.
        """
        claim = self.place.read("claim") or {}
        node = self.place.read("node") or {}
        facts = {"host": node.get("host", ""), "testbed": testbed_name(self._order, claim)}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        run = failed_run(self._plan, facts, claim.get("started_at", now), why)
        run.facts["slurm"] = {"job": self.job} | slurm_facts(self._order, claim)
        rescue_traces(self.place.folder, run)
        return self._with_files(run)

    def _with_files(self, run: Run) -> Run:
        if run.status == "failed" and not run.facts.get("log_tail"):
            run.facts["log_tail"] = self._printed() or self._logged()
        self.place.collect(self._study, run.run_id)
        return run

    def withdrawn(self) -> Run:
        """Cancel it; gives its run where it had ended before that, and else one that failed."""
        cancel(self.job)
        until_s = time.monotonic() + self._patience.settle_s
        while time.monotonic() < until_s and not self._recorded():
            try:
                if self._queue.state(self.job).ended:
                    break
            except SlurmSilent:
                break
            time.sleep(0.2)
        run = (self.place.read("record") or {}).get("run", {})
        if run.get("error") != STOPPED and run:
            return self._collected()
        self.place.withdraw()
        facts = {"host": "", "testbed": self._order.get("testbed", "")}
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return failed_run(self._plan, facts, now, "stopped")

    def _printed(self) -> list[str]:
        return _tail(self._log)

    def _logged(self) -> list[str]:
        return _tail(self.place.folder / "logs" / f"{self._plan['run_id']}.txt")


def cancel(job: str) -> None:
    """Cancel a job; one that has ended or is not known is left alone.

    Args:
        job: Its id, or ``--name=`` and its name; nothing happens if empty.
    """
    if job:
        try:
            ask("scancel", "--quiet", job)
        except SlurmSilent:
            return


def _phase(state: JobState) -> str:
    """Name what a job that tells nothing itself is doing."""
    if state.state == "PENDING":
        return f"queued: {state.reason}" if state.reason else "queued"
    if state.state == "RUNNING":
        return "starting"
    return state.state.lower()


def _tail(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-_LOG_TAIL:]
