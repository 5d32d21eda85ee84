"""Trials in processes of their own, and what becomes of those that end badly."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from joulebench.errors import UsageError
from joulebench.record_traces import load_traces
from joulebench.study_plan import plan
from joulebench.study_read import parse
from joulebench.testbed.local import LocalTestbed
from joulebench.testbed.sensors import Sensors

METERS = [
    {
        "kind": "simulated",
        "options": {"board": "ada", "watts": 250},
        "target": "joulebench.meters.simulated:SimulatedMeter",
    }
]
PROTOCOL = {"idle_s": 0.2, "idle_after_s": 0.1, "warmup_prompts": 1, "interval_s": 0.02}


def command(*words: str, **protocol: Any) -> dict[str, Any]:
    study = {
        "study": "s",
        "workload": "command",
        "command": list(words),
        "protocol": PROTOCOL | protocol,
    }
    return plan(parse(study, "s"))[0] | {"meters": METERS}


def generation(**engine: Any) -> dict[str, Any]:
    study = {
        "study": "s",
        "model": "any",
        "task": "copa",
        "engine": {"kind": "echo", **engine},
        "tasks": {"items": 2},
        "sampling": {"max_tokens": 4},
        "protocol": PROTOCOL,
    }
    return plan(parse(study, "s"))[0] | {"meters": METERS}


@pytest.fixture
def testbed(tmp_path: Path) -> Iterator[LocalTestbed]:
    for room in ("traces", "responses", "logs"):
        (tmp_path / room).mkdir()
    testbed = LocalTestbed(tmp_path, "here", find=given)
    yield testbed
    testbed.close()


def given(meters: Any) -> Sensors:
    """Take meters as they are spelt out for a trial's process."""
    return Sensors(list(meters), [])


def silent(_message: dict[str, Any]) -> None:
    return None


def test_a_trial_gives_windows_energies_and_files(testbed: LocalTestbed, tmp_path: Path) -> None:
    trial = generation(token_s=0.005)
    testbed.prepare([trial])
    told: list[dict[str, Any]] = []
    run = testbed.run(trial, 1, told.append)
    assert (run.status, run.error, run.host, run.testbed) == ("done", None, "here", "local")
    assert [w.name for w in run.windows] == ["idle", "load", "warmup", "measure", "idle_after"]
    energies = run.energy["gpu0:power"]
    assert energies.keys() >= {"idle", "measure", "prefill", "decode", "idle_after"}
    measured = next(w for w in run.windows if w.name == "measure")
    expected_j = 250 * measured.duration_s
    assert energies["measure"]["joules"] == pytest.approx(expected_j, rel=0.05)
    assert run.work == {"requests": 2, "tokens_in": run.work["tokens_in"], "tokens_out": 8}
    assert run.facts["process"] == "fork server"
    assert "numpy" in run.facts["imported"]
    assert load_traces(tmp_path / "traces" / f"{run.run_id}.parquet").keys() == {"gpu0:power"}
    answers = (tmp_path / "responses" / f"{run.run_id}.jsonl").read_text().splitlines()
    assert len(answers) == 2
    assert '"prompt":' in answers[0]
    phases = [m["phase"] for m in told if m["event"] == "phase"]
    assert phases == ["idle", "load", "warmup", "measure", "idle_after", "account"]
    assert not list(tmp_path.glob("traces/.*"))


def test_each_trial_has_a_process_of_its_own(testbed: LocalTestbed, tmp_path: Path) -> None:
    trial = command("sh", "-c", "echo pid $PPID")
    testbed.prepare([trial])
    assert testbed.run(trial, 1, silent).status == "done"
    assert testbed.run(trial, 1, silent).status == "done"
    lines = (tmp_path / "logs" / f"{trial['run_id']}.txt").read_text().splitlines()
    pids = {line for line in lines if line.startswith("pid ")}
    assert len(pids) == 2


def test_a_fresh_process_says_so(testbed: LocalTestbed) -> None:
    trial = command("true", process="fresh")
    testbed.prepare([trial])
    run = testbed.run(trial, 1, silent)
    assert run.status == "done"
    assert run.facts["process"] == "fresh"
    assert "imported" not in run.facts


def test_a_failing_trial_keeps_its_traces_and_names_its_log(
    testbed: LocalTestbed, tmp_path: Path
) -> None:
    trial = command("sh", "-c", "echo no such luck; exit 3")
    run = testbed.run(trial, 1, silent)
    assert run.status == "failed"
    assert run.error is not None
    assert "status 3" in run.error
    assert any("no such luck" in line for line in run.facts["log_tail"])
    assert "measure" not in run.energy["gpu0:power"]
    assert run.energy["gpu0:power"]["idle"]["joules"] > 0
    assert (tmp_path / "traces" / f"{run.run_id}.parquet").is_file()


def test_a_killed_trial_names_the_signal_and_keeps_its_traces(
    testbed: LocalTestbed, tmp_path: Path
) -> None:
    run = testbed.run(command("sh", "-c", "kill -9 $PPID; sleep 20"), 1, silent)
    assert run.status == "failed"
    assert run.error is not None
    assert "SIGKILL" in run.error
    assert "memory" in run.error
    assert (tmp_path / "traces" / f"{run.run_id}.parquet").is_file()
    assert testbed.run(command("true"), 1, silent).status == "done"  # the server lives on


def test_a_lost_recorder_fails_the_run_so_that_it_is_run_again(
    testbed: LocalTestbed, tmp_path: Path
) -> None:
    trial = command("sleep", "0.5")

    def kill_recorder(message: dict[str, Any]) -> None:
        if message.get("phase") == "measure":
            for child in psutil.Process().children(recursive=True):
                if "joulebench.testbed.recorder" in child.cmdline():
                    child.kill()

    run = testbed.run(trial, 1, kill_recorder)
    assert run.status == "failed"
    assert run.error == "the recorder ended with status -9 while the trial ran"
    assert (tmp_path / "traces" / f"{run.run_id}.parquet").is_file()
    assert testbed.run(trial, 1, silent).status == "done"


def test_a_meter_that_fails_while_it_is_read_is_a_finding(testbed: LocalTestbed) -> None:
    meter = METERS[0] | {"options": {"board": "ada", "watts": 1e308}}  # more than a reading holds
    run = testbed.run(command("true") | {"meters": [meter]}, 1, silent)
    found = {finding.rule: finding for finding in run.findings}
    assert "OverflowError" in found["failed-readings"].message
    assert found["no-energy"].severity == "error"
    assert run.energy == {}


def test_a_command_has_no_load_of_its_own(testbed: LocalTestbed) -> None:
    run = testbed.run(command("sleep", "0.3"), 1, silent)
    assert [w.name for w in run.windows] == ["idle", "measure", "idle_after"]
    assert run.energy["gpu0:power"].keys() == {"idle", "measure", "idle_after"}


def test_files_of_the_user_are_not_imported(
    testbed: LocalTestbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("yaml", "numpy", "psutil", "csv"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not this one')\n")
    monkeypatch.chdir(tmp_path)
    trial = generation()
    testbed.prepare([trial])
    assert testbed.run(trial, 1, silent).status == "done"


SLEEP = ["sleep", "31.4"]


def test_a_server_that_dies_takes_one_trial_with_it(testbed: LocalTestbed) -> None:
    trial = command(*SLEEP)
    testbed.prepare([trial])
    [server] = psutil.Process().children()

    def kill_server(message: dict[str, Any]) -> None:
        if message.get("phase") == "measure":
            server.kill()

    run = testbed.run(trial, 1, kill_server)
    assert run.status == "failed"
    assert run.error == "the fork server ended; see logs/fork-server.txt"
    assert run.channels  # what was recorded is kept
    assert not [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == SLEEP]
    again = testbed.run(command("true"), 1, silent)
    assert again.status == "done"
    assert "numpy" in again.facts["imported"]


def test_a_trial_that_takes_too_long_is_stopped(testbed: LocalTestbed) -> None:
    begun_s = time.monotonic()
    run = testbed.run(command("sleep", "60", timeout_s=1.5), 1, silent)
    assert time.monotonic() - begun_s < 20
    assert run.status == "failed"
    assert run.error == "timed out after 1.5 s (protocol.timeout_s)"
    assert not psutil.Process().children(recursive=True)[1:]  # the server alone


def test_a_plan_that_cannot_be_run_is_refused_before_any_trial(testbed: LocalTestbed) -> None:
    trial = generation() | {"model": "any", "task": "bolq"}
    with pytest.raises(UsageError, match="boolq"):
        testbed.prepare([trial])


def test_an_unknown_engine_option_is_refused_before_any_trial(testbed: LocalTestbed) -> None:
    with pytest.raises(UsageError, match="token_s"):
        testbed.prepare([generation(tokens_s=1.0)])


def test_more_threads_than_processors_are_capped_and_told(testbed: LocalTestbed) -> None:
    # The echo engine takes no threads: what it refuses shows what it was given.
    asked = 10_000
    testbed.process = "fresh"
    trial = generation(threads=asked)
    run = testbed.run(trial, 1, silent)
    assert [f.rule for f in run.findings if f.rule == "fewer-threads"] == ["fewer-threads"]
    finding = next(f for f in run.findings if f.rule == "fewer-threads")
    assert finding.seen == str(len(os.sched_getaffinity(0)))
    assert finding.possible == str(asked)


def test_closing_the_testbed_ends_the_trial_under_way(testbed: LocalTestbed) -> None:
    trial = command("sleep", "60")

    def interrupt(message: dict[str, Any]) -> None:
        if message.get("phase") == "measure":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        testbed.run(trial, 1, interrupt)
    testbed.stop()
    _none_left()


def test_a_trial_is_stopped_from_another_thread_and_the_server_lives_on(
    testbed: LocalTestbed,
) -> None:
    trial = command("sleep", "60")
    stoppers: list[threading.Thread] = []

    def stop(message: dict[str, Any]) -> None:
        if message.get("phase") == "measure":
            stoppers.append(threading.Thread(target=testbed.stop))
            stoppers[0].start()

    run = testbed.run(trial, 1, stop)
    stoppers[0].join()
    assert (run.status, run.error) == ("failed", "stopped")
    assert testbed.run(command("true"), 2, silent).status == "done"


def test_a_trial_may_have_a_folder_of_its_own(testbed: LocalTestbed, tmp_path: Path) -> None:
    trial = generation()
    testbed.prepare([trial])
    own = tmp_path / "own"
    run = testbed.run(trial, 1, silent, own)
    assert load_traces(own / "traces" / f"{run.run_id}.parquet").keys() == {"gpu0:power"}
    assert (own / "responses" / f"{run.run_id}.jsonl").is_file()
    assert (own / "logs" / f"{run.run_id}.txt").is_file()
    assert not list(tmp_path.glob("traces/*"))


def test_its_facts_name_the_sensors_that_the_study_asks_for(tmp_path: Path) -> None:
    testbed = LocalTestbed(tmp_path)
    asked = generation() | {"meters": [{"simulated": {"board": "a100", "watts": 100}}]}
    [(host, facts)] = testbed.hosts([asked]).items()
    assert testbed.host == host
    assert "gpu0:power" in facts["sensors"]
    with pytest.raises(UsageError, match="did you mean 'rapl'"):
        testbed.hosts([asked | {"meters": ["rapi"]}])


def _none_left() -> None:
    stop_s = time.monotonic() + 5
    while psutil.Process().children(recursive=True) and time.monotonic() < stop_s:
        time.sleep(0.05)
    assert not psutil.Process().children(recursive=True)
