"""Two studies compared: sensors that they share or not, runs that are pairs or not."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from two_studies import GAIN, Recipe, make

import joulebench as jb
from joulebench.comparison.comparison import Comparison
from joulebench.comparison.response import ResponseComparison
from joulebench.record import RunTable

LATER = 600.0


def compared(folder: Path, a: Recipe, b: Recipe, **words: Any) -> Comparison:
    return jb.compare_studies(make(folder / "A", a), make(folder / "B", b), **words)


def energy(found: Comparison) -> ResponseComparison:
    return next(each for each in found.responses if each.name == "energy_j")


def test_a_gain_of_one_meter_cancels(tmp_path: Path) -> None:
    found = compared(tmp_path, Recipe(gain=1.05), Recipe(0.9, 1.05, seed=2, started=LATER))
    assert energy(found).bias == pytest.approx(0, abs=1e-12)
    low, high = energy(found).these.ends()
    assert low < math.log(0.9) < high
    assert high - low < 0.02
    assert "one meter measured both, its gain cancels" in str(found)


def test_gains_of_two_boards_stay(tmp_path: Path) -> None:
    """The two gains err apart by 5 %, so that only an interval that holds both covers the truth."""
    other = Recipe(0.9, 1.05, seed=2, started=LATER, uuid="GPU-2")
    found = compared(tmp_path, Recipe(), other)
    assert energy(found).bias == pytest.approx(math.sqrt(2) * GAIN, rel=1e-6)
    low, high = energy(found).these.ends()
    assert low < math.log(0.9) < high
    assert "the sensors of two boards add ±8.3 %, more than the scatter" in str(found)


def test_software_of_another_version_on_one_board_is_one_meter(tmp_path: Path) -> None:
    found = compared(tmp_path, Recipe(), Recipe(seed=2, started=LATER, software="2"))
    assert energy(found).bias == pytest.approx(0, abs=1e-12)
    assert found.matching.differs == {"torch": ("1", "2")}


def test_boards_without_a_number_are_known_by_their_machine(tmp_path: Path) -> None:
    a, b = Recipe(uuid=""), Recipe(uuid="", seed=2, started=LATER)
    assert energy(compared(tmp_path / "one", a, b)).bias == pytest.approx(0, abs=1e-12)
    b.hostname = "other"
    assert energy(compared(tmp_path / "two", a, b)).bias == pytest.approx(math.sqrt(2) * GAIN)


def test_machines_without_a_name_are_taken_as_two(tmp_path: Path) -> None:
    a, b = Recipe(uuid="", hostname=""), Recipe(uuid="", hostname="", seed=2, started=LATER)
    found = compared(tmp_path, a, b)
    assert energy(found).bias == pytest.approx(math.sqrt(2) * GAIN)
    assert "whether one meter measured both is not recorded" in str(found)


def test_runs_of_one_session_are_paired_by_block(tmp_path: Path) -> None:
    """What blocks do, 20 % here, is in both sides of a pair."""
    a = Recipe(block_scatter=0.2)
    b = Recipe(0.9, seed=2, block_scatter=0.2)
    found = compared(tmp_path, a, b)
    assert energy(found).paired == 4
    assert "paired over 4 blocks" in str(found)
    low, high = energy(found).these.ends()
    assert low < math.log(0.9) < high
    assert high - low < 0.03
    assert not found.notes or "measured apart" not in found.notes[-1]


def test_repetitions_of_two_sessions_are_no_pairs(tmp_path: Path) -> None:
    """Blocks of equal number that do the same by chance are no reason to pair."""
    a = Recipe(block_scatter=0.2)
    b = Recipe(0.9, seed=2, block_scatter=0.2, started=LATER)
    found = compared(tmp_path, a, b)
    assert energy(found).paired == 0
    low, high = energy(found).these.ends()
    assert high - low > 0.05
    assert "A and B were measured apart" in found.notes[-1]


def test_sessions_that_overlap_without_their_blocks_are_no_pairs(tmp_path: Path) -> None:
    found = compared(tmp_path, Recipe(), Recipe(seed=2, started=17.0))
    assert energy(found).paired == 0


def test_one_board_on_two_testbeds_gives_no_pairs(tmp_path: Path) -> None:
    make(tmp_path / "A", Recipe())
    path = make(tmp_path / "B", Recipe(seed=2))
    runs = path / "runs.jsonl"
    runs.write_text(runs.read_text().replace('"testbed":"local"', '"testbed":"lab"'))
    assert energy(jb.compare_studies(tmp_path / "A", path)).paired == 0


def test_a_study_and_its_own_table_are_the_same_runs(tmp_path: Path) -> None:
    folder = make(tmp_path / "A", Recipe())
    RunTable.load(folder).write_csv()
    found = jb.compare_studies(folder, folder / "run_table.csv")
    assert "same-runs" in {f.rule for f in found.all_findings}


def test_the_tables_of_two_studies_know_their_meter(tmp_path: Path) -> None:
    tables = []
    for name, recipe in (("A", Recipe()), ("B", Recipe(0.9, seed=2, started=LATER))):
        folder = make(tmp_path / name, recipe)
        tables.append(tmp_path / f"{name}.csv")
        RunTable.load(folder).frame().to_csv(tables[-1], index=False)
    found = jb.compare_studies(*tables)
    assert energy(found).bias == pytest.approx(0, abs=1e-9)
    text = tables[1].read_text().replace("box-1", "box-2")
    tables[1].write_text(text)
    found = jb.compare_studies(*tables)
    assert energy(found).bias == pytest.approx(math.sqrt(2) * GAIN, rel=1e-3)


def test_settings_that_differ_are_named(tmp_path: Path) -> None:
    a = Recipe(
        study={"engine": {"kind": "vllm", "dtype": "bf16"}, "meters": [{"nvml": {"hz": 10}}]}
    )
    b = Recipe(seed=2, study={"engine": {"kind": "vllm", "dtype": "int8"}, "meters": ["nvml"]})
    differs = compared(tmp_path, a, b).matching.differs
    assert differs["engine.dtype"] == ("bf16", "int8")
    assert differs["meters.nvml.hz"] == ("10", "absent")
    assert "engine.kind" not in differs


def test_random_weights_have_no_accuracy(tmp_path: Path) -> None:
    found = compared(tmp_path, Recipe(random_weights=True), Recipe(seed=2, started=LATER))
    assert [each.name for each in found.responses] == ["energy_j", "energy_per_token_j"]
    assert "accuracy is left out" in found.notes[0]


def test_scopes_that_differ_are_an_error(tmp_path: Path) -> None:
    found = compared(tmp_path, Recipe(), Recipe(seed=2, scope="wall", started=LATER))
    assert found.wrong
    assert [f.rule for f in energy(found).findings] == ["scopes-differ"]
    accuracy = next(each for each in found.responses if each.name == "accuracy")
    assert not accuracy.findings
