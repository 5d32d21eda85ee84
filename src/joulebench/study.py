"""Runs a study from its file to its report; the one place that knows both halves."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from joulebench.errors import UsageError
from joulebench.record import RunTable
from joulebench.study_check import distinct
from joulebench.study_course import Course, run_alone
from joulebench.study_course_listener import Listener, Silent
from joulebench.study_file import StudyFile
from joulebench.study_folder import clear_leftovers, locked, open_study, study_id_of
from joulebench.study_plan import plan
from joulebench.study_queue import WITH_BLOCKS
from joulebench.study_read import dump, load
from joulebench.testbed.disk import DiskFull, full_message
from joulebench.testbed.interrupts import Interrupts
from joulebench.testbed.lines import one_line
from joulebench.testbed.local import LocalTestbed
from joulebench.testbed.testbed import Testbed, TestbedLost

__all__ = ["Listener", "Outcome", "Stopped", "default_folder", "load", "plan", "run"]


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
        UsageError: The folder holds something else, or the study cannot be run there.
        Stopped: The user stopped it; running it again goes on.
    """
    folder = folder or default_folder(study)
    listener = listener or Silent()
    plans = plan(study)
    here = None if study.testbeds else LocalTestbed(folder)
    hosts = here.hosts(distinct(plans)) if here else {}
    with locked(folder):
        table = open_study(folder, dump(study), hosts)
        listener.begins(plans, table)
        course = Course(table, plans, listener, by_block=_by_block(study))
        testbeds = [here] if here else _elsewhere(study, folder)
        _run_course(course, testbeds, len(plans))
        table.write_csv()
        outcome = Outcome(table, course.ran, course.queue.given_up)
        if not report:
            return outcome
        listener.told({"event": "phase", "phase": "report"})
        return _reported(outcome)


def _by_block(study: StudyFile) -> bool:
    """Say whether a testbed takes whole blocks: machines do; jobs of a cluster run anywhere."""
    jobs = bool(study.testbeds) and all(each.slurm is not None for each in study.testbeds)
    return study.order.kind in WITH_BLOCKS and not jobs


def _elsewhere(study: StudyFile, folder: Path) -> list[Testbed]:
    from joulebench.testbed.places import open_testbeds

    return open_testbeds(dump(study)["testbeds"], folder, study_id_of(folder))


def _run_course(course: Course, testbeds: Sequence[Testbed], planned: int) -> None:
    """Run what is not done, and leave a study that can be gone on with whatever happens."""
    table = course.table
    with Interrupts() as interrupts:
        try:
            _run_pending(course, testbeds, interrupts)
        except KeyboardInterrupt as error:
            with suppress(KeyboardInterrupt):  # a second one ends the tidying, not the message
                _stop_here(testbeds)
                clear_leftovers(table.folder)
                if table.entries:
                    table.write_csv()
            raise Stopped(table, planned) from error
        except (OSError, DiskFull, TestbedLost) as error:
            _stop_here(testbeds)
            place = shlex.quote(str(table.folder))
            why = full_message(error, table.folder) or f"{place}: {one_line(error)}"
            raise UsageError(
                f"{why}; what is recorded stays; mend that, then go on with: joulebench run {place}"
            ) from error
        finally:
            course.state.remove()
            for testbed in testbeds:
                testbed.close()


def _run_pending(course: Course, testbeds: Sequence[Testbed], interrupts: Interrupts) -> None:
    if course.open_queue([]).finished:
        return
    [first, *others] = testbeds
    if isinstance(first, LocalTestbed) and not others:
        run_alone(course, first, interrupts)
        return
    from joulebench.study_course_crew import Crew

    Crew(course, testbeds, interrupts).run()


def _stop_here(testbeds: Sequence[Testbed]) -> None:
    """Stop the trial of this machine; a crew has stopped those elsewhere."""
    for testbed in testbeds:
        if isinstance(testbed, LocalTestbed):
            testbed.stop()


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
