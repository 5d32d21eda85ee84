"""What Slurm says of jobs: asked for all of a study at once, and seldom."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from joulebench.errors import UsageError

_ANSWER_S = 60.0  # a controller under load takes this long
_OFTEN_S, _SELDOM_S = 1.0, 15.0
_FORM = "%i|%T|%r|%N|%P|%l"
_HELD = "7days"
_PREFIXES = re.compile(
    r"^(\w+: )?((error|fatal): )?(Batch job submission failed: |allocation failure: )?"
)

UNDER_WAY = {
    "PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "COMPLETING", "STAGE_OUT", "STOPPED",
    "SIGNALING", "RESIZING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD",
}  # fmt: skip
"""States of jobs that have not ended."""

GONE = "GONE"
"""State of a job of which Slurm knows no more."""


class SlurmSilent(UsageError):
    """Slurm did not answer, or not now."""


@dataclass(frozen=True)
class JobState:
    """A job as Slurm knows it.

    Args:
        state: RUNNING, PENDING, TIMEOUT, ...; :data:`GONE` where it is forgotten.
        reason: Why it waits or ended.
        nodes: Where.
        partition: Of it.
        time_limit: Its longest time.
    """

    state: str
    reason: str = ""
    nodes: str = ""
    partition: str = ""
    time_limit: str = ""

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.state not in UNDER_WAY


def ask(*command: str) -> str:
    """Run a command of Slurm's and give what it prints.

    Args:
        command: Its words.

    Raises:
        SlurmSilent: It failed; says what Slurm said.
    """
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=_ANSWER_S, check=False
        )
    except FileNotFoundError as error:
        raise SlurmSilent(f"there is no {command[0]} here; run on a Slurm login node") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SlurmSilent(f"{command[0]} gave no answer within {_ANSWER_S:g} s") from error
    if answer.returncode:
        raise SlurmSilent(said(answer.stderr) or f"{command[0]} failed")
    return answer.stdout


def said(text: str) -> str:
    """Give the last complaint of a command of Slurm's, without its name before it."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return _PREFIXES.sub("", lines[-1]) if lines else ""


class Queue:
    """Slurm's knowledge of a study's jobs, shared between those who wait for them.

    Args:
        run: Runs a command; see :func:`ask`.
    """

    def __init__(self, run: Callable[..., str] = ask) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._watched: set[str] = set()
        self._states: dict[str, JobState] = {}
        self._asked_s = float("-inf")

    def state(self, job: str, age_s: float = 0.0) -> JobState:
        """Give the state of a job, a second old at most, and 15 s where it has waited for long.

        Args:
            job: Its id: ``17``, ``17_3``.
            age_s: How long it has been waited for, s.

        Raises:
            SlurmSilent: Slurm did not answer.
        """
        with self._lock:
            new = job not in self._watched
            self._watched.add(job)
            patience_s = min(_SELDOM_S, _OFTEN_S + age_s / 20)
            if new or time.monotonic() - self._asked_s > patience_s:
                self._states = self._ask_all()
                self._asked_s = time.monotonic()
            return self._states.get(job, JobState(GONE))

    def forget(self, job: str) -> None:
        """Ask no more of a job."""
        with self._lock:
            self._watched.discard(job)

    def find(self, name: str) -> str:
        """Give the id of the job of a name, or of its array; empty if Slurm knows none.

        Args:
            name: Of the job.

        Raises:
            SlurmSilent: Slurm did not answer.
        """
        waiting = self._run("squeue", "-h", "-t", "all", "-n", name, "-o", "%F").split()
        if waiting:
            return waiting[0]
        begin = f"now-{_HELD}"
        try:
            words = ("sacct", "-n", "-X", "-P", "--name", name, "-S", begin, "-o", "JobID")
            known = self._run(*words).split()
        except SlurmSilent:  # a cluster without accounting
            return ""
        return known[0].partition("_")[0] if known else ""

    def _ask_all(self) -> dict[str, JobState]:
        states = _parsed(self._squeue(sorted(self._watched)))
        lost = [job for job in self._watched if job not in states]
        return states | (self._accounted(lost) if lost else {})

    def _squeue(self, jobs: Sequence[str]) -> list[str]:
        # A job given twice keeps one that is forgotten from being an error.
        ids = ",".join([*jobs, jobs[-1]])
        try:
            words = ("squeue", "-h", "--array", "-t", "all", "-j", ids, "-o", _FORM)
            return self._run(*words).splitlines()
        except SlurmSilent as error:
            if "invalid job id" in str(error).lower():
                return []
            raise

    def _accounted(self, jobs: Sequence[str]) -> dict[str, JobState]:
        """Ask the accounting for jobs that the controller has forgotten."""
        form = "JobID,State,Reason,NodeList,Partition,Timelimit"
        try:
            answer = self._run("sacct", "-n", "-X", "-P", "-j", ",".join(jobs), "-o", form)
        except SlurmSilent:
            return {}
        return _parsed(answer.splitlines())


def _parsed(lines: Iterable[str]) -> dict[str, JobState]:
    states = {}
    for line in lines:
        job, *rest = line.strip().split("|")
        if len(rest) == _FORM.count("|"):
            state, reason, *more = rest
            states[job] = JobState(state.partition(" ")[0], _known(reason), *more)
    return states


def _known(reason: str) -> str:
    return "" if reason in ("None", "(null)") else reason.strip("()")
