"""A testbed's service that is killed at any moment: nothing is lost, nothing is run twice."""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from service_server import STUDY, Server, body, command, ended, generation, until

from joulebench.record_traces import load_traces

SLEEP = ["sleep", "47.11"]
KILLS = 3


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    found = Server(tmp_path, "--allow-command")
    yield found
    found.end()
    assert "Traceback" not in found.log


def sleeping() -> list[psutil.Process]:
    return [p for p in psutil.process_iter(["cmdline"]) if p.info["cmdline"] == SLEEP]


def test_a_killed_testbed_knows_its_trials_and_leaves_nothing_running(server: Server) -> None:
    with server.client() as client:
        client.post("/v1/runs", json=body(generation("done")))
        done = ended(client, "done")
        client.post("/v1/runs", json=body(command("cut", *SLEEP)))
        client.post("/v1/runs", json=body(generation("waits")))
        until(lambda: client.get(f"/v1/runs/{STUDY}~cut").json()["watts"])
    server.kill()
    server.start()
    assert not sleeping()
    with server.client() as client:
        assert client.get(f"/v1/runs/{done['id']}").json() == done
        cut = client.get(f"/v1/runs/{STUDY}~cut").json()
        assert (cut["state"], cut["error"]) == ("failed", "the testbed was stopped while it ran")
        assert cut["run"]["status"] == "failed"
        assert cut["run"]["error"] == cut["error"]
        assert {file["name"] for file in cut["files"]} == {"log.txt", "traces.parquet"}
        trace = client.get(f"/v1/runs/{STUDY}~cut/files/traces.parquet").content
        rescued = server.folder / "rescued.parquet"
        rescued.write_bytes(trace)
        assert len(load_traces(rescued)["gpu0:power"].t_s) > 10
        assert ended(client, "waits")["state"] == "done"
        again = client.post("/v1/runs", json=body(command("cut", *SLEEP)))
        assert (again.status_code, again.json()["state"]) == (200, "failed")
        assert (
            client.post("/v1/runs", json=body(command("cut", "true"), attempt=2)).status_code == 201
        )
        assert ended(client, "cut")["state"] == "done"


def test_kills_at_random_moments_run_no_attempt_twice(server: Server) -> None:
    draw = random.Random(20260608)
    counts = server.folder / "counts"
    counts.touch()
    known: dict[str, int] = {}
    for kill in range(KILLS):
        with server.client() as client:
            stop_s = time.monotonic() + draw.uniform(0.02, 2.0)
            while time.monotonic() < stop_s:
                ask(client, counts, f"k{kill}", known)
                ask(client, counts, f"j{kill}", known)
                time.sleep(0.05)
        server.kill()
        server.start()
    with server.client() as client:
        for run_id, attempt in known.items():
            state = ended(client, run_id)
            assert state["attempt"] == attempt
            check_files(client, state)
    began = Counter(counts.read_text().split())
    assert began
    assert set(began.values()) == {1}
    assert set(began) <= {f"{run_id}/1" for run_id in known}


def ask(client: httpx.Client, counts: Path, run_id: str, known: dict[str, int]) -> None:
    """Ask for a trial again and again, as an orchestrator that is not sure does."""
    plan = command(run_id, "sh", "-c", f"echo {run_id}/1 >> {counts}; sleep 0.3", timeout_s=20)
    answer = client.post("/v1/runs", json=body(plan))
    assert answer.status_code in (200, 201, 409), answer.text
    if answer.status_code == 201:
        assert run_id not in known
    if answer.status_code != 409:
        known[run_id] = 1


def check_files(client: httpx.Client, state: dict[str, object]) -> None:
    files = state["files"]
    assert isinstance(files, list)
    assert "log.txt" in {file["name"] for file in files}
    for file in files:
        got = client.get(f"/v1/runs/{state['id']}/files/{file['name']}")
        assert hashlib.sha256(got.content).hexdigest() == file["sha256"]
    run = state["run"]
    assert isinstance(run, dict)
    assert run["status"] == state["state"]


def test_a_stop_ends_the_trial_and_marks_it(server: Server) -> None:
    with server.client() as client:
        client.post("/v1/runs", json=body(command("stop", *SLEEP)))
        until(lambda: client.get(f"/v1/runs/{STUDY}~stop").json()["phase"] == "measure")
        client.post("/v1/runs", json=body(generation("after")))
    begun_s = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - begun_s < 20
    assert "stopped; what is recorded stays in" in server.log
    assert not sleeping()
    server.start()
    with server.client() as client:
        state = client.get(f"/v1/runs/{STUDY}~stop").json()
        assert (state["state"], state["error"]) == (
            "failed",
            "the testbed was stopped while it ran",
        )
        assert ended(client, "after")["state"] == "done"
