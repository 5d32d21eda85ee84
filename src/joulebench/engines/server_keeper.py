"""Keeps a server that a trial started, and ends it with the trial, however that ended.

Run as ``python -m joulebench.engines.server_keeper LOG GRACE_S WORD...``. The end of its input is
the order to stop: it comes too where the trial was killed. The server runs in a session of its own
and is asked to end first; whatever is left of it and of what it started is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence

import psutil

NOT_STARTED = 127
"""Exit status where the server could not even be started; its log says why."""

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform.startswith("linux")


def main(words: Sequence[str]) -> int:
    """Start the server, wait for its end or that of the input; gives the server's exit status."""
    log, grace_s, command = words[0], float(words[1]), list(words[2:])
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # the end of input decides, not its parent's group
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _control(_PR_SET_CHILD_SUBREAPER, 1)  # what the server leaves behind comes to this process
    server = _start(log, command)
    if server is None:
        return NOT_STARTED
    _wait(server)
    _end(server, grace_s)
    return server.returncode if server.returncode >= 0 else 128 - server.returncode


def _start(log: str, command: Sequence[str]) -> subprocess.Popen[bytes] | None:
    with open(log, "ab", buffering=0) as file:
        try:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_as_a_child,  # noqa: PLW1509 (this process has one thread)
            )
        except OSError as error:
            file.write(f"{command[0]!r} cannot be started: {error}\n".encode())
            return None


def _as_a_child() -> None:
    """Have the kernel kill the server should this process be killed, and let it be stopped."""
    _control(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _control(what: int, value: int) -> None:
    if _LINUX:
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(what, value, 0, 0, 0)


def _wait(server: subprocess.Popen[bytes]) -> None:
    """Wait until the server ends or the input does, without waking up in between on Linux."""
    ended = os.pidfd_open(server.pid) if hasattr(os, "pidfd_open") else None
    watched = [0] if ended is None else [0, ended]
    while server.poll() is None:
        ready, _, _ = select.select(watched, [], [], 0.2 if ended is None else None)
        if 0 in ready and not os.read(0, 4096):
            break
    if ended is not None:
        os.close(ended)


def _end(server: subprocess.Popen[bytes], grace_s: float) -> None:
    if server.poll() is None:
        _signal_group(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(grace_s)
    _signal_group(server.pid, signal.SIGKILL)
    server.wait()
    while left := psutil.Process().children(recursive=True):
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=1.0)


def _signal_group(pid: int, which: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, which)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
