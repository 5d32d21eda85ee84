"""Run tables without their raw folders, and beside them: what was published, word for word."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from synthetic_runs import Synthetic

from joulebench.cli import invoke
from joulebench.errors import UsageError
from joulebench.importers.contract import Imported, ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.energibridge import EnergiBridgeImporter
from joulebench.importers.published_columns import find_published
from joulebench.record import Run, RunTable
from joulebench.run_row import headline_energy
from joulebench.sensor_gains import NVML_GAIN

RAW = """Unnamed: 0;__run_id;__done;size;task;energy;cpu_joules;gpu_joules;time_ms;tokens;accuracy
0;run_1_repetition_0;DONE;8B;cb;-250000.5;100.5;900.25;10000;50;0.5
1;run_0_repetition_0;DONE;7B;cb;99.5;99.5;800;9000;40;1.0
2;run_1_repetition_1;DONE;8b;cb;101.5;101.5;901.25;10100;51;0.75
3;run_0_repetition_1;TODO;7B;cb; ; ; ; ; ;
"""
EDITED = """run,repetition,__done,size,task,tokens,duration_ms,time(s),energy,accuracy\r
1,0,DONE,8B,cb,50,10000,"10,0",1000.75,0.5\r
0,0,DONE,7.0B,cb,40,9000,"9,0",899.5,1.0\r
1,1,DONE,8B,cb,51,10100,"10,1",,0.75\r
0,1,DONE,7.0B,cb,41,9100,"9,1",898,85\r
"""


def table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run_table.csv"
    path.write_bytes(text.encode())
    return path


def study(path: Path, options: ImportOptions | None = None) -> Imported:
    return EnergiBridgeImporter().read(path, options or ImportOptions("s"))


def runs(path: Path, options: ImportOptions | None = None) -> dict[str, Run]:
    found = study(path, options)
    return {run.run_id: run for run in (found.run(place).run for place in range(found.count))}


def joules(run: Run) -> float:
    energy = headline_energy(run)
    assert energy is not None
    return energy.joules


def test_parts_are_channels_and_the_total_is_kept_apart(tmp_path: Path) -> None:
    found = runs(table(tmp_path, RAW))
    run = found["run_1_repetition_0"]
    assert {(c.name, c.scope, c.method) for c in run.channels} == {
        ("cpu:package", "cpu package", "measured"), ("gpu:energy", "gpu board", "measured"),
    }  # fmt: skip
    assert joules(run) == 1000.75
    assert run.energy["gpu:energy"]["measure"]["biases"] == {
        "gain gpu:energy": pytest.approx(NVML_GAIN * 900.25)
    }
    assert run.facts["published"]["values"]["energy"] == -250000.5
    assert (run.origin, run.work, run.windows[0].duration_s) == ("imported", {"tokens_out": 50}, 10)
    assert run.score == {"accuracy": 0.5, "scorer": "imported"}
    assert [finding.rule for finding in run.findings] == ["no-trace"]
    assert run.trial == {
        "order": 1, "block": 0, "repetition": 0, "levels": {"size": "8B"},
    }  # fmt: skip


def test_a_row_that_is_not_done_failed(tmp_path: Path) -> None:
    run = runs(table(tmp_path, RAW))["run_0_repetition_1"]
    assert run.status == "failed"
    assert run.error is not None
    assert run.error.endswith("run_table.csv line 5: __done is 'TODO'")
    assert run.energy == {}
    assert run.facts["published"]["values"]["__done"] == "TODO"


def test_a_lone_total_covers_what_nobody_said(tmp_path: Path) -> None:
    found = runs(table(tmp_path, EDITED))
    run = found["run_1_repetition_0"]
    assert [(c.name, c.scope) for c in run.channels] == [("total:energy", "unknown")]
    assert joules(run) == 1000.75
    assert run.levels == {"size": "8B"}
    lacking = found["run_1_repetition_1"]
    assert (lacking.status, lacking.energy) == ("failed", {})
    assert "line 4: 'energy' is empty" in str(lacking.error)
    graded = found["run_0_repetition_1"]
    assert graded.score is None
    assert "accuracy-scale" in {finding.rule for finding in graded.findings}


def test_cells_are_kept_as_written(tmp_path: Path) -> None:
    published = runs(table(tmp_path, EDITED))["run_0_repetition_0"].facts["published"]
    assert (published["table"], published["line"]) == ("run_table.csv", 3)
    assert published["values"] == {
        "run": 0, "repetition": 0, "__done": "DONE", "size": "7.0B", "task": "cb", "tokens": 40,
        "duration_ms": 9000, "time(s)": "9,0", "energy": 899.5, "accuracy": 1.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "kept"),
    [("007", "007"), ("nan", "nan"), ("1e999", "1e999"), ("-0.5", -0.5), ("1e3", 1000.0),
     ("1_0", "1_0"), (".", "."), ("9" * 30, "9" * 30), ("", ""), ("5.", 5.0), ("٣", "٣")],
)  # fmt: skip
def test_what_is_a_number(tmp_path: Path, cell: str, kept: float | str) -> None:
    text = f"run,repetition,energy,x\n0,0,5,{cell}\n0,1,6,b\n"
    values = runs(table(tmp_path, text))["run_0_repetition_0"].facts["published"]["values"]
    assert values["x"] == kept
    assert type(values["x"]) is type(kept)


@pytest.mark.parametrize(
    "change",
    [lambda text: text.replace(";", "\t"), lambda text: text.replace(";", "|"),
     lambda text: text.replace("\n", "\r"), lambda text: "\ufeff" + text,
     lambda text: text.replace(".", ","), lambda text: text.replace("\n", "\r\n\r\n")],
)  # fmt: skip
def test_any_spelling_of_a_table(tmp_path: Path, change: object) -> None:
    assert callable(change)
    found = runs(table(tmp_path, change(RAW)))
    assert joules(found["run_1_repetition_0"]) == 1000.75
    assert joules(found["run_1_repetition_1"]) == 1002.75


def test_quoted_cells_of_several_lines(tmp_path: Path) -> None:
    text = 'run,rep,energy,note\n0,0,5,"a\nb ü"\n\n0,1,6,"c ""d"""\n0,2,7,e\n'
    found = runs(table(tmp_path, text))
    assert [joules(run) for run in found.values()] == [5, 6, 7]
    assert [run.facts["published"]["line"] for run in found.values()] == [3, 5, 6]
    assert found["run_0_repetition_1"].facts["published"]["values"]["note"] == 'c "d"'


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("0", "absent is not zero"),
        ("-5", "no run takes"),
        ("much", "is not a number: 'much'"),
        ("1e200", "no run takes that"),
        ("NaN", "is empty"),
    ],
)
def test_no_energy_out_of_what_is_none(tmp_path: Path, cell: str, says: str) -> None:
    run = runs(table(tmp_path, f"run,rep,energy_j\n0,0,{cell}\n0,1,6\n"))["run_0_repetition_0"]
    assert (run.status, run.energy) == ("failed", {})
    assert says in str(run.error)


def test_a_column_of_zeros_is_absent(tmp_path: Path) -> None:
    path = table(tmp_path, "run,rep,cpu_energy_j,dram_energy_j\n0,0,5,0\n0,1,6,0.0\n")
    found = study(path)
    assert "absent-as-zero" in {finding.rule for finding in found.findings}
    assert [c.name for c in found.run(0).run.channels] == ["cpu:package"]


def test_early_tables_number_the_runs_alone(tmp_path: Path) -> None:
    text = "__run_id,__done,size,energy (mJ)\nrun_0,DONE,7B,5000\nrun_1,DONE,8B,6000\n"
    text += "run_2,DONE,7B,7000\n"
    found = study(table(tmp_path, text))
    assert [joules(found.run(place).run) for place in range(3)] == [5, 6, 7]
    assert [found.run(place).run.levels["size"] for place in range(3)] == ["7B", "8B", "7B"]
    assert "factors-unknown" in {finding.rule for finding in found.findings}


def test_factors_that_are_named(tmp_path: Path) -> None:
    path = table(tmp_path, RAW)
    found = study(path, ImportOptions("s", columns=("task", "size")))
    assert found.study["factors"] == {"task": ["cb"], "size": ["7B", "8B"]}
    with pytest.raises(UsageError, match="did you mean 'size'"):
        study(path, ImportOptions("s", columns=("siz",)))
    with pytest.raises(UsageError, match="says the levels already"):
        study(path, ImportOptions("s", table=path))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("run,rep,size\n0,0,7B\n", "line 1: no column of energies"),
        ("run,rep,energy\n", "line 1: no run follows the header"),
        ("run,rep,energy\n0,0,5\n0,0,6\n", "line 3: run 0 repetition 0 stands on line 2 too"),
        ("run,rep,energy\n0,x,5\n", "line 2: the repetition is no whole number: 'x'"),
        ("run,rep,energy\n0,0\n", "line 2 has 2 cells where the header has 3"),
        ("run,rep,energy,energy\n0,0,5,5\n", "line 1: column 'energy' is there twice"),
        ('run,rep,energy\n0,0,5\n0,1,"5\n', "line 3: unexpected end of data"),
    ],
)
def test_damaged_tables_name_the_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        study(table(tmp_path, text))
    assert says in str(caught.value)


def test_other_encodings_are_told(tmp_path: Path) -> None:
    path = table(tmp_path, RAW)
    path.write_bytes(RAW.replace("cb", "é").encode("latin-1"))
    with pytest.raises(UsageError, match="line 2 is not UTF-8"):
        study(path)
    path.write_bytes(RAW.encode("utf-16"))
    assert EnergiBridgeImporter().recognise(path) is None
    with pytest.raises(UsageError, match="line 1 is not UTF-8"):
        study(path)


def test_recognised_by_its_header(tmp_path: Path) -> None:
    importer = EnergiBridgeImporter()
    path = table(tmp_path, RAW)
    for place in (path, tmp_path):
        sighting = importer.recognise(place)
        assert sighting is not None
        assert (sighting.kind, sighting.weak) == ("energibridge", False)
    path.write_text("a,b\n1,2\n")
    assert importer.recognise(path) is None
    assert importer.recognise(tmp_path) is None
    assert importer.recognise(tmp_path / "nowhere") is None


def test_a_folder_with_one_table_and_no_runs(tmp_path: Path) -> None:
    path = table(tmp_path, RAW)
    assert len(runs(tmp_path)) == 4
    assert study(tmp_path).tables == (path,)


def folders(source: Path) -> None:
    for repetition in range(2):
        Synthetic().write(source, f"run_0_repetition_{repetition}")


def test_the_row_of_a_run_stands_beside_its_traces(tmp_path: Path) -> None:
    folders(tmp_path / "source")
    path = table(tmp_path, RAW)
    options = ImportOptions("s", path, ("size",))
    found = runs(tmp_path / "source", options)
    published = {run_id: run.facts["published"] for run_id, run in found.items()}
    assert {run_id: row["line"] for run_id, row in published.items()} == {
        "run_0_repetition_0": 3, "run_0_repetition_1": 5,
    }  # fmt: skip
    assert published["run_0_repetition_0"]["values"]["cpu_joules"] == 99.5
    assert published["run_0_repetition_1"]["values"]["cpu_joules"] == ""
    assert all(run.status == "done" for run in found.values())
    assert study(tmp_path / "source", options).tables == (path,)


def test_the_only_run_table_beside_the_runs_is_taken(tmp_path: Path) -> None:
    folders(tmp_path)
    beside = table(tmp_path, RAW)
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    os.symlink("/etc/passwd", tmp_path / "away.csv")
    found = runs(tmp_path)
    lines = {run_id: run.facts["published"]["line"] for run_id, run in found.items()}
    assert lines == {"run_0_repetition_0": 3, "run_0_repetition_1": 5}
    assert found["run_0_repetition_0"].levels
    assert study(tmp_path).tables == (beside,)
    before = study(tmp_path).fingerprint
    beside.write_text(RAW + "\n")
    assert study(tmp_path).fingerprint != before


def test_of_two_run_tables_beside_the_runs_none_is_taken(tmp_path: Path) -> None:
    folders(tmp_path)
    beside = table(tmp_path, RAW)
    (tmp_path / "second.csv").write_text(beside.read_text())
    assert all("published" not in run.facts for run in runs(tmp_path).values())
    assert len(study(tmp_path).tables) == 2


def test_a_run_table_that_tells_no_levels_still_tells_what_was_published(tmp_path: Path) -> None:
    folders(tmp_path)
    (tmp_path / "run_table.csv").write_text(
        "__run_id,__done,model,energy\nrun_7_repetition_0,DONE,a,1\nrun_0_repetition_1,DONE,a,2\n"
    )
    imported = study(tmp_path)
    assert [finding.rule for finding in imported.findings] == ["no-levels"]
    kept = [run.facts.get("published") for run in runs(tmp_path).values()]
    assert [each["values"]["energy"] for each in kept if each] == [2]


def test_logs_of_the_first_year(tmp_path: Path) -> None:
    early = Synthetic()
    names = {"PACKAGE_ENERGY (J)": "PACAKGE_ENERGY (W)", "GPU0_POWER (mWatts)": "GPU0_POWER",
             "DRAM_ENERGY (J)": "DRAM_ENERGY (W)", "PP0_ENERGY (J)": "PP0_ENERGY (W)"}  # fmt: skip
    early.header = [names.get(name, name) for name in early.header]
    early.write(tmp_path)
    (run,) = runs(tmp_path).values()
    assert joules(run) == pytest.approx(early.cpu_j + early.gpu_j, rel=1e-6)


def test_the_study_round_trips(tmp_path: Path) -> None:
    path = table(tmp_path, RAW)
    assert invoke(["import", "energibridge", str(path), "--out", str(tmp_path / "o")]) == 1
    done = RAW.replace("TODO;7B;cb; ; ; ; ; ;", "DONE;7B;cb;99;98;801;9100;;")
    path.write_text(done)
    words = ["import", "energibridge", str(path), "--out", str(tmp_path / "p")]
    assert invoke([*words, "--factors", "size", "task"]) == 0
    loaded = RunTable.load(tmp_path / "p")
    assert loaded.study["factors"] == {"size": ["7B", "8B"], "task": ["cb"]}
    frame = pd.read_csv(tmp_path / "p" / "run_table.csv")
    assert frame["energy_j"].tolist() == [1000.75, 899.5, 1002.75, 899.0]
    assert frame["tokens_out"].isna().tolist() == [False, False, False, True]
    assert invoke(["report", str(tmp_path / "p")]) == 0


def test_tables_are_written_as_our_own_are(tmp_path: Path) -> None:
    for text in (RAW, EDITED):
        out = tmp_path / f"out{len(text)}"
        write_study(study(table(tmp_path, text)), out)
        ours = (out / "run_table.csv").read_bytes()
        RunTable.load(out).write_csv()
        assert ours == (out / "run_table.csv").read_bytes()


@pytest.mark.parametrize(
    ("columns", "energies", "duration", "counts"),
    [
        (["energy", "runtime", "n_tokens"], {"total:energy": 1.0}, ("runtime", 1.0), ["n_tokens"]),
        (["total_energy_kwh", "gpu_energy_kwh"], {"gpu:energy": 3.6e6}, None, []),
        (["energy_j", "dram_energy_j"], {"total:energy": 1.0}, None, []),
        (["gpu0_energy_mJ", "GPU1 Energy (MJ)"], {"gpu0:energy": 1e-3, "gpu1:energy": 1e6}, None,
         []),
        (["PackageEnergy", "execution_time_ms"], {"cpu:package": 1.0},
         ("execution_time_ms", 1e-3), []),
        (["codecarbon__energy_consumed"], {"total:energy": 3.6e6}, None, []),
        (["energy_per_token", "avg_energy", "idle_energy_j", "energy_std"], {}, None, []),
        (["joules", "start_time", "end_time", "time", "duration_min"], {"total:energy": 1.0},
         ("duration_min", 60.0), []),
        (["energy_wh", "max_tokens", "tokens_per_s", "prompt_tokens", "output_tokens"],
         {"total:energy": 3600.0}, None, ["output_tokens", "prompt_tokens"]),
    ],
)  # fmt: skip
def test_names_of_columns(
    columns: list[str],
    energies: dict[str, float],
    duration: tuple[str, float] | None,
    counts: list[str],
) -> None:
    found = find_published(columns)
    assert {column.channel.name: column.unit_j for column in found.energies} == energies
    assert found.duration == duration
    assert list(found.counts.values()) == counts


def test_codecarbon_estimates() -> None:
    (column,) = find_published(["codecarbon__energy_consumed"]).energies
    assert column.channel.method == "estimated"
