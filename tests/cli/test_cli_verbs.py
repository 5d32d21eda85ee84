"""The command's front: verbs, help, mistakes, and what each verb prints."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from joulebench import __version__
from joulebench.cli import VERBS, invoke
from joulebench.cli.progress import Lines, LiveLine, listener_for, summary
from joulebench.cli.time_left import in_words, mean_trial_s
from joulebench.record import Run, RunTable

Captured = pytest.CaptureFixture[str]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example_and_json(verb: str, capsys: Captured) -> None:
    assert invoke([verb, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "Example: joulebench" in " ".join(shown.split())
    assert "--json" in shown


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
        (["plan", "demo", "--json", "no/such/file"], "cannot be written"),
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
    return [{"trial": trial(order)} for order in range(1, count + 1)]


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
        "0/3  a, 1, repetition 1: failed: no luck; 30 s left",
        "1/3  a, 1, repetition 1: no energy; 20 s left",
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
    shown = stream.getvalue()
    assert "a, 1, repetition 1: no energy; 10 s left" in shown


def test_summary_prints_the_energy_with_its_doubt() -> None:
    from joulebench.channel import Channel
    from joulebench.energy import Energy

    energy = Energy(12.3, 0.2, {}, "measured", "gpu board").to_dict()
    run = ended(1, channels=[Channel("gpu0:power", "W", scope="gpu board")])
    run.energy = {"gpu0:power": {"measure": energy}}
    assert summary(run) == "a, 1, repetition 1: 12.3 J ± 0.4 J"


def test_time_left_is_of_the_latest_trials() -> None:
    assert mean_trial_s([]) is None
    assert mean_trial_s([ended(1), ended(2)]) == 10.0
    assert [in_words(s) for s in (12.4, 200, 7500)] == ["12 s", "3 min 20 s", "2 h 5 min"]
