"""The device of a testbed's service: one trial at a time, which other threads can stop."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.meters.registry import resolve
from joulebench.record import Run
from joulebench.testbed.host import host_facts, host_id
from joulebench.testbed.local import LocalTestbed
from joulebench.testbed.local_ends import failed_run, rescue_traces
from joulebench.testbed.sensors import sensors
from joulebench.testbed.service_trial import ServedTrial, now
from joulebench.testbed.testbed import Tell
from joulebench.workloads.registry import build_workload

_LOG = logging.getLogger("joulebench.testbed.service")

_UNSTARTED_S = 5.0  # a trial that has told nothing for so long is stopped where it stands
_AGAIN_S = 3.0


class Device:
    """Runs trials on this machine for the service.

    Args:
        folder: Of its own log.
        name: What records call the testbed.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.facts = host_facts()
        self.host = host_id(self.facts)
        self.name = name
        self._testbed = LocalTestbed(folder, self.host, name=name)
        self._prepared: tuple[Any, ...] | None = None
        self._told = threading.Event()
        self._stopping = threading.Lock()
        self._checking = threading.Lock()

    def check(self, plans: Sequence[Mapping[str, Any]]) -> list[str]:
        """Build each plan's workload, import nothing heavy; names the channels of their sensors.

        Raises:
            UsageError: What is missing, unknown or cannot be used on this machine.
        """
        found: dict[str, None] = {}
        for plan in plans:
            build(plan)
        for meters in {repr(plan["meters"]): plan["meters"] for plan in plans}.values():
            found |= dict.fromkeys(self.channels(meters))
        return list(found)

    def channels(self, meters: Any) -> list[str]:
        """Name the channels of meters, which are opened one after another.

        Raises:
            UsageError: A meter that does not exist, or that this machine lacks.
        """
        with self._checking, plain_errors("meters"):
            return sensors(meters).channels

    def run(self, trial: ServedTrial, tell: Tell, ended: threading.Event) -> Run:
        """Run a trial; whatever becomes of it, there is a run.

        Args:
            trial: With its plan.
            tell: Is told of phases and watts.
            ended: Is set when it has ended; :meth:`stop` then does nothing more.
        """

        def told(message: dict[str, Any]) -> None:
            self._told.set()
            tell(message)

        try:
            return self._run(trial, told)
        finally:
            with self._stopping:  # a stop that comes late must not meet the next trial
                ended.set()
                self._told.clear()

    def _run(self, trial: ServedTrial, tell: Tell) -> Run:
        assert trial.plan is not None
        try:
            self._make_ready(trial.plan)
            return self._testbed.run(trial.plan, trial.attempt, tell, trial.folder)
        except UsageError as error:
            return self.failed(trial, str(error))
        except Exception as error:  # the next trial is to find the testbed at work
            _LOG.exception("trial %s", trial.run_id)
            with suppress(Exception):
                self._testbed.close()
            self._prepared = None
            return self.failed(trial, f"{type(error).__name__}: {error}")

    def _make_ready(self, plan: Mapping[str, Any]) -> None:
        """Import what a plan needs where the last trial was of another kind."""
        engine = plan.get("engine") or {}
        kind = (
            plan["workload"],
            engine.get("kind"),
            plan.get("task"),
            plan["protocol"].get("process"),
        )
        if kind != self._prepared:
            self._prepared = None
            self._testbed.prepare([plan])
            self._prepared = kind

    def failed(self, trial: ServedTrial, why: str) -> Run:
        """Give the run of a trial that could not give its own, with what was recorded of it."""
        plan = {"run_id": trial.run_id, "study": trial.study, "trial": trial.trial}
        facts = {"host": self.host, "testbed": self.name}
        started = (trial.started_at or now()).partition(".")[0].rstrip("Z") + "Z"
        run = failed_run(plan, facts, started, " ".join(why.split()))
        try:
            rescue_traces(trial.folder, run)
        except Exception:  # half a recording may be broken in any way; it stays where it is
            _LOG.exception("the half-written trace of %s stays as it is", trial.run_id)
        return run

    def cool_down(self, plan: Mapping[str, Any], tell: Tell) -> None:
        """Wait after a trial as its protocol says."""
        try:
            self._testbed.cool_down(plan, tell)
        except UsageError as error:  # a meter that the trial asked for in vain
            _LOG.warning("no cool-down: %s", error)
        except Exception:  # a sensor that is lost must not end the service
            _LOG.exception("the cool-down was cut short")

    def stop(self, ended: threading.Event) -> None:
        """Stop the trial under way; tries again until it has ended.

        Args:
            ended: Is set when it has.
        """
        stop_s = time.monotonic() + _UNSTARTED_S
        while not (ended.is_set() or self._told.is_set() or time.monotonic() > stop_s):
            self._told.wait(0.05)
        while not ended.is_set():
            with self._stopping, suppress(OSError, ValueError):
                if not ended.is_set():
                    self._testbed.stop()
            ended.wait(_AGAIN_S)

    def close(self) -> None:
        """End the processes of trials."""
        self._testbed.close()


def build(plan: Mapping[str, Any]) -> None:
    """Build a plan's workload, to see that it can be.

    Items from the hub are left unread, since reading them would fetch them.

    Raises:
        UsageError: It cannot.
    """
    with plain_errors("the plan"):
        if plan["workload"] == "command" or (plan.get("tasks") or {}).get("data") != "hub":
            build_workload(plan)


def resolved(meters: Any) -> None:
    """Find meters by name and options, without opening them.

    Raises:
        UsageError: A kind or an option that does not exist.
    """
    with plain_errors("meters"):
        resolve(meters)


@contextmanager
def plain_errors(what: str) -> Iterator[None]:
    """Make any error of what a plan names, a plugin's too, one line that its sender can read."""
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        _LOG.info("%s: refused", what, exc_info=True)
        why = " ".join(str(error).split())
        raise UsageError(f"{what}: cannot be used: {type(error).__name__}: {why}") from error
