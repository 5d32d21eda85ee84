"""A testbed's service over HTTP, with real trials on a simulated board."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import httpx
import pytest
from service_server import STUDY, Server, body, command, ended, generation, until

from joulebench.record import Run


class Callbacks(BaseHTTPRequestHandler):
    """Keeps what it is sent."""

    took: list[dict[str, Any]]

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        type(self).took.append(json.loads(self.rfile.read(length)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture(scope="module")
def callbacks() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    took: list[dict[str, Any]] = []
    handler = type("Handler", (Callbacks,), {"took": took})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}", took
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, callbacks: tuple[str, list[dict[str, Any]]]
) -> Iterator[Server]:
    options = ("--allow-command", "--name", "bed", "--allow-callback", callbacks[0])
    found = Server(tmp_path_factory.mktemp("service"), *options)
    yield found
    assert found.end() == 0
    assert "Traceback" not in found.log


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    with server.client() as found:
        yield found


@pytest.fixture(scope="module")
def done(server: Server, callbacks: tuple[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """A generation that has been run."""
    with server.client() as client:
        asked = body(generation("done"), callback_url=f"http://{callbacks[0]}/end")
        answer = client.post("/v1/runs", json=asked)
        assert answer.status_code == 201, answer.text
        return ended(client, "done")


def test_a_trial_gives_a_record_and_files_that_match_their_hashes(
    client: httpx.Client, done: dict[str, Any]
) -> None:
    assert (done["state"], done["error"], done["attempt"]) == ("done", None, 1)
    assert done["lease_left_s"] is None
    assert done["queued_at"] <= done["started_at"] <= done["ended_at"]
    run = Run.from_dict(done["run"])
    assert (run.status, run.testbed, run.work["requests"]) == ("done", "bed", 2)
    assert run.energy["gpu0:power"]["measure"]["joules"] > 0
    assert [f["name"] for f in done["files"]] == ["traces.parquet", "responses.jsonl", "log.txt"]
    for file in done["files"]:
        got = client.get(f"/v1/runs/{done['id']}/files/{file['name']}")
        assert got.status_code == 200
        assert len(got.content) == file["bytes"]
        assert hashlib.sha256(got.content).hexdigest() == file["sha256"]
        assert got.headers["ETag"] == f'"{file["sha256"]}"'
        digest = base64.b64encode(bytes.fromhex(file["sha256"])).decode()
        assert got.headers["Repr-Digest"] == f"sha-256=:{digest}:"


def test_a_download_goes_on_where_it_was_cut(client: httpx.Client, done: dict[str, Any]) -> None:
    url = f"/v1/runs/{done['id']}/files/traces.parquet"
    whole = client.get(url)
    first = client.get(url, headers={"Range": "bytes=0-99"})
    etag = first.headers["ETag"]
    rest = client.get(url, headers={"Range": "bytes=100-", "If-Range": etag})
    assert (first.status_code, rest.status_code) == (206, 206)
    assert first.content + rest.content == whole.content
    assert (
        rest.headers["Content-Range"] == f"bytes 100-{len(whole.content) - 1}/{len(whole.content)}"
    )
    last = client.get(url, headers={"Range": "bytes=-4"})
    assert last.content == b"PAR1"
    changed = client.get(url, headers={"Range": "bytes=100-", "If-Range": '"another"'})
    assert (changed.status_code, changed.content) == (200, whole.content)
    beyond = client.get(url, headers={"Range": f"bytes={len(whole.content)}-"})
    assert beyond.status_code == 416
    assert beyond.headers["Content-Range"] == f"bytes */{len(whole.content)}"


def test_asking_again_gives_the_same_trial(client: httpx.Client, done: dict[str, Any]) -> None:
    answer = client.post("/v1/runs", json=body(generation("done")))
    assert answer.status_code == 200
    assert answer.json() == done
    other = client.post("/v1/runs", json=body(generation("done", task="boolq")))
    assert other.status_code == 409
    assert "another plan" in other.json()["error"]


def test_the_callback_is_told_of_the_end(
    done: dict[str, Any], callbacks: tuple[str, list[dict[str, Any]]]
) -> None:
    [told] = until(lambda: callbacks[1])
    assert (told["id"], told["state"], told["files"]) == (done["id"], "done", done["files"])
    assert "run" not in told


def test_a_full_queue_says_when_to_ask_again(client: httpx.Client) -> None:
    for run_id in ("q1", "q2"):
        assert client.post("/v1/runs", json=body(command(run_id, "sleep", "30"))).status_code == 201
    refused = client.post("/v1/runs", json=body(command("q3", "true")))
    assert refused.status_code == 409
    assert float(refused.headers["Retry-After"]) == refused.json()["retry_after_s"] > 0
    assert client.get(f"/v1/runs/{STUDY}~q3").status_code == 404
    assert client.get("/v1/host").json()["busy"] is True
    waiting = client.delete(f"/v1/runs/{STUDY}~q2")
    assert (waiting.status_code, waiting.json()["state"]) == (202, "cancelled")
    until(lambda: client.get(f"/v1/runs/{STUDY}~q1").json()["watts"])
    assert "joulebench_testbed_power_watts 250\n" in client.get("/metrics").text
    running = client.delete(f"/v1/runs/{STUDY}~q1")
    assert running.status_code == 202
    state = ended(client, "q1")
    assert (state["state"], state["run"], state["error"]) == ("cancelled", None, None)
    assert {file["name"] for file in state["files"]} >= {"log.txt", "traces.parquet"}
    assert client.delete(f"/v1/runs/{STUDY}~q1").status_code == 200
    again = client.post("/v1/runs", json=body(command("q1", "true"), attempt=2))
    assert (again.status_code, again.json()["attempt"]) == (201, 2)
    assert ended(client, "q1")["state"] == "done"


def test_events_come_as_they_happen_and_go_on_after_a_cut(client: httpx.Client) -> None:
    client.post("/v1/runs", json=body(command("e1", "sleep", "1.2")))
    url = f"/v1/runs/{STUDY}~e1/events"
    seen = read_events(client, url, stop_at="measure")
    rest = read_events(client, url, after=seen[-1]["id"])
    numbers = [int(event["id"].partition("-")[2]) for event in seen + rest]
    assert numbers == sorted(set(numbers))
    phases = [event["data"]["phase"] for event in seen + rest if event["event"] == "phase"]
    assert phases[-4:] == ["idle", "measure", "idle_after", "account"]
    assert {"watts": 250.0, "method": "simulated"} in [event["data"] for event in rest]
    assert (rest[-1]["event"], rest[-1]["data"]["state"]) == ("state", "done")
    [only] = read_events(client, url, after="another-1")
    assert only["data"]["state"] == "done"


def read_events(
    client: httpx.Client, url: str, after: str = "", stop_at: str = ""
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    headers = {"Last-Event-ID": after} if after else {}
    with client.stream("GET", url, headers=headers) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        event: dict[str, Any] = {}
        for line in stream.iter_lines():
            name, _, value = line.partition(": ")
            if name in ("id", "event", "data"):
                event[name] = json.loads(value) if name == "data" else value
            elif not line and event:
                found.append(event)
                if stop_at and event["data"].get("phase") == stop_at:
                    break
                event = {}
    return found


def test_a_poll_waits_for_a_change(client: httpx.Client) -> None:
    client.post("/v1/runs", json=body(command("p1", "sleep", "0.4")))
    url = f"/v1/runs/{STUDY}~p1"
    state: dict[str, Any] = {"state": "queued"}
    asked = 0
    while state["state"] not in ("done", "failed"):
        state = client.get(url, params={"wait_s": 20, "seen": state["state"]}).json()
        asked += 1
    assert state["state"] == "done"
    assert asked < 15
    assert client.get(url, params={"wait_s": 60}).json()["state"] == "done"
    assert client.get(url, params={"wait_s": 61}).status_code == 422


def test_a_failed_trial_has_a_record_and_a_log(client: httpx.Client) -> None:
    client.post("/v1/runs", json=body(command("f1", "sh", "-c", "echo no luck; exit 3")))
    state = ended(client, "f1")
    assert (state["state"], state["run"]["status"]) == ("failed", "failed")
    assert "status 3" in state["error"]
    log = client.get(f"/v1/runs/{STUDY}~f1/files/log.txt").text
    assert "no luck" in log


def test_a_lease_runs_out_unless_somebody_asks(client: httpx.Client) -> None:
    client.post("/v1/runs", json=body(command("l1", "sleep", "30"), lease_s=1.0))
    listed = until(
        lambda: [
            run
            for run in client.get("/v1/runs", params={"study_id": STUDY}).json()["runs"]
            if run["run_id"] == "l1" and run["state"] == "failed"
        ]
    )
    assert listed[0]["error"].startswith("lease expired")
    assert "run" not in listed[0]
    client.post("/v1/runs", json=body(command("l2", "sleep", "2.5"), lease_s=1.0))
    assert ended(client, "l2")["state"] == "done"


def test_a_check_says_what_can_be_run(client: httpx.Client) -> None:
    answer = client.post("/v1/check", json={"plans": [generation("x"), command("y", "true")]})
    assert answer.status_code == 200
    said = answer.json()
    assert (said["testbed"], said["sensors"]) == ("bed", ["gpu0:power"])
    assert said["facts"]["sensors"] == said["sensors"]
    assert said["host"].startswith(said["facts"]["hostname"])
    for wrong, named in (
        (generation("x", task="bolq"), "boolq"),
        (generation("x", engine={"kind": "ecko"}), "echo"),
        (generation("x", meters=["nvmll"]), "nvml"),
        (generation("x", sampling={"max_tokens": "four"}), "max_tokens"),
        (generation("x", meters=[]), "the list is empty"),
        (command("x", "no-such-program"), "no-such-program"),
    ):
        for url, sent in (("/v1/check", {"plans": [wrong]}), ("/v1/runs", body(wrong))):
            refused = client.post(url, json=sent)
            assert refused.status_code == 422, refused.text
            assert named in refused.json()["error"]
            assert "\n" not in refused.json()["error"]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"study_id": "xyz"}, "study_id"),
        ({"attempt": 0}, "attempt"),
        ({"lease_s": float("1e9")}, "lease_s"),
        ({"more": 1}, "body.more: this key is not known here"),
        ({"plan": {**generation("../up")}}, "run_id"),
        ({"plan": {**generation("a/b")}}, "run_id"),
        ({"plan": {**generation(".hidden")}}, "run_id"),
        ({"plan": {**generation("x" * 181)}}, "run_id"),
        ({"plan": {**generation("é" * 100)}}, "at most 190 bytes"),
        ({"plan": {**generation("x"), "model": "a\x00b"}}, "NUL"),
        ({"plan": {**generation("x"), "model": "\ud800"}}, "surrogate"),
        ({"plan": {**generation("x"), "engine": {"token_s": 10**400}}}, "whole number"),
        ({"plan": {**generation("x"), "protocol": {"idle_s": 1, "idel": 2}}}, "idel"),
        ({"callback_url": "http://169.254.169.254/"}, "not allowed"),
        ({"callback_url": "file:///etc/passwd"}, "http://HOST"),
        ({"callback_url": "http://u:p@127.0.0.1/"}, "without name and password"),
    ],
)
def test_what_has_not_the_right_form_is_refused_in_one_line(
    client: httpx.Client, change: dict[str, Any], named: str
) -> None:
    sent = json.dumps(body(generation("form")) | change).encode()
    answer = client.post("/v1/runs", content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert named in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert client.get(f"/v1/runs/{STUDY}~form").status_code == 404


@pytest.mark.parametrize(
    "sent", [b"{", b"[" * 100_000, b'{"plans": [1' + b"0" * 5000 + b"]}", b"\xff\xfe", b""]
)
def test_what_is_no_json_is_refused(client: httpx.Client, sent: bytes) -> None:
    answer = client.post("/v1/check", content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422), answer.text
    assert "\n" not in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/runs/{id}/files/state.json",
        "/v1/runs/{id}/files/..%2Fstate.json",
        "/v1/runs/{id}/files/..%2F..%2F..%2Ftoken",
        "/v1/runs/..%2F..%2Ftoken/files/log.txt",
        "/v1/runs/{id}%00/files/log.txt",
        "/v1/runs/%2E%2E/files/log.txt",
    ],
)
def test_no_path_leads_out_of_the_folder_of_a_trial(
    client: httpx.Client, done: dict[str, Any], path: str
) -> None:
    answer = client.get(path.format(id=done["id"]))
    assert answer.status_code in (404, 422)
    assert "error" in answer.json()


def test_a_file_that_was_changed_or_linked_away_is_not_given(
    server: Server, client: httpx.Client
) -> None:
    client.post("/v1/runs", json=body(command("z1", "true")))
    ended(client, "z1")
    log = server.state / "runs" / f"{STUDY}~z1~1" / "logs" / "z1.txt"
    elsewhere = server.folder / "elsewhere"
    elsewhere.write_bytes(log.read_bytes())
    log.write_bytes(log.read_bytes() + b"more\n")
    assert client.get(f"/v1/runs/{STUDY}~z1/files/log.txt").status_code == 404
    log.unlink()
    log.symlink_to(elsewhere)
    assert client.get(f"/v1/runs/{STUDY}~z1/files/log.txt").status_code == 404


def test_a_method_that_an_address_lacks_is_refused_with_those_it_has(client: httpx.Client) -> None:
    answer = client.patch("/v1/runs")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")
    answer = client.put(f"/v1/runs/{STUDY}~x")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "DELETE, GET")
    assert client.get("/v1/nowhere").status_code == 404


def test_the_description_of_the_service_is_whole(client: httpx.Client) -> None:
    said = client.get("/v1/openapi.json").json()
    assert said["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    assert "HTTPValidationError" not in said["components"]["schemas"]
    for path, methods in said["paths"].items():
        for operation in methods.values():
            codes = set(operation["responses"])
            if path != "/healthz":
                assert operation["security"] == [{"HTTPBearer": []}]
                assert codes >= {"400", "401", "408", "413", "503"}
            for code, answer in operation["responses"].items():
                assert answer["description"]
                assert answer["content"], (path, code)
    assert set(said["paths"]["/v1/runs"]["post"]["responses"]) >= {"200", "201", "409", "422"}


def test_figures_are_in_the_form_of_prometheus(client: httpx.Client) -> None:
    answer = client.get("/metrics")
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'joulebench_testbed_info{name="bed",version="0.1.0"} 1' in lines
    names = {line.split("{")[0].split(" ")[0] for line in lines if not line.startswith("#")}
    assert names == {line.split(" ")[2] for line in lines if line.startswith("# TYPE")}
    assert "joulebench_testbed_power_watts" not in names


def test_the_state_is_the_owners_alone(server: Server) -> None:
    assert server.state.stat().st_mode & 0o077 == 0
    assert (server.state / "runs").stat().st_mode & 0o077 == 0
