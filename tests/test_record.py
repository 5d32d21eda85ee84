"""The folder of a study: nothing measured is lost, and the table shows only what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from joulebench.energy import Channel, Energy, Trace, Window
from joulebench.errors import UsageError
from joulebench.record import FORMAT, Run, RunTable
from joulebench.record_traces import load_traces, save_traces
from joulebench.run_row import headline_energy, idle_power_w, row

PACKAGE = Channel("cpu0:package", "J", scope="cpu package", wrap_j=262144.0)
BOARD = Channel("gpu0:power", "W", scope="gpu board", gain=0.03)


def _energy(joules: float, channel: Channel, noise: float = 0.1) -> dict[str, Any]:
    biases = {f"gain {channel.name}": 0.03 * joules}
    return Energy(joules, noise, biases, channel.method, channel.scope).to_dict()


def _run(run_id: str = "model-a.r00", **changes: Any) -> Run:
    windows = [Window("idle", 0, 2), Window("measure", 3, 13), Window("idle_after", 13, 15)]
    energy = {
        "cpu0:package": {
            "measure": _energy(100, PACKAGE),
            "idle": _energy(8, PACKAGE),
            "idle_after": _energy(12, PACKAGE),
        },
        "gpu0:power": {
            "measure": _energy(900, BOARD),
            "idle": _energy(100, BOARD),
            "idle_after": _energy(100, BOARD),
            "decode": _energy(700, BOARD),
        },
    }
    fields: dict[str, Any] = {
        "run_id": run_id,
        "study": "s",
        "trial": {"order": 0, "block": 0, "repetition": 0, "levels": {"model": "a"}},
        "windows": windows,
        "channels": [PACKAGE, BOARD],
        "energy": energy,
        "work": {"requests": 2, "tokens_in": 50, "tokens_out": 200},
    }
    return Run(**{**fields, **changes})


@pytest.fixture
def table(tmp_path: Path) -> RunTable:
    return RunTable.create(tmp_path / "study", {"study": "s"}, {"h": {"cpu": "x"}})


def test_a_study_is_read_back_as_it_was_written(table: RunTable) -> None:
    table.append(_run())
    again = RunTable.load(table.folder)
    assert again.runs == table.runs
    assert (again.study, again.hosts) == ({"study": "s"}, {"h": {"cpu": "x"}})
    assert again.done_ids == {"model-a.r00"}


def test_a_record_carries_its_format(table: RunTable) -> None:
    table.append(_run())
    line = (table.folder / "runs.jsonl").read_text()
    assert json.loads(line)["format"] == FORMAT
    assert line.count("\n") == 1


def test_a_line_cut_short_by_a_crash_is_set_aside_and_nothing_else_is_lost(
    table: RunTable,
) -> None:
    table.append(_run("a"))
    runs = table.folder / "runs.jsonl"
    with runs.open("a") as file:
        file.write('{"format":1,"run_id":"b","stu')
    assert [run.run_id for run in RunTable.load(table.folder).runs] == ["a"]
    again = RunTable.load(table.folder)
    again.append(_run("c"))
    assert [run.run_id for run in RunTable.load(table.folder).runs] == ["a", "c"]
    assert '"run_id":"b"' in (table.folder / "runs.cut-short.txt").read_text()


def test_a_later_record_of_one_run_replaces_the_earlier(table: RunTable) -> None:
    table.append(_run("a", status="failed", error="out of memory"))
    table.append(_run("b"))
    table.append(_run("a"))
    again = RunTable.load(table.folder)
    assert [(run.run_id, run.status) for run in again.runs] == [("a", "done"), ("b", "done")]


def test_a_broken_line_is_named_by_file_and_number(table: RunTable) -> None:
    table.append(_run("a"))
    with (table.folder / "runs.jsonl").open("a") as file:
        file.write("not json\n")
    with pytest.raises(UsageError, match=r"runs\.jsonl line 2 is not JSON"):
        RunTable.load(table.folder)


def test_a_record_of_a_newer_format_is_refused(table: RunTable) -> None:
    record = {**_run().to_dict(), "format": FORMAT + 1}
    (table.folder / "runs.jsonl").write_text(json.dumps(record) + "\n")
    with pytest.raises(UsageError, match="upgrade joulebench"):
        RunTable.load(table.folder)


def test_a_folder_that_is_no_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no study\.yaml"):
        RunTable.load(tmp_path)


def test_an_existing_study_is_never_overwritten(table: RunTable) -> None:
    with pytest.raises(UsageError, match="holds a study already"):
        RunTable.create(table.folder, {"study": "other"})


def test_a_record_without_a_number_is_refused_rather_than_written(table: RunTable) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        table.append(_run(work={"tokens_out": float("nan")}))
    assert RunTable.load(table.folder).runs == []


def test_text_that_is_none_in_utf_8_is_written_all_the_same(table: RunTable) -> None:
    table.append(_run(facts={"said": "é \ud800"}))
    assert RunTable.load(table.folder).runs[0].facts["said"] == "é \ud800"


def test_a_row_adds_what_is_not_nested_and_says_how_it_was_measured() -> None:
    cells = row(_run())
    assert cells["energy_j"] == 1000
    assert cells["energy_noise_j"] == pytest.approx(0.1 * np.sqrt(2))
    assert cells["energy_bias_j"] == pytest.approx(np.hypot(3, 27))
    assert (cells["method"], cells["scope"]) == ("measured", "cpu package + gpu board")
    assert (cells["cpu_energy_j"], cells["gpu_energy_j"]) == (100, 900)
    assert cells["duration_s"] == 10
    assert cells["idle_energy_j"] == pytest.approx((8 + 12 + 100 + 100) / 4 * 10)
    assert cells["energy_per_token_j"] == 5


def test_what_was_not_measured_has_no_cell() -> None:
    cells = row(_run(channels=[PACKAGE], score=None))
    assert not {"gpu_energy_j", "dram_energy_j", "accuracy", "flops", "load_energy_j"} & set(cells)
    assert "decode_energy_j" not in row(_run()), "one of two channels is not the whole"


def test_a_sum_that_lacks_a_channel_is_absent() -> None:
    run = _run()
    del run.energy["gpu0:power"]["measure"]
    assert headline_energy(run) is None
    assert "energy_j" not in row(run)


def test_idle_power_is_the_mean_over_both_idle_windows() -> None:
    assert idle_power_w(_run()) == pytest.approx(220 / 4)
    assert idle_power_w(_run(energy={})) is None


def test_the_table_has_only_columns_with_values_in_the_stated_order(table: RunTable) -> None:
    table.append(_run("a"))
    table.append(_run("b", status="failed", energy={}, windows=[], work={}))
    frame = table.frame()
    head = ["run_id", "order", "block", "repetition", "model", "status", "host", "testbed"]
    assert list(frame.columns[:8]) == head
    assert list(frame.columns[8:12]) == [
        "duration_s", "energy_j", "energy_noise_j", "energy_bias_j",
    ]  # fmt: skip
    assert "accuracy" not in frame.columns
    assert frame["energy_j"].isna().tolist() == [False, True]
    assert table.write_csv().read_text().startswith("run_id,order,block,repetition,model,status")


def test_traces_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    t_s = np.arange(0, 5, 0.1)
    traces = [Trace(PACKAGE, t_s, 30 * t_s), Trace(BOARD, t_s + 0.01, np.full(t_s.size, 250.0))]
    save_traces(tmp_path / "run.parquet", traces)
    again = load_traces(tmp_path / "run.parquet")
    assert list(again) == ["cpu0:package", "gpu0:power"]
    for trace in traces:
        other = again[trace.channel.name]
        assert other.channel == trace.channel
        assert np.array_equal(other.t_s, trace.t_s)
        assert np.array_equal(other.v, trace.v)


def test_a_file_that_holds_no_traces_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(UsageError, match=r"run\.parquet holds no traces"):
        load_traces(path)
    with pytest.raises(UsageError, match="holds no traces"):
        load_traces(tmp_path / "absent.parquet")


def test_a_parquet_file_of_another_kind_is_named(tmp_path: Path) -> None:
    path = tmp_path / "run.parquet"
    for columns in ({"x": [1]}, {"channel": ["a"], "t_s": [0.0], "v": [1.0]}):
        pq.write_table(pa.table(columns), path)
        with pytest.raises(UsageError, match=r"run\.parquet holds no traces"):
            load_traces(path)


@pytest.mark.parametrize("text", ["[1]", "{", "3"])
def test_damaged_host_facts_are_named(table: RunTable, text: str) -> None:
    (table.folder / "hosts.json").write_text(text)
    with pytest.raises(UsageError, match=r"hosts\.json .*mend or delete it"):
        RunTable.load(table.folder)
