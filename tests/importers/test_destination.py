"""A study is on disk whole or not at all; the verb says what it did in one line."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import typer
from synthetic_runs import Synthetic
from typer.testing import CliRunner

from joulebench.cli import invoke
from joulebench.cli.import_ import import_command
from joulebench.errors import UsageError
from joulebench.importers import two_processes
from joulebench.importers.contract import Imported, ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.registry import find_importer, importer_kinds
from joulebench.importers.two_processes import in_two
from joulebench.record import RunTable
from joulebench.report.commands import commands, quoted
from joulebench.report.evidence import Evidence


@pytest.fixture
def synthetic() -> Synthetic:
    """A run with known energies."""
    return Synthetic()


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An empty folder for run folders."""
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def read(source: Path) -> Imported:
    return find_importer("energibridge").read(source, ImportOptions("s"))


def test_unknown_kind_names_the_nearest() -> None:
    assert "energibridge" in importer_kinds()
    with pytest.raises(UsageError, match="did you mean 'energibridge'"):
        find_importer("energybridge")


def test_damage_leaves_nothing_behind(source: Path, tmp_path: Path, synthetic: Synthetic) -> None:
    synthetic.write(source, "run_0_repetition_0")
    bad = synthetic.write(source, "run_1_repetition_0")
    (bad / "prompts_out.tsv").write_text("start\tend\nsoon\tlate\n")
    with pytest.raises(UsageError, match="line 2"):
        write_study(read(source), tmp_path / "out" / "study")
    assert list((tmp_path / "out").iterdir()) == []


def test_occupied_places_are_refused(source: Path, tmp_path: Path, synthetic: Synthetic) -> None:
    synthetic.write(source)
    out = tmp_path / "out"
    RunTable.create(out, {"study": "mine"}, {})
    with pytest.raises(UsageError, match="holds another study"):
        write_study(read(source), out)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is not a folder"):
        write_study(read(source), tmp_path / "file")
    assert RunTable.load(out).study == {"study": "mine"}


def test_second_import_of_the_same_files(
    source: Path, tmp_path: Path, synthetic: Synthetic
) -> None:
    folder = synthetic.write(source)
    out = tmp_path / "out"
    out.mkdir()
    assert not write_study(read(source), out).unchanged
    stamp = (out / "runs.jsonl").stat().st_mtime_ns
    assert write_study(read(source), out).unchanged
    assert (out / "runs.jsonl").stat().st_mtime_ns == stamp
    (folder / "energibridge-summary.txt").write_text("new")
    with pytest.raises(UsageError, match="holds another study"):
        write_study(read(source), out)


def test_many_runs_come_in_order(source: Path, tmp_path: Path) -> None:
    for repetition in range(two_processes._FEWEST + 3):
        Synthetic(start_j=1000.0 + repetition).write(source, f"run_0_repetition_{repetition}")
    told: list[int] = []
    write_study(read(source), tmp_path / "out", lambda *said: told.append(said[0]))
    table = RunTable.load(tmp_path / "out")
    assert [run.trial["order"] for run in table.runs] == list(range(1, len(told) + 1))
    assert told == list(range(1, two_processes._FEWEST + 4))
    for run in table.runs:
        assert table.trace_path(run.run_id).exists()
        assert table.responses_path(run.run_id).exists()


def test_work_in_two_processes_is_the_same_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(in_two(lambda place: place**2, 100)) == [place**2 for place in range(100)]
    monkeypatch.setattr(two_processes, "may_fork", lambda: False)
    assert list(in_two(lambda place: place**2, 100)) == [place**2 for place in range(100)]


def test_an_error_in_either_half_is_raised() -> None:
    def fail(place: int) -> int:
        if place in (3, 77):
            raise UsageError(f"bad {place}")
        return place

    with pytest.raises(UsageError, match="bad 3"):
        list(in_two(fail, 100))
    with pytest.raises(UsageError, match="bad 77"):
        list(in_two(lambda place: fail(place + 50), 50))


def test_a_second_process_that_dies_is_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    here = os.getpid()

    def die(place: int) -> int:
        if os.getpid() != here and place > 60:
            os._exit(9)
        return place

    assert list(in_two(die, 100)) == list(range(100))


def test_the_verb(source: Path, tmp_path: Path, synthetic: Synthetic) -> None:
    app = typer.Typer()
    app.command("import")(import_command)
    for run in range(3):
        synthetic.write(source, f"run_{run}_repetition_0")
    out = tmp_path / "out"
    words = ["energibridge", str(source), "--out", str(out), "--json", "-"]
    factors = [
        "--factors",
        "size=7B,8B",
        "task=cb,rte",
        "--exclude",
        "size == '7B' and task == 'cb'",
    ]
    result = CliRunner().invoke(app, [*words, *factors])
    assert result.exit_code == 0, result.output
    summary = json.loads(result.stdout)
    assert (summary["runs"], summary["failed"]) == (3, {})
    table = RunTable.load(out)
    assert table.study["factors"] == {"size": ["7B", "8B"], "task": ["rte", "cb"]}
    assert sorted(tuple(run.levels.values()) for run in table.runs) == [
        ("7B", "rte"), ("8B", "cb"), ("8B", "rte"),
    ]  # fmt: skip


def test_failed_runs_are_told_by_the_exit_status(source: Path, tmp_path: Path) -> None:
    app = typer.Typer()
    app.command("import")(import_command)
    (source / "run_0_repetition_0").mkdir()
    result = CliRunner().invoke(app, ["energibridge", str(source), "--out", str(tmp_path / "o")])
    assert result.exit_code == 1
    assert "run_0_repetition_0 holds no energibridge.csv" in result.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["stray"], "neither NAME=LEVEL"),
        (["--factors", "a=1,,2"], "a level is empty"),
        (["--factors", "a=1", "a=2"], "given twice"),
    ],
)
def test_words_that_make_no_sense(
    source: Path, synthetic: Synthetic, words: list[str], says: str
) -> None:
    app = typer.Typer()
    app.command("import")(import_command)
    synthetic.write(source)
    result = CliRunner().invoke(app, ["energibridge", str(source), *words])
    assert isinstance(result.exception, UsageError)
    assert says in str(result.exception)


TABLE = """__run_id;model size
run_0_repetition_0;7B
run_0_repetition_1;7B
run_1_repetition_0;8B
"""
FACTORS = ["--factors", "size=7B,8B", "task=cb,wi c", "--exclude", "size == '7B' and task == 'cb'"]


@pytest.mark.parametrize(
    ("runs", "options"),
    [
        (2, ["--table", "my table.csv"]),
        (2, ["--table", "my table.csv", "--factors", "model size"]),
        (3, FACTORS),
        (1, []),
    ],
)
def test_the_report_prints_the_import_to_type_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runs: int, options: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for run in range(runs):
        Synthetic().write(Path("exp/llama 1"), f"run_{run}_repetition_0")
    Path("my table.csv").write_text(TABLE)
    words = ["import", "energibridge", "exp/llama 1", "--out", "runs/one", *options]
    assert invoke(words) == 0
    first, *_ = (line for line in _printed(Path("runs/one")) if " import " in line)
    assert shlex.split(first) == ["joulebench", *words]
    assert str(tmp_path) not in Path("runs/one/study.yaml").read_text()
    Path("runs/one").rename("kept")
    assert invoke(shlex.split(first)[1:]) == 0
    assert Path("runs/one/study.yaml").read_bytes() == Path("kept/study.yaml").read_bytes()


def _printed(folder: Path) -> list[str]:
    return commands(Evidence.of(folder))


def test_without_out_the_default_place_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Synthetic().write(Path("exp/llama"))
    assert invoke(["import", "energibridge", "exp/llama"]) == 0
    assert _printed(Path("runs/llama"))[1:] == [
        "joulebench import energibridge exp/llama --out runs/llama",
        "joulebench report runs/llama",
    ]


def test_another_name_for_the_same_files_is_the_same_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for run in range(2):
        Synthetic().write(Path("exp"), f"run_{run}_repetition_0")
    Path("t.csv").write_text(TABLE)
    words = ["import", "energibridge"]
    assert invoke([*words, "exp", "--out", "one", "--table", "t.csv"]) == 0
    far = [str(tmp_path / name) for name in ("exp", "one", "t.csv")]
    assert invoke([*words, far[0], "--out", far[1], "--table", far[2]]) == 0
    assert RunTable.load(Path("one")).study["source"]["path"] == "exp"


@pytest.mark.parametrize(
    "word", ["a b", "it's", "x == 'a' and y == 'b'", "$HOME", "'$x'", '"', "`"]
)
def test_quoted_words_come_back(word: str) -> None:
    assert shlex.split(quoted(word)) == [word]
