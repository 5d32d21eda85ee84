"""What ``joulebench status`` says of a study that another process runs."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from joulebench.cli.progress import Lines
from joulebench.cli.progress_live import LiveLine
from joulebench.cli.status import status
from joulebench.cli.status_text import lines_of
from joulebench.cli.status_watch import picture, watch_study
from joulebench.cli.time_left import cool_down_s
from joulebench.record import Run, RunTable
from joulebench.study_course_state import CourseFile
from joulebench.study_plan import plan
from joulebench.study_read import dump, parse

STUDY: dict[str, Any] = {
    "study": "s",
    "factors": {"model": ["a", "b"]},
    "task": "copa",
    "engine": {"kind": "echo"},
    "repetitions": 2,
    "protocol": {"cooldown": {"fixed_s": 2.0}},
}
PLANS = plan(parse(STUDY, "s"))


@pytest.fixture
def table(tmp_path: Path) -> RunTable:
    return RunTable.create(tmp_path / "s", dump(parse(STUDY, "s")))


def record(table: RunTable, number: int, status: str = "done", error: str | None = None) -> None:
    each = PLANS[number]
    run = Run(each["run_id"], "s", each["trial"], status, error=error, facts={"wall_s": 10.0})
    table.append(run)


def at_work(table: RunTable) -> CourseFile:
    course = CourseFile(table.folder)
    course.trial_begins("gpu1", PLANS[1]["run_id"], 2)
    course.told("gpu1", {"event": "phase", "phase": "idle_after"})
    course.told("gpu1", {"event": "watts", "watts": 312.25})
    course.rests("gpu2", "lost", "out of reach for 600 s")
    course.write()
    return course


def test_it_says_what_each_testbed_is_at(table: RunTable) -> None:
    record(table, 0)
    record(table, 1, "failed", "no luck")
    at_work(table)
    state = status(RunTable.open(table.folder))
    assert (state["done"], state["pending"], state["given_up"]) == (1, 3, [])
    assert state["time_left_s"] == 34.0  # three trials of 10 s on one testbed, 2 s between them
    said = "\n".join(lines_of(state))
    assert f"gpu1: running {PLANS[1]['run_id']} (attempt 2) idle after 312.2 W" in said
    assert "gpu2: lost out of reach for 600 s" in said
    assert f"failed: {PLANS[1]['run_id']}: no luck\n" in said + "\n"
    assert "go on with" not in said
    json.dumps(state)


def test_what_was_given_up_is_told_with_what_to_do(table: RunTable) -> None:
    for number in range(4):
        record(table, number, "failed" if number == 2 else "done", "no luck")
    record(table, 2, "failed", "no luck")
    state = status(RunTable.open(table.folder))
    assert state["given_up"] == [PLANS[2]["run_id"]]
    assert "time_left_s" not in state
    watch_study(RunTable.open(table.folder), io.StringIO())  # ends: nothing is left to run
    said = list(lines_of(state))
    assert said[-2].endswith("no luck (given up)")
    assert "raise protocol.attempts" in said[-1]


def test_watching_ends_when_the_study_is_complete(table: RunTable) -> None:
    for number in range(2):
        record(table, number)
    stream = io.StringIO()
    left = [3, 2]

    def pause(_length_s: float) -> None:
        record(table, left.pop())

    watch_study(RunTable.open(table.folder), stream, pause)
    assert stream.getvalue().splitlines() == [
        "2 of 4 trials done, 0 failed, 2 to run; time left: about 22 s",
        "3 of 4 trials done, 0 failed, 1 to run; time left: about 10 s",
        "4 of 4 trials done, 0 failed, 0 to run",
    ]


def test_ctrl_c_leaves_quietly(table: RunTable) -> None:
    def pause(_length_s: float) -> None:
        raise KeyboardInterrupt

    stream = io.StringIO()
    watch_study(table, stream, pause)
    assert stream.getvalue().count("\n") == 1


@pytest.mark.parametrize("width", [60, 100])
def test_the_picture_keeps_to_the_width(table: RunTable, width: int) -> None:
    record(table, 0)
    at_work(table)
    state = status(RunTable.open(table.folder))
    console = Console(width=width, file=io.StringIO())
    console.print(picture(state))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert all(len(line) <= width for line in shown.splitlines())
    for part in ("1 of 4 trials done", "gpu1", "312.2 W", "gpu2", "time left"):
        assert part in shown


def test_on_a_terminal_it_is_drawn(table: RunTable) -> None:
    for number in range(4):
        record(table, number)
    words = [sys.executable, "-m", "joulebench", "status", str(table.folder), "--watch"]
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(words, stdout=theirs, stderr=theirs, stdin=theirs)
        os.close(theirs)
        assert process.wait(60) == 0
        assert b"4 of 4 trials done" in screen.read(4096)


def test_several_testbeds_are_told_apart(table: RunTable) -> None:
    stream, now_s = io.StringIO(), [0.0]
    lines = Lines(stream, clock=lambda: now_s[0])
    lines.begins(PLANS, table)
    for number, bed in enumerate(("gpu1", "gpu2")):
        lines.trial_begins(PLANS[number], bed)
    lines.told({"event": "note", "note": "two kinds"})
    each = PLANS[0]
    lines.trial_ends(Run(each["run_id"], "s", each["trial"], facts={"wall_s": 10.0}))
    assert "note: two kinds" in stream.getvalue()
    assert "\n1/4  gpu1: " in stream.getvalue()
    assert lines.left_s == 22.0  # three trials on two testbeds
    now_s[0] = 6.0
    assert lines.left_s == 19.0


def test_each_testbed_has_a_live_line(table: RunTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with LiveLine(io.StringIO()) as live:
        live.begins(PLANS, table)
        for number, bed in enumerate(("gpu1", "gpu2")):
            live.trial_begins(PLANS[number], bed)
        live.told({"event": "phase", "phase": "idle_after", "testbed": "gpu2"})
        live.told({"event": "watts", "watts": 141.25, "testbed": "gpu1"})
        console = Console(width=80, file=io.StringIO())
        console.print(live._bar.get_renderable())
        assert isinstance(console.file, io.StringIO)
        shown = console.file.getvalue().splitlines()
        each = PLANS[1]
        live.trial_ends(Run(each["run_id"], "s", each["trial"], facts={"wall_s": 10.0}))
        assert list(live._rows) == ["gpu1"]
    assert len(shown) == 3
    assert "gpu1" in shown[1]
    assert "141.2 W" in shown[1]
    assert "gpu2" in shown[2]
    assert "idle after" in shown[2]


def test_adaptive_cool_downs_count_with_their_shortest() -> None:
    assert cool_down_s({"cooldown": {"fixed_s": 2.0, "adaptive": {"min_s": 5.0}}}) == 7.0
    assert cool_down_s({"cooldown": {"fixed_s": 30.0}, "clock": "virtual"}) == 0.0
