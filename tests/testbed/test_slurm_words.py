"""What Slurm's answers are made into, without a Slurm: states, reasons, refusals, parameters."""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from joulebench.errors import UsageError
from joulebench.record import Run
from joulebench.testbed import slurm_orders, slurm_submit
from joulebench.testbed.adaptive_bands import Reference
from joulebench.testbed.slurm import SlurmTestbed, slurm_testbeds
from joulebench.testbed.slurm_ends import STOPPED, why_ended
from joulebench.testbed.slurm_place import Place, job_of, place_of
from joulebench.testbed.slurm_queue import GONE, JobState, Queue, SlurmSilent, said
from joulebench.testbed.slurm_rest import NodeRest
from joulebench.testbed.slurm_submit import _parameters, check
from joulebench.testbed.slurm_wait import JobWait, Patience
from joulebench.testbed.testbed import TestbedLost

TRIAL: dict[str, Any] = {
    "run_id": "a.r01",
    "study": "s",
    "trial": {"order": 1, "block": 1, "repetition": 1, "levels": {}},
    "protocol": {},
}
AT_ONCE = Patience(silent_s=0.0, settle_s=0.0)


class FakeSlurm:
    """Answers commands; remembers them."""

    def __init__(self, **answers: str | SlurmSilent) -> None:
        self.answers = answers
        self.asked: list[tuple[str, ...]] = []

    def __call__(self, *command: str) -> str:
        self.asked.append(command)
        answer = self.answers.get(command[0], SlurmSilent(f"{command[0]} is disabled"))
        if isinstance(answer, SlurmSilent):
            raise answer
        return answer


def test_states_are_asked_for_together_and_not_often() -> None:
    slurm = FakeSlurm(squeue="7|RUNNING|None|n1|main|1:00:00\n9_2|PENDING|Priority||main|5:00\n")
    queue = Queue(slurm)
    assert queue.state("7") == JobState("RUNNING", "", "n1", "main", "1:00:00")
    assert queue.state("9_2") == JobState("PENDING", "Priority", "", "main", "5:00")
    assert queue.state("7", age_s=1000.0) == queue.state("7", age_s=1000.0)
    assert len(slurm.asked) == 2  # one for each job that is new


def test_a_forgotten_job_is_looked_up_in_the_accounting() -> None:
    forgotten = SlurmSilent("Invalid job id specified")
    line = "7|CANCELLED by 0|None|n1|main|01:00:00\n"
    assert Queue(FakeSlurm(squeue=forgotten, sacct=line)).state("7").state == "CANCELLED"
    assert Queue(FakeSlurm(squeue=forgotten)).state("7") == JobState(GONE)
    assert JobState(GONE).ended
    with pytest.raises(SlurmSilent):
        Queue(FakeSlurm(squeue=SlurmSilent("Unable to contact slurm controller"))).state("7")


def test_a_job_is_found_by_its_name() -> None:
    assert Queue(FakeSlurm(squeue="12\n12\n")).find("x") == "12"
    assert Queue(FakeSlurm(squeue="", sacct="13_0\n13_1\n")).find("x") == "13"
    assert Queue(FakeSlurm(squeue="")).find("x") == ""


def test_a_job_knows_its_own_id() -> None:
    array = {"SLURM_JOB_ID": "18", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "3"}
    assert job_of({"SLURM_JOB_ID": "17"}) == "17"
    assert job_of(array) == "17_3"
    assert job_of({}) == ""


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("TIMEOUT", "job 7 on n1 ran into its time limit of 5:00 (slurm.time;"),
        ("PREEMPTED", "was preempted"),
        ("NODE_FAIL", "was lost with its node"),
        ("OUT_OF_MEMORY", "out of memory"),
        ("CANCELLED", "was cancelled (scancel)"),
        ("SPECIAL_EXIT", "ended as SPECIAL_EXIT (why)"),
        (GONE, "is not known to Slurm any more"),
    ],
)
def test_each_end_has_its_reason(state: str, words: str) -> None:
    said = why_ended("7", JobState(state, "why", "n1", "main", "5:00"), {})
    assert words in said
    assert "\n" not in said


def submitted(folder: Path, job: str = "7") -> Place:
    for room in ("traces", "responses", "logs"):
        (folder / room).mkdir(parents=True, exist_ok=True)
    place = place_of(folder, "a.r01", 1)
    place.folder.mkdir(parents=True)
    order = {"plan": TRIAL, "attempt": 1, "testbed": "slurm", "slot": "slurm", "slurm": {}}
    place.write("order", order | {"array": "", "index": 0, "job_name": "x", "log": "x/job.txt"})
    place.write("job", {"job": job})
    return place


def wait_for(place: Place, folder: Path, answer: str | SlurmSilent) -> Run:
    queue = Queue(FakeSlurm(squeue=answer))
    wait = JobWait(place, folder, TRIAL, queue, threading.Event(), AT_ONCE)
    return wait.end(lambda _message: None)


def test_a_folder_that_the_node_does_not_have_is_named(tmp_path: Path) -> None:
    run = wait_for(submitted(tmp_path), tmp_path, "7|FAILED|NonZeroExitCode|n1|main|5:00")
    assert run.error == (
        f"Slurm's job 7 on n1 ended as FAILED and left nothing in {tmp_path}: is this folder "
        "shared with the node? choose one that is, with --out"
    )
    assert run.facts["slurm"]["job"] == "7"


def test_a_slurm_that_stays_silent_loses_the_testbed_and_records_nothing(tmp_path: Path) -> None:
    with pytest.raises(TestbedLost, match=r"has not answered for .*: down"):
        wait_for(submitted(tmp_path), tmp_path, SlurmSilent("down"))


def test_what_a_job_wrote_when_it_was_told_to_end_gets_slurms_reason(tmp_path: Path) -> None:
    place = submitted(tmp_path)
    run = Run("a.r01", "s", TRIAL["trial"], status="failed", error=STOPPED)
    place.write("record", {"job": "7", "run": run.to_dict()})
    found = wait_for(place, tmp_path, "7|TIMEOUT|TimeLimit|n1|main|5:00")
    assert "ran into its time limit of 5:00" in str(found.error)


def test_an_unreadable_record_is_a_failure_that_names_the_file(tmp_path: Path) -> None:
    place = submitted(tmp_path)
    place.write("record", {"job": "7", "run": {"format": 1}})
    run = wait_for(place, tmp_path, "7|COMPLETED|None|n1|main|5:00")
    assert run.status == "failed"
    assert str(place.folder) in str(run.error)


def test_files_are_collected_once_and_logs_are_kept(tmp_path: Path) -> None:
    place = submitted(tmp_path)
    names = ("traces/a.r01.parquet", "responses/a.r01.jsonl", "logs/a.r01.txt")
    for name in names:
        (place.folder / name).parent.mkdir(exist_ok=True)
        (place.folder / name).write_text("new\n")
    (place.folder / "traces" / ".a.r01.recording").mkdir()
    (tmp_path / "logs" / "a.r01.txt").write_text("before\n")
    place.collect(tmp_path, "a.r01")
    place.collect(tmp_path, "a.r01")
    assert [(tmp_path / name).read_text() for name in names] == ["new\n", "new\n", "before\nnew\n"]
    assert not list((tmp_path / "traces").glob(".*"))


def test_one_job_alone_can_take_an_order(tmp_path: Path) -> None:
    place = submitted(tmp_path)
    assert place.claim({"job": "7"})
    assert not place.claim({"job": "8"})
    assert place.read("claim") == {"job": "7"}


def test_an_attempt_that_was_withdrawn_gets_a_new_place(tmp_path: Path) -> None:
    place = submitted(tmp_path)
    assert place_of(tmp_path, "a.r01", 1) == place
    place.withdraw()
    assert not place.open
    assert place_of(tmp_path, "a.r01", 1) != place


def bed_of(tmp_path: Path, queue: FakeSlurm, **patience: float) -> SlurmTestbed:
    orders = slurm_orders.Orders(tmp_path, {}, "slurm", "f" * 32, Queue(queue))
    waits = Patience(**{"silent_s": 0.0, "settle_s": 0.0} | patience)
    return SlurmTestbed(tmp_path, {}, "slurm", "f" * 32, orders, waits)


def test_a_submission_that_got_no_answer_is_looked_for_before_it_is_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submitted(tmp_path).withdraw()
    tries = []

    def silent(*_arguments: Any) -> str:
        tries.append(time.monotonic())
        raise SlurmSilent("Socket timed out")

    monkeypatch.setattr(slurm_orders, "submit", silent)
    monkeypatch.setattr(slurm_orders, "_FIRST_PAUSE_S", 0.01)
    found = FakeSlurm(squeue="42\n")  # it had been taken all the same
    bed = bed_of(tmp_path, found, silent_s=10.0)
    silent_for = slurm_orders.SilentFor(10.0, threading.Event())
    place = bed.orders.given(TRIAL, 1, "slurm", silent_for)
    assert (len(tries), place.read("job")) == (1, {"job": "42"})


def test_a_slurm_that_takes_nothing_loses_the_testbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(*_arguments: Any) -> str:
        raise SlurmSilent("Slurm does not take jobs now: Unable to contact slurm controller")

    monkeypatch.setattr(slurm_orders, "submit", silent)
    with pytest.raises(TestbedLost, match="Unable to contact"):
        bed_of(tmp_path, FakeSlurm(squeue="")).run(TRIAL, 1, lambda _message: None)


def test_what_slurm_refuses_leaves_no_order_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_arguments: Any) -> str:
        raise UsageError("Slurm refuses such a job: Invalid account")

    monkeypatch.setattr(slurm_orders, "submit", refused)
    bed = bed_of(tmp_path, FakeSlurm(squeue=""))
    with pytest.raises(UsageError, match="Invalid account"):
        bed.run(TRIAL, 1, lambda _message: None)
    assert bed.adopt([TRIAL]) == []


def test_each_job_at_a_time_is_a_testbed_of_its_own(tmp_path: Path) -> None:
    assert [bed.name for bed in slurm_testbeds(tmp_path, {}, "c", "f" * 32)] == ["c"]
    beds = slurm_testbeds(tmp_path, {"jobs": 3}, "c", "f" * 32)
    assert [bed.name for bed in beds] == ["c-1", "c-2", "c-3"]
    assert len({id(bed.orders) for bed in beds}) == 1


def test_the_parameters_are_those_of_the_study_file() -> None:
    asked = {
        "partition": "gpu", "gres": "gpu:1", "time": "30", "account": "a", "qos": "q",
        "constraint": "h100", "nodelist": "n7", "cpus_per_task": 8, "setup": ["module load cuda"],
    }  # fmt: skip
    parameters = _parameters(asked, "name", Path("/a/50%/job.txt"))
    assert {key: parameters[key] for key in asked} == asked
    assert (parameters["exclusive"], parameters["mem"]) == (True, "0")
    assert parameters["additional_parameters"]["output"] == "/a/50%%/job.txt"
    assert parameters["additional_parameters"]["no-requeue"] is True
    shared = _parameters({"exclusive": False, "gres": "", "cpus_per_task": 0}, "n", Path("/x/j"))
    assert not {"exclusive", "mem", "gres", "cpus_per_task"} & set(shared)


def test_a_machine_without_slurm_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="there is no sbatch on this machine; run this on a login"):
        check({}, tmp_path)


def test_two_testbeds_of_one_cluster_check_at_the_same_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Executor:
        def _make_submission_file_text(self, *_words: str) -> str:
            return "true"

    both, seen = threading.Barrier(2), []

    def asked(*words: str) -> str:
        both.wait(10)
        seen.append(Path(words[-1]).read_text())
        both.wait(10)
        return ""

    monkeypatch.setattr(slurm_submit, "_executor", lambda *_given: Executor())
    monkeypatch.setattr(slurm_submit, "ask", asked)
    threads = [threading.Thread(target=check, args=({}, tmp_path)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == ["true", "true"]
    assert list(tmp_path.iterdir()) == []


def test_a_missing_submitit_is_told_with_the_line_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sbatch", "srun", "squeue"):
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UsageError, match=r"pip install 'joulebench\[slurm\]'"):
        check({}, tmp_path)


def test_the_last_complaint_is_what_counts() -> None:
    text = "sbatch: error: invalid partition specified: x\n" + (
        "sbatch: error: Batch job submission failed: Invalid partition name specified\n"
    )
    assert said(text) == "Invalid partition name specified"
    assert said("allocation failure: Invalid node name specified") == "Invalid node name specified"
    assert said("squeue: error: Invalid user: x") == "Invalid user: x"
    assert said("sbatch: fatal: Could not find it") == "Could not find it"
    assert said("slurm_load_jobs error: Invalid job id specified").endswith("job id specified")
    assert said("") == ""


def test_progress_is_never_seen_in_part(tmp_path: Path) -> None:
    place = submitted(tmp_path)
    place.tell({"phase": "idle"})
    assert json.loads((place.folder / "progress.json").read_text()) == {"phase": "idle"}
    (place.folder / "record.json").write_text('{"run": ')
    assert place.read("record") is None


def test_a_node_is_held_against_what_earlier_jobs_saw_of_it(tmp_path: Path) -> None:
    meters = [{"kind": "simulated", "options": {}}]
    first, rest = NodeRest(tmp_path, "n/1"), Reference(100.0, 0.5, {"gpu0": 40.0})
    first.recall(meters)
    first.keep(meters)  # nothing is known yet
    assert first.cooling.reference(meters) is None
    first.cooling.hold_against(meters, rest)
    first.keep(meters)
    again, other = NodeRest(tmp_path, "n/1"), NodeRest(tmp_path, "n2")
    again.recall(meters)
    other.recall(meters)
    assert again.cooling.reference(meters) == rest
    assert other.cooling.reference(meters) is None
    changed = [{"kind": "simulated", "options": {"watts": 1}}]
    again.recall(changed)
    assert again.cooling.reference(changed) is None


def test_a_job_that_came_second_hands_the_wait_to_the_first(tmp_path: Path) -> None:
    place = submitted(tmp_path)
    place.claim({"job": "6", "node": "n1", "started_at": "2026-01-01T00:00:00Z"})
    run = wait_for(place, tmp_path, "7|COMPLETED|None|n2|main|5:00\n6|NODE_FAIL|None|n1|main|5:00")
    assert run.error == "Slurm's job 6 on n1 was lost with its node"
    assert place.read("job") == {"job": "6"}
