"""Studies whose meters have a known error: what their records tell enters the intervals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from joulebench.analysis.answer import answer
from joulebench.analysis.cells import run_means
from joulebench.analysis.own_uncertainty import own_uncertainty
from joulebench.analysis.question import general_questions
from joulebench.analysis.read import read_analysis
from joulebench.analysis.recorded_biases import recorded_biases
from joulebench.analysis.verdict import Verdict, verdict
from joulebench.channel import Channel, Window
from joulebench.record import Run, RunTable

GAIN = 0.05
TRUE = {"s": 100.0, "l": 300.0}
TASKS = ("p", "q", "r", "t")


def study(folder: Path, errors: Mapping[str, float], offset_j: float = 0.0) -> Path:
    """Write a study of machines whose meters read too much by a factor, each with its own board."""
    factors = {"machine": list(errors), "model": list(TRUE), "task": list(TASKS)}
    rng = np.random.default_rng(2)
    table = RunTable.create(folder, {"study": "known", "factors": factors},
                            {name: {"hostname": name} for name in errors})  # fmt: skip
    channel = Channel("gpu0:power", "W", gain=GAIN, method="simulated", scope="gpu board")
    cells = product((1, 2, 3), errors, TRUE, TASKS)
    for order, (block, machine, model, task) in enumerate(cells):
        joules = TRUE[model] * errors[machine] * (1 + TASKS.index(task)) * rng.lognormal(0, 0.002)
        biases = {"gain gpu0:power": GAIN * joules, "offset gpu0:power": offset_j}
        energy = {"joules": joules, "noise": 1e-3 * joules, "biases": biases,
                  "method": "simulated", "scope": "gpu board", "below_resolution": False,
                  }  # fmt: skip
        levels = {"machine": machine, "model": model, "task": task}
        trial = {"order": order, "block": block, "repetition": block, "levels": levels}
        table.append(Run(f"{machine}.{model}.{task}.{block}", "known", trial, host=machine,
                         windows=[Window("measure", 0.0, 4.0)], channels=[channel],
                         energy={"gpu0:power": {"measure": energy}}))  # fmt: skip
    return folder


def told(folder: Path, groups: str) -> Verdict:
    frame = read_analysis(folder, audit=False)
    asked = general_questions(frame, ("energy_j",))
    question = next(question for question in asked if question.groups == groups)
    return verdict(answer(question, frame, run_means(frame)), [])


def test_across_two_meters_their_gains_widen_the_ratio(tmp_path: Path) -> None:
    folder = study(tmp_path / "two", {"a": 1.03, "b": 0.96})
    here = told(folder, "machine").claims[0]
    # The machines are alike; their meters read 1.073 to 1, far beyond what runs scatter.
    assert "F(1, " in here.rests_on
    assert "p < 0.0001" in here.rests_on
    assert here.sure == "not shown"
    assert "covers it" in here.rests_on
    assert here.far.startswith("at most, a has 1.07 times (0.93 to 1.23) the simulated energy per")


def test_on_each_meter_the_gain_cancels(tmp_path: Path) -> None:
    folder = study(tmp_path / "two", {"a": 1.03, "b": 0.96})
    found = told(folder, "model")
    assert found.claims[0].sure == "sure"
    assert "l has 3.00" in found.sentence
    frame = read_analysis(folder, audit=False)
    own = own_uncertainty(frame, "energy_j", "model")
    assert own.of_ratio("l", "s") == pytest.approx(0.0, abs=1e-12)
    apart = own_uncertainty(frame, "energy_j", "machine")
    assert apart.of_ratio("a", "b") == pytest.approx(math.hypot(GAIN, GAIN))


def test_an_offset_stays_as_far_as_the_energies_differ(tmp_path: Path) -> None:
    folder = study(tmp_path / "one", {"a": 1.0, "b": 1.0}, offset_j=5.0)
    own = own_uncertainty(read_analysis(folder, audit=False), "energy_j", "model")
    of = {m: np.mean([5.0 / (e * (1 + k)) for k in range(4)]) for m, e in TRUE.items()}
    # Half of each model's runs were made on each machine.
    left = (of["s"] - of["l"]) / math.sqrt(2)
    assert own.of_ratio("l", "s") == pytest.approx(left, rel=0.01)
    assert own.relative["s"] == pytest.approx(math.hypot(GAIN, of["s"]) / math.sqrt(2), rel=0.01)


def test_what_records_do_not_tell_is_empty(tmp_path: Path) -> None:
    frame = read_analysis(study(tmp_path / "one", {"a": 1.0, "b": 1.0}), audit=False)
    assert set(recorded_biases(frame, "energy_j", "task")) == set(TASKS)
    assert recorded_biases(frame, "duration_s", "task") == {}
