"""A small service with a testbed's protocol, whose network and files can be made bad at will."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joulebench.record import Run

FILES = {"traces.parquet": bytes(range(256)) * 800, "log.txt": b"it ran\n"}
HOST = {"host": "far", "facts": {"cpu_model": "c"}, "testbed": "fake", "sensors": ["gpu0:power"]}


class Fake:
    """What the service knows, and how it misbehaves.

    Each entry of ``faults`` is taken by the next request that it fits: ``cut`` closes the
    connection without an answer, a number is answered as status.
    """

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.faults: list[tuple[str, str, str | int]] = []
        self.cut_files_after = 0
        self.bad_files = 0
        self.token = ""
        self.ends = True
        self.end_after_s = 0.0
        self.failing = 0
        self.host = dict(HOST)
        self.lock = threading.Lock()
        self.url = ""

    def posts(self) -> list[dict[str, Any]]:
        """Give the bodies of all requests for trials."""
        return [body for method, path, body in self.asked if (method, path) == ("POST", "/v1/runs")]

    def fault(self, method: str, path: str) -> str | int | None:
        with self.lock:
            for fault in self.faults:
                if method == fault[0] and fault[1] in path:
                    self.faults.remove(fault)
                    return fault[2]
        return None

    def ask(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        run_id = f"{body['study_id']}~{body['plan']['run_id']}"
        known = self.runs.get(run_id)
        if known is not None and known["attempt"] == body["attempt"]:
            if known["plan"] != body["plan"]:
                return 409, {"error": "this attempt has another plan"}
            return 200, self.public(known)
        if known is not None and known["attempt"] > body["attempt"]:
            return 409, {"error": "a later attempt is known"}
        self.runs[run_id] = {
            "id": run_id,
            "run_id": body["plan"]["run_id"],
            "study_id": body["study_id"],
            "attempt": body["attempt"],
            "plan": body["plan"],
            "state": "running",
        }
        if self.ends:
            self.end(run_id)
        elif self.end_after_s:
            threading.Timer(self.end_after_s, self.end, (run_id,)).start()
        return 201, self.public(self.runs[run_id])

    def end(self, run_id: str, state: str = "done") -> None:
        run = self.runs[run_id]
        if self.failing and state == "done":
            self.failing -= 1
            state = "failed"
        record = Run(
            run["run_id"],
            run["plan"]["study"],
            run["plan"]["trial"],
            status=state,
            error=None if state == "done" else "no luck",
            host=str(self.host["host"]),
            testbed="fake",
            started_at=f"2026-01-01T00:00:{run['attempt']:02d}Z",
            facts={"wall_s": 0.5},
        )
        run["run"] = None if state == "cancelled" else record.to_dict()
        run["state"] = state

    @staticmethod
    def public(run: dict[str, Any]) -> dict[str, Any]:
        ended = run["state"] in ("done", "failed")
        told = [
            {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in FILES.items()
        ]
        shown = {"phase": "measure", "watts": None, "run": None, "error": None}
        more = {key: value for key, value in run.items() if key != "plan"}
        return {**shown, **more, "files": told if ended else []}


class _Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: Fake

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        del format, args

    def _serve(self, method: str) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else {}
        split = urlsplit(self.path)
        self.fake.asked.append((method, split.path, body))
        self.fake.headers.append(dict(self.headers))
        fault = self.fake.fault(method, split.path)
        if fault == "cut":
            self.close_connection = True
            return
        if isinstance(fault, int):
            self._json(fault, {"error": f"status {fault} was asked for"}, {"Retry-After": "0.1"})
            return
        given = self.headers.get("Authorization", "")
        if self.fake.token and given != f"Bearer {self.fake.token}":
            self._json(401, {"error": "no token"})
            return
        self._answer(method, split.path, body, parse_qs(split.query))

    def _answer(
        self, method: str, path: str, body: dict[str, Any], query: dict[str, list[str]]
    ) -> None:
        if path in ("/v1/check", "/v1/host"):
            self._json(200, self.fake.host)
        elif (method, path) == ("POST", "/v1/runs"):
            self._json(*self.fake.ask(body))
        elif path == "/v1/runs":
            found = self.fake.runs.values()
            mine = [run for run in found if run["study_id"] in query["study_id"]]
            self._json(200, {"runs": [self.fake.public(run) for run in mine]})
        else:
            self._one(method, path.split("/")[3:])

    def _one(self, method: str, parts: list[str]) -> None:
        run = self.fake.runs.get(parts[0])
        if run is None:
            self._json(404, {"error": "it is not known"})
        elif parts[1:2] == ["files"]:
            self._file(FILES[parts[2]])
        elif parts[1:] == ["events"]:
            self._events(run)
        else:
            if method == "DELETE" and run["state"] == "running":
                self.fake.end(parts[0], "cancelled")
            self._json(200, self.fake.public(run))

    def _events(self, run: dict[str, Any]) -> None:
        self._head(200, {"Content-Type": "text/event-stream", "Connection": "close"})
        self.close_connection = True
        for kind, data in (
            ("phase", {"phase": "idle"}),
            ("watts", {"watts": 41.5, "method": "measured"}),
        ):
            self.wfile.write(f"id: 1\nevent: {kind}\ndata: {json.dumps(data)}\n\n".encode())
        for _ in range(200):
            if run["state"] != "running":
                break
            threading.Event().wait(0.02)
        self.wfile.write(f"event: state\ndata: {json.dumps(self.fake.public(run))}\n\n".encode())

    def _file(self, data: bytes) -> None:
        etag = f'"{hashlib.sha256(data).hexdigest()}"'
        if self.fake.bad_files:
            self.fake.bad_files -= 1
            data = b"\xff" + data[1:]
        first = 0
        wanted = self.headers.get("Range", "")
        if wanted and self.headers.get("If-Range") == etag:
            first = int(wanted.removeprefix("bytes=").partition("-")[0])
        size = len(data)
        headers = {"ETag": etag, "Content-Length": str(size - first)}
        if first:
            headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
        self._head(206 if first else 200, headers)
        cut = self.fake.cut_files_after
        self.wfile.write(data[first : first + cut] if cut else data[first:])
        self.close_connection = bool(cut)

    def _json(self, status: int, content: Any, headers: dict[str, str] | None = None) -> None:
        text = json.dumps(content).encode()
        more = {"Content-Type": "application/json", "Content-Length": str(len(text))}
        self._head(status, more | (headers or {}))
        self.wfile.write(text)

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""


@contextmanager
def served(fake: Fake, port: int = 0) -> Iterator[Fake]:
    """Serve on loopback.

    Args:
        fake: What is served.
        port: 0 for any.
    """
    door = type("Door", (_Door,), {"fake": fake})
    with _Server(("127.0.0.1", port), door) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()
