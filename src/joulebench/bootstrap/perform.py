"""Does the steps of a set-up, and says what became of each."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO

from joulebench.bootstrap.hub_token import NAME, NAMES
from joulebench.bootstrap.line import Line
from joulebench.bootstrap.redaction import redact
from joulebench.bootstrap.step import OPEN, Result, State, Step

_TAIL = 12
"""Lines of a failed command's output that are shown."""

_LONGEST = 500
"""Characters of a line that are shown."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

Told = Callable[[str], None]


@dataclass
class Shell:
    """Runs lines, and knows what must not be seen of what they print.

    Args:
        environment: The environment's variables; no token of the hub is passed on from them.
        token: The hub's token, for lines that are given it; empty for none.
        secrets: What must not be shown besides.
        root: Whether this process is root.
        told: Is told each line of output, without secrets.
    """

    environment: Mapping[str, str]
    token: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    root: bool = False
    told: Told = lambda _: None
    _sudo: bool | None = None

    def run(self, line: Line) -> tuple[int, tuple[str, ...]]:
        """Run a line; gives its exit status and the end of what it printed, without secrets."""
        typed = line.typed(sudo=not self.root)
        process = subprocess.Popen(
            ["/bin/sh", "-c", typed],
            stdin=subprocess.PIPE if line.stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self._given(line),
            text=True,
            errors="replace",
        )
        tail: deque[str] = deque(maxlen=_TAIL)
        with process:
            _feed(process.stdin, line.stdin)
            for said in _said(process.stdout):
                tail.append(self.redacted(said))
                self.told(tail[-1])
        return process.returncode, tuple(tail)

    def redacted(self, text: str) -> str:
        """Give a text as it may be shown."""
        return redact(text, (self.token, *self.secrets))[:_LONGEST]

    def may_be_root(self) -> bool:
        """Say whether root's lines can be run: as root, or by sudo, asking at a terminal."""
        if self.root:
            return True
        if self._sudo is None:
            path = self.environment.get("PATH")
            self._sudo = shutil.which("sudo", path=path) is not None and self._sudo_lets()
        return self._sudo

    def _sudo_lets(self) -> bool:
        if self.run(Line("sudo -n true"))[0] == 0:
            return True
        if not sys.stdin.isatty():
            return False
        # sudo asks at the terminal itself; nothing of the password comes by here.
        return (
            subprocess.run(["sudo", "-v"], env=self._given(Line("")), check=False).returncode == 0
        )

    def _given(self, line: Line) -> dict[str, str]:
        kept = {key: value for key, value in self.environment.items() if key not in NAMES}
        return {**kept, NAME: self.token} if line.hub and self.token else kept


def _feed(stream: IO[str] | None, text: str) -> None:
    if stream is not None:
        try:
            stream.write(text)
            stream.close()
        except BrokenPipeError:  # the command says itself why it did not read
            pass


def _said(stream: IO[str] | None) -> Iterator[str]:
    for line in stream or ():
        plain = _COLOUR.sub("", line)
        text = "".join(c if c.isprintable() else " " for c in plain).strip()
        if text:
            yield text


def perform(
    steps: Sequence[Step],
    shell: Shell,
    begins: Callable[[Step], None],
    ended: Callable[[Result], None],
) -> list[Result]:
    """Do the steps, each only if what it needs is there; one that fails does not stop the others.

    Args:
        steps: The steps, in order.
        shell: Runs their lines.
        begins: Is told of a step whose lines are about to be run.
        ended: Is told what became of each step.
    """
    states: dict[str, State] = {}
    results = []
    for step in steps:
        result = _result(step, states, shell, begins)
        states[step.name] = result.state
        results.append(result)
        ended(result)
    return results


def _result(
    step: Step, states: Mapping[str, State], shell: Shell, begins: Callable[[Step], None]
) -> Result:
    if step.skip:
        return Result(step.name, "skipped", step.skip)
    missing = next((need for need in step.needs if states.get(need) in OPEN), "")
    if missing:
        return Result(step.name, "not tried", f"it needs: {missing}")
    reason = step.done()
    if reason and (step.probe is None or shell.run(step.probe)[0] == 0):
        return Result(step.name, "skipped", reason)
    if hindered := step.hinder():
        return Result(step.name, "failed", hindered)
    if step.root and not shell.may_be_root():
        typed = tuple(line.shown(sudo=True) for line in step.lines)
        return Result(step.name, "needs root", "type this as a user that may use sudo", typed=typed)
    begins(step)
    return _run(step, shell)


def _run(step: Step, shell: Shell) -> Result:
    for line in step.lines:
        status, output = shell.run(line)
        if status:
            said = "\n".join(output)
            typed = shell.redacted(line.typed(sudo=not shell.root))
            why = f"exit status {status} of: {typed}"
            return Result(step.name, "failed", why, step.hint(said) or step.advice, output)
    if not step.done():
        why = "its lines ended without an error, but what they were to make is not there"
        return Result(step.name, "failed", why, step.advice, output)
    return Result(step.name, "done")
