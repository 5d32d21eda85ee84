"""Any table with a file that says what its columns are: rows that are runs, or samples."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import docs_pages as pages
from joulebench.errors import UsageError
from joulebench.importers.contract import Imported, ImportOptions
from joulebench.importers.csv_table import CsvImporter
from joulebench.importers.csv_table_map import TableMap
from joulebench.importers.destination import write_study
from joulebench.record import Run, RunTable
from joulebench.record_traces import load_traces
from joulebench.sensor_gains import ESTIMATE_GAIN, NVML_GAIN

DOCS = pages.ROOT / "docs" / "importing.md"
MAP: dict[str, Any] = {"energy": {"gpu0": "e"}}


def imported(folder: Path, table: str | bytes, told: Any, name: str = "t.csv") -> Imported:
    path, mapping = folder / name, folder / "map.yaml"
    path.write_bytes(table if isinstance(table, bytes) else table.encode())
    mapping.write_text(told if isinstance(told, str) else yaml.safe_dump(told, sort_keys=False))
    return CsvImporter().read(path, ImportOptions("s", mapping=mapping))


def runs(folder: Path, table: str | bytes, told: Any, name: str = "t.csv") -> list[Run]:
    found = imported(folder, table, told, name)
    return [found.run(place).run for place in range(found.count)]


def joules(run: Run, channel: str = "gpu0:energy", window: str = "measure") -> float:
    value = run.energy[channel][window]["joules"]
    assert isinstance(value, float)
    return value


# Rows that are runs


def test_a_row_with_every_key(tmp_path: Path) -> None:
    table = (
        "model;batch;rep;when;ms;kwh;sd;pre;W;req;tin;tout;flop;acc;n;ok;box\n"
        '"a;b";8;3;2025-01-02T03:04:05+01:00;1500,5;0,001;0,0001;0,0004;99,5;'
        "4;10;20;1e12;87,5;8;7;node7\n"
    )
    told = {
        "factors": {"model": "model", "batch_size": "batch"},
        "repetition": "rep",
        "started_at": "when",
        "duration": {"column": "ms", "unit": "ms"},
        "energy": {
            "gpu0": {"column": "kwh", "unit": "kWh", "spread": "sd", "windows": {"prefill": "pre"}}
        },
        "power": {"cpu0": {"column": "W", "method": "estimated"}},
        "requests": "req",
        "tokens_in": "tin",
        "tokens_out": "tout",
        "flops": "flop",
        "accuracy": {"column": "acc", "unit": "%"},
        "n_graded": "n",
        "n_correct": "ok",
        "host": "box",
    }
    found = imported(tmp_path, table, told)
    run = found.run(0).run
    assert run.run_id == "model-a_b.batch_size-8"
    assert run.trial["levels"] == {"model": "a;b", "batch_size": "8"}
    assert (run.trial["repetition"], run.trial["block"]) == (3, 3)
    assert run.started_at == "2025-01-02T02:04:05.000Z"
    assert run.windows[0].duration_s == 1.5005
    gpu = run.energy["gpu0:energy"]["measure"]
    assert (gpu["joules"], gpu["noise"], gpu["scope"]) == (3600.0, pytest.approx(360), "gpu board")
    assert gpu["biases"] == {"gain gpu0:energy": pytest.approx(NVML_GAIN * 3600)}
    assert joules(run, window="prefill") == pytest.approx(1440)
    cpu = run.energy["cpu0:power"]["measure"]
    assert (cpu["joules"], cpu["method"]) == (pytest.approx(99.5 * 1.5005), "estimated")
    assert cpu["biases"] == {"gain cpu0:power": pytest.approx(ESTIMATE_GAIN * 99.5 * 1.5005)}
    assert run.work == {"requests": 4, "tokens_in": 10, "tokens_out": 20, "flops": 10**12}
    assert run.score == {"accuracy": 0.875, "n_graded": 8, "n_correct": 7, "scorer": "published"}
    assert found.hosts[run.host]["box"] == "node7"
    assert run.facts["published"] == {
        "table": "t.csv",
        "line": 2,
        "values": {
            "model": "a;b", "batch": 8, "rep": 3, "when": "2025-01-02T03:04:05+01:00",
            "ms": 1500.5, "kwh": 0.001, "sd": 0.0001, "pre": 0.0004, "W": 99.5, "req": 4,
            "tin": 10, "tout": 20, "flop": 1e12, "acc": 87.5, "n": 8, "ok": 7, "box": "node7",
        },
    }  # fmt: skip
    assert [finding.rule for finding in run.findings] == ["no-trace"]
    assert found.tables == (tmp_path / "t.csv",)


@pytest.mark.parametrize(
    ("unit", "factor"),
    [("J", 1), ("mJ", 1e-3), ("kJ", 1e3), ("MJ", 1e6), ("Wh", 3600), ("kWh", 3.6e6)],
)
def test_units_of_energy(tmp_path: Path, unit: str, factor: float) -> None:
    told = {"energy": {"gpu0": {"column": "e", "unit": unit}}}
    assert joules(runs(tmp_path, "e\n2\n".replace("e", "e,x").replace("2", "2,1"), told)[0]) == (
        pytest.approx(2 * factor)
    )


def test_repetitions_are_counted_within_a_cell(tmp_path: Path) -> None:
    told = {**MAP, "factors": ["m"]}
    found = runs(tmp_path, "m,e\na,1\nb,2\na,3\n", told)
    assert [run.run_id for run in found] == ["m-a.r00", "m-b.r00", "m-a.r01"]
    assert [run.trial["repetition"] for run in found] == [0, 0, 1]
    assert [run.trial["order"] for run in found] == [1, 2, 3]


def test_runs_are_in_the_order_of_their_starts(tmp_path: Path) -> None:
    told = {**MAP, "run_id": ["a", "b"], "started_at": "at"}
    table = "a,b,e,at\nx,1,1,2025-01-02 10:00:00\nx,2,2,2025-01-01 10:00:00\n"
    assert [run.run_id for run in runs(tmp_path, table, told)] == ["x.2", "x.1"]


def test_rows_can_be_left_out(tmp_path: Path) -> None:
    told = {**MAP, "only": {"done": "yes", "m": ["a", "b"]}}
    found = runs(tmp_path, "m,done,e\na,yes,1\na,no,2\nb,yes,3\nc,yes,4\n", told)
    assert [joules(run) for run in found] == [1.0, 3.0]
    with pytest.raises(UsageError, match="no row is left"):
        runs(tmp_path, "m,done,e\na,no,1\n", told)


def test_a_run_without_energy_has_failed_and_absent_is_not_zero(tmp_path: Path) -> None:
    found = runs(tmp_path, "m,e\na,NA\nb,\nc,0\n", {**MAP, "run_id": "m"})
    assert [run.status for run in found] == ["failed", "failed", "done"]
    assert found[0].error == f"{tmp_path / 't.csv'} line 2 has no energy"
    assert joules(found[2]) == 0.0


def test_lines_of_json(tmp_path: Path) -> None:
    lines = [
        {"model": "a", "energy": {"gpu_j": 5.5}, "n": 3, "answers": [1, 2]},
        {"model": "b", "energy": {"gpu_j": None}, "extra": True},
        {"model": "c", "energy": {"gpu_j": 7}},
    ]
    text = "\n".join(map(json.dumps, lines)) + '\n{"model": "d", "ene'
    told = {"factors": ["model"], "energy": {"gpu0": "energy.gpu_j"}}
    found = imported(tmp_path, text, told, "t.jsonl")
    first, second, third = (found.run(place).run for place in range(3))
    assert (joules(first), joules(third), second.status) == (5.5, 7.0, "failed")
    assert first.facts["published"]["values"] == {"model": "a", "energy.gpu_j": 5.5, "n": 3}
    assert [finding.rule for finding in found.findings] == ["truncated-file"]


@pytest.mark.parametrize("name", ["a/../../b", "..", "x" * 300, "ü ß/é", ""])
def test_foreign_names_stay_in_the_folder(tmp_path: Path, name: str) -> None:
    found = imported(tmp_path, f'm,e\n"{name}",1\n', {**MAP, "run_id": "m"})
    write_study(found, tmp_path / "out" / "study")
    (run,) = RunTable.load(tmp_path / "out" / "study").runs
    assert "/" not in run.run_id
    assert not run.run_id.startswith(".")
    assert len(run.run_id) < 140


def test_any_separator_and_line_end_and_mark(tmp_path: Path) -> None:
    for delimiter in ",;\t|":
        table = f"m{delimiter}e\r\na{delimiter}1.5\r\n\r\nm{delimiter}e\r\nb{delimiter}2\r\n"
        found = runs(tmp_path, b"\xef\xbb\xbf" + table.encode(), {**MAP, "run_id": "m"})
        assert [(run.run_id, joules(run)) for run in found] == [("a", 1.5), ("b", 2.0)]
        assert [run.facts["published"]["line"] for run in found] == [2, 5]


# What cannot be


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"enrgy": {"gpu0": "e"}}, r"key 'enrgy' is not known: did you mean 'energy'"),
        ({"energy": {"gpu0": {"colum": "e"}}}, r"energy.gpu0: key 'colum' .* mean 'column'"),
        ({"energy": {"gpu0": {"unit": "J"}}}, r"energy.gpu0.column: is missing"),
        ({"energy": {"gpu0": {"column": "e", "unit": "joule"}}}, r"energy.gpu0.unit: must be 'J'"),
        ({"energy": {"box": "e"}}, r"energy.box: scope must be one of .*'box' does not tell"),
        ({"energy": {"gpu0": {"column": "e", "scope": "gpu"}}}, r"scope must be one of"),
        ({"energy": {"gpu0": {"column": "e", "gain": -1}}}, r"gain: must be greater"),
        ({"energy": {"gpu0": 3}}, r"energy.gpu0"),
        ({"power": {"gpu0": "e"}}, r"duration: is missing"),
        ({"factors": ["m"]}, r"energy: is missing"),
        ({**MAP, "time": "m"}, r"time is no key of a table with rows: runs"),
        ({**MAP, "rows": "samples"}, r"energy is no key of a table with rows: samples"),
        ({"rows": "samples", "time": "m"}, r"power or counter: name a column"),
        ({"rows": "samples", "power": {"gpu0": "e"}}, r"time: is missing"),
        ({"energy": {"gpu0": "f"}}, r"column of t.csv 'f' is not known.*allowed: e, m"),
        ({**MAP, "tokens_out": 3}, r"tokens_out: must be a valid string.*put it in quotes"),
        ("energy: {gpu0: e}\nenergy: {gpu0: m}\n", r"line 2: key 'energy' is given twice"),
        ("energy: {gpu0: [", r"line 1|mend the YAML"),
        ("- a\n", r"must hold keys and values"),
    ],
)  # fmt: skip
def test_mistakes_in_a_map_are_named(tmp_path: Path, told: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        runs(tmp_path, "m,e\na,1\n", told)


@pytest.mark.parametrize(
    ("table", "more", "said"),
    [
        ("m,e\na,1\nb,x1\n", {}, r"line 3: 'e' is no finite number: 'x1'"),
        ("m,e\na,1\nb,inf\n", {}, r"line 3: 'e' is no finite number: 'inf'"),
        ("m,e\na,1\nb,1,2\n", {}, r"line 3 has 3 cells where the header has 2"),
        ("m,e\na,1\nb\nc,2\n", {}, r"line 3 has 1 cells"),
        ("m,e,e\na,1,2\n", {}, r"line 1: column 'e' is there twice"),
        ('m,e\n"a,1\nb,2\n', {}, r"line \d: "),
        ("m,e\n", {}, r"has a header and no row"),
        ("", {}, r"is empty"),
        (b"m,e\na,1\n\xff,2\n", {}, r"line 3 is not UTF-8"),
        ("m,e\na,1\n".encode("utf-16"), {}, r"UTF-16"),
        ("m,e\na,1\na,2\n", {"run_id": "m"}, r"line 3 and line 2 are both run 'a'"),
        ("m,e\n1.5,1\n", {"repetition": "m"}, r"line 2: 'm' is no whole number"),
        ("m,e\n-3,1\n", {"duration": "m"}, r"line 2: 'm' is below zero"),
        ("m,e\n80,1\n", {"accuracy": "m"}, r"line 2: accuracy 80 is no share.*unit: '%'"),
        ('{"m": 1, "e": 2}\n{"m": \n{"m": 1, "e": 2}\n', {}, r"line 2 is not JSON"),
        ('{"m": 1, "e": 2}\n[1]\n{"m": 1, "e": 2}\n', {}, r"line 2 is no JSON object"),
        ("m,e\na," + "1" * (1 << 21) + "\n", {}, r"line 2 is longer than"),
    ],
)  # fmt: skip
def test_damaged_tables_are_named_with_the_line(
    tmp_path: Path, table: str | bytes, more: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        runs(tmp_path, table, {**MAP, **more})


def test_without_a_map_the_columns_are_shown(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("model,gpu_j\na,1\n")
    with pytest.raises(UsageError, match=r"has the columns model, gpu_j; say .* --map"):
        CsvImporter().read(tmp_path, ImportOptions("s"))
    (tmp_path / "u.csv").write_text("model,gpu_j\na,1\n")
    with pytest.raises(UsageError, match=r"holds 2 tables \(t.csv, u.csv\); name the file"):
        CsvImporter().read(tmp_path, ImportOptions("s"))


# Rows that are samples


def ramp(times: list[str], watts: list[float], run: str = "", joules: bool = False) -> str:
    rows = [f"{t},{w},{run}" for t, w in zip(times, watts, strict=True)]
    return "\n".join(["t,p,run", *rows]) + "\n"


def test_samples_of_power_are_integrated(tmp_path: Path) -> None:
    times = [f"{0.5 * n:g}" for n in range(41)]
    told = {"rows": "samples", "time": "t", "power": {"gpu0": "p"}, "windows": {"measure": [5, 15]}}
    found = imported(tmp_path, ramp(times, [100 + float(t) for t in times]), told)
    run = found.run(0).run
    assert run.run_id == "t"
    assert joules(run, "gpu0:power") == pytest.approx(10 * 110)
    assert run.windows[0].duration_s == 10
    assert run.findings == []
    write_study(found, tmp_path / "study")
    trace = load_traces(tmp_path / "study" / "traces" / "t.parquet")["gpu0:power"]
    assert trace.v.tolist() == [100 + float(t) for t in times]


def test_a_counter_is_unwrapped_and_times_may_be_dates(tmp_path: Path) -> None:
    rows = "\n".join(f"2025-01-01T00:00:{n:02d};{(900 + 20 * n) % 1000},5" for n in range(30))
    told = {
        "rows": "samples",
        "time": {"column": "t", "unit": "iso"},
        "counter": {"cpu0:package": {"column": "kj", "unit": "kJ", "wrap_j": 1_000_000}},
    }
    (run,) = runs(tmp_path, f"t;kj\n{rows}\n", told)
    assert joules(run, "cpu0:package") == pytest.approx(29 * 20_000)
    assert [finding.rule for finding in run.findings] == ["window-unknown"]


def test_runs_of_one_table_may_be_mixed(tmp_path: Path) -> None:
    rows = [f"{t},{100 if run == 'x' else 50},{run},m{run}" for t in range(11) for run in "xy"]
    told = {
        "rows": "samples", "time": "t", "power": {"gpu0": "p"}, "runs": {"by": "run"},
        "factors": ["model"],
    }  # fmt: skip
    found = runs(tmp_path, "t,p,run,model\n" + "\n".join(rows) + "\n", told)
    assert [run.run_id for run in found] == ["x", "y"]
    assert [joules(run, "gpu0:power") for run in found] == pytest.approx([1000, 500])
    assert [run.levels["model"] for run in found] == ["mx", "my"]


@pytest.mark.parametrize(
    ("times", "watts", "said"),
    [
        (["0", "1", "0.5"], [1, 1, 1], r"line 4: time goes back by 0.5 s; .*runs: \{by: COLUMN\}"),
        (["0", "soon"], [1, 1], r"line 3: 't' is no finite number"),
        (["0", ""], [1, 1], r"line 3: 't' is no time"),
    ],
)
def test_damaged_times_are_named(
    tmp_path: Path, times: list[str], watts: list[float], said: str
) -> None:
    told = {"rows": "samples", "time": "t", "power": {"gpu0": "p"}}
    with pytest.raises(UsageError, match=said):
        runs(tmp_path, ramp(times, watts), told)


def test_absent_and_repeated_samples_are_left_out_and_said(tmp_path: Path) -> None:
    told = {"rows": "samples", "time": "t", "power": {"gpu0": "p"}}
    table = "t,p\n0,100\n1,\n1,100\n2,100\n3,nan\n4,100\n5,100\n"
    (run,) = runs(tmp_path, table, told)
    assert joules(run, "gpu0:power") == pytest.approx(500)
    assert {f.rule for f in run.findings} >= {"repeated-timestamp", "non-finite", "window-unknown"}


def test_a_factor_that_changes_within_a_run_is_refused(tmp_path: Path) -> None:
    told = {"rows": "samples", "time": "t", "power": {"gpu0": "p"}, "factors": ["run"]}
    with pytest.raises(UsageError, match=r"line 3: run 't' has .* a factor has one level in a run"):
        runs(tmp_path, "t,p,run\n0,1,a\n1,1,b\n", told)


def test_a_window_outside_the_samples_fails_the_run(tmp_path: Path) -> None:
    told = {
        "rows": "samples", "time": "t", "power": {"gpu0": "p"}, "windows": {"measure": [5, 50]},
    }  # fmt: skip
    (run,) = runs(tmp_path, ramp([str(n) for n in range(9)], [1.0] * 9), told)
    assert run.status == "failed"
    assert run.energy == {}


def test_runs_are_read_one_at_a_time(tmp_path: Path) -> None:
    rows = "".join(f"{n},{n % 7}\n" for n in range(20_000))
    found = imported(tmp_path, "m,e\n" + rows, {**MAP, "run_id": "m"})
    places = np.random.default_rng(1).permutation(20_000)[:50]
    assert [joules(found.run(int(n)).run) for n in places] == [float(n % 7) for n in places]


# The page


def test_the_examples_of_the_page_work(tmp_path: Path) -> None:
    files = {
        block.mark.removeprefix("file: "): block.text
        for block in pages.blocks(DOCS)
        if block.mark.startswith("file: ")
    }
    assert set(files) == {"results.csv", "results.yaml", "power.csv", "power.yaml", "logs.yaml"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    for table in ("results", "power"):
        options = ImportOptions("s", mapping=tmp_path / f"{table}.yaml")
        found = CsvImporter().read(tmp_path / f"{table}.csv", options)
        done = [found.run(place).run.status for place in range(found.count)]
        assert set(done) == {"done"}


def test_every_key_of_a_map_is_on_the_page() -> None:
    text = DOCS.read_text("utf-8")
    shown = set(re.findall(r"^\| `([a-z_]+)`", text, flags=re.MULTILINE))
    assert set(TableMap.model_fields) <= shown
