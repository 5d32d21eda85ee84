"""Two tables compared: cells matched, ratios found, and what is said of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from two_tables import TASKS, runs, two, write

from joulebench.comparison.compare import compare_studies
from joulebench.comparison.comparison import Comparison
from joulebench.errors import UsageError
from joulebench.stats import log_ratio, paired_ratio


def compared(folder: Path, a: list[dict], b: list[dict], **words: object) -> Comparison:  # type: ignore[type-arg]
    return compare_studies(*two(folder, a, b), **words)  # type: ignore[arg-type]


def test_the_true_ratio_is_recovered_and_said(tmp_path: Path) -> None:
    found = compared(tmp_path, runs(), runs(0.85, seed=2), response=["energy_j"])
    (energy,) = found.responses
    low, high = energy.these.ends()
    assert low < math.log(0.85) < high
    assert len(energy.cells) == 12
    verdict = found.verdicts["energy_j"]
    assert verdict.sure == "sure"
    assert verdict.sentence.startswith("B uses 14.9 % less energy per run than A (")
    assert "12 cells, 48 runs each, unpaired" in verdict.sentence
    assert "neither source states what its sensors add" in verdict.sentence
    assert not found.wrong


def test_the_interval_of_these_cells_is_that_of_the_statistics(tmp_path: Path) -> None:
    a, b = runs(), runs(0.9, seed=2)
    (energy,) = compared(tmp_path, a, b, response=["energy_j"]).responses
    cells = [(m, t) for m in ("large", "small") for t in TASKS]
    groups = [
        [
            np.array([r["energy_j"] for r in rows if (r["model"], r["task"]) == cell])
            for cell in cells
        ]
        for rows in (b, a)
    ]
    expected = log_ratio(*groups)
    assert energy.these.value == pytest.approx(math.log(expected.value), rel=1e-10)
    assert energy.these.ends() == pytest.approx([math.log(expected.low), math.log(expected.high)])
    means = [[float(np.exp(np.log(g).mean())) for g in side] for side in groups]
    pairs = paired_ratio(*means)
    assert energy.others is not None
    assert energy.others.ends() == pytest.approx(
        [math.log(pairs.low), math.log(pairs.high)], rel=0.5
    )
    assert energy.others.value == pytest.approx(math.log(pairs.value))


def test_others_are_known_less_well_than_these(tmp_path: Path) -> None:
    a, b = runs(unlike=0.1), runs(0.9, seed=2, unlike=0.1)
    (energy,) = compared(tmp_path, a, b, response=["energy_j"]).responses
    assert energy.others is not None
    (low, high), (first, last) = energy.these.ends(), energy.others.ends()
    assert last - first > 3 * (high - low)
    assert energy.variation is not None
    assert energy.variation.overall.p < 0.001


def test_cells_that_agree_by_chance_do_not_make_others_sure(tmp_path: Path) -> None:
    a = [{"task": t, "energy_j": e} for t in ("x", "y") for e in (90.0, 100.0, 110.0)]
    b = [{"task": t, "energy_j": e} for t in ("x", "y") for e in (91.0, 101.0, 111.0)]
    (energy,) = compared(tmp_path, a, b).responses
    assert energy.others is not None
    assert energy.others.ends()[0] < 0 < energy.others.ends()[1]


def test_the_factor_that_the_ratio_depends_on_is_found(tmp_path: Path) -> None:
    b = runs(0.9, seed=2)
    for row in b:
        row["energy_j"] *= 1.2 if row["model"] == "large" else 1.0
    (energy,) = compared(tmp_path, runs(), b, response=["energy_j"]).responses
    assert energy.variation is not None
    tests = {each.of: each.p for each in energy.variation.by_factor}
    assert tests["model"] < 1e-4
    assert tests["task"] > 0.05
    levels = {(e.factor, e.level): math.exp(e.effect.value) for e in energy.variation.levels}
    assert levels["model", "large"] == pytest.approx(1.08, rel=0.02)
    assert levels["model", "small"] == pytest.approx(0.9, rel=0.02)


def test_levels_are_matched_however_they_are_spelt(tmp_path: Path) -> None:
    b = [
        {"Task": r["task"].upper(), "size": "2.0", "energy_j": r["energy_j"]} for r in runs(seed=2)
    ]
    a = [r | {"size": "2"} for r in runs(models=("small",))]
    found = compared(tmp_path, a, b, response=["energy_j"])
    assert found.matching.factors == ("task",)
    assert len(found.matching.cells) == 6
    assert not found.matching.differs


def test_cells_of_one_side_are_listed(tmp_path: Path) -> None:
    found = compared(tmp_path, runs(tasks=TASKS[:4]), runs(tasks=TASKS[2:], seed=2))
    assert [cell.levels for cell in found.matching.cells if cell.levels[0] == "large"] == [
        ("large", "copa"),
        ("large", "rte"),
    ]
    assert found.matching.only_a[:2] == ("large · boolq", "large · cb")
    assert len(found.matching.only_b) == 4


def test_a_factor_of_one_side_is_averaged_and_said(tmp_path: Path) -> None:
    b = [r | {"batch": n, "energy_j": r["energy_j"] * n} for n in (1, 8) for r in runs(seed=2)]
    found = compared(tmp_path, runs(), b, response=["energy_j"])
    assert "averaged over batch (B: 1, 8; A has no such column)" in found.notes
    narrowed = compared(tmp_path, runs(), runs(seed=2), match_by=["task"], response=["energy_j"])
    assert narrowed.matching.factors == ("task",)
    assert any(n.startswith("averaged over model (A: large, small; B:") for n in narrowed.notes)


def test_what_is_compared_is_no_factor(tmp_path: Path) -> None:
    a, b = runs(precision="bf16"), runs(0.8, seed=2, precision="int8")
    found = compared(tmp_path, a, b)
    assert found.matching.differs == {"precision": ("bf16", "int8")}
    assert found.matching.factors == ("model", "task")


def test_levels_that_correspond_can_be_named(tmp_path: Path) -> None:
    a, b = runs(models=("v1-s", "v1-l")), runs(0.7, seed=2, models=("v2-s", "v2-l"))
    with pytest.raises(
        UsageError, match="no cell stands in both: model is v1-l, v1-s in A and v2-l"
    ):
        compared(tmp_path, a, b)
    found = compared(tmp_path, a, b, map_levels=["v1-s=v2-s", "v1-l=v2-l"])
    assert len(found.matching.cells) == 12
    assert found.responses[0].these.value == pytest.approx(math.log(0.7), abs=0.02)


def test_one_row_each_gives_a_ratio_and_no_claim(tmp_path: Path) -> None:
    found = compared(tmp_path, [{"energy_j": 100.0}], [{"energy_j": 80.0}], margin="5%")
    (energy,) = found.responses
    assert math.exp(energy.these.value) == pytest.approx(0.8)
    assert all(map(math.isnan, energy.these.ends()))
    assert found.verdicts["energy_j"].sure == "cannot be told"
    assert "how runs scatter cannot be told" in str(found)
    assert found.to_dict()["responses"][0]["these_cells"]["ci_low"] is None


def test_one_row_a_cell_is_compared_over_cells(tmp_path: Path) -> None:
    a, b = runs(repetitions=1), runs(0.9, repetitions=1, seed=2)
    (energy,) = (found := compared(tmp_path, a, b, response=["energy_j"])).responses
    assert energy.main is energy.others
    assert found.verdicts["energy_j"].sure == "sure"
    assert "12 cells as pairs" in str(found)


def test_one_side_without_repeats_lends_nothing_from_the_other(tmp_path: Path) -> None:
    a, b = runs(repetitions=1), runs(0.9, seed=2)
    (energy,) = compared(tmp_path, a, b, response=["energy_j"]).responses
    assert not energy.these.told
    mixed = [*runs(), *runs(tasks=("new",), repetitions=1, seed=3)]
    others = runs(0.9, seed=2, tasks=(*TASKS, "new"))
    (energy,) = compared(tmp_path, mixed, others, response=["energy_j"]).responses
    lent = [cell.effect.method for cell in energy.cells if cell.n_a == 1]
    assert lent == ["spread of the other cells"] * 2
    assert energy.these.told


def test_the_same_file_twice_is_said(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", runs())
    found = compare_studies(path, path)
    assert found.wrong
    assert [f.rule for f in found.all_findings] == ["same-runs"]
    assert str(found).startswith("A and B are the same runs, so that nothing follows from")


def test_runs_that_stand_in_both_are_said(tmp_path: Path) -> None:
    a = runs()
    found = compared(tmp_path, a, [*a[:24], *runs(0.9, seed=2)[24:]])
    assert [(f.rule, f.severity) for f in found.findings] == [("same-runs", "warning")]
    coarse = [{"task": t, "energy_j": e} for t in "xy" for e in (1, 2, 1, 2)]
    assert not compared(tmp_path, coarse, coarse).findings


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            {"response": ["enrgy_j"]},
            "--response, in A: 'enrgy_j' is not known: did you mean 'energy_j'",
        ),
        ({"match_by": ["tsk"]}, "--match 'tsk' is not known: did you mean 'task'"),
        ({"map_levels": ["bolq=x"]}, "--map: level of A 'bolq' is not known: did you mean 'boolq'"),
        ({"map_levels": ["boolq"]}, "--map boolq: write LEVEL_OF_A=LEVEL_OF_B"),
        ({"map_levels": ["boolq=small"]}, "levels of different factors"),
        ({"margin": "five"}, "--margin five: write a share such as 5%"),
        ({"margin": "5"}, "such as 5%, above 0 and below 100 %"),
        ({"response": ["accuracy"]}, "--response, in A: 'accuracy' is not known"),
    ],
)
def test_misspelt_names_are_refused_in_one_line(
    tmp_path: Path, words: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError) as refused:
        compared(tmp_path, runs(), runs(seed=2), **words)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_nothing_in_common_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no response in common: A has energy_j, B has duration_s"):
        compared(tmp_path, [{"energy_j": 1.0}], [{"duration_s": 2.0}])
    zero = [{"task": t, "energy_j": 0.0} for t in "xyxy"]
    with pytest.raises(UsageError, match="energy_j: no cell has a value above 0 on both sides"):
        compared(tmp_path, zero, [r | {"energy_j": 1.0} for r in zero])


def test_energies_of_different_scope_are_an_error(tmp_path: Path) -> None:
    a = runs(method="measured", scope="gpu board")
    found = compared(tmp_path, a, runs(seed=2, method="simulated", scope="wall"))
    rules = {f.rule: f.severity for f in found.responses[0].findings}
    assert rules == {"methods-differ": "error", "scopes-differ": "error"}
    assert found.wrong
    assert "gpu board in A, wall in B" in str(found)
    silent = compared(tmp_path, a, runs(seed=2)).responses[0]
    assert {f.severity for f in silent.findings} == {"warning"}


def test_columns_of_different_meaning_are_pointed_at(tmp_path: Path) -> None:
    b = [
        {"task": r["task"], "model": r["model"], "total_joules": r["energy_j"]}
        for r in runs(seed=2)
    ]
    found = compared(tmp_path, runs(), b, response=["energy_j"])
    assert [f.rule for f in found.all_findings] == ["columns-differ"]


def test_an_error_of_the_audit_is_said(tmp_path: Path) -> None:
    b = [r | {"cpu_energy_j": r["energy_j"] * 0.2 + i, "gpu_energy_j": r["energy_j"] * 0.7 - i / 3}
         for i, r in enumerate(runs(seed=2))]  # fmt: skip
    b = [r | {"energy_j": 2 * r["cpu_energy_j"] + r["gpu_energy_j"]} for r in b]
    found = compared(tmp_path, runs(), b, response=["energy_j"])
    assert found.wrong
    assert "audit-errors" in {f.rule for f in found.all_findings}


def test_every_figure_stands_in_the_frame(tmp_path: Path) -> None:
    found = compared(tmp_path, runs(), runs(0.9, seed=2), response=["energy_j", "duration_s"])
    frame = found.frame()
    assert frame["level"].value_counts().to_dict() == {
        "cell": 24, "task": 12, "model": 4, "these cells": 2, "other cells": 2,
    }  # fmt: skip
    row = frame[frame["level"] == "these cells"].iloc[0]
    assert row["estimate"] == math.exp(found.responses[0].these.value)


# Accuracy


def graded(rate: float, seed: int, items: int = 200) -> list[dict[str, object]]:
    rng = np.random.default_rng(seed)
    rows = []
    for each in runs(repetitions=2, seed=seed):
        right = int(rng.binomial(items, rate))
        rows.append(each | {"accuracy": right / items, "n_graded": items, "n_correct": right})
    return rows


def test_accuracies_are_compared_by_difference(tmp_path: Path) -> None:
    found = compared(tmp_path, graded(0.7, 1), graded(0.8, 2))
    named = {each.name: each for each in found.responses}
    assert set(named) == {"energy_j", "energy_per_token_j", "energy_per_correct_j", "accuracy"}
    accuracy = named["accuracy"]
    low, high = accuracy.these.ends()
    assert low < 0.1 < high
    assert accuracy.these.n == 12 * 400
    assert "points higher in B than in A" in found.verdicts["accuracy"].sentence


def test_an_accuracy_of_one_cell_has_newcombes_interval(tmp_path: Path) -> None:
    """Newcombe 1998, table II, example (a): 56/70 against 48/80."""
    a = [{"energy_j": 1.0, "accuracy": 48 / 80, "n_graded": 80, "n_correct": 48}]
    b = [{"energy_j": 1.1, "accuracy": 56 / 70, "n_graded": 70, "n_correct": 56}]
    (accuracy,) = compared(tmp_path, a, b, response=["accuracy"]).responses
    assert accuracy.these.ends() == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert accuracy.these.p < 0.05


def test_accuracies_without_counts_are_compared_by_their_scatter(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    a, b = (
        [r | {"accuracy": rng.normal(m, 0.01)} for r in runs(seed=s)]
        for m, s in ((0.7, 1), (0.8, 2))
    )
    (accuracy,) = compared(tmp_path, a, b, response=["accuracy"]).responses
    low, high = accuracy.these.ends()
    assert low < 0.1 < high < 0.12
