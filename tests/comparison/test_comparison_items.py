"""Energy per answer and per correct answer: what so many items leave open is in the intervals."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from two_studies import GAIN, Recipe, make

import joulebench as jb
from joulebench.analysis.own_uncertainty import own_uncertainty
from joulebench.analysis.read import read_analysis
from joulebench.answer_energy import wilson_95

LOW, HIGH = wilson_95(5, 10)
ITEMS = math.log(HIGH / LOW) / (2 * 1.959963984540054)
"""Relative uncertainty of an accuracy of 5 of 10."""


def test_a_comparison_takes_the_items_of_each_side_as_drawn_apart(tmp_path: Path) -> None:
    a, b = make(tmp_path / "A", Recipe()), make(tmp_path / "B", Recipe(0.9, seed=2, started=600.0))
    found = {each.name: each for each in jb.compare_studies(a, b).responses}
    # Two models share the items of a task, three tasks do not; the gain of one meter cancels.
    of_a_side = ITEMS / math.sqrt(3)
    correct = found["energy_per_correct_j"]
    assert correct.bias == pytest.approx(math.sqrt(2) * of_a_side, rel=1e-6)
    assert found["energy_per_token_j"].bias == pytest.approx(0, abs=1e-12)
    low, high = correct.these.ends()
    assert low < math.log(0.9) < high
    assert (high - low) / 2 >= 1.96 * correct.bias
    assert "which items were asked add" in correct.sensors
    notes = " ".join(jb.compare_studies(a, b).notes)
    assert "holds in its interval what so many items leave open" in notes


def test_an_analysis_has_them_too(tmp_path: Path) -> None:
    study = make(tmp_path / "A", Recipe())
    frame = read_analysis(study)
    correct = own_uncertainty(frame, "energy_per_correct_j", "model")
    assert correct.relative["small"] == pytest.approx(math.hypot(GAIN, ITEMS / math.sqrt(3)))
    left = math.sqrt(2) * ITEMS / math.sqrt(3)
    assert correct.of_ratio("large", "small") == pytest.approx(left, rel=1e-6)
    answer = own_uncertainty(frame, "energy_per_example_j", "model")
    assert answer.relative["small"] == pytest.approx(GAIN)
    assert answer.of_ratio("large", "small") == pytest.approx(0, abs=1e-12)


def test_energy_per_answer_is_no_energy_per_correct_answer(tmp_path: Path) -> None:
    frame = read_analysis(make(tmp_path / "A", Recipe())).frame
    ratio = frame["energy_per_correct_j"] / frame["energy_per_example_j"]
    assert ratio.tolist() == pytest.approx([2.0] * len(frame))
