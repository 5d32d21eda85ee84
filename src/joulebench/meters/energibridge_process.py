"""Starting EnergiBridge and ending it.

EnergiBridge measures for as long as a command runs. The command it is given waits for its
standard input, which is a pipe that this process holds: so EnergiBridge ends by itself and
writes its last row when the meter is closed, and also when this process is killed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from joulebench.errors import Unavailable, UsageError
from joulebench.meters.energibridge_errors import INSTALL, Trouble, explain, last_words

_PLACEHOLDER = """
import os, select, sys
while not select.select([0], [], [], 1.0)[0]:  # a fork may hold it open
    try:
        os.kill(int(sys.argv[1]), 0)
    except OSError:
        break
"""

_LONGEST_VERSION = 60

_STOP_S = 5.0
"""Longest wait for it to end after its command has, s, besides two intervals."""


@dataclass(frozen=True)
class Program:
    """How EnergiBridge is called, for example ``sudo -n energibridge``, and where it lies."""

    words: tuple[str, ...]
    path: str

    def version(self) -> str:
        """Give its version as it tells it, or another name with it; empty where it tells none."""
        try:
            answer = subprocess.run(
                [*self.words, "--version"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=10.0,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return ""
        said = " ".join(answer.stdout.split())[:_LONGEST_VERSION] if answer.returncode == 0 else ""
        return said.removeprefix("energibridge ")


def find_program(executable: str) -> Program:
    """Find EnergiBridge.

    Args:
        executable: A name on the PATH, a path, or one with words before it: ``sudo -n NAME``.

    Raises:
        Unavailable: There is no such program.
    """
    words = [executable] if Path(executable).is_file() else shlex.split(executable)
    paths = [shutil.which(word) for word in words[:1] + words[-1:]]
    missing = next((w for w, p in zip((*words[:1], *words[-1:]), paths, strict=True) if not p), "")
    if missing or not words:
        raise Unavailable(
            f"EnergiBridge is not installed: there is no program {missing or executable!r} on the "
            "PATH.",
            INSTALL,
        )
    return Program((str(paths[0]), *words[1:]), str(paths[-1]))


class Bridge:
    """One run of EnergiBridge.

    Args:
        program: How to call it.
        interval_ms: Time between its rows, ms.
        gpu: Whether it reads GPUs.
        keep: Folder below which its files stay; empty for a temporary one.
    """

    def __init__(self, program: Program, *, interval_ms: int, gpu: bool, keep: str) -> None:
        self.program = program
        self._interval_s = interval_ms / 1e3
        self.keep = bool(keep)
        self._cpu_s: float | None = None
        self.folder = _folder(keep)
        self.log = self.folder / "energibridge.csv"
        options = ["-o", str(self.log), "--summary", *(["--gpu"] if gpu else [])]
        call = [*program.words, *options, "-i", str(interval_ms), "--"]
        self.shown = " ".join([*call, "(until the meter is closed)"])
        self._command = [*call, *_placeholder()]
        self._process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        try:
            with self._file("out").open("wb") as out, self._file("err").open("wb") as err:
                return subprocess.Popen(
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=err,
                    start_new_session=True,  # Ctrl-C is for us, who then end it
                )
        except OSError as error:
            self.discard()
            raise Unavailable(
                f"{self.program.path} cannot be started: {error.strerror}.", INSTALL
            ) from error

    @property
    def status(self) -> int | None:
        """Its exit status; ``None`` while it runs."""
        return self._process.poll()

    @property
    def printed(self) -> str:
        """What it wrote to its standard output so far."""
        return self._text("out")

    @property
    def cpu_s(self) -> float | None:
        """Processor time that it took, s, known once it was stopped."""
        return self._cpu_s

    def words(self) -> str:
        """Give what it said last, on one line."""
        return last_words(self._text("err"), self._text("out"))

    def trouble(self) -> Trouble:
        """Say why it ended, once it has."""
        status = self.status
        if status is not None and status < 0:
            return Trouble(f"it was killed by signal {-status}", "Measure again.")
        return explain(self.words(), self.program.path)

    def stop(self) -> None:
        """End it, by ending its command first; a second call does nothing."""
        if self.status is None:
            self._cpu_s = _cpu_s(self._process.pid)
        self._end_command()
        for end in (self._process.terminate, self._process.kill):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_S + 2 * self._interval_s)
                return
            with suppress(PermissionError):  # it runs as another user
                end()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)

    def _end_command(self) -> None:
        pipe = self._process.stdin
        if pipe is not None and not pipe.closed:
            with suppress(OSError):
                pipe.write(b"\n")  # a fork of ours may hold the pipe open, so that its end is none
            with suppress(OSError):
                pipe.close()

    def discard(self) -> None:
        """Delete its files, unless the user asked for them."""
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, what: str) -> Path:
        return self.folder / f"std{what}.txt"

    def _text(self, what: str) -> str:
        try:
            return self._file(what).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def _folder(keep: str) -> Path:
    try:
        if keep:
            Path(keep).mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="energibridge-", dir=keep or None)).absolute()
    except OSError as error:
        raise UsageError(
            f"meter 'energibridge': no folder can be made in {keep or tempfile.gettempdir()}: "
            f"{error.strerror}; give another one with keep=FOLDER"
        ) from error


def _placeholder() -> Sequence[str]:
    """Give the command that lives as long as this process holds its standard input."""
    return sys.executable, "-I", "-S", "-c", _PLACEHOLDER, str(os.getpid())


def _cpu_s(pid: int) -> float | None:
    """Give the processor time that a process took so far, s (proc(5), fields 14 and 15)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError):
        return None
