"""This machine as a testbed: trials one after another, each in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from joulebench.clock import is_virtual
from joulebench.errors import UsageError
from joulebench.record import Run
from joulebench.testbed.cooldown import CoolDown
from joulebench.testbed.host import host_facts, host_id
from joulebench.testbed.lines import LineReader, Message, send
from joulebench.testbed.local_ends import ending, failed_run, open_log, rescue_traces, tail
from joulebench.testbed.process import GRACE_S, SINGLE_THREAD
from joulebench.testbed.sensors import Meters, Sensors, sensors

Tell = Callable[[Message], None]
Plan = Mapping[str, Any]


class LocalTestbed:
    """Runs trials on this machine.

    Args:
        folder: The study's folder; trials may have another.
        host: Key of this machine in ``hosts.json``; found if empty.
        process: ``"fork server"``, or ``"fresh"`` for an interpreter of its own for each trial; as
            each trial's protocol says if empty.
        name: What records call it.
        find: Finds the sensors that a study's key ``meters`` means.
        cooling: Cools the machine down; a new one, which knows nothing of it yet, if not given.
    """

    def __init__(
        self,
        folder: Path,
        host: str = "",
        process: str = "",
        name: str = "local",
        find: Callable[[Meters], Sensors] = sensors,
        cooling: CoolDown | None = None,
    ) -> None:
        self.folder = folder
        self.host = host
        self.process = process or "fork server"
        self.name = name
        self.imported: list[str] = []
        self._asked = process
        self._find = find
        self._found: dict[str, Sensors] = {}
        self._host_facts: dict[str, Any] = {}
        self._server: subprocess.Popen[bytes] | None = None
        self._answers: LineReader | None = None
        self._trial_pid: int | None = None
        self._runner: int | None = None
        self._stopped = False
        self._cooling = cooling or CoolDown()

    def prepare(self, plans: Sequence[Plan]) -> dict[str, dict[str, Any]]:
        """Find the sensors, start the fork server and have it import what the plans need.

        A process in which the libraries have started threads cannot be forked; each trial then
        gets a fresh one, and its record says so.

        Raises:
            UsageError: A plan that cannot be run: no such model, task, option or meter.
        """
        facts = self.hosts(plans)
        self._import(plans)
        return facts

    def hosts(self, plans: Sequence[Plan]) -> dict[str, dict[str, Any]]:
        """Give the facts of this machine by its id, with the channels of the plans' sensors.

        Raises:
            UsageError: A meter that does not exist, or that this machine lacks.
        """
        found = [self._sensors(plan["meters"]).channels for plan in plans]
        channels = list(dict.fromkeys(name for names in found for name in names))
        if not self._host_facts:
            self._host_facts = host_facts()
            self.host = self.host or host_id(self._host_facts)
        return {self.host: self._host_facts | {"sensors": channels}}

    def adopt(self, plans: Sequence[Plan]) -> Sequence[Plan]:
        """Name none: a trial here does not outlive the process that began it."""
        del plans
        return []

    def _import(self, plans: Sequence[Plan]) -> None:
        if plans and all(is_virtual(plan) for plan in plans):
            from joulebench.testbed.virtual_run import refuse_wrong_plans

            refuse_wrong_plans(plans)
            return
        if plans and not self._asked:
            self.process = plans[0]["protocol"].get("process", "fork server")
        if self._server is None:
            self._start()
        answer = self._ask({"do": "import", "plans": list(plans)})
        if answer["event"] != "ready":
            self.close()
            raise UsageError(answer["message"])
        if self.process == "fork server" and answer["threads"] == 1:
            self.imported = sorted({*self.imported, *answer["imported"]})
            return
        self.process = "fresh"
        self.close()

    def run(self, plan: Plan, attempt: int, tell: Tell, folder: Path | None = None) -> Run:
        """Run one trial; whatever becomes of it, there is a run to record.

        Args:
            plan: Of the trial.
            attempt: From 1.
            tell: Is told of phases and watts.
            folder: Where the trial's files go, made if absent; the study's if not given.

        Raises:
            KeyboardInterrupt: The user stopped it; see :meth:`stop`.
        """
        del attempt
        place = folder or self.folder
        started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        log = open_log(place, plan, started)
        plan = {**plan, "meters": self._sensors(plan["meters"]).specs}
        self._runner, self._stopped = threading.get_ident(), False
        try:
            self._rest(plan, tell)
            begun_s = time.monotonic()
            run, why = self._measured(plan, place, log, tell)
        finally:
            self._runner = None
        if run is None:
            run = failed_run(plan, self._facts(), started, why)
            rescue_traces(place, run)
        run.facts["wall_s"] = round(time.monotonic() - begun_s, 3)
        if run.status == "failed":
            run.facts["log_tail"] = tail(log)
        self._cooling.note(run)
        return run

    def _measured(self, plan: Plan, place: Path, log: Path, tell: Tell) -> tuple[Run | None, str]:
        """Run a trial in a process of its own, if it has real work; gives why where no run."""
        if is_virtual(plan):
            from joulebench.testbed.virtual_run import run_here

            return run_here(plan, place, log, tell, self._facts()), ""
        self._make_ready(plan)
        self._send(self._order(plan, place, log))
        run, why = self._follow(plan, tell)
        if self.process == "fresh":
            self.close()
        return run, why

    def _rest(self, plan: Plan, tell: Tell) -> None:
        """See how the machine idles before the first trial, where cool-downs go by it."""
        if self._cooling.due(plan["protocol"], plan["meters"]):
            tell({"event": "phase", "phase": "cool-down"})
            self._cooling.begin(plan["protocol"], plan["meters"], self._waited)

    def _waited(self, length_s: float) -> bool:
        """Wait, and say whether the trial has been stopped meanwhile."""
        self.wait(length_s)
        return self._stopped

    def _order(self, plan: Plan, folder: Path, log: Path) -> Message:
        return {
            "do": "trial",
            "plan": dict(plan),
            "folder": str(folder),
            "log": str(log),
            "root_pid": os.getpid(),
            "facts": self._facts(),
        }

    def cool_down(self, plan: Plan, tell: Tell) -> None:
        """Wait before a trial as its protocol says."""
        tell({"event": "phase", "phase": "cool-down"})
        self._stopped = False
        self._cooling.between(plan["protocol"], self._sensors(plan["meters"]).specs, self._waited)

    def stop(self) -> None:
        """Stop the trial under way, and the server; a second interruption kills both at once.

        From another thread than that of :meth:`run` it stops the trial alone, which then ends as
        failed.
        """
        if self._runner not in (None, threading.get_ident()):
            self._stopped = True
            self._stop_trial()
            return
        if self._server is None:
            return
        with suppress(OSError):
            self._send({"do": "stop", "grace_s": GRACE_S})
        self.close(2 * GRACE_S)

    def close(self, patience_s: float = 10.0) -> None:
        """End the server: the end of its input is its end, and that of its trial."""
        server, self._server = self._server, None
        if server is None or server.stdin is None or server.stdout is None:
            return
        with suppress(OSError):
            server.stdin.close()
        try:
            server.wait(patience_s)
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._kill_trial()
            server.kill()
            server.wait()
        finally:
            server.stdout.close()

    def _stop_trial(self) -> None:
        server = self._server
        if server is not None and server.stdin is not None:
            with suppress(OSError, ValueError):  # it has ended, or is being closed
                send(server.stdin.fileno(), {"do": "stop", "grace_s": GRACE_S})

    def _kill_trial(self) -> None:
        """Kill the trial under way and what it started, where its server no longer can."""
        if self._trial_pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._trial_pid, signal.SIGKILL)
            self._trial_pid = None

    def wait(self, length_s: float) -> None:
        """Wait between trials, s."""
        time.sleep(length_s)

    def _sensors(self, meters: Meters) -> Sensors:
        """Give the sensors that a study means, found once."""
        key = json.dumps(meters, sort_keys=True)
        if key not in self._found:
            self._found[key] = self._find(meters)
        return self._found[key]

    def _make_ready(self, plan: Plan) -> None:
        """Have a server to fork from, also after one that a trial took down with it."""
        if self._server is None and self.process == "fork server":
            self._import([plan])
        if self._server is None:
            self._start()

    def _start(self) -> None:
        environment = os.environ | {
            name: value for name, value in SINGLE_THREAD.items() if name not in os.environ
        }
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            # -P: a file of the user's that is named like a module must not be imported.
            self._server = subprocess.Popen(
                [sys.executable, "-P", "-m", "joulebench.testbed.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                env=environment,
                start_new_session=True,  # Ctrl-C is the study's to handle, not the trial's
            )
        assert self._server.stdout is not None
        self._answers = LineReader(self._server.stdout.fileno())
        self.imported = []

    def _send(self, message: Message) -> None:
        assert self._server is not None
        assert self._server.stdin is not None
        send(self._server.stdin.fileno(), message)

    def _ask(self, message: Message) -> Message:
        assert self._answers is not None
        try:
            self._send(message)
            answer = self._answers.read()
        except (EOFError, BrokenPipeError):
            answer = None
        if answer is None:
            self.close()
            raise UsageError(
                "the process that imports the libraries ended by itself: "
                + (" | ".join(tail(self._log)[-2:]) or f"see {self._log}")
            )
        return answer

    def _follow(self, plan: Plan, tell: Tell) -> tuple[Run | None, str]:
        """Read a trial's messages until its end; gives its run, or why there is none."""
        assert self._answers is not None
        timeout_s = plan["protocol"].get("timeout_s")
        stop_s = None if timeout_s is None else time.monotonic() + timeout_s
        run, why = None, ""
        while True:
            try:
                left_s = None if stop_s is None else max(0.0, stop_s - time.monotonic())
                message = self._answers.read(left_s)
            except EOFError:
                self._kill_trial()
                self.close()
                return run, why or "the fork server ended; see logs/fork-server.txt"
            if message is None:
                why, stop_s = f"timed out after {timeout_s:g} s (protocol.timeout_s)", None
                self._send({"do": "stop", "grace_s": GRACE_S})
            elif message["event"] == "started":
                self._trial_pid = message["pid"]
                if self._stopped:  # the server may have read that before there was a trial
                    self._stop_trial()
            elif message["event"] == "exit":
                self._trial_pid = None
                if self._stopped:
                    return None, "stopped"
                return run, why or ending(message["code"])
            elif message["event"] == "run":
                run = Run.from_dict(message["run"])
            elif message["event"] == "crashed":
                why = why or message["error"]
            else:
                tell(message)

    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {
            "host": self.host,
            "testbed": self.name,
            "process": self.process,
        }
        return facts | ({"imported": self.imported} if self.imported else {})

    @property
    def _log(self) -> Path:
        return self.folder / "logs" / "fork-server.txt"
