"""Estimates by cell."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_study import CPU, ESTIMATE, GPU, Recipe, make_study

from joulebench.report.cells import Cell, cells
from joulebench.report.evidence import Evidence


def made(folder: Path, recipe: Recipe | None = None) -> list[Cell]:
    return cells(Evidence(make_study(folder, recipe)))


def test_one_row_a_cell_in_the_order_of_the_factors(tmp_path: Path) -> None:
    found = made(tmp_path)
    assert [cell.label for cell in found] == [
        f"{model} · {task}" for model in ("tiny_a", "tiny_b") for task in ("boolq", "cb", "copa")
    ]
    assert {(cell.runs, cell.method, cell.scope) for cell in found} == {
        (3, "measured", "gpu board + cpu package")
    }


def test_intervals_hold_the_truth(tmp_path: Path) -> None:
    for cell in made(tmp_path):
        watts = {"tiny_a": 140.0, "tiny_b": 220.0}[cell.levels["model"]] * 1.25
        power, idle = cell.estimates["power_w"], cell.estimates["above_idle_j"]
        assert power.low < watts < power.high
        per_token = cell.estimates["per_token_j"]
        assert per_token.low < watts / 120.0 < per_token.high
        net = cell.estimates["energy_j"].value - 27.5 * cell.estimates["duration_s"].value
        assert idle.value == pytest.approx(net, rel=0.02)


def test_repeats_do_not_shrink_the_gain(tmp_path: Path) -> None:
    recipe = Recipe(channels=(GPU,), repetitions=12, factors={"model": ["tiny_a"]})
    power = made(tmp_path, recipe)[0].estimates["power_w"]
    assert power.bias / power.value > 0.03
    assert power.half_width / power.value > 1.96 * 0.03


def test_gain_cancels_from_energy_above_idle_as_far_as_it_is_shared(tmp_path: Path) -> None:
    estimates = made(tmp_path, Recipe(channels=(ESTIMATE,)))[0].estimates
    gross, net = estimates["energy_j"], estimates["above_idle_j"]
    assert gross.bias == pytest.approx(0.3 * gross.value, rel=0.01)
    assert net.bias == pytest.approx(0.3 * net.value, rel=0.05)


def test_idle_that_was_not_measured_is_absent(tmp_path: Path) -> None:
    assert all("above_idle_j" not in c.estimates for c in made(tmp_path, Recipe(idle=False)))


def test_random_weights_carry_no_accuracy(tmp_path: Path) -> None:
    for cell in made(tmp_path, Recipe(random_weights=True)):
        assert not {"accuracy", "per_correct_j"} & set(cell.estimates)


def test_energy_per_correct_answer_takes_ungraded_answers_to_be_right_as_often(
    tmp_path: Path,
) -> None:
    table = make_study(tmp_path)
    for run in table.runs:
        run.score = {"accuracy": 2 / 3, "n_graded": 3, "scorer": "imported"}
    for cell in cells(Evidence(table)):
        per_answer = cell.estimates["energy_j"].value / table.runs[0].work["requests"]
        per_correct = cell.estimates["per_correct_j"]
        assert per_correct.value == pytest.approx(1.5 * per_answer)
        low, high = cell.estimates["accuracy"].low, cell.estimates["accuracy"].high
        assert per_correct.low < per_answer / high * 1.2
        assert per_correct.high > per_answer / low * 0.8


def test_energy_per_correct_answer_holds_the_chance_of_the_items(tmp_path: Path) -> None:
    """The same 6 of 12 in every run is no proof of a half: its chance is 25 to 75 %."""
    table = make_study(tmp_path)
    for run in table.runs:
        run.score = {"accuracy": 0.5, "n_graded": 12, "n_correct": 6, "scorer": "exact"}
    for cell in cells(Evidence(table)):
        per_answer = cell.estimates["energy_j"].value / 12
        per_correct = cell.estimates["per_correct_j"]
        assert per_correct.value == pytest.approx(2 * per_answer, rel=1e-6)
        assert per_correct.low < per_answer / 0.73
        assert per_correct.high > per_answer / 0.27
        assert per_correct.bias == pytest.approx(2 * cell.estimates["energy_j"].bias / 12, rel=0.01)
        assert per_correct.noise > cell.estimates["energy_j"].noise / 6


def test_one_run_has_an_interval_per_correct_answer(tmp_path: Path) -> None:
    for cell in made(tmp_path, Recipe(repetitions=1)):
        per_correct = cell.estimates["per_correct_j"]
        assert per_correct.bounded
        assert per_correct.half_width > 0.2 * per_correct.value


def test_runs_of_two_machines_share_no_gain(tmp_path: Path) -> None:
    recipe = Recipe(channels=(ESTIMATE,), factors={"model": ["tiny_a"]}, repetitions=2)
    table = make_study(tmp_path, recipe)
    alone = cells(Evidence(table))[0].estimates["power_w"]
    table.runs[0].host = "box-2"
    apart = cells(Evidence(table))[0].estimates["power_w"]
    assert alone.bias == pytest.approx(0.3 * alone.value, rel=0.01)
    assert apart.bias == pytest.approx(0.3 * alone.value / 2**0.5, rel=0.02)


def test_repeating_items_adds_no_items(tmp_path: Path) -> None:
    assert {cell.estimates["accuracy"].n for cell in made(tmp_path)} == {12}


def test_nothing_correct_has_no_energy_per_correct_answer(tmp_path: Path) -> None:
    table = make_study(tmp_path)
    for run in table.runs:
        run.score = {"accuracy": 0.0, "n_graded": 12, "n_correct": 0, "scorer": "exact"}
    assert all("per_correct_j" not in cell.estimates for cell in cells(Evidence(table)))


def test_different_scopes_are_not_averaged(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors={"model": ["tiny_a"]}))
    table.runs[0].channels = [CPU]
    assert {cell.scope: cell.runs for cell in cells(Evidence(table))} == {
        "cpu package": 1,
        "gpu board + cpu package": 2,
    }


def test_failed_runs_are_counted_and_left_out(tmp_path: Path) -> None:
    found = made(tmp_path, Recipe(failed=2))
    assert sum(cell.failed for cell in found) == 2
    assert sum(cell.runs for cell in found) == 16


@pytest.mark.parametrize("repetitions", [1, 2, 3])
def test_noise_alone_is_never_wider_than_noise_with_bias(tmp_path: Path, repetitions: int) -> None:
    for cell in made(tmp_path, Recipe(repetitions=repetitions)):
        for name in ("energy_j", "per_token_j", "power_w"):
            estimate = cell.estimates[name]
            assert 0 < estimate.noise_half <= estimate.half_width * (1 + 1e-9)
