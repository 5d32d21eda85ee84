"""The benchmarks of what Joulebench costs, run for a moment: their figures are there and sane."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


def run(script: str, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *words],
        capture_output=True,
        text=True,
        check=True,
    )


def compared(tmp_path: Path, *kinds: str) -> tuple[dict[str, dict[str, Any]], str]:
    place = tmp_path / "figures.json"
    only = [word for kind in kinds for word in ("--only", kind)]
    done = run("recorder.py", "--quick", "--json", str(place), *only)
    found = json.loads(place.read_text())["contenders"]
    return {one["kind"]: one for one in found}, done.stdout


def loaded(name: str) -> ModuleType:
    spec = spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_recorder_is_compared_with_a_c_loop(
    tmp_path: Path, program: Callable[..., str]
) -> None:
    program("cc")
    found, said = compared(tmp_path, "process", "loop")
    assert found.keys() == {"process", "loop"}
    for one in found.values():
        assert one["summary"]["idle_cpu_share"]["median"] > 0
        for state in ("idle", "busy"):
            # A C loop may not get its turn in the fifth of a second of a busy machine.
            assert 0 <= one["summary"][f"{state}_cpu_share"]["median"] < 0.5
            assert one["summary"][f"{state}_lateness_p99_s"]["median"] > 0
        assert math.isfinite(one["summary"]["slowdown"]["median"])
    # The recorder is a Python program, which takes megabytes that a C program does not.
    memory = {kind: one["summary"]["proportional_bytes"]["median"] for kind, one in found.items()}
    assert memory["process"] > memory["loop"] + 1e6
    assert found["process"]["rounds"][0]["idle"]["priority"]
    assert "simulated board, files as RAPL's" in said
    assert "10 Hz, share of a core" in said


@pytest.mark.parametrize("kind", ["codecarbon", "zeus"])
def test_others_run_beside_it(tmp_path: Path, program: Callable[..., str], kind: str) -> None:
    program("cc")
    if find_spec(kind) is None:
        pytest.skip(f"{kind} is not installed: pip install 'joulebench[bench]'")
    found, said = compared(tmp_path, kind)
    figures = found[kind]["summary"]
    assert figures["idle_cpu_per_sample_s"]["median"] > 0
    # It samples at the pace it was asked for, as far as half a second can tell.
    assert 4 < figures["idle_hertz"]["median"] <= 10
    assert "stand-in NVML" in said
    assert "GPU" in found[kind]["told"]["reads"] or kind == "zeus"


def test_the_interval_of_a_median() -> None:
    spread = loaded("measuring_table").spread
    assert spread([]) is None
    assert spread([3.0, None, 1.0, 2.0]) == {"median": 2.0, "low": 1.0, "high": 3.0}
    # Tables of the sign test: of 9 values the second to the eighth, of 6 all of them.
    nine = spread([float(each) for each in range(9)])
    assert (nine["low"], nine["high"]) == (1.0, 7.0)
    six = spread([float(each) for each in range(6)])
    assert (six["low"], six["high"]) == (0.0, 5.0)


def test_the_start_is_timed(tmp_path: Path) -> None:
    place = tmp_path / "times.json"
    said = run("startup.py", "--runs", "1", "--imports", "--json", str(place)).stdout
    times = json.loads(place.read_text())
    assert times.keys() == {"thread", "process", "thread, auto"}
    for [[imported_s, entered_s]] in times.values():
        assert 0 < imported_s < entered_s
    assert "| joulebench |" in said


WITHOUT_R = {**os.environ, "PATH": str(Path(sys.executable).parent)}


def figures_of(script: str, place: Path, *words: str, with_r: bool) -> tuple[dict[str, Any], str]:
    done = subprocess.run(
        [sys.executable, str(BENCHMARKS / script), *words, "--json", str(place)],
        capture_output=True,
        text=True,
        check=True,
        env=None if with_r else WITHOUT_R,
    )
    return json.loads(place.read_text()), done.stdout


def with_rscript() -> None:
    if shutil.which("Rscript") is None:
        pytest.skip("Rscript is not installed")


def test_the_analysis_is_timed_alone_where_there_is_no_r(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    loaded("generations_table").generations_table(repetitions=3).to_csv(table, index=False)
    words = (str(table), "--repeats", "1", "--cold")
    found, said = figures_of("analysis.py", tmp_path / "times.json", *words, with_r=False)
    assert found["times"].keys() == {"analysis", "start of the verb alone"}
    [spent] = found["times"]["analysis"]
    assert spent["cpu_s"] > 0
    assert 10 < spent["peak_mb"] < 2000
    assert found["figures"] > 5000
    assert found["without_r"] in said
    assert "Rscript is not installed" in said


@pytest.mark.parametrize("with_r", [False, True])
def test_the_mixed_model_is_timed_and_compared(tmp_path: Path, with_r: bool) -> None:
    if with_r:
        with_rscript()
    words = ("--rows", "3000", "--groups", "30", "--repeats", "1", "--cold")
    found, said = figures_of("mixed_model.py", tmp_path / "times.json", *words, with_r=with_r)
    assert "| Joulebench |" in said
    inner = json.loads(found["times"]["Joulebench"][0]["said"])
    assert 0 < inner["seconds"] < found["times"]["Joulebench"][0]["wall_s"]
    assert len(inner["estimate"]) == 6
    assert len(inner["f"]) == 3
    if "R" not in found["times"]:
        assert found["without_r"] in said
        return
    assert max(found["deviations"].values()) < 1e-4


@pytest.mark.parametrize("with_r", [False, True])
def test_the_bootstrap_is_timed_beside_a_loop(tmp_path: Path, with_r: bool) -> None:
    if with_r:
        with_rscript()
    words = ("--resamples", "2000", "--repeats", "1")
    found, said = figures_of("bootstrap.py", tmp_path / "times.json", *words, with_r=with_r)
    assert len(found["times_s"]) == (3 if with_r and not found["without_r"] else 2)
    ends = list(found["intervals"].values())
    # Each draws on its own: ends of 2,000 resamples scatter by some tenth of the standard error.
    for low, high in ends:
        assert abs(low - ends[0][0]) < 0.015
        assert abs(high - ends[0][1]) < 0.015
    assert "bootstrap_contrast, BCa" in said


def test_the_orchestrator_is_timed(tmp_path: Path) -> None:
    words = ("--quick", "--trials", "100", "--rows", "300")
    place = tmp_path / "figures.json"
    said = run("orchestrator.py", *words, "--json", str(place)).stdout
    found = json.loads(place.read_text())
    crowd, large = found["crowd"], found["large"]
    assert (crowd["trials"], crowd["testbeds"], large["rows"]) == (100, 7, 290)
    assert crowd["recorded"] >= crowd["trials"] > crowd["failed"]
    assert 4e3 < crowd["record_bytes"] < 16e3
    assert 0 < crowd["cpu_s_a_trial"] < crowd["wall_s_a_trial"]
    assert large["index_bytes"] < 0.2 * large["bytes"]
    for part in ("local", "http"):
        assert found[part]["trials"] == 2
        assert 0 < found[part]["beyond_s"] < found[part]["wall_s"]
    assert "| CPU a trial |" in said
    assert "20 ms: " in said


def test_the_client_is_compared_with_a_raw_loop(tmp_path: Path) -> None:
    place = tmp_path / "figures.json"
    done = run("openai_client.py", "--rounds", "1", "--scale", "1", "--json", str(place))
    (found,) = json.loads(place.read_text())
    assert found.keys() == {"ours", "raw"}
    for figures in found.values():
        assert figures["request, wall"] > 0
        assert figures["request, processor"] > 0
        assert 0 <= figures["server's share of a core"] < 1
    assert "| token every 10 ms, processor |" in done.stdout
