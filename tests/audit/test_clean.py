"""Clean data: no error ever, and no warning but those that are listed with it."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import clean_machines  # noqa: F401 - registers its tables
import clean_reports  # noqa: F401 - registers its tables
import clean_runs  # noqa: F401 - registers its tables
import pytest
from clean_draw import CLEAN, Columns, Draw
from clean_folders import FOLDERS

from joulebench.audit.evidence import Evidence
from joulebench.audit.examine import Examined, examine
from joulebench.audit.gather import gather
from joulebench.audit.read_table import read_table
from joulebench.audit.run_view import AuditRun
from joulebench.importers.contract import ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.energibridge import EnergiBridgeImporter
from joulebench.importers.nlpfrontiers import NlpFrontiersImporter

SEEDS = range(4)
FORMS = ("plain", "semicolons and decimal commas", "tabs", "spreadsheet")
_DECIMAL = re.compile(r"[-+]?\d+\.\d+(e[-+]?\d+)?")
_VERSIONS = "version"


def written(columns: Columns, form: str) -> bytes:
    """Write a table as a program of that locale does."""
    rows = [[str(cell) for cell in row] for row in zip(*columns.values(), strict=True)]
    if form == "semicolons and decimal commas":
        kept = [_VERSIONS in name for name in columns]
        rows = [
            [cell if keep or not _DECIMAL.fullmatch(cell) else cell.replace(".", ",")
             for cell, keep in zip(row, kept, strict=True)]
            for row in rows
        ]  # fmt: skip
    delimiter = {"tabs": "\t", "semicolons and decimal commas": ";"}.get(form, ",")
    ends = "\r\n" if form in ("spreadsheet", "semicolons and decimal commas") else "\n"
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=ends).writerows([list(columns), *rows])
    return (b"\xef\xbb\xbf" if form == "spreadsheet" else b"") + text.getvalue().encode()


def by_severity(examined: Examined) -> dict[str, set[str]]:
    """Give the rules that found something."""
    found: dict[str, set[str]] = {"error": set(), "warning": set(), "note": set()}
    for finding in examined.findings:
        found[finding.severity].add(finding.rule)
    return found


@pytest.mark.parametrize("name", list(CLEAN))
def test_a_clean_table(name: str, tmp_path: Path) -> None:
    for seed in SEEDS:
        path = tmp_path / "figures.csv"
        path.write_bytes(written(CLEAN[name].build(Draw(seed)), FORMS[seed % len(FORMS)]))
        found = by_severity(examine(Evidence(tables=[read_table(path)])))
        assert found["error"] == set(), f"seed {seed}"
        assert found["warning"] == CLEAN[name].warnings, f"seed {seed}"
        assert "not-checked" not in found["note"]


@pytest.mark.parametrize("build", FOLDERS, ids=lambda build: build.__name__)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_clean_folder(
    build: Callable[[Draw, Path], list[Path]], seed: int, tmp_path: Path
) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    examined = examine(gather(build(Draw(seed), folder)))
    assert by_severity(examined)["error"] == set()
    assert by_severity(examined)["warning"] == FOLDERS[build]


OF_OURS = {"shared-machine", "sampling-gap", "work-not-seen"}
"""A study on a machine that does other things too, of a simulated board that always draws 250 W."""

STUDY = {
    "study": "echo",
    "question": "Does a longer answer use more energy?",
    "factors": {"max_tokens": [8, 32]},
    "repetitions": 2,
    "model": "parrot",
    "task": "boolq",
    "engine": {"kind": "echo", "token_s": 0.005},
    "tasks": {"data": "demo", "items": 2},
    "protocol": {
        "idle_s": 0.2, "idle_after_s": 0.2, "warmup_prompts": 0, "interval_s": 0.02,
    },
    "meters": [{"simulated": {"board": "a100", "watts": 250}}],
}  # fmt: skip


def test_our_own_study(tmp_path: Path) -> None:
    plan = tmp_path / "echo.yaml"
    plan.write_text(json.dumps(STUDY))
    command = [sys.executable, "-m", "joulebench", "run", str(plan), "--out", "out", "--no-report"]
    subprocess.run(command, check=True, timeout=120, capture_output=True, cwd=tmp_path)
    examined = examine(gather([tmp_path / "out"]))
    assert sum(unit.count for unit in examined.evidence.units) == 4
    assert by_severity(examined)["error"] == set()
    assert by_severity(examined)["warning"] <= OF_OURS


TRACKED = """
import sys, time
from codecarbon import OfflineEmissionsTracker
for run in range(3):
    tracker = OfflineEmissionsTracker(country_iso_code="NLD", output_dir=sys.argv[1],
                                      measure_power_secs=1, log_level="error")
    tracker.start(); time.sleep(0.3); tracker.stop()
"""


def test_a_real_tracker(tmp_path: Path) -> None:
    if find_spec("codecarbon") is None:
        pytest.skip("codecarbon is not installed: pip install 'joulebench[carbon]'")
    command = [sys.executable, "-c", TRACKED, str(tmp_path)]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    found = by_severity(examine(gather([tmp_path])))
    assert found["error"] == set()
    assert found["warning"] == set()


def without_what_was_stated(path: Path) -> Examined:
    """Audit a study of ours without the figures that its source had stated."""
    evidence = gather([path])
    for unit in evidence.units:
        unit.view = partial(_stripped, unit.view)
    return examine(evidence)


def _stripped(read: Callable[[int], AuditRun], place: int) -> AuditRun:
    view = read(place)
    for stated in ("published", "stated_energy_j"):
        view.run.facts.pop(stated, None)
    return view


OF_LLAMAS = {"empty-cells", "few-graded", "pseudoreplication"}
OF_THEIR_RUNS = OF_LLAMAS | {"counter-wrap", "edge-uncertainty", "identical-responses"}
OF_POINTS = {"empty-cells", "no-repeats", "padding-counted"}
OF_THEIR_TRACES = OF_POINTS | {
    "evaluation-in-training", "power-limit-saturated", "sampling-gap", "sensor-ramp",
    "tail-not-integrated", "too-few-samples", "window-below-resolution",
}  # fmt: skip


def judged(out: Path) -> list[set[str]]:
    """Give the warnings on a study's table, then on its runs; there must be no error on either."""
    found = [by_severity(examine(gather([out / "run_table.csv"])))]
    found.append(by_severity(without_what_was_stated(out)))
    assert [each["error"] for each in found] == [set(), set()]
    return [each["warning"] for each in found]


@pytest.mark.parametrize("table", ["Edited", "Raw"])
def test_recomputed_runs_of_language_models(table: str, reference: Path, tmp_path: Path) -> None:
    runs = reference / "greenlab/experiments/llama_profiling"
    told = reference / f"greenlab/run_tables/GL_Final_Run_Table_{table}.csv"
    write_study(EnergiBridgeImporter().read(runs, ImportOptions("llama", told)), tmp_path / "out")
    assert judged(tmp_path / "out") == [OF_LLAMAS, OF_THEIR_RUNS]


def test_recomputed_points_of_a_frontier(reference: Path, tmp_path: Path) -> None:
    read = NlpFrontiersImporter().read(reference / "nlpfrontiers", ImportOptions("frontier"))
    write_study(read, tmp_path / "out")
    assert judged(tmp_path / "out") == [OF_POINTS, OF_THEIR_TRACES]
