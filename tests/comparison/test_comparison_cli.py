"""``joulebench compare`` as it is typed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from two_studies import Recipe, make
from two_tables import runs, two

import joulebench as jb
from joulebench.cli import invoke


def test_a_comparison_fits_eighty_columns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    a, b = make(tmp_path / "A", Recipe()), make(tmp_path / "B", Recipe(0.8, seed=2, started=600))
    assert invoke(["compare", str(a), str(b), "--margin", "5%"]) == 0
    printed = capsys.readouterr().out
    assert "matched by model, task: 6 cells in both" in printed
    assert "B uses 20" in printed
    assert "energy per output token (J)" in printed
    assert "different by more than 5 %" in " ".join(printed.split())


def test_files_and_json_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a, b = two(tmp_path, runs(), runs(0.9, seed=2))
    out, result = tmp_path / "out", tmp_path / "result.json"
    words = ["compare", str(a), str(b), "--response", "energy_j", "--out", str(out), "--json"]
    assert invoke([*words, str(result)]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "comparison.csv", "energy_j_forest.png", "energy_j_forest.svg",
    ]  # fmt: skip
    with (out / "comparison.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    found = jb.compare_studies(a, b, response=["energy_j"])
    assert [float(row["estimate"]) for row in rows] == found.frame()["estimate"].tolist()
    written = json.loads(result.read_text())
    assert written["responses"][0]["cells"][0]["estimate"] == float(rows[0]["estimate"])
    assert written["responses"][0]["verdict"]["sentence"] == str(found)
    assert "3 files in" in capsys.readouterr().out


def test_many_cells_are_shown_by_their_levels(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [f"task {n}" for n in range(12)]
    a, b = two(tmp_path, runs(tasks=tasks), runs(0.9, seed=2, tasks=tasks))
    assert invoke(["compare", str(a), str(b), "--response", "energy_j"]) == 0
    printed = capsys.readouterr().out
    assert "12 cells" in printed
    assert "large" in printed


def test_a_comparison_of_the_same_runs_ends_with_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, _ = two(tmp_path, runs(), runs())
    assert invoke(["compare", str(a), str(a)]) == 1
    assert "A and B are the same runs" in capsys.readouterr().out


def test_json_on_standard_output_stands_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = two(tmp_path, [{"energy_j": 1.0}], [{"energy_j": 2.0}])
    assert invoke(["compare", str(a), str(b), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["cells"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--margin", "x"], "--margin x: write a share such as 5%"),
        (["--match", "nothing"], "--match 'nothing' is not known"),
        (["--out", "a.csv"], "--out a.csv is a file; name a folder"),
    ],
)
def test_wrong_use_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    two(tmp_path, runs(), runs(0.9, seed=2))
    assert invoke(["compare", "a.csv", "b.csv", "--response", "energy_j", *words]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_study_is_found_by_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "runs" / "before", Recipe())
    make(tmp_path / "runs" / "after", Recipe(seed=2, started=600))
    assert invoke(["compare", "before", "after", "--response", "energy_j"]) == 0
    assert "no difference in energy per run is shown" in capsys.readouterr().out.lower()
