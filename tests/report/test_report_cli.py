"""``joulebench report`` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from synthetic_study import Recipe, make_study

from joulebench.cli import invoke


def test_prints_the_headline_and_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(tmp_path, Recipe(traces=False))
    assert invoke(["report", str(tmp_path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith("tiny_b uses 1.57")
    assert Path(out[1]) == tmp_path / "report" / "report.html"
    assert Path(out[1]).is_file()


def test_json_on_standard_output_is_all_there_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(tmp_path, Recipe(traces=False))
    assert invoke(["report", str(tmp_path), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["contrasts"][0]["ratio"]["n"] == 3
    assert found["report"].endswith("report.html")


def test_what_is_no_study_gives_one_line_and_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["report", str(tmp_path / "nowhere")]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "is not a study" in err


def test_a_report_that_cannot_be_written_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_study(tmp_path, Recipe(repetitions=1, traces=False))
    (tmp_path / "report").write_text("in the way")
    assert invoke(["report", str(tmp_path)]) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_published_runs_give_the_same_report(
    tmp_path: Path, reference: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = reference / "greenlab" / "experiments" / "llama_profiling"
    table = reference / "greenlab" / "run_tables" / "GL_Final_Run_Table_Edited.csv"
    out = tmp_path / "llama"
    words = ["import", "energibridge", str(source), "--out", str(out), "--table", str(table)]
    assert invoke(words) == 0
    assert invoke(["report", str(out), "--json", str(tmp_path / "tables.json")]) == 0
    found = json.loads((tmp_path / "tables.json").read_text())
    assert found["runs"] == {"done": 63, "failed": 0}
    assert len(found["cells"]) == 30
    assert all(1.0 < cell["per_token_j"]["value"] < 6.2 for cell in found["cells"])
    largest = found["contrasts"][0]
    assert (largest["more"], largest["less"], largest["paired"]) == ("3B", "1B", False)
    page = (out / "report" / "report.html").read_text()
    assert "imported from energibridge" in page
    assert capsys.readouterr().out
