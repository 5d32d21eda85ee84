"""The fork server: each trial in a process of its own, forked from one that has only imported.

Run as ``python -m joulebench.testbed.process``. It reads JSON lines on its standard input:
``{"do": "import", "plans": [...]}``, ``{"do": "trial", ...}``, ``{"do": "stop"}``; the trial and it
answer on its standard output. Its end of input is its end, and that of a trial under way, so
nothing outlives a study that was killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.testbed.lines import LineReader, send

GRACE_S = 2.0
"""How long a stopped trial has to end by itself, s."""

SINGLE_THREAD = {"OPENBLAS_NUM_THREADS": "1"}
"""Set while libraries are imported: a process with threads cannot be forked safely."""

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Serve until the end of input."""
    answers = os.dup(1)
    os.set_inheritable(answers, False)
    os.dup2(2, 1)  # what libraries print must not fall among the answers
    return ForkServer(LineReader(0), answers).serve()


class ForkServer:
    """Forks trials; never runs one itself.

    Args:
        orders: Where the study's messages come in.
        answers: File descriptor for messages to the study.
    """

    def __init__(self, orders: LineReader, answers: int) -> None:
        self._orders = orders
        self._answers = answers
        self._wake, wake_write = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_write, False)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _signal, _frame: None)

    def serve(self) -> int:
        """Do what the study says until it closes its end."""
        with contextlib.suppress(EOFError, BrokenPipeError):
            while True:
                order = self._orders.read()
                if order is not None:
                    self._obey(order)
        return 0

    def _obey(self, order: Mapping[str, Any]) -> None:
        if order["do"] == "import":
            send(self._answers, prepare(order["plans"]))
        elif order["do"] == "trial":
            self._trial(order)

    def _trial(self, order: Mapping[str, Any]) -> None:
        gc.collect()
        gc.freeze()  # the collector of the trial then leaves shared pages alone
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            os._exit(_child(order, self._answers, server))
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)
        send(self._answers, {"event": "started", "pid": pid})
        status = self._wait(pid)
        _sweep(pid)
        code = os.waitstatus_to_exitcode(status)
        send(self._answers, {"event": "exit", "code": code})

    def _wait(self, pid: int) -> int:
        """Wait for a trial's end; stop it if the study says so or goes away."""
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return status
            ready, _, _ = select.select([self._wake, self._orders.fd], [], [])
            if self._wake in ready:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 4096)
            if self._orders.fd in ready:
                self._interrupted(pid)

    def _interrupted(self, pid: int) -> None:
        try:
            order = self._orders.read(timeout_s=0.0)
        except EOFError:
            stop_group(pid, GRACE_S)
            raise
        if order is not None and order["do"] == "stop":
            stop_group(pid, float(order.get("grace_s", GRACE_S)))


def prepare(plans: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Import what the workloads of plans need; run no tensor operation and touch no device.

    Returns:
        The answer to the study: the packages imported, and this process's number of threads; or
        what is wrong with a plan.
    """
    before = set(sys.modules)
    try:
        import joulebench.testbed.protocol  # noqa: F401
        from joulebench.testbed.virtual import refuse_other_time
        from joulebench.workloads.registry import build_workload

        for plan in plans:
            refuse_other_time(plan)
            build_workload(plan).import_libraries()
    except UsageError as error:
        return {"event": "refused", "message": str(error)}
    except Exception as error:
        traceback.print_exc()
        return {"event": "refused", "message": f"{type(error).__name__}: {error}"}
    imported = _packages(set(sys.modules) - before)
    return {"event": "ready", "imported": imported, "threads": thread_count()}


def _packages(modules: Iterable[str]) -> list[str]:
    """Name the packages among modules that were installed, not those of Python itself."""
    from importlib.metadata import packages_distributions

    return sorted({name.partition(".")[0] for name in modules} & set(packages_distributions()))


def thread_count() -> int:
    """Count the threads of this process, those of libraries included."""
    try:
        return len(os.listdir("/proc/self/task"))
    except OSError:
        import psutil

        return int(psutil.Process().num_threads())


def _child(order: Mapping[str, Any], answers: int, server: int) -> int:
    """Run one trial in the forked process; gives its exit status."""
    _leave_the_server(Path(order["log"]), server)
    try:
        from joulebench.testbed.protocol import run_trial

        run = run_trial(
            order["plan"],
            Path(order["folder"]),
            lambda message: send(answers, message),
            facts=order["facts"],
            root_pid=order["root_pid"],
        )
        send(answers, {"event": "run", "run": run.to_dict()})
    except BaseException as error:  # a forked process must not go back into the server's code
        with contextlib.suppress(OSError):  # the log may be on a disk that is full
            traceback.print_exc()
        message = " ".join(str(error).split())
        with contextlib.suppress(OSError):
            send(answers, {"event": "crashed", "error": f"{type(error).__name__}: {message}"})
        _flush()
        return 1
    _flush()
    return 0


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()


def _leave_the_server(log: Path, server: int) -> None:
    os.setpgid(0, 0)
    die_with_parent(server)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for name in SINGLE_THREAD:
        os.environ.pop(name, None)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def die_with_parent(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; Linux only."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(1)


def stop_group(pid: int, grace_s: float) -> None:
    """End a trial and what it started: asked first, killed after ``grace_s``; does not reap it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGTERM)
    stop_s = time.monotonic() + grace_s
    while time.monotonic() < stop_s and not _ended(pid):
        time.sleep(0.02)
    _sweep(pid)


def _ended(pid: int) -> bool:
    """Say whether a child has ended, leaving its status for ``waitpid``."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def _sweep(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
