"""Studies whose trials are run elsewhere: shared, resumed, stopped, and never recorded twice."""

from __future__ import annotations

import errno
import json
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from joulebench.errors import UsageError
from joulebench.record import Run, RunTable
from joulebench.study_course import Course, run_alone
from joulebench.study_course_crew import Crew
from joulebench.study_course_kinds import unlike
from joulebench.study_course_listener import Silent
from joulebench.study_course_state import NAME, CourseFile, read_course
from joulebench.study_folder import STUDY_ID, open_study, study_id_of
from joulebench.study_plan import plan
from joulebench.study_read import dump, load, parse
from joulebench.testbed.disk import DISK_FULL, DiskFull
from joulebench.testbed.interrupts import Interrupts
from joulebench.testbed.testbed import TestbedLost

STUDY: dict[str, Any] = {
    "study": "s",
    "factors": {"model": ["a", "b"]},
    "task": "copa",
    "engine": {"kind": "echo"},
    "repetitions": 4,
}
PLANS = plan(parse(STUDY, "s"))


class Bed:
    """A testbed in this process, whose trials end as they are told to."""

    def __init__(self, name: str, gate: threading.Barrier | None = None) -> None:
        self.name = name
        self.took: list[tuple[str, int]] = []
        self.fails: set[str] = set()
        self.lost_at: int | None = None
        self.error: Exception | None = None
        self.answers: dict[str, Run] = {}
        self.begun: list[str] = []
        self.hold = threading.Event()
        self.holds = False
        self.stops_with_a_run = False
        self.stops = 0
        self.gpu = "H100"
        self.refuses = ""
        self.gate = gate
        self.full = False

    def prepare(self, plans: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
        if self.refuses:
            raise UsageError(self.refuses)
        if self.lost_at == 0:
            raise TestbedLost(f"{self.name} is not there")
        return {self.name: {"gpus": [{"name": self.gpu}], "plans": len(plans)}}

    def adopt(self, plans: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        return [each for each in plans if each["run_id"] in self.begun]

    def run(self, plan: Mapping[str, Any], attempt: int, tell: Any) -> Run:
        if self.gate is not None:
            self.gate.wait(10)
        self.took.append((plan["run_id"], attempt))
        tell({"event": "watts", "watts": 3.0})
        if self.error is not None:
            raise self.error
        if len(self.took) == self.lost_at:
            raise TestbedLost(f"{self.name} has gone")
        if self.holds and self.hold.wait(20):
            if self.stops_with_a_run:
                return ended(plan, self.name, attempt, failed=True)
            raise TestbedLost("stopped")
        if plan["run_id"] in self.answers:
            return self.answers.pop(plan["run_id"])
        return ended(plan, self.name, attempt, failed=plan["run_id"] in self.fails, full=self.full)

    def cool_down(self, plan: Mapping[str, Any], tell: Any) -> None:
        del plan, tell

    def stop(self) -> None:
        self.stops += 1
        self.hold.set()

    def close(self) -> None:
        """Nothing is open."""


def ended(
    plan: Mapping[str, Any], testbed: str, attempt: int, *, failed: bool = False, full: bool = False
) -> Run:
    return Run(
        plan["run_id"],
        plan["study"],
        dict(plan["trial"]),
        status="failed" if failed or full else "done",
        error="no luck" if failed or full else None,
        testbed=testbed,
        facts={"wall_s": 1.0, "attempt": attempt} | ({DISK_FULL: True} if full else {}),
    )


class Heard(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.watts: list[tuple[str, float]] = []

    def told(self, message: Mapping[str, Any]) -> None:
        if message["event"] == "note":
            self.notes.append(message["note"])
        elif message["event"] == "watts":
            self.watts.append((message.get("testbed", ""), message["watts"]))


@pytest.fixture
def table(tmp_path: Path) -> RunTable:
    return RunTable.create(tmp_path / "s", dump(parse(STUDY, "s")))


def go(
    table: RunTable, *beds: Bed, heard: Heard | None = None, interrupts: Interrupts | None = None
) -> Course:
    course = Course(table, PLANS, heard or Heard())
    Crew(course, beds, interrupts or Interrupts()).run()
    return course


def records(table: RunTable) -> list[dict[str, Any]]:
    lines = (table.folder / "runs.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def blocks_of(table: RunTable) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for record in records(table):
        found.setdefault(record["trial"]["block"], set()).add(record["testbed"])
    return found


def test_two_testbeds_share_the_blocks_and_each_trial_is_recorded_once(table: RunTable) -> None:
    gate = threading.Barrier(2)
    a, b, heard = Bed("a", gate), Bed("b", gate), Heard()
    course = go(table, a, b, heard=heard)
    assert Counter(record["run_id"] for record in records(table)) == {
        trial["run_id"]: 1 for trial in PLANS
    }
    assert all(len(beds) == 1 for beds in blocks_of(table).values())
    assert {len(a.took), len(b.took)} == {4}
    assert course.queue.finished
    assert set(table.hosts) == {"a", "b"}
    assert table.hosts["a"]["plans"] == 2  # one of each cell is checked
    assert ("b", 3.0) in heard.watts
    assert heard.notes == []


def test_a_failing_trial_is_tried_as_often_as_asked_and_never_again(table: RunTable) -> None:
    bed = Bed("a")
    bed.fails = {"model-a.r02"}
    course = go(table, bed)
    assert [attempt for run_id, attempt in bed.took if run_id == "model-a.r02"] == [1, 2]
    assert bed.took[-1] == ("model-a.r02", 2)
    assert course.queue.given_up == ("model-a.r02",)
    again = Course(RunTable.open(table.folder), PLANS, Heard())
    assert again.open_queue(["a"]).finished


def test_attempts_go_on_counting_after_a_restart(table: RunTable) -> None:
    table.append(ended(PLANS[0], "a", 1, failed=True))
    bed = Bed("a")
    go(RunTable.open(table.folder), bed)
    assert bed.took[-1] == (PLANS[0]["run_id"], 2)


def test_a_block_that_was_begun_goes_on_where_it_was(table: RunTable) -> None:
    table.append(ended(PLANS[0], "b", 1))
    a, b = Bed("a"), Bed("b")
    go(RunTable.open(table.folder), a, b)
    assert blocks_of(table)[1] == {"b"}
    assert b.took[0] == (PLANS[1]["run_id"], 1)


def test_what_a_testbed_has_begun_it_goes_on_with_first(table: RunTable) -> None:
    bed = Bed("a")
    bed.begun = [PLANS[5]["run_id"]]
    go(table, bed)
    assert bed.took[0] == (PLANS[5]["run_id"], 1)


def test_a_failure_that_is_recorded_already_is_no_second_one(table: RunTable) -> None:
    old = ended(PLANS[0], "a", 1, failed=True)
    table.append(old)
    bed = Bed("a")
    bed.answers = {old.run_id: Run.from_dict(old.to_dict())}
    go(RunTable.open(table.folder), bed)
    assert [take for take in bed.took if take[0] == old.run_id] == [
        (old.run_id, 2),
        (old.run_id, 3),
    ]
    assert [r["status"] for r in records(table) if r["run_id"] == old.run_id] == ["failed", "done"]


def test_a_lost_testbed_leaves_its_trials_to_the_others(table: RunTable) -> None:
    a, b, heard = Bed("a"), Bed("b"), Heard()
    a.lost_at = 2
    go(table, a, b, heard=heard)
    assert len(records(table)) == len(PLANS)
    assert any("a has gone; the others go on" in note for note in heard.notes)


def test_a_testbed_that_fails_at_what_others_can_do_is_left_out(table: RunTable) -> None:
    broken, sound, heard = Bed("broken"), Bed("sound"), Heard()
    broken.fails = {each["run_id"] for each in PLANS}
    course = go(table, broken, sound, heard=heard)
    assert not course.queue.given_up
    assert table.done_ids == {each["run_id"] for each in PLANS}
    assert {run.testbed for run in table.runs} == {"sound"}
    assert len(broken.took) <= 4  # one may be under way while the other has shown nothing yet
    assert any("trials failed in a row that others can do" in note for note in heard.notes)


def test_trials_that_fail_everywhere_are_no_fault_of_a_testbed(table: RunTable) -> None:
    beds = [Bed("one"), Bed("two")]
    for bed in beds:
        bed.fails = {each["run_id"] for each in PLANS}
    course = go(table, *beds)
    assert set(course.queue.given_up) == {each["run_id"] for each in PLANS}
    assert all(table.failures(each["run_id"]) == 2 for each in PLANS)


def test_the_last_testbed_that_is_lost_ends_the_study(table: RunTable) -> None:
    a, b = Bed("a"), Bed("b")
    a.lost_at, b.lost_at = 2, 3
    with pytest.raises(TestbedLost, match="has gone"):
        go(table, a, b)
    assert len(records(table)) == 3


def test_a_testbed_that_is_not_there_is_left_out(table: RunTable) -> None:
    a, b, heard = Bed("a"), Bed("b"), Heard()
    a.lost_at = 0
    go(table, a, b, heard=heard)
    assert {record["testbed"] for record in records(table)} == {"b"}
    assert any("a is not there" in note for note in heard.notes)
    with pytest.raises(TestbedLost, match="is not there"):
        go(RunTable.create(table.folder.with_name("t"), {"study": "s"}), a)


def test_a_testbed_that_refuses_the_study_stops_it_before_any_trial(table: RunTable) -> None:
    a, b = Bed("a"), Bed("b")
    a.refuses = "no such meter here"
    with pytest.raises(UsageError, match="no such meter here"):
        go(table, a, b)
    assert b.took == []


def test_two_testbeds_of_one_name_are_refused(table: RunTable) -> None:
    with pytest.raises(UsageError, match="two testbeds are called 'a'"):
        go(table, Bed("a"), Bed("a"))


def test_machines_of_two_kinds_are_noted(table: RunTable) -> None:
    a, b, heard = Bed("a"), Bed("b"), Heard()
    b.gpu = "A100"
    go(table, a, b, heard=heard)
    [note] = heard.notes
    assert "1 x H100" in note
    assert "compare cells within blocks only" in note
    hosts = {"a": {"h": {"gpus": [{"name": "H100"}]}}, "b": {"i": {"gpus": [{"name": "A100"}]}}}
    assert "use order.kind: blocks" in unlike(hosts, by_block=False)
    assert unlike({"a": hosts["a"], "c": hosts["a"]}, by_block=True) == ""


def test_fewer_blocks_than_testbeds_are_noted(table: RunTable) -> None:
    for done in PLANS[:6]:
        table.append(ended(done, "a", 1))
    heard = Heard()
    go(RunTable.open(table.folder), Bed("a"), Bed("b"), heard=heard)
    assert heard.notes[0].startswith("1 block(s) are left for 2 testbeds")


@pytest.mark.parametrize("with_a_run", [False, True])
def test_ctrl_c_cancels_what_runs_and_keeps_what_ends(table: RunTable, with_a_run: bool) -> None:
    a, b = Bed("a"), Bed("b")
    a.holds, a.stops_with_a_run = True, with_a_run
    interrupts = Interrupts()

    class Impatient(Heard):
        def trial_ends(self, run: Run) -> None:
            interrupts.asked = run.testbed == "b"

    with pytest.raises(KeyboardInterrupt):
        go(table, a, b, heard=Impatient(), interrupts=interrupts)
    assert a.stops == 1
    assert all(record["testbed"] == "b" for record in records(table))
    left = RunTable.open(table.folder)
    assert 1 <= len(left.done_ids) < len(PLANS)
    go(left, Bed("a"), Bed("b"))
    assert len(records(table)) == len(PLANS)


def test_a_full_disk_here_stops_all(table: RunTable, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = Bed("a"), Bed("b")
    a.error = OSError(errno.ENOSPC, "No space left on device")
    b.holds = True
    with pytest.raises(OSError, match="No space left"):
        go(table, a, b)
    assert b.stops == 1

    def full(_table: RunTable, _runs: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RunTable, "extend", full)
    with pytest.raises(OSError, match="No space left"):
        go(table, Bed("a"), Bed("b"))


def test_a_full_disk_there_costs_that_testbed_alone(table: RunTable) -> None:
    a, b, heard = Bed("a"), Bed("b"), Heard()
    a.full = True
    go(table, a, b, heard=heard)
    assert Counter(r["run_id"] for r in records(table) if r["status"] == "done") == {
        trial["run_id"]: 1 for trial in PLANS
    }
    assert len(a.took) == 1
    assert any("no luck; the others go on" in note for note in heard.notes)


def test_a_full_disk_on_this_machine_ends_the_study_that_runs_here(table: RunTable) -> None:
    bed = Bed("local")
    bed.full = True
    with pytest.raises(DiskFull, match="no luck"):
        run_alone(Course(table, PLANS, Heard()), bed, Interrupts())
    assert len(records(table)) == 1


def test_without_blocks_the_testbeds_take_turns(table: RunTable) -> None:
    gate = threading.Barrier(2)
    a, b = Bed("a", gate), Bed("b", gate)
    course = Course(table, PLANS, Heard(), by_block=False)
    Crew(course, [a, b], Interrupts()).run()
    assert blocks_of(table)[1] == {"a", "b"}


def test_what_runs_now_stands_in_a_file_until_the_end(tmp_path: Path) -> None:
    now_s = [0.0]
    file = CourseFile(tmp_path, lambda: now_s[0])
    assert read_course(tmp_path) is None
    file.rests("a", "preparing")
    found = read_course(tmp_path)
    assert found is not None
    assert found["testbeds"][0]["state"] == "preparing"
    file.told("a", {"event": "watts", "watts": 7.0})  # too soon to be written
    assert json.loads((tmp_path / NAME).read_text())["testbeds"][0]["watts"] is None
    now_s[0] = 3.0
    file.told("a", {"event": "watts", "watts": 8.0})
    assert json.loads((tmp_path / NAME).read_text())["testbeds"][0]["watts"] == 8.0
    file.remove()
    assert read_course(tmp_path) is None


@pytest.mark.parametrize(
    ("changes", "alive"),
    [
        ({}, True),
        ({"pid": 2**22 + 1}, False),
        ({"node": "elsewhere"}, True),
        ({"node": "elsewhere", "heartbeat": "2020-01-01T00:00:00Z"}, False),
        ({"pid": "?"}, False),
    ],
)
def test_a_killed_study_is_not_said_to_run(
    tmp_path: Path, changes: dict[str, Any], alive: bool
) -> None:
    CourseFile(tmp_path).write()
    content = json.loads((tmp_path / NAME).read_text()) | changes
    (tmp_path / NAME).write_text(json.dumps(content))
    assert (read_course(tmp_path) is not None) is alive


def test_where_and_how_often_may_change_between_runs(tmp_path: Path) -> None:
    study = dump(parse(STUDY, "s"))
    table = open_study(tmp_path / "s", study, {})
    table.append(ended(PLANS[0], "a", 1))
    changed = dump(
        parse({**STUDY, "testbeds": [{"url": "http://b:1"}], "protocol": {"attempts": 5}}, "s")
    )
    assert open_study(table.folder, changed, {}).study == changed
    assert load(str(table.folder)).testbeds[0].url == "http://b:1"
    with pytest.raises(UsageError, match=r"protocol.idle_s is 10.0 there and 3.0 now"):
        open_study(table.folder, dump(parse({**STUDY, "protocol": {"idle_s": 3.0}}, "s")), {})


def test_a_folder_of_before_a_key_was_known_is_gone_on_with(tmp_path: Path) -> None:
    study = dump(parse(STUDY, "s"))
    old = {key: value for key, value in study.items() if key not in ("testbeds", "analysis")}
    old["order"] = {key: study["order"][key] for key in ("kind", "seed")}
    old["protocol"] = {k: v for k, v in study["protocol"].items() if k not in ("attempts", "clock")}
    table = RunTable.create(tmp_path / "s", old)
    table.append(ended(PLANS[0], "a", 1))
    assert open_study(table.folder, study, {}).study == study


def test_a_study_has_an_id_of_its_own_until_it_is_another(tmp_path: Path) -> None:
    study = dump(parse(STUDY, "s"))
    table = open_study(tmp_path / "s", study, {})
    drawn = study_id_of(table.folder)
    assert len(drawn) == 32
    assert int(drawn, 16) > 0
    assert study_id_of(open_study(table.folder, study, {}).folder) == drawn
    open_study(table.folder, {**study, "repetitions": 2}, {})  # nothing was recorded of it
    assert not (table.folder / STUDY_ID).exists()
    assert study_id_of(table.folder) != drawn
