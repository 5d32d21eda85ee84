"""A study under way: trials drawn, run, recorded and told of; one thread alone writes records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joulebench.record import Run, RunTable
from joulebench.record_entry import Entry
from joulebench.study_check import distinct
from joulebench.study_course_listener import Listener
from joulebench.study_course_state import CourseFile
from joulebench.study_queue import Draw, TrialQueue
from joulebench.testbed.disk import DISK_FULL, DiskFull
from joulebench.testbed.interrupts import Interrupts
from joulebench.testbed.testbed import Testbed

Plan = Mapping[str, Any]


class Course:
    """What all ways to run a study share.

    Args:
        table: Of the study, open.
        plans: Of all its trials, in their order.
        listener: Is told how it goes on.
        by_block: Whether a testbed takes whole blocks.
    """

    def __init__(
        self,
        table: RunTable,
        plans: Sequence[Plan],
        listener: Listener,
        *,
        by_block: bool = True,
    ) -> None:
        self.table = table
        self.listener = listener
        self.by_block = by_block
        self.pending = [plan for plan in plans if not table.is_done(plan["run_id"])]
        self._begun = _begun(table, plans, self.pending)
        self.state = CourseFile(table.folder)
        self.queue = TrialQueue([], 1)
        self.ran = 0

    def open_queue(self, testbeds: Sequence[str]) -> TrialQueue:
        """Line up what is not done for those testbeds that are there.

        Args:
            testbeds: Their names; a block that one of them has begun stays with it.
        """
        failures = {plan["run_id"]: self.table.failures(plan["run_id"]) for plan in self.pending}
        attempts = int(self.pending[0]["protocol"].get("attempts", 2)) if self.pending else 1
        keepers = {
            entry.block: entry.testbed
            for entry in self._begun
            if entry.block is not None and entry.testbed in testbeds
        }
        self.queue = TrialQueue(
            self.pending, attempts, failures=failures, by_block=self.by_block, keepers=keepers
        )
        return self.queue

    def add_hosts(self, hosts: Mapping[str, Mapping[str, Any]]) -> None:
        """Write down machines' facts that are new or have changed."""
        known = dict(self.table.hosts)
        self.table.hosts.update({host: dict(facts) for host, facts in hosts.items()})
        if self.table.hosts != known:
            self.table.write_hosts()

    def trial_begins(self, testbed: str, drawn: Draw, shown: str = "") -> None:
        """Tell that a trial begins.

        Args:
            testbed: Its name.
            drawn: What it runs.
            shown: Its name where people need it to tell testbeds apart.
        """
        self.state.trial_begins(testbed, drawn.plan["run_id"], drawn.attempt)
        self.listener.trial_begins(drawn.plan, shown)

    def told(self, testbed: str, message: Mapping[str, Any], shown: str = "") -> None:
        """Pass on what a testbed tells of its trial: phases, watts, the facts of another host."""
        if message["event"] == "host":
            self.add_hosts({message["id"]: message["facts"]})
            return
        self.state.told(testbed, message)
        self.listener.told({**message, "testbed": shown} if shown else message)

    def note(self, text: str) -> None:
        """Say something to people."""
        self.listener.told({"event": "note", "note": text})

    def keep(self, testbed: str, run: Run) -> None:
        """Record a testbed's run, before anybody is told of it."""
        self.table.append(run)
        self.ran += 1
        self.queue.ended(testbed, failed=run.status == "failed")
        self.state.rests(testbed, "idle")
        self.listener.trial_ends(run)


def _begun(table: RunTable, plans: Sequence[Plan], pending: Sequence[Plan]) -> list[Entry]:
    """Give what is known of the runs in blocks that are not complete; most of a study may be."""
    blocks = {plan["trial"]["block"] for plan in pending}
    ids = [plan["run_id"] for plan in plans if plan["trial"]["block"] in blocks]
    return [entry for run_id in ids if (entry := table.entry(run_id)) is not None]


def run_alone(course: Course, testbed: Testbed, interrupts: Interrupts) -> None:
    """Run a study's trials on this machine, in this thread.

    Args:
        course: Of the study.
        testbed: This machine.
        interrupts: Let Ctrl-C through where nothing is half done.

    Raises:
        KeyboardInterrupt: The user stopped it.
        DiskFull: The disk takes no more records.
    """
    queue = course.open_queue([testbed.name])
    with interrupts.allowed():
        hosts = testbed.prepare(distinct(course.pending))
    course.add_hosts(hosts)
    while (drawn := queue.draw(testbed.name)) is not None:
        if course.ran:
            with interrupts.allowed():
                testbed.cool_down(drawn.plan, lambda message: course.told(testbed.name, message))
        course.trial_begins(testbed.name, drawn)
        with interrupts.allowed():
            run = testbed.run(
                drawn.plan, drawn.attempt, lambda message: course.told(testbed.name, message)
            )
        course.keep(testbed.name, run)
        if run.facts.get(DISK_FULL):
            raise DiskFull(run.error)
