"""Recognising what wrote a folder or file, and parting a folder into what can be imported."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from synthetic_runs import Synthetic

from joulebench.cli import invoke
from joulebench.errors import Unavailable, UsageError
from joulebench.importers import recognise
from joulebench.importers.contract import Sighting
from joulebench.importers.recognise import choose_kind, find_sightings, find_units
from joulebench.importers.registry import find_importer, importer_kinds
from joulebench.record import RunTable

SMI = "timestamp, index, name, power.draw [W]\n" + "".join(
    f"2025/09/22 11:06:{n:02d}.123, 0, NVIDIA A40, 200.00 W\n" for n in range(30)
)
CODECARBON = (
    "timestamp,project_name,run_id,duration,emissions,cpu_energy,energy_consumed\n"
    "2024-05-01T12:00:10,p,a,10,0.1,0.2,0.2\n"
)
TABLE = "model;gpu_j\na;1\n"


def put(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def strong(source: Path) -> list[tuple[str, str]]:
    """Give place and kind of what is recognised for sure."""
    units = [(path, one) for path, one in find_units(source) if not one.weak]
    return [(str(path.relative_to(source)), one.kind) for path, one in units]


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [("gpu.csv", SMI, "nvidia-smi"), ("emissions.csv", CODECARBON, "codecarbon")],
)
def test_one_kind_is_recognised_in_a_file_and_in_its_folder(
    tmp_path: Path, name: str, text: str, kind: str
) -> None:
    path = put(tmp_path / name, text)
    assert choose_kind(path).kind == kind
    assert choose_kind(tmp_path).kind == kind


def test_run_folders_are_recognised(tmp_path: Path) -> None:
    Synthetic().write(tmp_path, "run_0_repetition_0")
    assert choose_kind(tmp_path).kind == "energibridge"


def test_a_plain_table_is_a_weak_sighting(tmp_path: Path) -> None:
    path = put(tmp_path / "t.csv", TABLE)
    assert [(one.kind, one.weak) for one in find_sightings(path)] == [("csv", True)]
    with pytest.raises(UsageError, match=r"begins 'model;gpu_j'.* joulebench import csv .* --map"):
        choose_kind(path)


def test_several_kinds_are_named_with_what_each_saw(tmp_path: Path) -> None:
    put(tmp_path / "gpu.csv", SMI)
    put(tmp_path / "emissions.csv", CODECARBON)
    with pytest.raises(UsageError) as error:
        choose_kind(tmp_path)
    said = str(error.value)
    assert "codecarbon (emissions.csv with the columns" in said
    assert "nvidia-smi (gpu.csv, logs of GPU power" in said
    assert f"joulebench import codecarbon {tmp_path}" in said


def test_nothing_recognised_says_what_is_there(tmp_path: Path) -> None:
    put(tmp_path / "notes.md", "x")
    put(tmp_path / "a.json", "{}")
    put(tmp_path / "b.json", "{}")
    put(tmp_path / "deep" / "er" / "gpu.csv", SMI)
    with pytest.raises(UsageError) as error:
        choose_kind(tmp_path)
    said = str(error.value)
    assert "It holds 3 files (2 .json, 1 .md), 1 folders" in said
    assert f"joulebench import nvidia-smi {tmp_path / 'deep' / 'er'}" in said


def test_absent_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        choose_kind(tmp_path / "none")


@pytest.mark.parametrize(
    "content",
    [b"", b"\0\1\2", b"\xff\xfet\0i\0", b"{" * 100_000, b"a,b\n" * 9, b"\n\n\n", b"x" * 100_000],
)
@pytest.mark.parametrize(
    "name", ["emissions.csv", "gpu.csv", "x.jsonl", "y.txt", "power_trace.csv"]
)
def test_recognising_never_fails_for_what_a_file_holds(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    for kind in importer_kinds():
        importer = find_importer(kind)
        importer.recognise(tmp_path)
        importer.recognise(tmp_path / name)


# Units


def test_a_folder_of_several_studies_is_parted(tmp_path: Path) -> None:
    Synthetic().write(tmp_path / "a" / "runs", "run_0_repetition_0")
    put(tmp_path / "b" / "emissions.csv", CODECARBON)
    put(tmp_path / "c" / "logs" / "one.csv", SMI)
    put(tmp_path / "c" / "logs" / "two.csv", SMI)
    put(tmp_path / "c" / "table.csv", TABLE)
    assert strong(tmp_path) == [
        ("a/runs", "energibridge"),
        ("b", "codecarbon"),
        ("c/logs", "nvidia-smi"),
    ]
    weak = [path for path, one in find_units(tmp_path) if one.weak]
    assert weak == [tmp_path / "c" / "table.csv"]


def test_a_folder_of_several_kinds_gives_a_unit_of_each(tmp_path: Path) -> None:
    put(tmp_path / "gpu.csv", SMI)
    put(tmp_path / "emissions.csv", CODECARBON)
    assert strong(tmp_path) == [(".", "codecarbon"), (".", "nvidia-smi")]


def test_tables_inside_what_is_recognised_are_no_units_of_their_own(tmp_path: Path) -> None:
    put(tmp_path / "gpu.csv", SMI)
    put(tmp_path / "below" / "table.csv", TABLE)
    assert [(path, one.kind) for path, one in find_units(tmp_path)] == [(tmp_path, "nvidia-smi")]


def test_a_file_is_its_own_unit(tmp_path: Path) -> None:
    path = put(tmp_path / "gpu.csv", SMI)
    assert [(unit, one.kind) for unit, one in find_units(path)] == [(path, "nvidia-smi")]


def test_links_hidden_folders_and_our_own_studies_are_left_out(tmp_path: Path) -> None:
    source = tmp_path / "source"
    put(source / ".hidden" / "gpu.csv", SMI)
    put(source / "study" / "study.yaml", "study: s\n")
    put(source / "study" / "runs.jsonl", "")
    put(source / "study" / "report" / "t.csv", TABLE)
    put(tmp_path / "elsewhere" / "gpu.csv", SMI)
    (source / "link").symlink_to(tmp_path / "elsewhere")
    (source / "loop").symlink_to(source)
    assert find_units(source) == []


def test_five_thousand_files_are_walked_quickly(tmp_path: Path) -> None:
    for n in range(100):
        folder = tmp_path / f"s{n // 10}" / f"r{n % 10}"
        folder.mkdir(parents=True)
        for k in range(50):
            (folder / f"{k}.{'csv' if k % 2 else 'json'}").write_text("x,y\n1,2\n")
    begun = time.process_time()
    units = find_units(tmp_path)
    assert time.process_time() - begun < 10  # 1.2 s on two idle cores
    assert len(units) == 2500
    assert units == find_units(tmp_path)


# Plugins


class Old:
    """An importer of an older form, which does not recognise anything."""

    kind = "old"


class Broken:
    """An importer that fails at it."""

    kind = "broken"

    def recognise(self, source: Path) -> Sighting | None:
        """Fail."""
        raise OSError(str(source))


class Deep:
    """An importer that looks below for what it knows."""

    kind = "deep"

    def recognise(self, source: Path) -> Sighting | None:
        """Look for a mark anywhere below."""
        found = source.is_dir() and any(source.rglob("mark"))
        return Sighting(self.kind, "a mark") if found else None


def test_a_folder_seen_through_what_is_below_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recognise, "importer_kinds", lambda: ["codecarbon", "deep"])
    monkeypatch.setattr(
        recognise, "find_importer", lambda kind: Deep() if kind == "deep" else find_importer(kind)
    )
    put(tmp_path / "one" / "mark", "")
    put(tmp_path / "two" / "emissions.csv", CODECARBON)
    assert strong(tmp_path) == [("one", "deep"), ("two", "codecarbon")]
    put(tmp_path / "mark", "")
    (tmp_path / "two" / "emissions.csv").unlink()
    assert strong(tmp_path) == [(".", "deep")]


def test_plugins_that_do_not_recognise_see_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def find(kind: str) -> object:
        if kind == "missing":
            raise Unavailable("not installed")
        return {"old": Old, "broken": Broken}.get(kind, lambda: find_importer(kind))()

    monkeypatch.setattr(
        recognise, "importer_kinds", lambda: ["broken", "missing", "nvidia-smi", "old"]
    )
    monkeypatch.setattr(recognise, "find_importer", find)
    put(tmp_path / "gpu.csv", SMI)
    assert [one.kind for one in find_sightings(tmp_path)] == ["nvidia-smi"]


# The verb


def test_the_verb_says_what_it_recognised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = put(tmp_path / "gpu.csv", SMI), tmp_path / "out"
    assert invoke(["import", "auto", str(path), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{path} is nvidia-smi: gpu.csv, logs of GPU power")
    (run,) = RunTable.load(out).runs
    assert run.run_id == "gpu"
    assert RunTable.load(out).study["source"]["kind"] == "nvidia-smi"


def test_json_on_standard_output_is_json_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = put(tmp_path / "gpu.csv", SMI)
    words = ["import", "auto", str(path), "--out", str(tmp_path / "out"), "--json", "-"]
    assert invoke(words) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 1


def test_the_verb_takes_a_map_and_names_the_study_after_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "results.csv", TABLE)
    put(tmp_path / "map.yaml", "energy: {gpu0: gpu_j}\nfactors: model\n")
    assert invoke(["import", "csv", "results.csv", "--map", "map.yaml"]) == 0
    assert "runs/results: 1 runs imported" in capsys.readouterr().out
    source = RunTable.load(tmp_path / "runs" / "results").study["source"]
    assert (source["map"], source["path"]) == ("map.yaml", "results.csv")
    assert invoke(["import", "csv", "results.csv"]) == 2
    assert "has the columns model, gpu_j" in capsys.readouterr().err


def test_the_help_names_the_kinds_that_are_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["import", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for kind in importer_kinds():
        assert kind in shown
