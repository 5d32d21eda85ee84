"""The check of what a token costs on a GPU, on a simulated board and a processor."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from joulebench.energy import Energy

SCRIPT = Path(__file__).resolve().parents[1] / "gpu_checks" / "generations.py"

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None,
    reason="torch is not installed (pip install 'joulebench[transformers]')",
)


@pytest.fixture(scope="module")
def generations() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("generations", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generations"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["generations"]


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


@needs_torch
def test_a_simulated_board_gives_what_it_drew(tmp_path: Path) -> None:
    done = run("--simulated", "hopper", "--shapes", "tiny_a", "no-such", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("generations-simulated-hopper-*.json")
    found: dict[str, Any] = json.loads(path.read_text())
    assert (found["simulated"], found["random_weights"]) == ("hopper", True)
    assert "no-such" in found["absent"]["no-such"]
    (result,) = found["results"]
    assert [case["batch"] for case in result["cases"]] == [1, 2]
    for case in result["cases"]:
        for part in ("prefill", "decode"):
            assert all(times > 0 for times in case["times"][part])
        check_case(case)
    assert "tiny_a: batch 1 gpu0:energy" in done.stdout


def check_case(case: dict[str, Any]) -> None:
    """The board draws 300 W: the joules of a pass follow from its length."""
    pass_j = {
        part: [
            300 * seconds / times
            for seconds, times in zip(case["seconds"][part], case["times"][part], strict=True)
        ]
        for part in ("prefill", "decode")
    }
    mean_j = {part: sum(each) / len(each) for part, each in pass_j.items()}
    tokens = case["batch"] * case["tokens_out"]
    truth = {
        "prefill_j_per_token_in": mean_j["prefill"] / (case["batch"] * case["tokens_in"]),
        "decode_j_per_token_out": mean_j["decode"] / (tokens - case["batch"]),
        "j_per_token_out": (mean_j["prefill"] + mean_j["decode"]) / tokens,
    }
    assert {"gpu0:energy", "gpu0:power"} <= set(case["channels"])
    for name, channel in case["channels"].items():
        assert channel["method"] == "simulated"
        for figure, value in truth.items():
            close = 0.5 if name == "gpu0:energy" else 0.02  # a window is three of its steps
            assert channel[figure]["value"] == pytest.approx(value, rel=close)
            assert channel[figure]["low"] < channel[figure]["value"] < channel[figure]["high"]


def test_repetitions_shrink_the_scatter_and_not_the_bias(generations: ModuleType) -> None:
    energies = [Energy(j, 0.1, {"gain": 0.5}) for j in (9.0, 10.0, 11.0, 10.0)]
    found = generations.interval(energies)
    # Student's t for three degrees of freedom, from a table.
    random = 3.182446 * math.sqrt(2 / 3) / 2
    assert found["value"] == 10.0
    assert found["random_half"] == pytest.approx(random, rel=1e-5)
    assert found["bias_half"] == pytest.approx(1.96 * 0.5, rel=1e-5)
    assert found["high"] == pytest.approx(10 + math.hypot(random, 0.98), rel=1e-5)


def test_repetitions_that_happen_to_agree_are_no_surer_than_the_sensor(
    generations: ModuleType,
) -> None:
    found = generations.interval([Energy(10.0, 0.2, {})] * 4)
    assert found["random_half"] == pytest.approx(1.96 * 0.1, rel=1e-5)
    assert generations.interval([Energy(10.0, 0.2, {})])["random_half"] == pytest.approx(0.392)


def test_the_plan_is_done_in_nine_minutes(generations: ModuleType) -> None:
    plan = generations.Plan()
    each_s = plan.prefill_s + plan.decode_s + 4.0  # the last pass of a window overruns it
    shape_s = plan.idle_s + len(plan.batches) * (plan.repetitions * each_s + plan.warmup_s + 5.0)
    assert len(generations.SHAPES) * shape_s < 540
    assert (plan.tokens_in, plan.tokens_out, plan.batches) == (256, 128, (1, 8))


@needs_torch
def test_without_a_gpu_it_says_what_to_do() -> None:
    done = run()
    assert done.returncode == 1
    assert "pytorch.org" in done.stderr
    assert "Traceback" not in done.stderr
