"""The benchmarks of importing and auditing, run for a moment: their figures are there and sane."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from synthetic_runs import Synthetic

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(script: str, *words: str) -> str:
    command = [sys.executable, str(BENCHMARKS / script), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_import_is_timed_beside_others(tmp_path: Path) -> None:
    for repetition in range(3):
        Synthetic().write(tmp_path / "runs", f"run_0_repetition_{repetition}")
    place = tmp_path / "found.json"
    words = ["--repeats", "2", "--configurations", "1", "--json", str(place)]
    said = run("import_energibridge.py", str(tmp_path / "runs"), *words)
    found = json.loads(place.read_text())
    for times in found["times_s"].values():
        assert len(times) == 2
        assert all(wall_s > 0 and cpu_s >= 0 for wall_s, cpu_s in times)
    assert {"pandas, logs and prompts", "pyarrow, logs alone"} < found["times_s"].keys()
    full = found["full"]
    assert full["runs"] == 30
    assert full["first"]["pss_mb"] > 10
    assert full["second"]["time_s"] < full["first"]["time_s"] + 1
    assert "3 runs, " in said


def test_audit_is_timed(tmp_path: Path) -> None:
    place = tmp_path / "found.json"
    said = run("audit.py", "--repeats", "1", "--rows", "500", "--json", str(place))
    found = json.loads(place.read_text())
    assert found["times_s"].keys() == {"start", "table"}
    assert found["verdicts"]["table"] != "wrong"
    assert "| table of 500 rows and 20 columns |" in said
