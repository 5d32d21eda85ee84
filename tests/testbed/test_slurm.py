"""Trials on a real Slurm of two nodes: run, ended by it, lost with a node, gone on with."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from slurm_cluster import APART, NODES, SlurmCluster

from joulebench.record import Run, RunTable
from joulebench.study import run
from joulebench.study_course_listener import Silent
from joulebench.study_file import StudyFile
from joulebench.study_plan import plan
from joulebench.study_read import dump, parse
from joulebench.testbed.slurm import SlurmTestbed
from joulebench.testbed.slurm_place import Place, place_of
from joulebench.testbed.slurm_wait import Patience

pytest.importorskip("submitit")

SOON = Patience(silent_s=5.0, settle_s=1.0)


@pytest.fixture(scope="module")
def cluster(
    program: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SlurmCluster]:
    with SlurmCluster(tmp_path_factory.mktemp("s"), program) as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def _known(cluster: SlurmCluster) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(cluster.conf))
        patch.setenv("OMP_NUM_THREADS", "1")
        yield


@pytest.fixture(autouse=True)
def _left_clean(cluster: SlurmCluster) -> Iterator[None]:
    yield
    cluster.ask("scancel", "--quiet", "--partition", "main")


@pytest.fixture(scope="module")
def limited(
    cluster: SlurmCluster, _known: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Future[Run]]]:
    """A trial that runs into its time limit within half a minute: its job, and its run then."""
    folder = tmp_path_factory.mktemp("limited") / "s"
    [trial] = plans_of(folder, idle_s=90.0)
    bed = bed_of(folder, partition="apart")
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(bed.run, trial, 1, ignore)
        job = _job_that_measures(folder, trial)
        soon = datetime.now() + timedelta(seconds=1)
        cluster.ask("scontrol", "update", f"JobId={job}", f"EndTime={soon:%Y-%m-%dT%H:%M:%S}")
        yield job, ended
        bed.stop()


def study_of(cells: int = 1, repetitions: int = 1, idle_s: float = 0.0, **keys: Any) -> StudyFile:
    """Give a study whose trials take no time, or idle for so long."""
    protocol = {"idle_s": idle_s or 1.0, "idle_after_s": 0.2, "warmup_prompts": 0}
    asked: dict[str, Any] = {
        "study": "s",
        "model": "echo",
        "task": "boolq",
        "engine": {"kind": "echo"},
        "factors": {"max_tokens": [4 + cell for cell in range(cells)]},
        "repetitions": repetitions,
        "tasks": {"items": 2},
        "meters": ["simulated"],
        "protocol": protocol | {"clock": "real" if idle_s else "virtual"},
    }
    return parse(asked | keys, "study.yaml")


def plans_of(folder: Path, cells: int = 1, repetitions: int = 1, idle_s: float = 0.0) -> Any:
    """Make a study's folder, and give its trials."""
    study = study_of(cells, repetitions, idle_s)
    RunTable.create(folder, dump(study))
    return plan(study)


def bed_of(folder: Path, **slurm: Any) -> SlurmTestbed:
    asked = {"time": "10", **slurm}
    return SlurmTestbed(folder, asked, "slurm", study_id(folder), patience=SOON)


def study_id(folder: Path) -> str:
    return hashlib.md5(str(folder).encode()).hexdigest()


def until(ready: Callable[[], Any], within_s: float = 30.0) -> None:
    stop_s = time.monotonic() + within_s
    while not ready():
        assert time.monotonic() < stop_s
        time.sleep(0.05)


def measuring(place: Place) -> bool:
    return (place.read("progress") or {}).get("phase") == "idle"


@pytest.mark.usefixtures("limited")  # Slurm looks at time limits every 30 s: it may begin
def test_a_study_runs_on_both_nodes_as_it_does_here(tmp_path: Path) -> None:
    folder = tmp_path / "a study"
    watched = Watching()
    on_slurm = study_of(cells=2, testbeds=[{"slurm": {"time": "10", "jobs": 2}}])
    table = run(on_slurm, folder, listener=watched, report=False).table
    runs = {run.run_id: run for run in table.runs}
    assert [run.error for run in runs.values()] == [None] * 2
    assert {run.facts["slurm"]["node"] for run in runs.values()} == set(NODES)
    assert {run.testbed for run in runs.values()} == {"slurm:n1", "slurm:n2"}
    assert len({run.facts["slurm"]["job"] for run in runs.values()}) == 2
    for found in runs.values():
        assert found.facts["slurm"].items() >= {"partition": "main", "time_limit": "10"}.items()
        assert (folder / "traces" / f"{found.run_id}.parquet").exists()
        assert (folder / "responses" / f"{found.run_id}.jsonl").exists()
        assert table.hosts[found.host]["sensors"]
    assert watched.testbeds == {"slurm-1", "slurm-2"}
    assert any(phase.startswith("queued") for phase in watched.phases)

    here = run(study_of(cells=2), tmp_path / "here", report=False).table.runs
    assert [lasting(runs[each.run_id]) for each in here] == [lasting(each) for each in here]


class Watching(Silent):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.testbeds: set[str] = set()
        self.phases: list[str] = []

    def trial_begins(self, _plan: Any, testbed: str = "") -> None:
        self.testbeds.add(testbed)

    def told(self, message: Any) -> None:
        if message["event"] == "phase":
            self.phases.append(message["phase"])


def lasting(run: Run) -> dict[str, Any]:
    """Give what of a record does not depend on when and where."""
    record = run.to_dict()
    for gone in ("host", "testbed", "started_at"):
        del record[gone]
    record["facts"] = {k: v for k, v in run.facts.items() if k not in ("wall_s", "slurm")}
    return record


def test_what_slurm_ends_has_failed_with_its_reason(cluster: SlurmCluster, tmp_path: Path) -> None:
    [preempted, cancelled] = plans_of(tmp_path / "s", cells=2, idle_s=60.0)
    bed = bed_of(tmp_path / "s", nodelist="n2")
    with ThreadPoolExecutor(1) as pool:
        ended = pool.submit(bed.run, preempted, 1, ignore)
        first = _job_that_measures(tmp_path / "s", preempted)
        words = ("--exclusive", "-p", "urgent", "-w", "n2", "-o", "/dev/null", "--wrap", "true")
        cluster.ask("sbatch", *words)
        lost = ended.result(30)
        assert lost.status == "failed"
        assert lost.error == (
            f"Slurm's job {first} on n2 was preempted: Slurm gave the node to another job"
        )
        assert (tmp_path / "s" / "traces" / f"{lost.run_id}.parquet").exists()  # what was measured
        assert lost.facts["slurm"]["node"] == "n2"

        ended = pool.submit(bed.run, cancelled, 1, ignore)
        cluster.ask("scancel", _job_that_measures(tmp_path / "s", cancelled))
        assert str(ended.result(30).error).endswith("on n2 was cancelled (scancel)")


def soon_over(trial: dict[str, Any]) -> dict[str, Any]:
    return {**trial, "protocol": {**trial["protocol"], "idle_s": 0.1}}


def ignore(_message: dict[str, Any]) -> None:
    """Take no notice."""


def _job_that_measures(folder: Path, trial: dict[str, Any], attempt: int = 1) -> str:
    place = place_of(folder, trial["run_id"], attempt)
    until(lambda: measuring(place))
    return str((place.read("job") or {})["job"])


def test_a_trial_lost_with_its_node_is_run_again_on_another(
    cluster: SlurmCluster, tmp_path: Path
) -> None:
    [trial] = plans_of(tmp_path / "s", idle_s=3.0)
    bed = bed_of(tmp_path / "s")
    with ThreadPoolExecutor(1) as pool:
        lost = pool.submit(bed.run, trial, 1, ignore)
        _job_that_measures(tmp_path / "s", trial)
        node = str((place_of(tmp_path / "s", trial["run_id"], 1).read("claim") or {})["node"])
        cluster.kill_node(node)
        run = lost.result(60)
    assert run.status == "failed"
    assert f"on {node} was lost with its node" in str(run.error)
    assert run.testbed == f"slurm:{node}"
    assert run.host
    again = bed.run(soon_over(trial), 2, ignore)
    cluster.start_node(node)
    assert again.error is None
    assert again.facts["slurm"]["attempt"] == 2
    assert again.facts["slurm"]["node"] != node


ORCHESTRATOR = """
import json, sys
from pathlib import Path
from joulebench.testbed.slurm import SlurmTestbed
folder, trial, slurm, study_id = sys.argv[1:]
bed = SlurmTestbed(Path(folder), json.loads(slurm), "slurm", study_id)
bed.run(json.loads(trial), 1, print)
"""


def test_a_killed_study_goes_on_with_its_job(cluster: SlurmCluster, tmp_path: Path) -> None:
    [trial] = plans_of(tmp_path / "s", idle_s=2.0)
    place = place_of(tmp_path / "s", trial["run_id"], 1)
    arguments = [str(tmp_path / "s"), json.dumps(trial), json.dumps({"time": "10"})]
    arguments.append(study_id(tmp_path / "s"))
    words = [sys.executable, "-c", ORCHESTRATOR, *arguments]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as study:
        until(lambda: place.read("job"))
        study.send_signal(signal.SIGKILL)
    (place.folder / "job.json").unlink()  # as if it had been killed a moment earlier
    bed = bed_of(tmp_path / "s")
    assert bed.adopt([trial]) == [trial]
    run = bed.run(trial, 1, ignore)
    assert run.error is None
    assert _submitted(cluster, tmp_path / "s") == [run.facts["slurm"]["job"]]
    # It died again before its record was written: the same run once more, not another one.
    assert bed_of(tmp_path / "s").adopt([trial]) == [trial]
    assert bed_of(tmp_path / "s").run(trial, 1, ignore).to_dict() == run.to_dict()
    assert len(_submitted(cluster, tmp_path / "s")) == 1


def _submitted(cluster: SlurmCluster, folder: Path) -> list[str]:
    return [job for job, name in cluster.jobs() if name.startswith(study_id(folder))]


def test_an_attempt_that_was_submitted_twice_is_run_once(
    cluster: SlurmCluster, tmp_path: Path
) -> None:
    [trial] = plans_of(tmp_path / "s", idle_s=2.0)
    place = place_of(tmp_path / "s", trial["run_id"], 1)
    bed = bed_of(tmp_path / "s")
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(bed.run, trial, 1, ignore)
        until(lambda: place.read("claim"))
        [script] = place.folder.glob("*_submission.sh")
        second = cluster.ask("sbatch", "--parsable", str(script)).strip()
        place.write("job", {"job": second})  # the one that comes too late is the one written down
        until(lambda: (second, "COMPLETED") in _states(cluster))
        assert run.result(30).error is None
    assert bed_of(tmp_path / "s").run(trial, 1, ignore).facts["slurm"]["job"] != second


def _states(cluster: SlurmCluster) -> list[tuple[str, ...]]:
    answer = cluster.ask("squeue", "-h", "-t", "all", "-o", "%i %T")
    return [tuple(line.split()) for line in answer.splitlines()]


def test_a_stopped_trial_is_cancelled_and_the_same_attempt_begins_anew(
    cluster: SlurmCluster, tmp_path: Path
) -> None:
    [trial] = plans_of(tmp_path / "s", idle_s=5.0)
    bed = bed_of(tmp_path / "s")
    with ThreadPoolExecutor(1) as pool:
        stopped: Future[Run] = pool.submit(bed.run, trial, 1, ignore)
        _job_that_measures(tmp_path / "s", trial)
        bed.stop()
        assert (stopped.result(30).status, stopped.result().error) == ("failed", "stopped")
    assert bed.adopt([trial]) == []
    cluster.wait_for(lambda: not cluster.jobs("PENDING", "RUNNING"), "the job's end")
    assert bed.run(soon_over(trial), 1, ignore).error is None
    assert len(_submitted(cluster, tmp_path / "s")) == 2


def test_a_block_is_one_array(cluster: SlurmCluster, tmp_path: Path) -> None:
    plans = plans_of(tmp_path / "s", cells=2, repetitions=2)
    bed = bed_of(tmp_path / "s", array=True, jobs=2, exclusive=False)
    bed.adopt(plans)
    runs = [bed.run(each, 1, ignore) for each in plans[:3]]
    assert [run.error for run in runs] == [None] * 3
    blocks = [run.trial["block"] for run in runs]
    arrays = [run.facts["slurm"]["array"] for run in runs]
    assert blocks[0] == blocks[1] != blocks[2]
    assert arrays[0] == arrays[1] != arrays[2]
    assert [run.facts["slurm"]["job"] for run in runs] == [
        f"{arrays[0]}_0", f"{arrays[1]}_1", f"{arrays[2]}_0",
    ]  # fmt: skip
    assert [run.run_id for run in runs] == [each["run_id"] for each in plans[:3]]
    assert {finding.rule for finding in runs[0].findings} >= {"shared-node"}
    assert bed_of(tmp_path / "s").adopt(plans[2:]) == plans[2:]  # the fourth was submitted ahead
    bed.stop()
    assert bed_of(tmp_path / "s").adopt(plans[3:]) in ([], plans[3:])  # if it had ended already


def test_a_trial_that_meets_its_time_limit_has_failed(
    limited: tuple[str, Future[Run]],
) -> None:
    job, ended = limited
    # Its limit followed the time at which it was told to end.
    assert f"job {job} on {APART} ran into its time limit of 1:00" in str(ended.result(60).error)


def test_what_slurm_refuses_is_said_in_one_line(tmp_path: Path) -> None:
    plans = plans_of(tmp_path / "s")
    for slurm, said in (
        ({"partition": "gpus"}, "invalid partition"),
        ({"gres": "gpu:1"}, "generic resource"),
        ({"constraint": "a100"}, "invalid feature"),
        ({"time": "soon"}, "invalid --time"),
    ):
        with pytest.raises(ValueError, match="Slurm refuses such a job") as error:
            bed_of(tmp_path / "s", **slurm).prepare(plans)
        assert said in str(error.value).lower()
        assert "partitions: apart, main, urgent" in str(error.value)
        assert "\n" not in str(error.value)


def test_a_job_that_cannot_begin_says_why(tmp_path: Path) -> None:
    [trial] = plans_of(tmp_path / "s")
    run = bed_of(tmp_path / "s", python="/no/such/python").run(trial, 1, ignore)
    assert run.status == "failed"
    assert "/no/such/python" in str(run.error)
    assert "\n" not in str(run.error)
    assert run.facts["log_tail"]
