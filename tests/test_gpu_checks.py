"""The check for GPUs, on a simulated board, a driver of C and a processor in place of the GPU."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
CHECKS = ROOT / "gpu_checks"

MODULES = ("measure", "simulated_board", "compare", "picture")


@pytest.fixture(scope="module")
def checks() -> Iterator[dict[str, Any]]:
    """The modules of the folder, as the script itself finds them."""
    before = list(sys.path)
    sys.path.insert(0, str(CHECKS))
    yield {name: importlib.import_module(name) for name in MODULES}
    sys.path[:] = before
    for name in MODULES:
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def result(checks: dict[str, Any]) -> dict[str, Any]:
    measure = checks["measure"]
    phases = [
        measure._phase("idle", "idle", 2.0),
        measure._phase("matmul-bf16", "matmul-bf16", 2.0),
        measure._phase("rest", "idle", 3.03),
        measure._irregular(8.0),
        measure._phase("rest", "idle", 3.07),
        measure._wave(1.0, 2.0),
        measure._phase("idle", "idle", 2.0),
    ]
    found = checks["simulated_board"].simulated("hopper", phases)
    found |= {"format": 1, "made_at": "2026-03-01T10:00:00Z", "quick": True}
    found = json.loads(json.dumps(found))
    found["comparison"] = checks["compare"].compare(found)
    answer: dict[str, Any] = json.loads(json.dumps(found, allow_nan=False))
    return answer


def test_the_sensors_are_found_to_be_what_they_are(result: dict[str, Any]) -> None:
    sensors = result["comparison"]["sensors"]
    assert set(sensors) == {"counter", "instant", "average"}
    assert all(s["period_s"]["value"] == pytest.approx(0.1, rel=0.01) for s in sensors.values())
    assert sensors["instant"]["averaging_s"]["value"] == pytest.approx(0.025, rel=0.2)
    assert sensors["average"]["averaging_s"]["value"] == pytest.approx(1.0, rel=0.02)
    assert all(abs(s["delay_s"]["value"]) < 0.005 for s in sensors.values())


def test_estimates_hold_the_truth_where_plain_sums_do_not(result: dict[str, Any]) -> None:
    rows = {row["name"]: row for row in result["comparison"]["phases"]}
    assert set(rows) == {"idle", "matmul-bf16", "wave-irregular", "wave-1000ms"}
    for row in rows.values():
        for estimate in row["joulebench"].values():
            late_j = abs(estimate["joules"] - row["truth_j"])
            assert late_j < 1.5 * estimate["half_width_95_j"]
    work = rows["matmul-bf16"]
    assert work["joulebench"]["average"]["joules"] == pytest.approx(work["truth_j"], rel=0.01)
    assert work["plain_j"]["average"] < 0.85 * work["truth_j"]
    assert rows["wave-irregular"]["bursts"] > 10
    assert any("GFLOP/J" in check for check in result["comparison"]["checks"])


def test_the_file_is_small_and_says_that_it_is_simulated(
    checks: dict[str, Any], result: dict[str, Any], tmp_path: Path
) -> None:
    text = json.dumps(result, separators=(",", ":"))
    whole_s = sum(phase["length_s"] for phase in checks["measure"].plan(quick=False))
    assert 150 < whole_s < 270
    assert sum(phase["length_s"] for phase in checks["measure"].plan(quick=True)) < 60
    assert len(text) * whole_s / result["length_s"] < 1 << 20
    assert result["simulated"] == "hopper"
    assert result["device"]["name"] == "simulated hopper"
    assert checks["measure"].name_of(result).startswith("simulated-hopper-")
    assert checks["compare"].table(result).startswith("SIMULATED board hopper")
    assert checks["picture"]._title(result).startswith("SIMULATED")
    picture = checks["picture"].draw(result, tmp_path / "check.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_traces_come_back_as_they_were_seen(checks: dict[str, Any]) -> None:
    seen = [(10.0, 10.0005, 90_000), (10.2, 10.2003, 91_000), (10.5, 10.5001, 89_500)]
    stored = checks["measure"]._packed_trace(seen, 10.0)
    changes = checks["compare"]._changes(stored, 1.0)
    assert changes.first == 90.0
    assert changes.v.tolist() == pytest.approx([91.0, 89.5])
    assert changes.at_s.tolist() == pytest.approx([0.2003, 0.5001], abs=1e-4)
    assert changes.before_s.tolist() == pytest.approx([0.2, 0.5], abs=2e-4)


def test_work_is_done_in_its_phases(checks: dict[str, Any]) -> None:
    measure = checks["measure"]
    gpu = measure.Gpu("cpu", side=32, copy_bytes=1 << 16)
    phases = [
        measure._phase("idle", "idle", 0.05),
        measure._phase("matmul-tf32", "matmul-tf32", 0.05),
        measure._phase("copy", "copy", 0.05),
        measure._wave(0.05, 0.1),
    ]
    idle, product, copy, wave = measure.perform(phases, gpu.work)
    assert idle["times"] == 0
    assert product["times"] > 0
    assert copy["times"] > 0
    assert wave["times"] > 0
    assert len(wave["switches_s"]) == 4
    assert all(p["stop_s"] - p["start_s"] >= 0.049 for p in (idle, product, copy, wave))
    kept = measure._packed_phase(product, product["start_s"], gpu.flops, gpu.moved_bytes)
    assert kept["flops"] == 2 * 32**3 * product["times"]


POLL = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
import measure
nvml = measure.Nvml()
end_s = time.monotonic() + 0.5
polled = measure.poll(nvml.ways, lambda: time.monotonic() > end_s, nvml.state)
print(json.dumps([nvml.facts(), nvml.absent, polled]))
"""


def test_nvml_is_read_through_a_real_library(tmp_path: Path, program: Callable[..., str]) -> None:
    source = ROOT / "tests" / "meters" / "fake_nvml.c"
    library = tmp_path / "libnvidia-ml.so.1"
    subprocess.run([program("cc"), "-shared", "-fPIC", "-o", str(library), str(source)], check=True)
    done = subprocess.run(
        [sys.executable, "-c", POLL, str(CHECKS)],
        env={**os.environ, "LD_LIBRARY_PATH": str(tmp_path)},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    facts, absent, polled = json.loads(done.stdout)
    assert "H100" in facts["name"]
    assert facts["driver"]
    assert {"counter", "instant"} <= set(polled["changes"])
    assert not set(absent) & set(polled["changes"])
    counted = polled["changes"]["counter"]
    rate_mw = (counted[-1][2] - counted[0][2]) / (counted[-1][1] - counted[0][1])
    assert rate_mw == pytest.approx(300_000, rel=0.05)
    assert polled["states"]


def test_without_a_gpu_it_says_what_to_do() -> None:
    done = subprocess.run(
        [sys.executable, str(CHECKS / "measure.py"), "--quick"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "pytorch.org" in done.stderr
    assert "Traceback" not in done.stderr


def test_only_real_boards_have_results() -> None:
    for path in (CHECKS / "results").glob("*.json"):
        assert not json.loads(path.read_text(encoding="utf-8"))["simulated"]


def test_a_stored_result_is_compared_anew(result: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "stored.json"
    bare = {key: value for key, value in result.items() if key != "comparison"}
    path.write_text(json.dumps(bare), encoding="utf-8")
    start_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(CHECKS / "measure.py"), "--analyse", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "matmul-bf16" in done.stdout
    assert json.loads(path.read_text(encoding="utf-8"))["comparison"]["sensors"]
    assert path.with_suffix(".png").exists()
    assert time.monotonic() - start_s < 120
