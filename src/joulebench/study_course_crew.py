"""Several testbeds, or one elsewhere, share a study: a thread waits for each, one alone records."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from joulebench.errors import UsageError
from joulebench.record import Run
from joulebench.study_check import distinct
from joulebench.study_course import Course
from joulebench.study_course_kinds import unlike
from joulebench.study_queue import Draw
from joulebench.testbed.disk import DISK_FULL
from joulebench.testbed.interrupts import Interrupts
from joulebench.testbed.testbed import Testbed, TestbedLost

LOOK_S = 0.25
"""How often Ctrl-C is looked for while nothing comes, s."""

IN_A_ROW = 3
"""A testbed on which so many trials fail one after another is doubted."""

STOP_S = 20.0
"""How long trials under way are waited for when a study is stopped, s."""

_Event = tuple["_Worker", str, Any]


@dataclass(eq=False)
class _Worker:
    """One testbed and the thread that waits for it.

    Args:
        testbed: Where it runs trials.
        plans: One of each cell that is to be run.
        events: Where it tells what becomes of them.
        pending: All that are to be run; those that it has begun, once it is ready.
        failed: Cells of the trials that have failed on it one after another.
        error: Of the last of these.
    """

    testbed: Testbed
    plans: Sequence[Mapping[str, Any]]
    events: queue.SimpleQueue[_Event]
    pending: Sequence[Mapping[str, Any]]
    orders: queue.SimpleQueue[Draw | None] = field(default_factory=queue.SimpleQueue)
    hosts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    drawn: Draw | None = None
    failed: list[str] = field(default_factory=list)
    error: str = ""
    ready: bool = False
    out: bool = False

    def start(self) -> None:
        """Begin to prepare the testbed."""
        name = f"joulebench {self.testbed.name}"
        self.thread = threading.Thread(target=self._work, name=name, daemon=True)
        self.thread.start()

    @property
    def name(self) -> str:
        """What records call the testbed."""
        return self.testbed.name

    def _work(self) -> None:
        try:
            hosts = self.testbed.prepare(self.plans)
            self._say("ready", (hosts, self.testbed.adopt(self.pending)))
            began = False
            while (drawn := self.orders.get()) is not None:
                if began:
                    self.testbed.cool_down(drawn.plan, self._tell)
                began = True
                self._say("ended", self.testbed.run(drawn.plan, drawn.attempt, self._tell))
        except BaseException as error:  # whatever it is, the study must hear of it
            self._say("out", error)
        else:
            self._say("out", None)

    def _tell(self, message: Mapping[str, Any]) -> None:
        self._say("told", message)

    def _say(self, what: str, content: Any) -> None:
        self.events.put((self, what, content))


class Crew:
    """Has testbeds share a study.

    Args:
        course: Of the study.
        testbeds: Where it runs; all are tried, and those that nobody reaches are left out.
        interrupts: Say whether the user wants to stop.
    """

    def __init__(self, course: Course, testbeds: Sequence[Testbed], interrupts: Interrupts) -> None:
        self._course = course
        self._interrupts = interrupts
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        cells = distinct(course.pending)
        self._workers = [
            _Worker(testbed, cells, self._events, course.pending) for testbed in testbeds
        ]
        self._last: UsageError | None = None
        self._done: dict[str, set[str]] = {}

    def run(self) -> None:
        """Run the trials that are not done.

        Raises:
            KeyboardInterrupt: The user stopped it; trials under way were cancelled.
            UsageError: Trials cannot be run there, or no testbed is left.
            OSError: The disk takes no more.
        """
        try:
            self._begin()
            while not self._course.queue.finished:
                self._hand_out()
                self._take(self._next())
            self._dismiss()
        except BaseException:
            self._stop()
            raise

    def _begin(self) -> None:
        """Prepare all testbeds at once; begin when each has answered or been given up."""
        for worker in self._workers:
            self._course.state.rests(worker.name, "preparing")
            worker.start()
        while not all(worker.ready or worker.out for worker in self._workers):
            self._take(self._next())
        there = [worker for worker in self._workers if worker.ready]
        _refuse_same_names([worker.name for worker in there])
        self._course.state.places.clear()
        for worker in there:
            self._course.add_hosts(worker.hosts)
            self._course.state.rests(worker.name, "idle")
        self._note_kinds(there)
        line = self._course.open_queue([worker.name for worker in there])
        for worker in there:
            line.adopt(worker.name, worker.pending)

    def _note_kinds(self, workers: Sequence[_Worker]) -> None:
        by_block = self._course.by_block
        note = unlike({worker.name: worker.hosts for worker in workers}, by_block=by_block)
        if note:
            self._course.note(note)
        blocks = {plan["trial"]["block"] for plan in self._course.pending}
        if by_block and len(blocks) < len(workers):
            self._course.note(
                f"{len(blocks)} block(s) are left for {len(workers)} testbeds: some of them have "
                "nothing to do, since a block stays on one testbed"
            )

    def _hand_out(self) -> None:
        """Give each testbed that waits a trial, where there is one for it."""
        for worker in self._workers:
            if worker.out or worker.drawn is not None or self._is_doubted(worker):
                continue
            drawn = self._course.queue.draw(worker.name)
            if drawn is not None:
                worker.drawn = drawn
                self._course.trial_begins(worker.name, drawn, worker.name)
                worker.orders.put(drawn)
        if all(worker.out for worker in self._workers):
            raise self._last or UsageError("no testbed is left")

    def _next(self) -> _Event:
        """Give the next event; Ctrl-C is heard in between, so that none is lost."""
        while True:
            if self._interrupts.asked:
                raise KeyboardInterrupt
            try:
                return self._events.get(timeout=LOOK_S)
            except queue.Empty:
                self._course.state.beat()

    def _take(self, event: _Event) -> None:
        worker, what, content = event
        if what == "told":
            self._course.told(worker.name, content, worker.name)
        elif what == "ready":
            worker.hosts, worker.pending = content
            worker.ready = True
        elif what == "ended":
            self._keep(worker, content)
        else:
            self._out(worker, content)

    def _keep(self, worker: _Worker, run: Run) -> None:
        worker.drawn = None
        if self._recorded(run):
            self._course.queue.stale(worker.name)
            return
        self._course.keep(worker.name, run)
        if run.facts.get(DISK_FULL):
            self._leave(worker, str(run.error))
        self._judge(worker, run)

    def _judge(self, worker: _Worker, run: Run) -> None:
        """Leave out testbeds that fail one after another at what this one, or others, can do."""
        cell = run.run_id.rpartition(".")[0]
        if run.status == "done":
            worker.failed.clear()
            self._done.setdefault(cell, set()).add(worker.name)
        else:
            worker.failed.append(cell)
            worker.error = str(run.error)
            for other in self._workers:
                if other is not worker and cell in other.failed:
                    other.failed.clear()  # it is the trial's fault
        for each in self._workers:
            if not each.out and len(each.failed) >= IN_A_ROW and self._others_can(each):
                self._leave(
                    each,
                    f"{len(each.failed)} trials failed in a row that others can do, the last: "
                    f"{each.error}",
                )

    def _others_can(self, worker: _Worker) -> bool:
        others = {each.name for each in self._workers if not each.out} - {worker.name}
        return any(self._done.get(cell, set()) & others for cell in worker.failed)

    def _is_doubted(self, worker: _Worker) -> bool:
        """Say whether a testbed has to wait until others have shown whose fault its failures are.

        A broken machine fails fast, and would use up all attempts of a study.
        """
        busy = any(each.drawn is not None for each in self._workers)
        return busy and len(worker.failed) >= IN_A_ROW

    def _leave(self, worker: _Worker, why: str) -> None:
        """Send a testbed no more trials."""
        worker.orders.put(None)
        self._out(worker, TestbedLost(f"testbed {worker.name!r}: {why}"))

    def _recorded(self, run: Run) -> bool:
        """Say whether a failure is that of an attempt whose record is there already."""
        if run.status != "failed" or self._course.table.entry(run.run_id) is None:
            return False
        return self._course.table.run(run.run_id).to_dict() == run.to_dict()

    def _out(self, worker: _Worker, error: BaseException | None) -> None:
        """Go on without a testbed, or stop for what concerns all of them."""
        if worker.out:
            return
        worker.out, worker.drawn = True, None
        if error is None:
            return
        refused = isinstance(error, UsageError) and (worker.ready or isinstance(error, TestbedLost))
        if not refused:
            raise error
        assert isinstance(error, UsageError)
        self._last = error
        self._course.queue.lost(worker.name)
        self._course.state.rests(worker.name, "lost", str(error))
        if not all(each.out for each in self._workers):
            self._course.note(f"{error}; the others go on with its trials")
        elif not any(each.ready for each in self._workers):
            raise error

    def _dismiss(self) -> None:
        for worker in self._workers:
            worker.orders.put(None)
        for worker in self._workers:
            worker.thread.join(STOP_S)

    def _stop(self) -> None:
        """Cancel what runs, and still record what ends in the meantime."""
        stops = [
            threading.Thread(target=worker.testbed.stop, daemon=True)
            for worker in self._workers
            if not worker.out
        ]
        for stop in stops:
            stop.start()
        for worker in self._workers:
            worker.orders.put(None)
        until_s = time.monotonic() + STOP_S
        while not all(worker.out for worker in self._workers) and time.monotonic() < until_s:
            self._take_last()
        for stop in stops:
            stop.join(max(0.0, until_s - time.monotonic()))

    def _take_last(self) -> None:
        try:
            worker, what, content = self._events.get(timeout=LOOK_S)
        except queue.Empty:
            return
        if what == "ended" and content.status == "done":
            self._keep(worker, content)
        elif what == "out":
            worker.out = True


def _refuse_same_names(names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(
            f"two testbeds are called {twice!r}; give each a name of its own in the study file: "
            "testbeds: [{url: ..., name: ...}]"
        )
