"""Servers that the openai engine starts itself: ready, failing, killed, and never left behind."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest
from engine_cases import needs_torch, requests

from joulebench.engines.openai import OpenAIEngine
from joulebench.errors import UsageError
from joulebench.work import GenerationFailed, Request, Sampling

SERVER = Path(__file__).with_name("openai_server.py")
WORDS = [sys.executable, str(SERVER), "{port}"]


def engine_of(words: Sequence[str], log: Path | None = None, **serve: Any) -> OpenAIEngine:
    engine = OpenAIEngine("echo", serve={"command": list(words), "timeout_s": 30, **serve})
    if log is not None:
        engine.use_log(log)
    return engine


def running(what: str) -> list[psutil.Process]:
    """Processes with a word in their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        gone = process.info["status"] == psutil.STATUS_ZOMBIE
        if not gone and any(what in word for word in process.info["cmdline"] or ()):
            found.append(process)
    return found


def gone(what: str, patience_s: float = 15.0) -> bool:
    stop_s = time.monotonic() + patience_s
    while running(what):
        if time.monotonic() > stop_s:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """A word that only this test's processes have in their command lines."""
    return f"mark-{os.getpid()}-{tmp_path.name}"


def test_a_server_is_started_waited_for_and_stopped(tmp_path: Path, mark: str) -> None:
    log = tmp_path / "logs" / "a.server.txt"
    with closing(engine_of([*WORDS, mark], log, ready="/health")) as engine:
        engine.import_libraries()
        engine.load()
        assert len(running(mark)) == 2  # the server and its keeper
        assert [a.text for a in engine.generate(requests()[:1], Sampling())] == ["Hello"]
        facts = engine.facts()
    assert running(mark) == []
    assert (facts["remote"], facts["server_version"]) == (False, "1.2.3")
    assert facts["server_ready_s"] > 0.2
    assert log.read_text().startswith("the server begins")


def test_it_can_be_loaded_again(mark: str) -> None:
    with closing(engine_of([*WORDS, mark])) as engine:
        engine.load()
        engine.load()
        assert len(running(mark)) == 2
    assert running(mark) == []


def test_one_that_fails_is_told_with_the_end_of_its_log(tmp_path: Path, mark: str) -> None:
    log = tmp_path / "server.txt"
    with pytest.raises(UsageError) as error:
        engine_of([*WORDS, "fail"], log).load()
    message = str(error.value)
    assert "ended by itself with status 1; its log ends: the server begins | there is no GPU" in (
        message
    )
    assert str(log) in message
    assert "\n" not in message


def test_one_that_is_never_ready_is_stopped(mark: str) -> None:
    sleeps = [sys.executable, "-c", "import time; time.sleep(60)", mark]
    with pytest.raises(UsageError, match=r"not ready after 0\.5 s \(serve\.timeout_s\)"):
        engine_of(sleeps, timeout_s=0.5).load()
    assert running(mark) == []


def test_one_that_refuses_the_model_is_stopped(mark: str) -> None:
    serve = {"command": [*WORDS, mark], "timeout_s": 30}
    # The server refuses whatever it does not know the way of.
    engine = OpenAIEngine("echo", serve=serve, extra={"temperature": "warm"})
    with pytest.raises(UsageError, match="the server"):
        engine.load()
    assert running(mark) == []


def test_one_that_does_not_want_to_end_is_killed(
    mark: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joulebench.engines.server_process.GRACE_S", 0.3)
    stubborn = tmp_path / "stubborn.py"
    # It ignores being asked, and leaves a process behind that is in a session of its own.
    stubborn.write_text(
        "import signal, subprocess, sys, runpy\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "code = 'import time; time.sleep(60)'\n"
        f"subprocess.Popen([sys.executable, '-c', code, {mark!r}], start_new_session=True)\n"
        f"sys.argv = [{str(SERVER)!r}, sys.argv[1]]\n"
        f"sys.path.insert(0, {str(SERVER.parent)!r})\n"
        f"runpy.run_path({str(SERVER)!r}, run_name='__main__')\n"
    )
    with closing(engine_of([sys.executable, str(stubborn), "{port}", mark])) as engine:
        engine.load()
        assert len(running(mark)) == 3
    assert running(mark) == []


@pytest.mark.parametrize("which", [signal.SIGKILL, signal.SIGTERM])
def test_no_server_outlives_its_trial(mark: str, which: signal.Signals) -> None:
    code = (
        "import sys, time; from joulebench.engines.openai import OpenAIEngine\n"
        "engine = OpenAIEngine('echo', serve={'command': sys.argv[1:], 'timeout_s': 30})\n"
        "engine.load(); print('up', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, *WORDS, mark], stdout=subprocess.PIPE
    ) as trial:
        assert trial.stdout is not None
        assert trial.stdout.readline() == b"up\n"
        assert len(running(mark)) == 3
        trial.send_signal(which)
        trial.wait(10)
    assert gone(mark)


def test_not_even_one_whose_keeper_is_killed(mark: str) -> None:
    with closing(engine_of([*WORDS, mark])) as engine:
        engine.load()
        (keeper,) = [p for p in running(mark) if "joulebench.engines.server_keeper" in p.cmdline()]
        keeper.kill()
        assert gone(mark)


def test_a_server_that_dies_is_told_with_its_log(tmp_path: Path, mark: str) -> None:
    with closing(engine_of([*WORDS, mark], tmp_path / "log.txt")) as engine:
        engine.load()
        (server,) = [p for p in running(mark) if "server_keeper" not in " ".join(p.cmdline())]
        server.kill()
        assert gone(mark)
        with pytest.raises(GenerationFailed) as error:
            engine.generate([Request("r", "Hello")], Sampling())
    assert "cannot be reached" in str(error.value)
    assert "it has ended; its log ends: the server begins" in str(error.value)


def test_a_program_that_is_not_there_is_told_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="no-such-server' is not found"):
        engine_of(["no-such-server"]).import_libraries()


_SERVE = os.environ.get("JOULEBENCH_TRANSFORMERS") or shutil.which(
    "transformers", path=os.path.dirname(sys.executable)
)
"""Command line of transformers; another environment's where the variable names one."""


@pytest.fixture
def transformers_serve() -> str:
    """The program; where what it needs is missing a test is skipped, or fails in CI."""
    lacks = [name for name in ("openai", "accelerate") if importlib.util.find_spec(name) is None]
    if _SERVE is not None and ("JOULEBENCH_TRANSFORMERS" in os.environ or not lacks):
        return _SERVE
    why = f"transformers serve needs {' and '.join(lacks) or 'transformers'}"
    if "JOULEBENCH_REQUIRED_PROGRAMS" in os.environ:
        pytest.fail(why)
    pytest.skip(f"{why}: pip install 'joulebench[transformers,serve]'")


@needs_torch
def test_transformers_serve(tmp_path: Path, transformers_serve: str) -> None:
    """A real server with a model built on the spot, as a study would start it."""
    words = [transformers_serve, "serve", "{model}", "--host", "127.0.0.1", "--port", "{port}"]
    command = ["env", "HF_HUB_OFFLINE=1", "OMP_NUM_THREADS=1", *words, "--device", "cpu"]
    serve = {"command": command, "ready": "/health", "timeout_s": 120}
    engine = OpenAIEngine("tiny_a", serve=serve)
    engine.use_log(tmp_path / "server.txt")
    with closing(engine):
        engine.import_libraries()
        engine.load()
        check_answers(engine)
        facts = engine.facts()
        # A second engine finds the server running, and asks its other endpoint.
        served_as = facts["served_as"]
        other = OpenAIEngine("tiny_a", url=engine.url, served_as=served_as, endpoint="completions")
        with closing(other):
            other.import_libraries()
            other.load()
            check_answers(other)
    assert facts["random_weights"] is True
    assert facts["remote"] is False


def check_answers(engine: OpenAIEngine) -> None:
    answers = engine.generate(requests(), Sampling(max_tokens=6))
    for answer in answers:
        assert 1 <= answer.tokens_out <= 6
        assert answer.start_s < answer.first_token_s <= answer.stop_s
        assert answer.tokens_from == "usage"
        assert len(answer.token_s) <= answer.tokens_out
    assert 0 < answers[0].tokens_in < answers[1].tokens_in
