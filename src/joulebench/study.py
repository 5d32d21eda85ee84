"""Runs a study from its file to its report; the one place that knows both halves."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from joulebench.errors import UsageError
from joulebench.record import Run, RunTable
from joulebench.study_check import distinct
from joulebench.study_file import StudyFile
from joulebench.study_folder import clear_leftovers, locked, open_study
from joulebench.study_plan import plan
from joulebench.study_read import dump, load
from joulebench.testbed.cooldown import cool_down
from joulebench.testbed.disk import DISK_FULL, DiskFull, full_message
from joulebench.testbed.host import host_facts, host_id
from joulebench.testbed.interrupts import Interrupts
from joulebench.testbed.lines import one_line
from joulebench.testbed.local import LocalTestbed

__all__ = ["Listener", "Outcome", "Stopped", "default_folder", "load", "plan", "run"]

Plan = dict[str, Any]


class Listener(Protocol):
    """Is told how a study goes on."""

    def begins(self, plans: Sequence[Plan], table: RunTable) -> None:
        """The study begins; ``plans`` are those of all its trials, done ones included."""

    def trial_begins(self, plan: Plan) -> None:
        """A trial begins."""

    def told(self, message: Mapping[str, Any]) -> None:
        """``{"event": "phase", "phase": name}`` or ``{"event": "watts", "watts": power}``."""

    def trial_ends(self, run: Run) -> None:
        """A trial has ended and its record is on disk."""


class Silent:
    """A listener that says nothing."""

    def begins(self, plans: Sequence[Plan], table: RunTable) -> None:
        """Say nothing."""

    def trial_begins(self, plan: Plan) -> None:
        """Say nothing."""

    def told(self, message: Mapping[str, Any]) -> None:
        """Say nothing."""

    def trial_ends(self, run: Run) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class Outcome:
    """What a study came to.

    Args:
        table: Its runs.
        ran: How many trials were run now.
        failed: Ids of the runs whose last attempt failed.
        report: The report; ``None`` if there is none.
        report_error: Why there is none; empty if none was asked for.
    """

    table: RunTable
    ran: int = 0
    failed: tuple[str, ...] = ()
    report: Path | None = None
    report_error: str = ""


class Stopped(KeyboardInterrupt):
    """The user stopped a study; what is done stays.

    Args:
        table: Its runs so far.
        planned: How many trials it has.
    """

    def __init__(self, table: RunTable, planned: int) -> None:
        super().__init__(f"{len(table.done_ids)} of {planned} trials are done")
        self.table = table
        self.planned = planned


@dataclass
class _Course:
    """A study under way."""

    table: RunTable
    testbed: LocalTestbed
    listener: Listener
    interrupts: Interrupts
    ran: int = 0
    failed: list[Plan] = field(default_factory=list)

    def go(self, plans: Sequence[Plan]) -> None:
        """Run the trials that are not done, then once more those that failed."""
        done = self.table.done_ids
        pending = [trial for trial in plans if trial["run_id"] not in done]
        if not pending:
            return
        with self.interrupts.allowed():
            self.testbed.prepare(distinct(pending))
        self._run_all(pending)
        retries, self.failed = self.failed, []
        self._run_all(retries)

    def _run_all(self, plans: Sequence[Plan]) -> None:
        for trial in plans:
            if self.ran:
                self._cool_down(trial)
            self.listener.trial_begins(trial)
            with self.interrupts.allowed():
                run = self.testbed.run(trial, self.listener.told)
            self._keep(trial, run)

    def _keep(self, trial: Plan, run: Run) -> None:
        self.table.append(run)
        self.ran += 1
        if run.status == "failed":
            self.failed.append(trial)
        self.listener.trial_ends(run)
        if run.facts.get(DISK_FULL):
            raise DiskFull(run.error)

    def _cool_down(self, trial: Plan) -> None:
        self.listener.told({"event": "phase", "phase": "cool-down"})
        with self.interrupts.allowed():
            cool_down(trial["protocol"], self.testbed.wait)


def default_folder(study: StudyFile) -> Path:
    """Give the place of a study's folder where none is asked for."""
    return Path("runs") / study.study


def run(
    study: StudyFile,
    folder: Path | None = None,
    *,
    listener: Listener | None = None,
    report: bool = True,
) -> Outcome:
    """Run the trials of a study that are not done yet, then write its table and report.

    Args:
        study: A checked study file; see :func:`load`.
        folder: Of the study; ``runs/NAME`` if not given.
        listener: Is told how it goes on.
        report: Whether to write the report at the end.

    Raises:
        UsageError: The folder holds something else, or the study cannot be run here.
        Stopped: The user stopped it; running it again goes on.
    """
    folder = folder or default_folder(study)
    listener = listener or Silent()
    plans = plan(study)
    specs = sensors(study)
    with locked(folder):
        facts = host_facts()
        host = host_id(facts)
        facts |= {"sensors": specs.channels}
        table = open_study(folder, dump(study), {host: facts})
        listener.begins(plans, table)
        testbed = LocalTestbed(folder, host, study.protocol.process)
        with_meters = [{**trial, "meters": specs.specs} for trial in plans]
        course = _run_course(table, testbed, listener, with_meters)
        table.write_csv()
        failed = tuple(trial["run_id"] for trial in course.failed)
        outcome = Outcome(table, course.ran, failed)
        if not report:
            return outcome
        listener.told({"event": "phase", "phase": "report"})
        return _reported(outcome)


def _run_course(
    table: RunTable, testbed: LocalTestbed, listener: Listener, plans: Sequence[Plan]
) -> _Course:
    with Interrupts() as interrupts:
        course = _Course(table, testbed, listener, interrupts)
        try:
            course.go(plans)
        except KeyboardInterrupt as error:
            with suppress(KeyboardInterrupt):  # a second one ends the tidying, not the message
                testbed.stop()
                clear_leftovers(table.folder)
                if table.runs:
                    table.write_csv()
            raise Stopped(table, len(plans)) from error
        except (OSError, DiskFull) as error:
            testbed.stop()
            place = shlex.quote(str(table.folder))
            why = full_message(error, table.folder) or f"{place}: {one_line(error)}"
            raise UsageError(
                f"{why}; what is recorded stays; mend that, then go on with: joulebench run {place}"
            ) from error
        finally:
            testbed.close()
    return course


@dataclass(frozen=True)
class Sensors:
    """The meters of a study on this machine, found once so that all trials have the same.

    Args:
        specs: JSON-ready, for the trials' processes.
        channels: Names of what they read.
    """

    specs: list[dict[str, Any]]
    channels: list[str]


def sensors(study: StudyFile) -> Sensors:
    """Find and try the meters of a study.

    Raises:
        UsageError: A meter that does not exist, or that this machine lacks.
    """
    from joulebench.meters.meter import Meter, refuse_same_names
    from joulebench.meters.registry import resolve

    specs = resolve(study.meters)
    opened: list[tuple[str, Meter]] = []
    try:
        opened.extend((spec.kind, spec.open()) for spec in specs)
        refuse_same_names(opened)
    finally:
        for _, meter in opened:
            meter.close()
    channels = [channel.name for _, meter in opened for channel in meter.channels]
    return Sensors([spec.to_dict() for spec in specs], channels)


def _reported(outcome: Outcome) -> Outcome:
    """Write the report; whatever becomes of it, the records stay."""
    try:
        from joulebench.report.build import build_report

        return replace(outcome, report=build_report(outcome.table.folder))
    except KeyboardInterrupt as error:
        raise Stopped(outcome.table, len(outcome.table.done_ids)) from error
    except Exception as error:
        message = " ".join(str(error).split())
        return replace(outcome, report_error=f"{type(error).__name__}: {message}")
