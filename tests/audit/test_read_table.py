"""Tables out of files as people save them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from joulebench.audit.gather import gather
from joulebench.audit.read_table import holds_figures, read_table
from joulebench.errors import UsageError

ROWS = [{"model": "a", "energy": {"gpu_j": 10.5}}, {"model": "b", "energy": {"gpu_j": None}}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.jsonl", "\n".join(map(json.dumps, ROWS))),
        ("t.json", json.dumps(ROWS)),
        ("t.json", json.dumps({"tool": "x", "rows": ROWS})),
        ("t.csv", "model;energy.gpu_j\r\na;10,5\r\nb;\r\n"),
        ("t.tsv", "\ufeffmodel\tenergy.gpu_j\na\t10.5\nb\t\n"),
    ],
)
def test_the_same_table_in_several_forms(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8", newline="")
    table = read_table(path)
    assert table.columns == ("model", "energy.gpu_j")
    assert table.measures("energy", part="gpu") == ["energy.gpu_j"]
    assert table.numbers("energy.gpu_j").tolist()[0] == 10.5
    assert table.texts("energy.gpu_j")[1] == ""


def test_one_object_is_a_table_of_one_row(tmp_path: Path) -> None:
    path = tmp_path / "summary.json"
    path.write_text(json.dumps({"energy_j": 900.0, "duration_s": 3.0, "avg_power_w": 30.0}))
    (table,) = gather([tmp_path]).tables
    assert len(table) == 1
    assert holds_figures(table)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("t.jsonl", '{"a": 1}\n{"a": ', "line 2"),
        ("t.jsonl", '{"a": 1}\n7\n', "line 2"),
        ("t.json", "[1, 2]", "no JSON objects"),
        ("t.json", '{"a":\n 1,,}', "line 2"),
        ("t.json", "[" * 100_000, "line 1"),
    ],
)
def test_damaged_json_is_refused_with_its_line(
    tmp_path: Path, name: str, text: str, told: str
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(UsageError, match=told):
        read_table(path)


def test_settings_in_json_are_no_table_of_results(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"batch_size": 8, "model": "x"}')
    (tmp_path / "results.csv").write_text("model,energy_j\na,1.5\nb,2.5\n")
    assert [table.name for table in gather([tmp_path]).tables] == ["results.csv"]


def test_samples_of_a_sensor_are_no_table_of_results(tmp_path: Path) -> None:
    rows = "".join(f"{0.05 * n:.2f},{70 + n % 3}.1\n" for n in range(60))
    path = tmp_path / "trace.csv"
    path.write_text("timestamp_s,power_w\n" + rows)
    assert not holds_figures(read_table(path))
