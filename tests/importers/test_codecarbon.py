"""CodeCarbon's own files, made here by its own tracker, and damaged or older ones like them."""

from __future__ import annotations

import csv
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from joulebench.errors import UsageError
from joulebench.importers.codecarbon import CodeCarbonImporter
from joulebench.importers.contract import Imported, ImportOptions
from joulebench.importers.destination import write_study
from joulebench.record import Run, RunTable
from joulebench.sensor_gains import ESTIMATE_GAIN, NVML_GAIN

KWH = 3.6e6

TRACKED = """
import sys, time
from codecarbon import OfflineEmissionsTracker
def tracker(project):
    return OfflineEmissionsTracker(
        country_iso_code="NLD", output_dir=sys.argv[1], project_name=project,
        experiment_name="base", measure_power_secs=60, log_level="error", allow_multiple_runs=True,
    )
plain = tracker("plain, with a comma")
plain.start(); time.sleep(0.2); plain.flush(); time.sleep(0.2); plain.stop()
tasks = tracker("tasks")
for name in ("load", "generate"):
    tasks.start_task(name); time.sleep(0.2); tasks.stop_task()
tasks.stop()
"""

COLUMNS = [
    "timestamp", "project_name", "run_id", "experiment_id", "duration", "emissions", "cpu_energy",
    "gpu_energy", "ram_energy", "energy_consumed", "country_name", "country_iso_code", "os",
    "codecarbon_version", "gpu_count", "gpu_model", "tracking_mode", "pue",
]  # fmt: skip


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that CodeCarbon's tracker wrote: a flushed run, and one with two tasks."""
    if find_spec("codecarbon") is None:
        pytest.skip("codecarbon is not installed: pip install 'joulebench[carbon]'")
    folder = tmp_path_factory.mktemp("codecarbon")
    subprocess.run(
        [sys.executable, "-c", TRACKED, str(folder)], check=True, timeout=120, capture_output=True
    )
    return folder


def imported(source: Path) -> Imported:
    return CodeCarbonImporter().read(source, ImportOptions("s"))


def runs(source: Path) -> list[Run]:
    found = imported(source)
    return [found.run(place).run for place in range(found.count)]


def rules(run: Run) -> list[str]:
    return [finding.rule for finding in run.findings]


def row(**cells: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "timestamp": "2024-05-01T12:00:10",
        "project_name": "p",
        "run_id": "a",
        "duration": 10.0,
        "emissions": 0.25,
        "cpu_energy": 0.2,
        "gpu_energy": 0.5,
        "ram_energy": 0.3,
        "energy_consumed": 1.0,
        "country_iso_code": "NLD",
        "gpu_count": 1,
        "gpu_model": "1 x NVIDIA A100",
        "pue": 1.0,
    }
    return {**dict.fromkeys(COLUMNS, ""), **known, **cells}


def write(path: Path, rows: list[dict[str, Any]], columns: list[str] = COLUMNS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


# What the tracker itself writes


def test_a_trackers_files_become_runs_with_their_published_energy(
    tracked: Path, tmp_path: Path
) -> None:
    write_study(imported(tracked), tmp_path / "study")
    table = RunTable.load(tmp_path / "study")
    with (tracked / "emissions.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3  # two of the first tracker: its flush and its end
    plain = next(run for run in table.runs if run.run_id == rows[1]["run_id"])
    measured = plain.energy["cpu:codecarbon"]["measure"]
    assert measured["joules"] == pytest.approx(KWH * float(rows[1]["cpu_energy"]))
    assert measured["method"] == "estimated"
    assert measured["biases"]["gain cpu:codecarbon"] == ESTIMATE_GAIN * measured["joules"]
    assert plain.windows[0].duration_s == float(rows[1]["duration"])
    assert plain.facts["recorder"]["rows_with_totals_so_far"] == 1
    assert plain.facts["published"]["line"] == 3
    assert plain.facts["published"]["values"]["project_name"] == "plain, with a comma"
    assert plain.facts["published"]["values"]["cpu_energy"] == float(rows[1]["cpu_energy"])
    assert "gpu:codecarbon" not in plain.energy
    assert rules(plain) == ["no-trace", "method-unknown"]


def test_tasks_take_the_place_of_the_run_that_holds_them(tracked: Path) -> None:
    found = imported(tracked)
    told = [found.run(place).run for place in range(found.count)]
    assert [run.levels["task_name"] for run in told] == ["none", "load", "generate"]
    assert [run.levels["project_name"] for run in told] == ["plain, with a comma", "tasks", "tasks"]
    assert "experiment_id" not in told[0].levels
    assert told[1].run_id.endswith(".load")
    assert [finding.rule for finding in found.findings] == ["nested-runs"]


def test_only_the_totals_are_read_where_their_file_is_named(tracked: Path) -> None:
    assert len(runs(tracked / "emissions.csv")) == 2


def test_the_memorys_assumed_power_is_in_no_sum(tracked: Path, tmp_path: Path) -> None:
    write_study(imported(tracked), tmp_path / "study")
    frame = RunTable.load(tmp_path / "study").frame()
    assert frame["energy_j"].to_list() == pytest.approx(frame["cpu_energy_j"].to_list())
    assert "dram_energy_j" not in frame


# Energies, emissions, hosts


def test_energies_are_kwh_in_joules_with_the_gain_of_their_sensor(tmp_path: Path) -> None:
    (run,) = runs(write(tmp_path / "emissions.csv", [row()]))
    gpu = run.energy["gpu:codecarbon"]["measure"]
    assert (gpu["joules"], gpu["method"]) == (0.5 * KWH, "measured")
    assert gpu["biases"] == {"gain gpu:codecarbon": NVML_GAIN * 0.5 * KWH}
    assert run.energy["ram:codecarbon"]["measure"]["method"] == "estimated"
    assert run.facts["recorder"]["started_at_local"] == "2024-05-01T12:00:00.000"
    assert run.started_at == ""  # CodeCarbon does not say of which zone its stamps are


def test_emissions_are_those_of_our_sum_with_the_published_total_beside(tmp_path: Path) -> None:
    (run,) = runs(write(tmp_path / "emissions.csv", [row(ram_energy=1.3, energy_consumed=2.0)]))
    assert run.emissions is not None
    assert run.emissions["intensity_kg_per_kwh"] == 0.125
    assert run.emissions["emissions_kg"] == pytest.approx(0.125 * 0.7)  # without the memory's
    assert run.emissions["codecarbon"]["emissions_kg"] == 0.25
    assert run.emissions["country_iso_code"] == "NLD"


def test_a_buildings_overhead_is_divided_out_of_a_run_and_of_its_tasks(tmp_path: Path) -> None:
    write(tmp_path / "emissions.csv", [row(pue=2.0), row(run_id="b", pue=2.0)])
    write(
        tmp_path / "emissions_base_b.csv",
        [row(run_id="b", task_name="t")],
        ["task_name", *COLUMNS[:-1]],
    )
    told = runs(tmp_path)
    assert [run.run_id for run in told] == ["a", "b.t"]
    for run in told:
        assert run.energy["gpu:codecarbon"]["measure"]["joules"] == 0.25 * KWH
        assert "pue-included" in rules(run)


def test_a_gpu_of_zero_energy_is_absent_and_said_to_be(tmp_path: Path) -> None:
    (run,) = runs(write(tmp_path / "emissions.csv", [row(gpu_energy=0.0)]))
    assert "gpu:codecarbon" not in run.energy
    assert "absent-as-zero" in rules(run)
    (none,) = runs(write(tmp_path / "n" / "emissions.csv", [row(gpu_energy=0.0, gpu_count=0)]))
    assert "absent-as-zero" not in rules(none)


# Files that grew


def test_totals_so_far_of_one_tracker_are_one_run(tmp_path: Path) -> None:
    rows = [row(duration=d, cpu_energy=d / 10, energy_consumed=d) for d in (1.0, 5.0, 9.0)]
    (run,) = runs(write(tmp_path / "emissions.csv", rows))
    assert run.energy["cpu:codecarbon"]["measure"]["joules"] == pytest.approx(0.9 * KWH)
    assert run.facts["recorder"]["rows_with_totals_so_far"] == 2


def test_rows_of_one_id_that_shrink_are_several_runs(tmp_path: Path) -> None:
    rows = [row(duration=9.0), row(duration=5.0)]
    found = imported(write(tmp_path / "emissions.csv", rows))
    assert found.count == 2
    assert [found.run(n).run.run_id for n in range(2)] == ["a", "a.2"]
    assert [finding.rule for finding in found.findings] == ["repeated-run-id"]


def test_headers_of_several_versions_in_one_file(tmp_path: Path) -> None:
    path = write(tmp_path / "emissions.csv", [row()])
    older = [name for name in COLUMNS if name not in ("experiment_id", "pue")]
    write(path, [row(run_id="b", timestamp="2023-01-01T00:00:10", cpu_energy=0.4)], older)
    first, second = runs(path)
    assert (first.run_id, second.run_id) == ("b", "a")  # in the order in which they started
    assert first.energy["cpu:codecarbon"]["measure"]["joules"] == pytest.approx(0.4 * KWH)
    assert first.facts["published"]["line"] == 4


def test_the_first_versions_give_one_energy_of_everything(tmp_path: Path) -> None:
    columns = ["timestamp", "experiment_id", "project_name", "duration", "emissions"]
    path = write(
        tmp_path / "emissions.csv",
        [row(experiment_id="e1"), row(experiment_id="e2")],
        [*columns, "energy_consumed", "country_name"],
    )
    first, second = runs(path)
    assert (first.run_id, second.run_id) == ("e1", "e2")
    assert first.energy["node:codecarbon"]["measure"]["joules"] == KWH


def test_folders_below_are_looked_into_and_links_are_not(tmp_path: Path) -> None:
    source = tmp_path / "source"
    write(source / "one" / "emissions.csv", [row()])
    elsewhere = write(tmp_path / "elsewhere" / "emissions.csv", [row(run_id="z")])
    (source / "two").symlink_to(elsewhere.parent)
    (source / "emissions.csv").symlink_to(elsewhere)
    assert [run.run_id for run in runs(source)] == ["a"]


# Damage


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"duration": "soon"}, r"line 2: 'duration' is no finite number: 'soon'"),
        ({"duration": -1}, r"line 2: 'duration' is no amount"),
        ({"energy_consumed": ""}, r"line 2: 'energy_consumed' is no amount"),
        ({"energy_consumed": "inf"}, r"line 2: 'energy_consumed' is no finite number"),
    ],
)
def test_a_damaged_cell_is_named(tmp_path: Path, cells: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        runs(write(tmp_path / "emissions.csv", [row(**cells)]))


def test_a_row_of_another_length_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "emissions.csv", [row()])
    with path.open("a", encoding="utf-8") as file:
        file.write("2024-05-01T12:00:10,p,b\n")
    with pytest.raises(UsageError, match=r"line 3 has 3 cells where the header has 18"):
        runs(path)


def test_a_last_line_that_breaks_off_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "emissions.csv", [row()])
    with path.open("a", encoding="utf-8") as file:
        file.write('2024-05-01T12:00:10,"p')
    found = imported(path)
    assert found.count == 1
    assert [finding.rule for finding in found.findings] == ["truncated-file"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"a,b\n1,2\n", "no header of CodeCarbon's"),
        ("timestamp\n".encode("utf-16"), "UTF-16"),
        (b"x" * (1 << 21), "line 1 is longer than"),
    ],
)
def test_another_file_is_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "emissions.csv"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=said):
        runs(path)


def test_options_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "emissions.csv", [row()])
    with pytest.raises(UsageError, match="takes no --table"):
        CodeCarbonImporter().read(path, ImportOptions("s", table=path))


def test_the_same_files_are_imported_once(tmp_path: Path) -> None:
    path = write(tmp_path / "emissions.csv", [row()])
    assert not write_study(imported(path), tmp_path / "out").unchanged
    assert write_study(imported(path), tmp_path / "out").unchanged
    with path.open("a", encoding="utf-8") as file:
        file.write("\n")
    with pytest.raises(UsageError, match="another study"):
        write_study(imported(path), tmp_path / "out")
