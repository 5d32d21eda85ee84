"""Studies run by the real service over loopback, through kills of both sides."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from service_server import TOKEN, Server, until

from joulebench.record import RunTable
from joulebench.record_traces import load_traces
from joulebench.study import load, run
from joulebench.study_folder import study_id_of

STUDY: dict[str, Any] = {
    "study": "s",
    "factors": {"model": ["a", "b", "c"]},
    "task": "copa",
    "engine": {"kind": "echo", "token_s": 0.002},
    "tasks": {"items": 2},
    "sampling": {"max_tokens": 4},
    "meters": [{"simulated": {"board": "ada", "watts": 250}}],
    "protocol": {
        "idle_s": 0.3, "idle_after_s": 0.1, "warmup_prompts": 0, "interval_s": 0.05, "attempts": 9,
    },
}  # fmt: skip


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("JOULEBENCH_TOKEN", TOKEN)
    server = Server(tmp_path / "far", "--name", "far")
    server.words[server.words.index("--port") + 1] = str(server.port)
    yield server
    server.end()


def study_file(folder: Path, server: Server, **changes: Any) -> str:
    path = folder / "s.yaml"
    beds = [{"url": server.url, "patience_s": 60.0}]
    path.write_text(yaml.safe_dump(STUDY | {"testbeds": beds} | changes))
    return str(path)


def check(out: Path, server: Server, trials: int = 3) -> list[dict[str, Any]]:
    """See that each trial is recorded once, with the files that the testbed has of it."""
    records = [json.loads(line) for line in (out / "runs.jsonl").read_text().splitlines()]
    done = Counter(record["run_id"] for record in records if record["status"] == "done")
    assert len(done) == trials
    assert set(done.values()) == {1}
    table, study_id = RunTable.load(out), study_id_of(out)
    with server.client() as client:
        for record in table.runs:
            state = client.get(f"/v1/runs/{study_id}~{record.run_id}").json()
            assert state["run"]["started_at"] == record.started_at
            rooms = {"traces.parquet": table.trace_path, "responses.jsonl": table.responses_path,
                     "log.txt": table.log_path}  # fmt: skip
            assert {told["name"] for told in state["files"]} == rooms.keys()
            for told in state["files"]:
                data = rooms[told["name"]](record.run_id).read_bytes()
                assert hashlib.sha256(data).hexdigest() == told["sha256"]
            assert load_traces(table.trace_path(record.run_id)).keys() == {"gpu0:power"}
            assert record.testbed == "far"
            assert record.host in table.hosts
    assert not list(out.glob("*/.*.part"))
    return records


def test_a_testbed_that_is_killed_and_comes_back_costs_one_attempt(
    tmp_path: Path, server: Server
) -> None:
    out = tmp_path / "out"

    def kill() -> None:
        until((out / "runs.jsonl").exists)
        with server.client() as client:
            until(
                lambda: any(r["state"] == "running" for r in client.get("/v1/runs").json()["runs"])
            )
        server.kill()
        server.start()

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = run(load(study_file(tmp_path, server)), out, report=False)
    killer.join()
    assert outcome.failed == ()
    records = check(out, server)
    failed = [record["error"] for record in records if record["status"] == "failed"]
    assert failed in ([], ["the testbed was stopped while it ran"])


def _has_records(out: Path, count: int) -> bool:
    path = out / "runs.jsonl"
    return path.exists() and path.read_bytes().count(b"\n") >= count


def test_an_orchestrator_that_is_killed_goes_on_and_repeats_nothing(
    tmp_path: Path, server: Server
) -> None:
    out = tmp_path / "out"
    words = [sys.executable, "-m", "joulebench", "run", study_file(tmp_path, server)]
    for wanted in (1, 2):
        with subprocess.Popen(
            [*words, "--out", str(out), "--no-report"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            until(partial(_has_records, out, wanted))
            process.send_signal(signal.SIGKILL)
    assert run(load(str(out)), out, report=False).failed == ()
    records = check(out, server)
    assert [record["status"] for record in records] == ["done"] * 3
    with server.client() as client:
        assert [r["attempt"] for r in client.get("/v1/runs").json()["runs"]] == [1] * 3


def test_ctrl_c_frees_the_testbed_and_the_study_goes_on(tmp_path: Path, server: Server) -> None:
    out = tmp_path / "out"
    slow = study_file(tmp_path, server, protocol=STUDY["protocol"] | {"idle_s": 30.0})
    words = [sys.executable, "-m", "joulebench", "run", slow, "--out", str(out), "--no-report"]
    with (
        subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as p,
        server.client() as client,
    ):
        until(lambda: any(r["phase"] == "idle" for r in client.get("/v1/runs").json()["runs"]))
        until(lambda: "idle" in (out / "course.json").read_text())
        p.send_signal(signal.SIGINT)
        _, said = p.communicate(timeout=60)
        assert p.returncode == 130
        assert "0 of 3 trials are done" in said
        assert "Traceback" not in said
        assert [r["state"] for r in client.get("/v1/runs").json()["runs"]] == ["cancelled"]
        assert client.get("/v1/host").json()["busy"] is False
    assert not (out / "course.json").exists()
    study_file(tmp_path, server)
    run(load(slow), out, report=False)  # nothing was recorded, so that the study may be another
    check(out, server)


def test_a_wrong_token_is_one_line(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOULEBENCH_TOKEN", "wrong-horse-wrong-horse")
    words = [sys.executable, "-m", "joulebench", "run", study_file(tmp_path, server)]
    ran = subprocess.run(
        [*words, "--out", str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert ran.stderr.count("\n") == 1
    assert "environment variable JOULEBENCH_TOKEN" in ran.stderr
    assert "horse" not in ran.stdout + ran.stderr
