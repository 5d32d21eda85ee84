"""Whole studies through the command line: run, interrupt, kill, resume, refuse."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from joulebench.record import Run, RunTable

ECHO: dict[str, Any] = {
    "study": "echo",
    "factors": {"model": ["small", "large"], "task": ["boolq", "copa"]},
    "repetitions": 2,
    "engine": {"kind": "echo", "token_s": 0.002},
    "tasks": {"items": 2},
    "sampling": {"max_tokens": 8},
    "protocol": {"idle_s": 0.2, "idle_after_s": 0.1, "warmup_prompts": 1, "interval_s": 0.02},
    "meters": [{"simulated": {"board": "a100", "watts": 250}}],
}
ONE: dict[str, Any] = {"factors": {"model": ["small"], "task": ["copa"]}, "repetitions": 1}
"""Changes that leave one trial."""


def study_file(folder: Path, **changes: Any) -> str:
    path = folder / "echo.yaml"
    path.write_text(yaml.safe_dump({**ECHO, **changes}))
    return str(path)


def words(*given: str) -> list[str]:
    return [sys.executable, "-c", "from joulebench.cli import main; main()", *given]


def joulebench(folder: Path, *given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words(*given), cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts the command in the test's folder; what is left of it ends with the test."""
    with ExitStack() as stack:

        def started(*given: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                words(*given),
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield started


def lines(folder: Path) -> list[dict[str, Any]]:
    path = folder / "runs.jsonl"
    text = path.read_text() if path.exists() else ""
    return [json.loads(line) for line in text.splitlines()]


def wait_for(what: Callable[[], bool], timeout_s: float = 60) -> None:
    stop_s = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < stop_s, "waited too long"
        time.sleep(0.02)


def session_of(pid: int) -> list[psutil.Process]:
    """Give a process and its descendants, which stay known when it is gone."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def none_running(family: list[psutil.Process]) -> bool:
    return all(not p.is_running() or p.status() == psutil.STATUS_ZOMBIE for p in family)


def test_a_study_goes_from_file_to_table(tmp_path: Path) -> None:
    study = study_file(tmp_path)
    ran = joulebench(tmp_path, "run", study, "--no-report", "--json", "result.json")
    assert ran.returncode == 0, ran.stderr
    out = tmp_path / "runs" / "echo"
    table = RunTable.load(out)
    assert [run.status for run in table.runs] == ["done"] * 8
    assert [run.trial["order"] for run in table.runs] == list(range(1, 9))
    frame = table.frame()
    assert (frame["energy_j"] > 0).all()
    assert set(frame["method"]) == {"simulated"}
    assert (out / "run_table.csv").read_text().count("\n") == 9
    assert table.runs[0].host in table.hosts
    assert table.hosts[table.runs[0].host]["sensors"] == ["gpu0:power"]
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["done"], result["pending"], result["ran"]) == (8, 0, 8)
    assert "8/8" in ran.stdout
    assert "±" in ran.stdout


def test_a_lopsided_interval_is_told_by_its_ends(tmp_path: Path) -> None:
    prompts = [{"prompt": f"Is {n} a number?", "label": "yes"} for n in range(12)]
    (tmp_path / "p.jsonl").write_text("\n".join(map(json.dumps, prompts)))
    changes = ONE | {"factors": {"model": ["small"]}, "tasks": {"prompts": "p.jsonl"}}
    changes |= {"engine": {"kind": "echo", "answer": "yes", "token_s": 0.1},
                "protocol": {"clock": "virtual"}}  # fmt: skip
    study = study_file(tmp_path, **changes)
    ran = joulebench(tmp_path, "run", study, "--no-report")
    assert ran.returncode == 0, ran.stderr
    assert "1.00 (0.76 to 1.00)" in ran.stdout
    assert "± is half a 95 % interval, low to high its ends; energy is" in ran.stdout


def test_running_again_runs_nothing(tmp_path: Path) -> None:
    study = study_file(tmp_path, **ONE)
    assert joulebench(tmp_path, "run", study, "--no-report").returncode == 0
    before = (tmp_path / "runs/echo/runs.jsonl").read_bytes()
    again = joulebench(tmp_path, "run", "runs/echo", "--no-report")
    assert again.returncode == 0, again.stderr
    assert (tmp_path / "runs/echo/runs.jsonl").read_bytes() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_study_goes_on_and_repeats_nothing(
    tmp_path: Path, start: Start, number: signal.Signals
) -> None:
    study, out = study_file(tmp_path), tmp_path / "out"
    process = start("run", study, "--out", "out", "--no-report")
    wait_for(lambda: len(lines(out)) >= 2)
    time.sleep(0.3)  # into the middle of the next trial
    family = session_of(process.pid)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "of 8 trials are done" in stderr
    assert "joulebench run out" in stderr
    wait_for(lambda: none_running(family), 10)
    kept = lines(out)
    assert 2 <= len(kept) < 8
    assert all(record["status"] == "done" for record in kept)
    assert (out / "run_table.csv").is_file()
    assert not list(out.glob("*/.*"))

    resumed = joulebench(tmp_path, "run", "out", "--no-report")
    assert resumed.returncode == 0, resumed.stderr
    after = lines(out)
    assert after[: len(kept)] == kept
    assert len(after) == len({record["run_id"] for record in after}) == 8
    assert [record["trial"]["order"] for record in after] == list(range(1, 9))


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path, start: Start) -> None:
    # A stopped process does not act on the polite signal.
    stubborn = ["sh", "-c", "echo here; kill -STOP $PPID; sleep 60"]
    study = {"study": "c", "workload": "command", "command": stubborn}
    (tmp_path / "c.yaml").write_text(
        yaml.safe_dump(study | {key: ECHO[key] for key in ("meters", "protocol")})
    )
    process = start("run", "c.yaml", "--out", "out", "--no-report")
    log = tmp_path / "out/logs/r01.txt"
    wait_for(lambda: log.exists() and "here" in log.read_text())
    time.sleep(0.2)
    family = session_of(process.pid)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    wait_for(lambda: none_running(family), 10)
    assert lines(tmp_path / "out") == []


def test_a_killed_study_leaves_no_process_and_goes_on(tmp_path: Path, start: Start) -> None:
    study, out = study_file(tmp_path), tmp_path / "out"
    process = start("run", study, "--out", "out", "--no-report")
    wait_for(lambda: len(lines(out)) >= 1)
    time.sleep(0.3)
    family = session_of(process.pid)
    assert len(family) >= 3  # the study, its fork server, a trial
    process.kill()
    process.communicate()
    wait_for(lambda: none_running(family), 10)
    kept = lines(out)

    resumed = joulebench(tmp_path, "run", study, "--out", "out", "--no-report")
    assert resumed.returncode == 0, resumed.stderr
    after = lines(out)
    assert after[: len(kept)] == kept
    assert sorted(record["trial"]["order"] for record in after) == list(range(1, 9))
    assert not list(out.glob("traces/.*"))
    for record in after:
        assert (out / "traces" / f"{record['run_id']}.parquet").is_file()
        assert (out / "responses" / f"{record['run_id']}.jsonl").is_file()


def test_a_failing_trial_is_tried_once_more_and_stops_no_other(tmp_path: Path) -> None:
    study = {
        "study": "c",
        "factors": {"code": [0, 3]},
        "workload": "command",
        "command": ["sh", "-c", "exit {code}"],
        "protocol": ECHO["protocol"],
        "meters": ECHO["meters"],
    }
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(study))
    ran = joulebench(tmp_path, "run", "c.yaml", "--out", "out", "--no-report")
    assert ran.returncode == 1
    assert "Failed twice: code-3.r01" in ran.stderr
    records = lines(tmp_path / "out")
    assert sorted(record["status"] for record in records) == ["done", "failed", "failed"]
    assert [record["run_id"] for record in records][-1] == "code-3.r01"
    told = joulebench(tmp_path, "status", "out", "--json", "-")
    state = json.loads(told.stdout)
    assert (state["done"], state["pending"], list(state["failed"])) == (1, 1, ["code-3.r01"])


def test_another_studys_folder_is_refused(tmp_path: Path) -> None:
    study = study_file(tmp_path, **ONE)
    assert joulebench(tmp_path, "run", study, "--out", "out", "--no-report").returncode == 0
    before = (tmp_path / "out/runs.jsonl").read_bytes()
    other = study_file(tmp_path, study="other")
    refused = joulebench(tmp_path, "run", other, "--out", "out")
    assert refused.returncode == 2
    assert "holds the study 'echo', not 'other'" in refused.stderr
    changed = study_file(tmp_path, **ONE)
    refused = joulebench(tmp_path, "run", changed, "--out", "out", "--items", "1")
    assert refused.returncode == 2
    assert "tasks.items is 2 there and 1 now" in refused.stderr
    assert "joulebench run out" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert (tmp_path / "out/runs.jsonl").read_bytes() == before


def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home/thesis.tex").write_text("")
    refused = joulebench(tmp_path, "run", study_file(tmp_path), "--out", "home")
    assert refused.returncode == 2
    assert "holds other files (thesis.tex" in refused.stderr
    assert os.listdir(tmp_path / "home") == ["thesis.tex"]


def test_a_file_in_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    refused = joulebench(tmp_path, "run", study_file(tmp_path), "--out", "out")
    assert refused.returncode == 2
    assert "out is a file, not a folder" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert (tmp_path / "out").read_text() == "mine"


def test_a_slip_is_mended_without_a_new_folder(tmp_path: Path) -> None:
    slip = study_file(tmp_path, **ONE, engine={"kind": "ecko"})
    refused = joulebench(tmp_path, "run", slip, "--out", "out")
    assert refused.returncode == 2
    assert "did you mean 'echo'" in refused.stderr
    mended = study_file(tmp_path, **ONE)
    ran = joulebench(tmp_path, "run", mended, "--out", "out", "--no-report")
    assert ran.returncode == 0, ran.stderr
    assert RunTable.load(tmp_path / "out").study["engine"]["kind"] == "echo"


def test_a_reader_that_goes_away_costs_no_trial(tmp_path: Path, start: Start) -> None:
    study = study_file(tmp_path, repetitions=1)
    process = start("run", study, "--out", "out", "--no-report")
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    process.wait(60)
    assert len(lines(tmp_path / "out")) == 4


def test_a_full_disk_stops_the_study_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from joulebench.errors import UsageError
    from joulebench.study import load, run

    append = RunTable.append

    def full(table: RunTable, record: Run) -> None:
        if len(table.runs) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        append(table, record)

    monkeypatch.setattr(RunTable, "append", full)
    with pytest.raises(UsageError, match=r"the disk is full.*go on with: joulebench run") as caught:
        run(load(study_file(tmp_path, repetitions=1)), tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert len(lines(tmp_path / "out")) == 2
    monkeypatch.undo()
    study = load(study_file(tmp_path, repetitions=1))
    assert len(run(study, tmp_path / "out", report=False).table.runs) == 4


def test_ctrl_c_in_the_report_keeps_the_table_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import joulebench.report.build
    from joulebench.study import Stopped, load, run

    def interrupted(_folder: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(joulebench.report.build, "build_report", interrupted)
    with pytest.raises(Stopped, match="1 of 1 trials are done"):
        run(load(study_file(tmp_path, **ONE)), tmp_path / "out")
    assert (tmp_path / "out/run_table.csv").is_file()


def test_runs_that_cannot_be_used_are_named_and_give_status_1(tmp_path: Path) -> None:
    trace = tmp_path / "short.csv"
    trace.write_text("t_s,v\n0,100\n0.05,100\n0.1,100\n")
    factors = {"model": ["small", "large"], "task": ["copa"]}
    study = study_file(
        tmp_path, factors=factors, repetitions=1, meters=[{"replay": {"path": str(trace)}}]
    )
    ran = joulebench(tmp_path, "run", study, "--out", "out", "--no-report")
    assert ran.returncode == 1
    assert "no energy: " in ran.stdout
    assert ran.stderr.count("Cannot be used: ") == 2


def test_two_runs_of_one_folder_are_refused(tmp_path: Path, start: Start) -> None:
    study, out = study_file(tmp_path), tmp_path / "out"
    process = start("run", study, "--out", "out", "--no-report")
    wait_for((out / "study.yaml").exists)
    refused = joulebench(tmp_path, "run", study, "--out", "out")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert refused.returncode == 2
    assert "another joulebench run is at work" in refused.stderr


def test_a_missing_meter_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    study = study_file(tmp_path, meters=["rapi"])
    refused = joulebench(tmp_path, "run", study)
    assert refused.returncode == 2
    assert "did you mean 'rapl'" in refused.stderr
    assert not (tmp_path / "runs").exists()


def test_overrides_are_written_into_the_study(tmp_path: Path) -> None:
    items = tmp_path / "items"
    items.mkdir()
    row = {"premise": "p", "choice1": "a", "choice2": "b", "question": "cause", "label": 0}
    (items / "copa.jsonl").write_text(
        "".join(json.dumps(row | {"idx": i}) + "\n" for i in range(3))
    )
    study = study_file(tmp_path, factors={"model": ["m"], "task": ["copa"]})
    given = ("--data", "items", "--items", "3", "--repetitions", "1", "--no-report")
    ran = joulebench(tmp_path, "run", study, *given)
    assert ran.returncode == 0, ran.stderr
    table = RunTable.load(tmp_path / "runs/echo")
    assert table.study["tasks"] == {"data": str(items), "items": 3, "prompt": "short"}
    assert table.study["repetitions"] == 1
    assert table.runs[0].work["requests"] == 3


def test_a_report_that_fails_costs_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import joulebench.report.build
    from joulebench.study import load, run

    def broken(_folder: Path) -> Path:
        raise OSError("no space left")

    monkeypatch.setattr(joulebench.report.build, "build_report", broken)
    outcome = run(load(study_file(tmp_path, **ONE)), tmp_path / "out")
    assert outcome.report is None
    assert outcome.report_error == "OSError: no space left"
    assert len(lines(tmp_path / "out")) == 1


def test_the_report_is_written_at_the_end(tmp_path: Path) -> None:
    ran = joulebench(tmp_path, "run", study_file(tmp_path, repetitions=1), "--out", "out")
    assert ran.returncode == 0, ran.stderr
    report = tmp_path / "out/report/report.html"
    assert report.is_file()
    assert "out/report/report.html" in ran.stdout
