"""Models that cannot be had, against a hub on this machine's loopback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from engine_cases import needs_torch

from joulebench.engines.model_source import ModelSource
from joulebench.engines.torch_hub import refusal

pytestmark = needs_torch

CODES = {"gated": (403, "GatedRepo"), "missing": (401, "RepoNotFound"), "broken": (500, "")}


class Hub(BaseHTTPRequestHandler):
    """Answers each question about a model as its name says."""

    def do_HEAD(self) -> None:
        name = next((name for name in CODES if f"/org/{name}" in self.path), "missing")
        code, kind = CODES[name]
        self.send_response(code)
        if kind:
            self.send_header("X-Error-Code", kind)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep the terminal free."""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


PROGRAM = """
import json, sys
from joulebench.engines.transformers import TransformersEngine
from joulebench.errors import UsageError
told = {}
for model in sys.argv[1:]:
    engine = TransformersEngine(model, device="cpu")
    try:
        engine.load()
    except UsageError as error:
        told[model] = str(error)
print(json.dumps(told))
"""


def told(tmp_path: Path, *models: str, **environment: str) -> dict[str, str]:
    """Ask in a fresh process, since the library reads its settings once."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    env = kept | {"HF_HOME": str(tmp_path), "HF_HUB_DISABLE_TELEMETRY": "1"} | environment
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *models],
        env=env, capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_gated_and_missing_models_are_told_apart(hub: str, tmp_path: Path) -> None:
    lines = told(tmp_path, "org/gated", "org/missing", HF_ENDPOINT=hub)
    assert lines["org/gated"] == (
        "model 'org/gated' is gated on the hub: ask for access on its page, then set HF_TOKEN to a "
        "token of yours"
    )
    assert "model 'org/missing' is not on the hub, or is private" in lines["org/missing"]
    assert not any("\n" in line for line in lines.values())


def test_offline_mode_is_one_line(tmp_path: Path) -> None:
    lines = told(tmp_path, "org/model", HF_HUB_OFFLINE="1")
    assert "model 'org/model' is not in the cache" in lines["org/model"]
    assert "\n" not in lines["org/model"]


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("LocalEntryNotFoundError", "cannot be reached"),
        ("OfflineModeIsEnabled", "HF_HUB_OFFLINE is set"),
        ("EntryNotFoundError", "lacks a file"),
        ("HfHubHTTPError", "answers with an error"),
    ],
)
def test_the_cause_behind_a_library_s_error_is_told(kind: str, says: str) -> None:
    from huggingface_hub import errors

    made = getattr(errors, kind)
    cause = made.__new__(made)
    error = OSError("We couldn't connect.\nSee the docs.")
    error.__cause__ = cause
    line = str(refusal(ModelSource("org/model", "org/model", local=False), error))
    assert says in line
    assert "\n" not in line
