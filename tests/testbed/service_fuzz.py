"""Puts a testbed's service to schemathesis, and counts what it answered.

Run by hand: ``JOULEBENCH_FUZZ_HTTP=10000 python -m pytest tests/testbed/test_service_fuzz.py -o
timeout=7200``.
"""

from __future__ import annotations

import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from service_server import Server

CONFIG = Path(__file__).with_suffix(".toml")

OPERATIONS = 10


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Args:
        status: Of schemathesis; 0 where all checks passed.
        said: By it.
        answered: How many requests the service answered with each status.
    """

    status: int
    said: str
    answered: Counter[int]


def fuzz(server: Server, requests: int, seed: int, folder: Path) -> Outcome:
    """Send about so many requests, and somewhat more.

    Args:
        server: What to send them to.
        requests: How many.
        seed: Draws them.
        folder: For the files of schemathesis.
    """
    url = f"{server.url}/v1/openapi.json"
    words = [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"]
    words += ["--config-file", str(CONFIG), "run", url, "--seed", str(seed), "--no-color"]
    words += ["-H", f"Authorization: {server.headers['Authorization']}", "--no-shrink"]
    words += ["--request-timeout", "30", "--suppress-health-check", "all", "--warnings", "off"]
    # The coverage phase alone sends about a thousand, however few are asked for.
    short = requests < 1000
    phases = "examples,coverage" if short else "examples,coverage,fuzzing,stateful"
    each = 5 if short else requests // OPERATIONS
    words += ["--phases", phases, "--max-examples", str(each)]
    with tidied(server):
        done = subprocess.run(
            words, cwd=folder, check=False, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    return Outcome(done.returncode, done.stdout, answered(server))


@contextmanager
def tidied(server: Server) -> Iterator[None]:
    """Cancel the trials that drawn requests begin: some of them would last for days."""
    over = threading.Event()
    thread = threading.Thread(target=_tidy, args=(server, over))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _tidy(server: Server, over: threading.Event) -> None:
    with server.client() as client:
        while not over.wait(0.3):
            for run in client.get("/v1/runs").json()["runs"]:
                if run["state"] in ("queued", "cooling", "running"):
                    client.delete(f"/v1/runs/{run['id']}")


def answered(server: Server) -> Counter[int]:
    """Ask the service how many requests it has answered with each status."""
    with server.client() as client:
        text = client.get("/metrics").text
    pairs = re.findall(r'requests_total\{code="(\d+)"\} (\d+)', text)
    return Counter({int(code): int(count) for code, count in pairs})


def without_token(server: Server, method: str, path: str) -> int:
    """Give the status of a request that carries no token."""
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        return client.request(method, path).status_code
