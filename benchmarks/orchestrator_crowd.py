"""Testbeds by the dozen on a virtual clock, through the real course, queue and records.

Run by ``orchestrator.py`` in a process of its own, so that its peak memory is that of one study:
``python benchmarks/orchestrator_crowd.py FOLDER TRIALS TESTBEDS``. Trials take ten minutes of a
time that is only counted; 2 in 100 fail, and every thousandth draw loses its testbed for an hour.
What is timed is what the orchestrator does of a trial: it draws it, notes that it began, reads the
record from the JSON that a testbed answers with, and appends it with its sync. Making the record up
is not counted.
"""

from __future__ import annotations

import heapq
import json
import random
import resource
import sys
import time
from pathlib import Path
from typing import Any

from orchestrator_records import record_of, study_of

from joulebench.record import Run, RunTable, dumps
from joulebench.study_course import Course
from joulebench.study_course_listener import Silent
from joulebench.study_folder import open_study
from joulebench.study_plan import plan
from joulebench.study_queue import Draw
from joulebench.study_read import dump

TRIAL_S = 600.0
LOST_S = 3600.0
FAILED = 0.02
LOST = 0.001


class Crowd:
    """Testbeds on a virtual clock.

    Args:
        course: Of the study.
        testbeds: How many.
    """

    def __init__(self, course: Course, testbeds: int) -> None:
        self.course = course
        self.names = [f"bed-{place:02d}" for place in range(testbeds)]
        self.cpu_s = self.wall_s = 0.0
        self.lost = self.failed = 0
        self._draw = random.Random(1)
        self._events = [(0.0, place, "free", name) for place, name in enumerate(self.names)]
        self._under_way: dict[str, Draw] = {}
        self._number = testbeds

    def run(self) -> None:
        """Run the study to its end."""
        self.course.open_queue(self.names)
        while self._events:
            at_s, _, what, name = heapq.heappop(self._events)
            if what == "ends":
                answer = self._answer(name)
                self._timed(self._record, name, answer)
            if not self.course.queue.finished:
                self._next(at_s, name)

    def _next(self, at_s: float, name: str) -> None:
        drawn = self._timed(self._begin, name)
        if drawn is None:  # others have what is left; one of them may leave something
            self._push(at_s + TRIAL_S, "free", name)
        elif self._draw.random() < LOST:
            self.lost += 1
            self._timed(self.course.queue.lost, name)
            self._push(at_s + LOST_S, "free", name)
        else:
            self._under_way[name] = drawn
            self._push(at_s + TRIAL_S * self._draw.uniform(0.95, 1.05), "ends", name)

    def _push(self, at_s: float, what: str, name: str) -> None:
        self._number += 1
        heapq.heappush(self._events, (at_s, self._number, what, name))

    def _answer(self, name: str) -> bytes:
        """Give what a testbed answers with: the record, as JSON."""
        status = "failed" if self._draw.random() < FAILED else "done"
        self.failed += status == "failed"
        return dumps(record_of(self._under_way.pop(name).plan, name, status).to_dict()).encode()

    def _begin(self, name: str) -> Draw | None:
        drawn = self.course.queue.draw(name)
        if drawn is not None:
            self.course.trial_begins(name, drawn, name)
        return drawn

    def _record(self, name: str, answer: bytes) -> None:
        self.course.keep(name, Run.from_dict(json.loads(answer)))

    def _timed(self, act: Any, *words: Any) -> Any:
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        try:
            return act(*words)
        finally:
            self.cpu_s += time.process_time() - cpu_s
            self.wall_s += time.perf_counter() - wall_s


def simulated(folder: Path, trials: int, testbeds: int) -> dict[str, Any]:
    """Run a study of so many trials and give what each took of the orchestrator."""
    study = study_of(trials)
    begun_s = time.process_time()
    plans = plan(study)
    table = open_study(folder, dump(study), {"3f2a9c1b2d4e": {"cpu": "made up"}})
    course = Course(table, plans, Silent())
    started_s = time.process_time() - begun_s
    crowd = Crowd(course, testbeds)
    crowd.run()
    peak_mb = _peak_mb()
    begun_s = time.process_time()
    course.table.write_csv()
    _check(folder, plans, course)
    return {
        "trials": len(plans),
        "testbeds": testbeds,
        "recorded": course.ran,
        "failed": crowd.failed,
        "lost": crowd.lost,
        "record_bytes": (folder / "runs.jsonl").stat().st_size / course.ran,
        "cpu_s_a_trial": crowd.cpu_s / course.ran,
        "wall_s_a_trial": crowd.wall_s / course.ran,
        "start_cpu_s": started_s,
        "peak_mb": peak_mb,
        "table_cpu_s": time.process_time() - begun_s,
        "peak_with_table_mb": _peak_mb(),
    }


def _check(folder: Path, plans: list[dict[str, Any]], course: Course) -> None:
    """Make sure that every trial is recorded, once as done or as often failed as is tried."""
    again = RunTable.open(folder)
    given_up = set(course.queue.given_up)
    assert {each["run_id"] for each in plans} == again.done_ids | given_up
    assert len(again.entries) == len(plans)


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    place, trials, testbeds = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps(simulated(place, trials, testbeds)))
