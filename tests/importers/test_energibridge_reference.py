"""The 63 published runs, against energies computed here without any of our code."""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from joulebench.importers.contract import ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.energibridge import EnergiBridgeImporter
from joulebench.record import RunTable
from joulebench.sensor_gains import NVML_GAIN

LEVELS = {
    "generation": ("2", "3", "3.1", "3.2"),
    "model_size": ("1B", "3B", "7B", "8B"),
    "task": ("BoolQ", "CB", "COPA", "RTE", "WiC", "WSC"),
}
EXCLUDE = (
    "generation == '2' and model_size != '7B'",
    "generation in ['3', '3.1'] and model_size != '8B'",
    "generation == '3.2' and model_size not in ['1B', '3B']",
)
WRAP_J = 2.0**32 * 2.0**-14


@pytest.fixture(scope="module")
def runs(reference: Path) -> Path:
    return reference / "greenlab" / "experiments" / "llama_profiling"


@pytest.fixture(scope="module")
def table(reference: Path, runs: Path, tmp_path_factory: pytest.TempPathFactory) -> RunTable:
    options = ImportOptions(
        "llama", reference / "greenlab/run_tables/GL_Final_Run_Table_Edited.csv"
    )
    out = tmp_path_factory.mktemp("import") / "llama"
    write_study(EnergiBridgeImporter().read(runs, options), out)
    return RunTable.load(out)


def independent_energy_j(folder: Path) -> tuple[float, float]:
    """Interpolate the unwrapped counter and the power at both nominal edges."""
    log = pd.read_csv(folder / "energibridge.csv").drop_duplicates("Time")
    t = log["Time"].to_numpy() / 1e3
    with (folder / "prompts_out.tsv").open(newline="", encoding="utf-8") as file:
        prompts = list(csv.DictReader(file, delimiter="\t"))
    edges = np.array([float(prompts[0]["start"]), float(prompts[-1]["end"])])
    counter = log["PACKAGE_ENERGY (J)"].to_numpy()
    unwrapped = counter + WRAP_J * np.concatenate(([0], np.cumsum(np.diff(counter) < 0)))
    cpu = np.diff(np.interp(edges, t, unwrapped))[0]
    watts = log["GPU0_POWER (mWatts)"].to_numpy() / 1e3
    inside = (t > edges[0]) & (t < edges[1])
    grid = np.concatenate((edges[:1], t[inside], edges[1:]))
    return float(cpu), float(np.trapezoid(np.interp(grid, t, watts), grid))


def test_energies_of_all_runs(table: RunTable, runs: Path) -> None:
    frame = table.frame().set_index("run_id")
    folders = sorted(runs.glob("run_*_repetition_*"))
    assert len(folders) == len(frame) == 63
    assert set(frame["status"]) == {"done"}
    for folder in folders:
        cpu, gpu = independent_energy_j(folder)
        row = frame.loc[folder.name]
        assert row["cpu_energy_j"] == pytest.approx(cpu, rel=5e-4), folder.name
        assert row["gpu_energy_j"] == pytest.approx(gpu, rel=5e-4), folder.name
        assert row["energy_j"] == pytest.approx(cpu + gpu, rel=5e-4), folder.name


def test_joules_per_token_and_mean_power(table: RunTable) -> None:
    frame = table.frame()
    power = frame["energy_j"] / frame["duration_s"]
    assert 307 <= power.min() <= power.max() <= 363
    sums = frame.groupby(["generation", "model_size"])[["energy_j", "tokens_out"]].sum()
    per_token = sums["energy_j"] / sums["tokens_out"]
    assert len(per_token) == 5
    assert 1.05 < per_token.min() < 1.2
    assert 6.0 < per_token.max() < 6.2


def test_uncertainty_is_that_of_whole_seconds(table: RunTable) -> None:
    """Two edges of 0.58 s at 250 to 420 W, and 2.9 % of the GPU's energy."""
    frame = table.frame()
    relative = frame["energy_noise_j"] / frame["energy_j"]
    assert 0.001 < relative.median() < 0.01
    gain = NVML_GAIN * frame["gpu_energy_j"]
    assert (frame["energy_bias_j"] >= gain).all()
    assert (frame["energy_bias_j"] <= 1.05 * gain + 200).all()


def test_wrapped_summaries_are_found(table: RunTable) -> None:
    wrapped = {run.run_id for run in table.runs if "counter-wrap" in {f.rule for f in run.findings}}
    assert wrapped == {
        "run_0_repetition_15", "run_12_repetition_17", "run_3_repetition_5", "run_4_repetition_0",
    }  # fmt: skip
    severe = [f for run in table.runs for f in run.findings if f.severity == "error"]
    assert severe == []


def test_table_raw_table_and_levels_agree(table: RunTable, reference: Path, runs: Path) -> None:
    raw = reference / "greenlab/run_tables/GL_Final_Run_Table_Raw.csv"
    expected = {run.run_id: run.levels for run in table.runs}
    options = (ImportOptions("s", raw), ImportOptions("s", levels=LEVELS, exclude=EXCLUDE))
    for option in options:
        study = EnergiBridgeImporter().read(runs, option)
        read = [study.run(place).run for place in range(0, study.count, 7)]
        assert {run.run_id: run.levels for run in read}.items() <= expected.items()


def test_tokens_are_those_of_the_published_table(table: RunTable, reference: Path) -> None:
    published = pd.read_csv(reference / "greenlab/run_tables/GL_Final_Run_Table_Edited.csv")
    tokens = {
        f"run_{run}_repetition_{repetition}": count
        for run, repetition, count in zip(
            published["run"], published["repetition"], published["tokens"], strict=True
        )
    }
    for run in table.runs:
        assert run.work["tokens_out"] == tokens[run.run_id]


def test_blocks_hold_each_combination_once(table: RunTable) -> None:
    cells: dict[int, list[tuple[str, ...]]] = defaultdict(list)
    for run in table.runs:
        cells[run.trial["block"]].append(tuple(run.levels.values()))
    assert len(cells[0]) == len(set(cells[0])) == 30
