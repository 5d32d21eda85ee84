"""Ratios between levels, and the sentence made from them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from synthetic_study import ESTIMATE, Recipe, make_study

from joulebench.report.contrasts import Contrast, contrasts
from joulebench.report.evidence import Evidence
from joulebench.report.headline import headline
from joulebench.stats import Estimate


def made(folder: Path, recipe: Recipe | None = None) -> list[Contrast]:
    return contrasts(Evidence(make_study(folder, recipe)))


def test_the_largest_is_paired_over_blocks_and_holds_the_truth(tmp_path: Path) -> None:
    largest = made(tmp_path)[0]
    assert (largest.factor, largest.more, largest.less) == ("model", "tiny_b", "tiny_a")
    assert largest.ratio.low < 220 / 140 < largest.ratio.high
    assert (largest.ratio.n, largest.paired, largest.holds) == (3, True, True)
    assert largest.basis == "paired over 3 blocks, mean over 3 levels of task"


def test_a_gain_of_thirty_per_cent_cancels(tmp_path: Path) -> None:
    largest = made(tmp_path, Recipe(channels=(ESTIMATE,)))[0]
    assert largest.ratio.half_width / largest.ratio.value < 0.05
    assert largest.method == "estimated"


def test_gains_of_two_machines_do_not_cancel(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(channels=(ESTIMATE,)))
    for run in table.runs:
        run.host = {"tiny_a": "box-1", "tiny_b": "box-2"}[run.levels["model"]]
    largest = contrasts(Evidence(table))[0]
    assert largest.ratio.bias / largest.ratio.value == pytest.approx(0.3 * 2**0.5, rel=0.05)
    assert not largest.holds


def test_a_noise_that_the_scatter_hides_is_in_the_ratio(tmp_path: Path) -> None:
    """Three runs on a coarse sensor may scatter by nothing at all."""
    table = make_study(tmp_path, Recipe(channels=(ESTIMATE,)))
    for run in table.runs:
        joules = {"tiny_a": 400.0, "tiny_b": 600.0}[run.levels["model"]]
        run.energy["cpu:estimate"]["measure"] |= {"joules": joules, "noise": 40.0, "biases": {}}
        run.work["tokens_out"] = 400
    ratio = contrasts(Evidence(table))[0].ratio
    # Three tasks a block, three blocks: 10 % and 6.7 % a run.
    half = 1.959964 * (0.1**2 + (40 / 600) ** 2) ** 0.5 / 3
    assert ratio.high / 1.5 == pytest.approx(math.exp(half))


def test_equal_levels_are_not_said_to_differ(tmp_path: Path) -> None:
    found = made(tmp_path, Recipe(watts={"tiny_a": 150.0, "tiny_b": 150.0}))
    assert not any(contrast.holds for contrast in found)
    said = headline(found, 6, 18)
    assert said.claim.startswith("No difference in energy per output token between levels")


def test_two_repetitions_are_compared_unpaired(tmp_path: Path) -> None:
    largest = made(tmp_path, Recipe(repetitions=2))[0]
    assert not largest.paired
    assert largest.ratio.n == 12
    assert largest.ratio.low < 220 / 140 < largest.ratio.high


def test_one_repetition_cannot_be_compared(tmp_path: Path) -> None:
    found = made(tmp_path, Recipe(repetitions=1))
    assert found == []
    assert "too few repetitions" in str(headline(found, 6, 6))


def test_cells_that_differ_in_two_factors_are_not_compared(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors={"model": ["tiny_a", "tiny_b"]}))
    for run in table.runs:
        run.trial["levels"]["size"] = {"tiny_a": "1B", "tiny_b": "3B"}[run.levels["model"]]
    assert contrasts(Evidence(table)) == []


def test_scopes_that_differ_are_not_compared(tmp_path: Path) -> None:
    table = make_study(tmp_path, Recipe(factors={"model": ["tiny_a", "tiny_b"]}))
    for run in table.runs:
        if run.levels["model"] == "tiny_a":
            run.channels = run.channels[:1]
    assert contrasts(Evidence(table)) == []


def test_an_incomplete_block_is_left_out(tmp_path: Path) -> None:
    largest = made(tmp_path, Recipe(repetitions=4, failed=1))[0]
    assert (largest.paired, largest.ratio.n) == (True, 3)


def contrast(ratio: Estimate, factor: str = "model", holds: bool = True) -> Contrast:
    return Contrast(factor, "b", "a", "energy per output token", ratio, holds, True, 1, {}, (),
                    "simulated", "gpu board")  # fmt: skip


@pytest.mark.parametrize(
    ("ratio", "claim"),
    [
        (Estimate(3.2, 2.9, 3.5, 9), "b uses 3.2 (2.9 to 3.5) times the {} of a"),
        (Estimate(1.23, 1.2, 1.26, 9), "b uses 23 % (20 to 26 %) more {} than a"),
        (Estimate(1.04, 1.032, 1.048, 9), "b uses 4.0 % (3.2 to 4.8 %) more {} than a"),
    ],
)
def test_wording(ratio: Estimate, claim: str) -> None:
    said = headline([contrast(ratio)], 2, 6)
    claim = claim.format("energy per output token")
    assert said.claim == claim
    assert str(said) == f"{claim} (95 % interval, paired over 9 blocks; simulated, gpu board)."


def test_levels_of_other_factors_are_named(tmp_path: Path) -> None:
    said = headline([contrast(Estimate(3.2, 2.9, 3.5, 9), "batch_size")], 2, 6)
    assert said.claim.startswith("batch_size b uses")


def test_nothing_to_compare() -> None:
    assert "nothing to compare" in str(headline([], 1, 3))
    assert "No run" in str(headline([], 0, 0))
