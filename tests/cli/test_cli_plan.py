"""``joulebench plan``: short, with what it takes and shows, and the same in JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from joulebench.cli import invoke
from joulebench.study_file import json_schema
from planned_runs import ASKED, as_run, asked


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "500")


def steady(trial: dict[str, Any]) -> float:
    rise = float(1 + 0.01 * trial["repetition"] + 0.001 * (trial["order"] % 3))
    return (1000.0 if trial["levels"]["model"] == "small" else 3000.0) * rise


def study_file(folder: Path, **changes: Any) -> str:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump({**ASKED, **changes}))
    return str(path)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert invoke(["plan", *words]) == 0
    return capsys.readouterr().out


def test_the_published_matrix_is_planned_without_a_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "llama-generations")
    lines = out.splitlines()
    assert "30 cells (66 left out) x 30 repetitions = 900 trials" in lines[0]
    assert len(lines) < 40
    assert "  888 more: --all prints them" in out
    assert "takes 10 h 29 min of idle windows and cool-downs" in out
    assert "generation makes the difference rests on 5 models at 4 levels, 1 degree" in out
    assert sum(line.startswith("not checked here: ") for line in lines) == 1


def test_all_trials_are_printed_where_asked(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "llama-generations", "--all")
    assert out.count("\n") > 900
    assert "more: --all" not in out


def test_a_short_plan_is_printed_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, study_file(tmp_path))
    assert sum("  block " in line for line in out.splitlines()) == 18
    assert "takes about" in out
    assert "computed from the echo engine's times" in out
    assert "if runs scatter by" in out
    assert "cancels here, and stays in joules" in out
    assert "not checked here" not in out


def test_a_pilot_tells_time_energy_and_power(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pilot = str(as_run(tmp_path / "pilot", asked(), steady))
    out = printed(capsys, study_file(tmp_path), "--pilot", pilot, "--repetitions", "9")
    assert "takes about 22 min 25 s" in out
    assert "in its measured windows" in out
    assert "(simulated)" in out
    assert "energy_j scattered by 0.9" in out
    assert "model: its difference there, large / small = 3" in out
    assert "chance of over 99 %" in out
    assert "energy_per_token_j" not in out  # it scatters alike: all runs have as many tokens


def test_the_json_holds_all_that_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = {"kind": "latin", "seed": 1, "group_by": ["model"], "drift_every": 6}
    pilot = str(as_run(tmp_path / "pilot", asked(), steady))
    file = study_file(tmp_path, order=order)
    content = json.loads(printed(capsys, file, "--pilot", pilot, "--json", "-"))
    assert len(content["trials"]) == 21
    assert content["study"]["order"]["group_by"] == ["model"]
    assert content["estimate"]["origin"] == "pilot"
    assert content["grouping"]["df"] == 2
    assert content["design"]["claims"][0]["factor"] == "model"
    assert content["power"]["comparisons"][0]["smallest_ratio"].keys() == {
        "0.01", "0.02", "0.05", "0.1"
    }  # fmt: skip
    assert content["power"]["pilot"][0]["spread"]["df"] == 12
    assert content["unchecked"] == []


def test_grouping_and_controls_say_what_they_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = {"seed": 1, "group_by": ["model"], "drift_every": 6}
    out = printed(capsys, study_file(tmp_path, order=order))
    assert "x 3 repetitions + 3 controls = 21 trials" in out
    assert "control.r01" in out
    assert "grouped by model: within a block it is confounded with time" in out
    assert "what loading it saves is not known" in out


def test_what_would_run_here_is_refused_as_before(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["plan", study_file(tmp_path, engine={"kind": "vlllm"})]) == 2
    assert "engine kind 'vlllm' is not known" in capsys.readouterr().err


def test_what_testbeds_run_is_a_note(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    beds = [{"url": "http://gpu1:8020"}, {"url": "http://gpu2:8020"}]
    out = printed(capsys, study_file(tmp_path, engine={"kind": "house"}, testbeds=beds))
    assert "not checked here: engine kind 'house' is not known" in out
    assert "between two of the 2 gains" in out
    order = {"kind": "shuffle", "seed": 1}
    out = printed(
        capsys, study_file(tmp_path, engine={"kind": "house"}, testbeds=beds, order=order)
    )
    assert "trials go to testbeds one by one" in out


def test_one_repetition_shows_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, study_file(tmp_path), "--repetitions", "1")
    assert "what it can show: nothing, since one repetition has no scatter" in out


@pytest.mark.parametrize(
    "changes", [{"factors": {}, "model": "a", "task": "rte"}, {"factors": {"model": ["a"]},
                                                             "task": "rte"}],
)  # fmt: skip
def test_a_study_of_one_cell_is_planned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    out = printed(capsys, study_file(tmp_path, **changes))
    assert "1 cell x 3 repetitions = 3 trials" in out
    assert "what it can" not in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pilot", "nowhere"], "nowhere is not a study's folder"),
        (["--repetitions", "0"], "repetitions: must be"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert invoke(["plan", study_file(tmp_path), *words]) == 2
    err = capsys.readouterr().err
    assert said in err.replace("Input should be", "must be")
    assert err.count("\n") == 1


def test_lines_fit_the_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    out = printed(capsys, "llama-generations")
    typed = [line for line in out.splitlines() if line.startswith("  joulebench ")]
    assert len(typed) == 2
    assert all(len(line) <= 100 for line in out.splitlines() if line not in typed)


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, "--schema")) == json_schema()
