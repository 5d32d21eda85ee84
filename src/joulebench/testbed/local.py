"""This machine as a testbed: trials one after another, each in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.record import Run, save_traces
from joulebench.testbed.lines import LineReader, Message, send
from joulebench.testbed.process import GRACE_S, SINGLE_THREAD

Tell = Callable[[Message], None]
Plan = Mapping[str, Any]

_LOG_TAIL = 10
_KILLED = {
    signal.SIGKILL: "killed (SIGKILL): the system does so when memory runs out",
    signal.SIGSEGV: "crashed (SIGSEGV): a fault in native code",
    signal.SIGABRT: "aborted (SIGABRT): native code gave up",
}


class LocalTestbed:
    """Runs trials on this machine.

    Args:
        folder: The study's folder.
        host: Key of this machine in ``hosts.json``.
        process: ``"fork server"``, or ``"fresh"`` for an interpreter of its own for each trial.
    """

    name = "local"

    def __init__(self, folder: Path, host: str, process: str = "fork server") -> None:
        self.folder = folder
        self.host = host
        self.process = process
        self.imported: list[str] = []
        self._server: subprocess.Popen[bytes] | None = None
        self._answers: LineReader | None = None
        self._trial_pid: int | None = None

    def prepare(self, plans: Sequence[Plan]) -> None:
        """Start the fork server and have it import what the plans need.

        A process in which the libraries have started threads cannot be forked; each trial then
        gets a fresh one, and its record says so.

        Raises:
            UsageError: A plan that cannot be run: no such model, task or option.
        """
        self._start()
        answer = self._ask({"do": "import", "plans": list(plans)})
        if answer["event"] != "ready":
            self.close()
            raise UsageError(answer["message"])
        if self.process == "fork server" and answer["threads"] == 1:
            self.imported = answer["imported"]
            return
        self.process = "fresh"
        self.close()

    def run(self, plan: Plan, tell: Tell) -> Run:
        """Run one trial; whatever becomes of it, there is a run to record.

        Args:
            plan: Of the trial.
            tell: Is told of phases and watts.

        Raises:
            KeyboardInterrupt: The user stopped it; see :meth:`stop`.
        """
        begun_s = time.monotonic()
        started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        log = self._open_log(plan, started)
        self._make_ready(plan)
        self._send(
            {
                "do": "trial",
                "plan": dict(plan),
                "folder": str(self.folder),
                "log": str(log),
                "root_pid": os.getpid(),
                "facts": self._facts(),
            }
        )
        run, why = self._follow(plan, tell)
        if self.process == "fresh":
            self.close()
        if run is None:
            run = failed_run(plan, self._facts(), started, why)
            rescue_traces(self.folder, run)
        run.facts["wall_s"] = round(time.monotonic() - begun_s, 3)
        if run.status == "failed":
            run.facts["log_tail"] = _tail(log)
        return run

    def stop(self) -> None:
        """Stop the trial under way, and the server; a second interruption kills both at once."""
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

    def _kill_trial(self) -> None:
        """Kill the trial under way and what it started, where its server no longer can."""
        if self._trial_pid is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._trial_pid, signal.SIGKILL)
            self._trial_pid = None

    def wait(self, length_s: float) -> None:
        """Wait between trials, s."""
        time.sleep(length_s)

    def _make_ready(self, plan: Plan) -> None:
        """Have a server to fork from, also after one that a trial took down with it."""
        if self._server is None and self.process == "fork server":
            self.prepare([plan])
        if self._server is None:
            self._start()

    def _start(self) -> None:
        environment = os.environ | {
            name: value for name, value in SINGLE_THREAD.items() if name not in os.environ
        }
        with (self.folder / "logs" / "fork-server.txt").open("ab") as log:
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
            log = self.folder / "logs" / "fork-server.txt"
            raise UsageError(
                "the process that imports the libraries ended by itself: "
                + (" | ".join(_tail(log)[-2:]) or f"see {log}")
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
            elif message["event"] == "exit":
                self._trial_pid = None
                return run, why or _ending(message["code"])
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

    def _open_log(self, plan: Plan, started: str) -> Path:
        log = self.folder / "logs" / f"{plan['run_id']}.txt"
        with log.open("a", encoding="utf-8") as file:
            file.write(f"--- {started} {plan['run_id']}\n")
        return log


def failed_run(plan: Plan, facts: Mapping[str, Any], started: str, why: str) -> Run:
    """Give the record of a trial that could not write its own."""
    return Run(
        run_id=plan["run_id"],
        study=plan["study"],
        trial=dict(plan["trial"]),
        status="failed",
        error=why,
        host=facts["host"],
        testbed=facts["testbed"],
        started_at=started,
        facts={key: facts[key] for key in ("process", "imported") if key in facts},
    )


def rescue_traces(folder: Path, run: Run) -> None:
    """Keep what was recorded of a trial whose process was killed."""
    from joulebench.testbed.protocol import spool_of
    from joulebench.testbed.recording import read_traces

    spool = spool_of(folder, run.run_id)
    try:
        traces = list(read_traces(spool).values())
    except UsageError:
        return  # it was killed before the first reading
    if traces:
        save_traces(folder / "traces" / f"{run.run_id}.parquet", traces)
        run.channels = [trace.channel for trace in traces]
    shutil.rmtree(spool, ignore_errors=True)


def _ending(code: int) -> str:
    if code >= 0:
        return f"the trial's process ended with status {code} and gave no record"
    try:
        number = signal.Signals(-code)
    except ValueError:
        return f"the trial's process was ended by signal {-code}"
    return f"the trial's process was {_KILLED.get(number, f'ended by {number.name}')}"


def _tail(log: Path) -> list[str]:
    """Give the last lines of a log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    return [line for line in lines if line.strip()][-_LOG_TAIL:]
