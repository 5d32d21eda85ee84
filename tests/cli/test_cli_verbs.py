"""The command's front: verbs, help, mistakes, and what each verb prints."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from joulebench import __version__
from joulebench.cli import VERBS, invoke
from joulebench.cli.progress import Lines, listener_for, summary
from joulebench.cli.progress_live import LiveLine
from joulebench.cli.time_left import in_words, left_s, typical_trial_s
from joulebench.finding import Finding
from joulebench.record import Run, RunTable

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_and_json(verb: str, capsys: Captured) -> None:
    assert invoke([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Example: joulebench" in " ".join(shown.split())
    if verb != "testbed":  # a service and a set-up give no result
        assert "--json" in shown


def test_the_short_option_for_help_works(capsys: Captured) -> None:
    assert invoke(["run", "-h"]) == 0
    assert "joulebench run demo" in capsys.readouterr().out


def test_help_says_in_one_line_what_each_verb_does(capsys: Captured) -> None:
    assert invoke(["-h"]) == 0
    assert "..." not in capsys.readouterr().out.partition("Commands:")[2]


def test_help_names_every_verb(capsys: Captured) -> None:
    assert invoke(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(verb in shown for verb in VERBS)


def test_nothing_asked_shows_the_help(capsys: Captured) -> None:
    assert invoke([]) == 2
    captured = capsys.readouterr()
    assert "Usage: joulebench" in captured.out + captured.err


def test_version(capsys: Captured) -> None:
    assert invoke(["--version"]) == 0
    assert capsys.readouterr().out == f"joulebench {__version__}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rum"], "verb 'rum' is not known: did you mean 'run'?"),
        (["run"], "Missing argument 'STUDY'; see joulebench run --help"),
        (["run", "demo", "--itms", "3"], "No such option: --itms"),
        (["run", "demo", "--items", "many"], "Invalid value for '--items'"),
        (["run", "demo", "--items", "0"], "tasks.items: must be greater than or equal to 1"),
        (["run", "demo", "--data", "nowhere"], "--data nowhere: no such folder"),
        (["plan", "demmo"], "did you mean 'demo'?"),
        (["status", "nowhere"], "nowhere is not a study's folder"),
        (["plan", "demo", "--json", "no/such/file"], "there is no folder no/such"),
        (["plan", "demo", "--json", "/"], "is a folder"),
        (["run", "demo", "--json", "no/such/file"], "there is no folder no/such"),
    ],
)
def test_mistakes_are_one_line_and_status_2(
    words: list[str], said: str, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke(words) == 2
    message = capsys.readouterr().err
    assert said in message
    assert message.startswith("joulebench: ")
    assert message.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_plan_shows_the_order_and_runs_nothing(capsys: Captured) -> None:
    assert invoke(["plan", "demo"]) == 0
    shown = capsys.readouterr().out
    assert "6 cells x 3 repetitions = 18 trials" in shown
    assert shown.count("model-tiny_a.") == 9


def test_plan_as_json(capsys: Captured) -> None:
    assert invoke(["plan", "demo", "--repetitions", "1", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["trials"]) == 6
    assert found["study"]["repetitions"] == 1


def test_plan_checks_what_the_file_alone_cannot_tell(capsys: Captured, tmp_path: Path) -> None:
    study = tmp_path / "s.yaml"
    for line, said in (
        ("engine: {kind: ecko}", "did you mean 'echo'?"),
        ("engine: {kind: echo, tokn_s: 1}", "did you mean 'token_s'?"),
        ("tasks: {items: 500}", "has 12 items but 500 are asked for"),
        ("meters: [estimat]", "did you mean 'estimate'?"),
    ):
        study.write_text(f"study: s\nmodel: m\ntask: copa\n{line}\n")
        assert invoke(["plan", str(study)]) == 2
        shown = capsys.readouterr()
        # Its plan is shown as far as it can be computed: with the wrong option, no times.
        assert ("1 cell x 1" in shown.out) == ("tokn_s" not in line)
        assert said in shown.err
        assert shown.err.count("\n") == 1


def test_what_the_system_refuses_is_one_line(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "study.yaml").write_text("study: s\n")
    (tmp_path / "hosts.json").mkdir()
    assert invoke(["status", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert "hosts.json" in message
    assert message.count("\n") == 1


def test_a_terminal_without_unicode_is_no_reason_to_fail() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from joulebench.cli import main; main()", "doctor"],
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"+/-" in done.stdout
    assert done.stdout.isascii()


def test_the_schema_is_exported(capsys: Captured) -> None:
    assert invoke(["plan", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "StudyFile"


def test_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from joulebench.cli import invoke; invoke(['run', '--help']); "
        "sys.exit(', '.join({'torch', 'numpy', 'pandas', 'scipy', 'yaml'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == ""


def planned(count: int) -> list[dict[str, Any]]:
    protocol = {"cooldown": {"fixed_s": 5.0}}
    return [{"trial": trial(order), "protocol": protocol} for order in range(1, count + 1)]


def trial(order: int) -> dict[str, Any]:
    return {"order": order, "block": 1, "repetition": 1, "levels": {"model": "a", "n": order}}


def ended(order: int, **fields: Any) -> Run:
    return Run(f"r{order}", "s", trial(order), facts={"wall_s": 10.0}, **fields)


def test_lines_tell_what_each_trial_gave_and_what_is_left(tmp_path: Path) -> None:
    stream = io.StringIO()
    with Lines(stream) as lines:
        lines.begins(planned(3), RunTable.create(tmp_path / "s", {"study": "s"}))
        lines.trial_ends(ended(1, status="failed", error="no luck"))
        lines.trial_ends(ended(1))
    assert stream.getvalue().splitlines()[1:] == [
        "0/3  a, n 1, repetition 1: failed: no luck; about 40 s left",
        "1/3  a, n 1, repetition 1: no energy; about 25 s left",
    ]


def test_the_live_line_shows_phase_and_watts(tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    listener = listener_for(stream)
    assert isinstance(listener, LiveLine)
    with listener:
        listener.begins(planned(2), RunTable.create(tmp_path / "s", {"study": "s"}))
        listener.trial_begins({"trial": trial(1)})
        listener.told({"event": "phase", "phase": "warmup"})
        listener.told({"event": "watts", "watts": 41.25})
        listener.trial_ends(ended(1))
        listener.told({"event": "phase", "phase": "report"})
    shown = stream.getvalue()
    assert "a, n 1, repetition 1: no energy; about 10 s left" in shown


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_narrow_terminal_keeps_phase_watts_and_time_left(
    tmp_path: Path, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    stream = io.StringIO()
    with LiveLine(stream) as live:
        live.begins(planned(2), RunTable.create(tmp_path / "s", {"study": "s"}))
        live.trial_ends(ended(1))
        long = {"order": 2, "block": 1, "repetition": 1, "levels": {"model": "org/" + 40 * "x"}}
        live.trial_begins({"trial": long})
        live.told({"event": "phase", "phase": "idle_after"})
        live.told({"event": "watts", "watts": 141.25, "method": "estimated"})
        shown = Console(width=width).render_lines(live._bar.get_renderable(), pad=False)
    assert len(shown) == 1
    text = "".join(segment.text for segment in shown[0])
    for part in ("1/2", "idle after", "141.2 W estimated", "10 s left"):
        assert part in text


def test_the_time_left_runs_down_within_a_trial_and_counts_cool_downs(tmp_path: Path) -> None:
    now_s = [0.0]
    lines = Lines(io.StringIO(), clock=lambda: now_s[0])
    lines.begins(planned(3), RunTable.create(tmp_path / "s", {"study": "s"}))
    assert lines.left_s == 0
    lines.trial_ends(ended(1))
    assert lines.left_s == 25  # two trials of 10 s, 5 s between them
    lines.trial_begins(planned(2)[1])
    now_s[0] = 4.0
    assert lines.left_s == 21
    now_s[0] = 400.0
    assert lines.left_s == 15  # a trial that takes longer than the others


def test_a_reader_that_went_away_stops_nothing(tmp_path: Path) -> None:
    class Gone(io.StringIO):
        def write(self, _text: str) -> int:
            raise BrokenPipeError

    lines = Lines(Gone())
    lines.begins(planned(1), RunTable.create(tmp_path / "s", {"study": "s"}))
    lines.trial_ends(ended(1))
    assert lines.left_s == 0


def test_no_energy_says_why() -> None:
    run = ended(1, findings=[Finding("gap", "error", "measure", "the sensor stalled", "wait")])
    assert summary(run) == "a, n 1, repetition 1: no energy: the sensor stalled"


def test_summary_prints_the_energy_with_its_doubt() -> None:
    from joulebench.channel import Channel
    from joulebench.energy import Energy

    energy = Energy(12.3, 0.2, {}, "measured", "gpu board").to_dict()
    run = ended(1, channels=[Channel("gpu0:power", "W", scope="gpu board")])
    run.energy = {"gpu0:power": {"measure": energy}}
    assert summary(run) == "a, n 1, repetition 1: 12.3 J ± 0.4 J"


def test_time_left_is_of_the_latest_trials() -> None:
    assert typical_trial_s([]) is None
    assert typical_trial_s([10.0, None, 10.0]) == 10.0
    first_s = 300.0  # read its model from a cold disk
    assert typical_trial_s([first_s, 10.0, 10.0]) == 10.0
    assert left_s(5, 10.0, 2.0, testbeds=2) == 34.0
    assert [in_words(s) for s in (12.4, 200, 7500)] == ["12 s", "3 min 20 s", "2 h 5 min"]
