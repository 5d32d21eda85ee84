"""A real Prometheus server on a loopback port, and a wire to it that can be held up."""

from __future__ import annotations

import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

SCRAPE_S = 0.2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RealPrometheus:
    """Debian's server, scraping jobs of one target each.

    Args:
        path: The executable.
        folder: Where it keeps its files.
        jobs: Port of the target, by the name of the job.
        users: Hash of the password, by the user's name.
    """

    def __init__(
        self,
        path: str,
        folder: Path,
        jobs: Mapping[str, int],
        users: Mapping[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        config = folder / "prometheus.yml"
        config.write_text(_config(jobs), encoding="utf-8")
        words = [path, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
                 f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error"]  # fmt: skip
        if users:
            web = folder / "web.yml"
            lines = [f"  {name}: {hashed}" for name, hashed in users.items()]
            web.write_text("\n".join(["basic_auth_users:", *lines, ""]), encoding="utf-8")
            words.append(f"--web.config.file={web}")
        with (folder / "log").open("wb") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log)
        self._wait_for("/-/ready", b"Ready")

    def wait_for_series(self, query: str) -> None:
        """Wait until a query gives something: targets are found after five seconds."""
        self._wait_for(f"/api/v1/query?query={query}", b'"metric"')

    def _wait_for(self, path: str, part: bytes) -> None:
        deadline_s = time.monotonic() + 60
        while time.monotonic() < deadline_s:
            with suppress(OSError):
                if part in self._read(path):
                    return
            time.sleep(0.1)
            assert self._process.poll() is None, "Prometheus ended"
        raise AssertionError(f"Prometheus never gave {path}")

    def _read(self, path: str) -> bytes:
        try:
            with urllib.request.urlopen(self.url + path, timeout=2) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            error.close()
            return b"Ready" if error.code == 401 else b""

    def close(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def _config(jobs: Mapping[str, int]) -> str:
    pace = f"{round(SCRAPE_S * 1e3)}ms"
    lines = ["global: {scrape_interval: 1m}", "scrape_configs:"]
    for name, port in jobs.items():
        lines += [
            f"- job_name: {name}",
            f"  scrape_interval: {pace}",
            f"  scrape_timeout: {pace}",
            f"  static_configs: [{{targets: ['127.0.0.1:{port}']}}]",
        ]
    return "\n".join(lines)


class Wire:
    """Forwards connections to a port, until it is held up: then nothing comes through any more."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = threading.Event()
        self._open.set()
        self._sockets: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._port))
                self._sockets += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(65536):
                self._open.wait(60)
                sink.sendall(part)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._open.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in self._sockets:
            one.close()
