"""A study whose server dies in the middle of an answer: the answers are kept, it goes on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import psutil
from openai_server import __file__ as server

from joulebench.record import RunTable
from joulebench.study import run
from joulebench.study_read import parse

PROMPTS = ("one", "two words", "do:exits_once three", "four")


def study(folder: Path, command: list[str]) -> dict[str, Any]:
    prompts = folder / "prompts.jsonl"
    prompts.write_text("".join(f"{json.dumps({'prompt': each})}\n" for each in PROMPTS))
    return {
        "study": "dies",
        "factors": {"model": ["echo"], "task": ["prompts"]},
        "repetitions": 2,
        "engine": {"kind": "openai", "serve": {"command": command, "timeout_s": 60}},
        "tasks": {"prompts": str(prompts)},
        "load": {"kind": "sequential"},
        "sampling": {"max_tokens": 6},
        "meters": ["estimate"],
        "protocol": {
            "idle_s": 0.2,
            "idle_after_s": 0.2,
            "warmup_prompts": 0,
            "cooldown": {"fixed_s": 0},
            "attempts": 1,
        },
    }


def test_the_next_trial_starts_the_server_anew(tmp_path: Path) -> None:
    mark = tmp_path / "has-died"
    asked = study(tmp_path, [sys.executable, server, "{port}", str(mark)])
    folder = tmp_path / "study"
    run(parse(asked, "s"), folder, report=False)
    failed, done = sorted(RunTable.load(folder).runs, key=lambda one: one.trial["order"])
    assert (failed.status, done.status) == ("failed", "done"), (failed.error, done.error)
    assert "died in the middle of an answer" in str(failed.error)
    assert "its log ends: the server begins" in str(failed.error)
    assert "\n" not in str(failed.error)
    assert texts(folder, failed.run_id) == ["one", "two words"]
    assert texts(folder, done.run_id) == ["one", "two words", "three", "four"]
    for one in (failed, done):
        assert (folder / "logs" / f"{one.run_id}.server.txt").is_file()
        assert one.facts["engine"]["server_ready_s"] > 0
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not any(str(mark) in line for line in lines)


def texts(folder: Path, run_id: str) -> list[str]:
    lines = (folder / "responses" / f"{run_id}.jsonl").read_text().splitlines()
    return [json.loads(line)["text"] for line in lines]
