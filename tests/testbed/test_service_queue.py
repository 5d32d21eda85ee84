"""The queue of a testbed's service: who runs, who waits, and what survives."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from service_server import STUDY, command, until

from joulebench.errors import UsageError
from joulebench.record import Run
from joulebench.testbed import service_end
from joulebench.testbed.service_device import Device
from joulebench.testbed.service_queue import ServedQueue
from joulebench.testbed.service_refusals import Busy, Conflict, NoRoom
from joulebench.testbed.service_store import Store
from joulebench.testbed.service_trial import ServedTrial, digest_of

SECRET = "tell-nobody-5"


class Stage(Device):
    """A device whose trials end when they are told to."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "stage")
        self.begun: list[str] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self.cooled: list[str] = []
        self.may_cool = threading.Event()
        self.may_cool.set()
        self.stops = 0
        self._stop = threading.Event()

    def run(
        self, trial: ServedTrial, tell: Callable[[dict[str, Any]], None], ended: threading.Event
    ) -> Run:
        self.begun.append(f"{trial.run_id}/{trial.attempt}")
        self._stop.clear()
        tell({"event": "phase", "phase": "measure"})
        tell({"event": "watts", "watts": 5.0, "method": "simulated"})
        assert trial.plan is not None
        log = trial.folder / "logs" / f"{trial.run_id}.txt"
        log.write_text(f"log in with {SECRET}\n")
        until(lambda: self.may_end.is_set() or self._stop.is_set())
        stopped = self._stop.is_set()
        ended.set()
        run = self.failed(trial, f"stopped, {SECRET}" if stopped else "")
        return run if stopped else Run(trial.run_id, "s", {}, facts={"host": f"x {SECRET}"})

    def stop(self, ended: threading.Event) -> None:
        del ended
        self.stops += 1
        self._stop.set()

    def cool_down(self, plan: Any, tell: Callable[[dict[str, Any]], None]) -> None:
        del tell
        self.cooled.append(plan["run_id"])
        until(self.may_cool.is_set)

    def close(self) -> None:
        self._stop.set()
        self.may_cool.set()


class Bed:
    """A queue on a stage."""

    def __init__(self, folder: Path, *, started: bool = True) -> None:
        self.folder = folder
        self.store = Store(folder)
        self.stage = Stage(folder)
        self.told: list[str] = []
        self.queue = ServedQueue(self.store, self.stage, lambda trial: self.told.append(trial.id))
        if started:
            self.queue.start()

    def trial(self, run_id: str, attempt: int = 1, *words: str, **more: Any) -> ServedTrial:
        plan = command(run_id, *(words or ("true",))) | {"engine": {"api_key": SECRET}}
        place = self.store.place(STUDY, run_id, attempt)
        digest = digest_of(plan)
        return ServedTrial(
            STUDY, run_id, attempt, place, digest, "s", plan["trial"], plan=plan, **more
        )

    def add(self, run_id: str, attempt: int = 1, *words: str, **more: Any) -> ServedTrial:
        return self.queue.add(self.trial(run_id, attempt, *words, **more))[0]

    def end(self) -> None:
        self.queue.close(2.0)
        self.store.close()


@pytest.fixture
def bed(tmp_path: Path) -> Iterator[Bed]:
    found = Bed(tmp_path)
    yield found
    found.end()


def held(bed: Bed) -> ServedTrial:
    """Have a trial run that does not end by itself."""
    bed.stage.may_end.clear()
    trial = bed.add("held")
    until(lambda: trial.state == "running" and trial.watts)
    return trial


def test_a_trial_runs_and_is_written_down_before_it_is_told(bed: Bed) -> None:
    trial = bed.add("a")
    until(lambda: trial.ended)
    assert (trial.state, trial.error, trial.phase) == ("done", None, "")
    kept = json.loads((trial.folder / "state.json").read_text())
    assert (kept["state"], kept["files"]) == ("done", trial.files)
    assert [file["name"] for file in trial.files] == ["log.txt"]
    kinds = [(event.kind, event.data.get("phase") or "") for event in trial.watch.since(0)]
    assert [kind for kind, _ in kinds] == ["state", "state", "phase", "watts", "state"]
    assert bed.told == [trial.id]


def test_one_runs_one_waits_and_the_next_is_refused(bed: Bed) -> None:
    running = held(bed)
    waiting = bed.add("b")
    with pytest.raises(Busy, match="one trial runs and one waits already"):
        bed.add("c")
    assert bed.queue.get(f"{STUDY}~c") is None
    assert not list(bed.folder.glob("runs/*~c~*"))
    bed.stage.may_end.set()
    until(lambda: running.ended and waiting.ended)
    assert bed.stage.begun == ["held/1", "b/1"]
    until(lambda: bed.add("c").ended)


def test_the_same_attempt_is_never_run_twice(bed: Bed) -> None:
    first = bed.add("a")
    until(lambda: first.ended)
    again, new = bed.queue.add(bed.trial("a", lease_s=9.0))
    assert again is first
    assert not new
    with pytest.raises(Conflict, match="another plan"):
        bed.add("a", 1, "false")
    later = bed.add("a", 2)
    until(lambda: later.ended)
    assert bed.queue.get(first.id) is later
    with pytest.raises(Conflict, match="attempt 2 is known"):
        bed.add("a", 1)
    assert bed.stage.begun == ["a/1", "a/2"]
    assert first.folder.is_dir()


def test_plans_that_differ_in_their_secrets_alone_are_one(bed: Bed) -> None:
    first = bed.add("a")
    until(lambda: first.ended)
    other = bed.trial("a")
    plan = other.plan or {}
    other.digest = digest_of(plan | {"engine": {"api_key": "another"}})
    assert bed.queue.add(other) == (first, False)


def test_a_later_attempt_waits_for_the_end_of_the_earlier(bed: Bed) -> None:
    held(bed)
    with pytest.raises(Busy, match="attempt 1 has not ended"):
        bed.add("held", 2)


def test_what_waits_is_cancelled_at_once_and_what_runs_is_stopped(bed: Bed) -> None:
    running = held(bed)
    waiting = bed.add("b")
    bed.queue.cancel(waiting)
    assert (waiting.state, waiting.error) == ("cancelled", None)
    bed.queue.cancel(running)
    until(lambda: running.ended)
    assert running.state == "cancelled"
    assert bed.store.record(running) is None
    bed.queue.cancel(running)
    assert (bed.stage.stops, bed.stage.begun) == (1, ["held/1"])


def test_a_trial_that_ends_before_it_can_be_cancelled_is_done(bed: Bed) -> None:
    trial = bed.add("a")
    until(lambda: trial.ended)
    bed.queue.cancel(trial)
    assert trial.state == "done"


def test_a_lease_that_runs_out_frees_the_device(bed: Bed) -> None:
    bed.stage.may_end.clear()
    trial = bed.add("a", lease_s=0.4)
    until(lambda: trial.state == "running")
    until(lambda: trial.ended)
    assert (trial.state, bed.queue.expired) == ("failed", 1)
    assert (trial.error or "").startswith("lease expired: nobody asked about it for 0.4 s")
    record = bed.store.record(trial)
    assert record is not None
    assert (record["status"], record["error"]) == ("failed", trial.error)
    bed.stage.may_end.set()
    until(lambda: bed.add("b").ended)


def test_a_lease_that_is_renewed_does_not_run_out(bed: Bed) -> None:
    bed.stage.may_end.clear()
    trial = bed.add("a", lease_s=1.5)
    for _ in range(30):
        trial.renew()
        threading.Event().wait(0.1)
    assert trial.state == "running"


def test_what_waits_has_a_lease_too_and_leaves_a_record(bed: Bed) -> None:
    held(bed)
    waiting = bed.add("b", lease_s=0.3)
    until(lambda: waiting.ended)
    assert waiting.state == "failed"
    record = bed.store.record(waiting)
    assert record is not None
    assert record["error"].startswith("lease expired")
    assert bed.stage.begun == ["held/1"]


def test_the_next_trial_waits_for_the_cool_down(bed: Bed) -> None:
    bed.stage.may_cool.clear()
    first = bed.add("a")
    until(lambda: bed.stage.cooled == ["a"])
    second = bed.add("b")
    assert (first.state, second.state) == ("done", "cooling")
    with pytest.raises(Busy):
        bed.add("c")
    assert json.loads((second.folder / "state.json").read_text())["state"] == "queued"
    bed.stage.may_cool.set()
    until(lambda: second.ended)
    assert bed.stage.begun == ["a/1", "b/1"]


def test_secrets_stand_in_no_file_once_a_trial_has_ended(bed: Bed) -> None:
    running = held(bed)
    assert SECRET in (running.folder / "request.json").read_text()
    assert (running.folder / "request.json").stat().st_mode & 0o077 == 0
    bed.queue.cancel(running)
    until(lambda: running.ended)
    bed.stage.may_end.set()
    done = bed.add("b")
    until(lambda: done.ended)
    found = [p for p in bed.folder.rglob("*") if p.is_file() and SECRET.encode() in p.read_bytes()]
    assert found == []
    assert "[hidden]" in (done.folder / "logs" / "b.txt").read_text()
    assert "[hidden]" in json.dumps(bed.store.record(done))


def test_a_stop_marks_what_runs_and_keeps_what_waits(tmp_path: Path) -> None:
    before = Bed(tmp_path)
    running = held(before)
    waiting = before.add("b")
    before.end()
    assert (running.state, running.error) == ("failed", "the testbed was stopped while it ran")
    with pytest.raises(NoRoom, match="being stopped"):
        before.add("c")
    after = Bed(tmp_path)
    known = after.queue.get(waiting.id)
    assert known is not None
    until(lambda: known.ended)
    assert (known.state, after.stage.begun, after.stage.cooled[0]) == ("done", ["b/1"], "held")
    after.end()


def test_a_stop_does_not_wait_for_a_cool_down(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    bed.stage.may_cool.clear()
    bed.add("a")
    until(lambda: bed.stage.cooled)
    bed.end()
    assert bed.queue.get(f"{STUDY}~a")


def written(bed: Bed, run_id: str, state: str, **more: Any) -> ServedTrial:
    """Leave a trial on disk as a service that was killed does."""
    trial = bed.trial(run_id, queued_at="2026-01-01T00:00:00Z", **more)
    bed.store.add(trial)
    bed.store.save(trial, state=state, started_at="2026-01-01T00:00:01.123Z")
    return trial


def test_a_restart_fails_what_was_under_way_and_goes_on_with_what_waited(tmp_path: Path) -> None:
    killed = Bed(tmp_path, started=False)
    cut = written(killed, "cut", "running")
    (cut.folder / "logs" / "cut.txt").write_text("half\n")
    whole = written(killed, "whole", "running")
    killed.store.keep_record(whole, Run("whole", "s", {}).to_dict())
    written(killed, "wait", "queued")
    half = tmp_path / "runs" / f".{STUDY}~half~1.part"
    half.mkdir()
    killed.store.close()

    bed = Bed(tmp_path)
    states = {t.run_id: (t.state, t.error) for t in bed.queue.all() if t.run_id != "wait"}
    assert states == {
        "cut": ("failed", "the testbed was stopped while it ran"),
        "whole": ("done", None),
    }
    known = bed.queue.get(cut.id)
    assert known is not None
    assert [file["name"] for file in known.files] == ["log.txt"]
    record = bed.store.record(known)
    assert record is not None
    assert (record["status"], record["error"]) == ("failed", known.error)
    until(lambda: bed.stage.begun == ["wait/1"])
    assert not half.exists()
    assert SECRET not in (cut.folder / "request.json").read_text()
    bed.end()


def test_what_a_killed_service_left_running_is_ended_before_anything_is_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_end, "_LEFTOVERS_S", 0.2)
    killed = Bed(tmp_path, started=False)
    cut = written(killed, "cut", "running")
    killed.store.close()
    with (cut.folder / "logs" / "cut.txt").open("wb") as log:
        left = subprocess.Popen(["sleep", "60"], stdout=log, stderr=log)
    other = subprocess.Popen(["sleep", "60"], stderr=subprocess.DEVNULL)
    try:
        bed = Bed(tmp_path)
        assert left.wait(5) == -9
        assert other.poll() is None
        bed.end()
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_a_restart_knows_the_last_attempt(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    until(lambda: bed.add("a", 1).ended)
    until(lambda: bed.add("a", 2).ended)
    bed.end()
    again = Bed(tmp_path)
    [known] = again.queue.all()
    assert (known.attempt, known.state) == (2, "done")
    assert again.store.record(known) is not None
    again.end()


def test_a_folder_that_holds_no_trial_is_left_aside(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    until(lambda: bed.add("a").ended)
    bed.end()
    broken = tmp_path / "runs" / "notes"
    broken.mkdir()
    (broken / "state.json").write_text("{")
    again = Bed(tmp_path)
    assert [trial.run_id for trial in again.queue.all()] == ["a"]
    assert broken.is_dir()
    again.end()


def test_a_state_has_one_service_at_a_time(bed: Bed) -> None:
    with pytest.raises(UsageError, match="another joulebench testbed serve"):
        Store(bed.folder)


def test_a_disk_that_is_full_takes_no_trial(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bed.store, "free_bytes", lambda: 1000)
    with pytest.raises(NoRoom, match="less than 64 MiB free"):
        bed.add("a")
    assert bed.queue.all() == []


def test_a_record_that_cannot_be_kept_fails_the_trial(
    bed: Bed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bed.store, "keep_record", full)
    trial = bed.add("a")
    until(lambda: trial.ended)
    assert trial.state == "failed"
    assert "the disk is full" in (trial.error or "")


def test_old_trials_are_forgotten_only_where_that_is_asked_for(bed: Bed) -> None:
    trial = bed.add("a")
    until(lambda: trial.ended)
    bed.store.save(trial, ended_at="2020-01-01T00:00:00Z")
    assert bed.store.forget_older(0) == []
    assert bed.store.forget_older(30) == [trial.id]
    assert not trial.folder.exists()
