"""What a design lets anyone claim: empty cells, units, degrees of freedom."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs_table import MODELS, crossed, generations, write

from joulebench.analysis.aliased_cells import aliased_pairs, comparable_levels, joint_factors
from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.cells import cell_counts, joined, run_means
from joulebench.analysis.claims import ClaimSupport, claim_support
from joulebench.analysis.design_facts import DesignFacts, design_facts
from joulebench.analysis.pseudoreplication import clustering
from joulebench.analysis.read import Choices, read_analysis
from joulebench.analysis.saturation import saturation
from joulebench.errors import UsageError


def frame_of(tmp_path: Path, rows: list[dict[str, Any]], *factors: str) -> AnalysisFrame:
    return read_analysis(write(tmp_path / "t.csv", rows), Choices(factors=factors), audit=False)


@pytest.fixture
def llamas(tmp_path: Path) -> AnalysisFrame:
    return frame_of(tmp_path, generations())


# Cells


def test_cells_are_counted_in_the_order_of_the_levels(llamas: AnalysisFrame) -> None:
    counts = cell_counts(llamas, ("generation", "model_size"))
    assert list(counts.counts) == list(MODELS)
    assert (counts.filled, counts.possible, counts.empty) == (5, 16, 11)
    assert counts.balanced
    assert counts.sentence == "generation x model_size: 5 of 16 cells filled, 12 rows each"


def test_uneven_cells_are_not_balanced(tmp_path: Path) -> None:
    found = frame_of(tmp_path, crossed({"a": "xy", "b": "uv"}, 3)[:-1])
    counts = cell_counts(found)
    assert not counts.balanced
    assert counts.sentence == "a x b: 4 of 4 cells filled, 2 to 3 rows each"
    assert not design_facts(found).balanced


def test_an_unknown_factor_is_refused(llamas: AnalysisFrame) -> None:
    for refused in (lambda: cell_counts(llamas, ("taks",)), lambda: saturation(llamas, ("taks",)),
                    lambda: claim_support(llamas, "taks"), lambda: llamas.levels("taks"),
                    lambda: clustering(llamas, "energy_j", "taks")):  # fmt: skip
        with pytest.raises(UsageError, match="did you mean 'task'"):
            refused()
    with pytest.raises(UsageError, match="did you mean 'energy_j'"):
        clustering(llamas, "energ_j", "task")


def test_factors_are_joined_into_the_cells_that_were_run(llamas: AnalysisFrame) -> None:
    models = joined(llamas, ("generation", "model_size"), "-")
    assert models.categories.tolist() == ["2-7B", "3-8B", "3.1-8B", "3.2-1B", "3.2-3B"]
    assert models.ordered


# Aliasing


def test_empty_cells_part_what_can_be_compared(llamas: AnalysisFrame) -> None:
    (pair,) = aliased_pairs(llamas)
    assert (pair.first, pair.second) == ("generation", "model_size")
    assert (pair.lost_main, pair.lost_interaction) == (2, 9)
    assert pair.comparable == {"generation": (("3", "3.1"),), "model_size": (("1B", "3B"),)}
    assert pair.sentence == (
        "generation x model_size has 5 of 16 cells: 2 contrasts of generation cannot be told from "
        "model_size; at one model_size, generation can be compared only for 3 with 3.1; at one "
        "generation, model_size can be compared only for 1B with 3B"
    )
    assert joint_factors(llamas) == [("generation", "model_size"), ("task",)]


def test_a_nested_factor_is_named(tmp_path: Path) -> None:
    rows = [{"site": s, "board": s + b, "rep": r, "energy_j": 5.0 + r}
            for s in "ab" for b in "12" for r in range(3)]  # fmt: skip
    (pair,) = aliased_pairs(frame_of(tmp_path, rows, "site", "board"))
    assert pair.lost_main == 1
    assert pair.nested == "site"
    assert pair.comparable["board"] == (("a1", "a2"), ("b1", "b2"))
    assert "at one board, no two levels of site can be compared" in pair.sentence


def test_a_single_empty_cell_ties_nothing(tmp_path: Path) -> None:
    rows = [r for r in crossed({"a": "xyz", "b": "uv"}, 2) if (r["a"], r["b"]) != ("z", "v")]
    found = frame_of(tmp_path, rows)
    (pair,) = aliased_pairs(found)
    assert (pair.lost_main, pair.lost_interaction) == (0, 1)
    assert pair.sentence == (
        "a x b has 5 of 6 cells: 1 parameter of the interaction cannot be estimated; the main "
        "effects can, if there is no interaction"
    )
    assert joint_factors(found) == [("a",), ("b",)]


def test_levels_are_comparable_through_others() -> None:
    cells = [("a", "1"), ("b", "1"), ("b", "2"), ("c", "2"), ("d", "3")]
    assert comparable_levels(cells) == (("a", "b", "c"),)


# Claims


def _claim(found: AnalysisFrame, factor: str) -> ClaimSupport:
    return design_facts(found).claim(factor)


def test_models_are_the_units_of_a_claim_about_generations(llamas: AnalysisFrame) -> None:
    claim = _claim(llamas, "generation")
    assert (claim.unit, claim.units, claim.levels) == ("model", 5, 4)
    assert (claim.df, claim.df_held, claim.rows_df) == (1, 0, 45)
    assert claim.from_levels == {"3.2": ("1B", "3B")}
    assert claim.aliased_with == ("model_size",)
    assert claim.weak
    assert not claim.saturated
    assert claim.sentence == (
        "generation: that these 5 models differ rests on 45 degrees of freedom; that generation "
        "makes the difference rests on 5 models at 4 levels, 1 degree of freedom, which comes only "
        "from model_size 1B and 3B at generation 3.2; with model_size held, none is left"
    )


def test_a_claim_about_a_crossed_factor_rests_on_rows_and_beyond_them_on_models(
    llamas: AnalysisFrame,
) -> None:
    claim = _claim(llamas, "task")
    assert (claim.unit, claim.df, claim.parts) == ("row", 45, ())
    assert (claim.crossed_units, claim.crossed_df) == (5, 8)
    assert claim.sentence == (
        "task: that its 3 levels differ in these 5 models rests on 45 degrees of freedom; that "
        "they differ in other models too rests on these 5 models, 8 degrees of freedom"
    )


def test_the_same_claim_on_run_means_has_no_rows_left(llamas: AnalysisFrame) -> None:
    claim = claim_support(run_means(llamas), "generation")
    assert (claim.df, claim.rows_df) == (1, 0)


def test_attributes_of_a_model_share_a_unit_even_where_all_cells_are_filled(
    tmp_path: Path,
) -> None:
    rows = crossed({"generation": ["2", "3"], "model_size": ["7B", "13B"]}, 5)
    claim = _claim(frame_of(tmp_path, rows), "generation")
    assert (claim.unit, claim.units, claim.df, claim.df_held) == ("model", 4, 2, 1)
    assert claim.from_levels.keys() == {"2", "3"}


def test_one_model_a_level_leaves_nothing(tmp_path: Path) -> None:
    rows = [row for row in generations() if row["model_size"] != "1B"]
    claim = _claim(frame_of(tmp_path, rows, "generation", "model_size", "task"), "generation")
    assert (claim.df, claim.saturated) == (0, True)
    assert "0 degrees of freedom: nothing is left to judge it by" in claim.sentence


def test_without_repetitions_only_the_interaction_can_stand_for_chance(tmp_path: Path) -> None:
    claim = _claim(frame_of(tmp_path, crossed({"precision": "abc", "batch": "1248"})), "batch")
    assert (claim.df, claim.crossed_df, claim.saturated) == (0, 6, True)
    assert "no cell was repeated" in claim.sentence
    assert claim.sentence.endswith("6 degrees of freedom, if the two do not interact")


def test_one_factor_alone_rests_on_its_rows(tmp_path: Path) -> None:
    rows = [{"precision": p, "rep": r, "energy_j": 5.0 + r} for p in "abc" for r in range(4)]
    claim = _claim(frame_of(tmp_path, rows), "precision")
    assert claim.sentence == "precision: that its 3 levels differ rests on 9 degrees of freedom"


def test_units_may_be_named(llamas: AnalysisFrame) -> None:
    assert claim_support(llamas, "generation", ()).df == 45
    assert claim_support(llamas, "generation", ("model_size", "task")).units == 15


# Models with a random run


def test_a_random_run_beside_the_factors_that_make_it_up(llamas: AnalysisFrame) -> None:
    full = saturation(llamas, llamas.factors)
    assert (full.runs, full.parameters, full.df, full.saturated) == (15, 15, 0, True)
    part = saturation(llamas, ("generation", "task"))
    assert (part.parameters, part.df) == (12, 3)
    assert part.left_out == {"model_size": ("1B", "3B")}
    assert part.at == {"generation": ("3.2",)}
    assert part.sentence == (
        "generation * task + (1 | run) leaves 3 degrees of freedom (12 parameters for 15 runs), "
        "which come from model_size 1B against 3B at generation 3.2: not chance, but the factor "
        "that was left out"
    )


def test_runs_of_the_users_own_leave_real_degrees_of_freedom(tmp_path: Path) -> None:
    rows = [{"gpu": g, "session": f"{g}{s}", "rep": r, "energy_j": 5.0 + r}
            for g in "ab" for s in range(4) for r in range(3)]  # fmt: skip
    path = write(tmp_path / "t.csv", rows)
    found = read_analysis(path, Choices(factors=("gpu",), run="session"), audit=False)
    left = saturation(found, ("gpu",))
    assert (left.runs, left.parameters, left.df, left.left_out) == (8, 2, 6, {})
    assert left.sentence.endswith("6 degrees of freedom (2 parameters for 8 runs)")


# Pseudoreplication


def _planted(tmp_path: Path, between: float, within: float, seed: int = 3) -> AnalysisFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for level in "ab":
        for unit in range(200):
            mean = 100.0 + between * rng.normal()
            rows += [{"level": level, "unit": f"{level}{unit}", "rep": r,
                      "energy_j": mean + within * rng.normal()} for r in range(5)]  # fmt: skip
    path = write(tmp_path / "t.csv", rows)
    return read_analysis(path, Choices(factors=("level",), run="unit"), audit=False)


@pytest.mark.parametrize(("between", "within", "icc"), [(3, 4, 0.36), (0, 4, 0.0), (5, 1, 25 / 26)])
def test_the_likeness_of_repetitions_is_found(
    tmp_path: Path, between: float, within: float, icc: float
) -> None:
    found = clustering(_planted(tmp_path, between, within), "energy_j", "level")
    assert found is not None
    assert found.icc == pytest.approx(icc, abs=0.05)
    assert found.design_effect == pytest.approx(1 + 4 * found.icc)
    assert found.effective_rows == pytest.approx(2000 / found.design_effect)
    assert (found.rows, found.units, found.df) == (2000, 400, 398)


def test_the_likeness_is_that_of_a_nested_analysis_of_variance(tmp_path: Path) -> None:
    values = {"a": [[1.0, 2.0], [4.0, 4.0, 7.0]], "b": [[3.0, 5.0], [9.0], [8.0, 7.0, 9.0, 6.0]]}
    rows = [{"level": level, "unit": f"{level}{k}", "rep": r, "energy_j": y}
            for level, units in values.items() for k, unit in enumerate(units)
            for r, y in enumerate(unit)]  # fmt: skip
    path = write(tmp_path / "t.csv", rows)
    frame = read_analysis(path, Choices(factors=("level",), run="unit"), audit=False)
    found = clustering(frame, "energy_j", "level")
    between = sum(
        len(unit) * (np.mean(unit) - np.mean(np.concatenate(units))) ** 2
        for units in values.values() for unit in units
    ) / 3  # fmt: skip
    within = sum(np.sum((np.array(u) - np.mean(u)) ** 2) for us in values.values() for u in us) / 7
    size = (12 - (4 + 9) / 5 - (4 + 1 + 16) / 7) / 3
    icc = (between - within) / (between + (size - 1) * within)
    assert found is not None
    assert found.icc == pytest.approx(icc, rel=1e-12)
    assert found.design_effect == pytest.approx(1 + (size - 1) * icc, rel=1e-12)


def test_where_the_design_does_not_tell_nothing_is_said(tmp_path: Path) -> None:
    found = frame_of(tmp_path, crossed({"a": "xy", "b": "uv"}))
    assert clustering(found, "energy_j", "a") is None
    one = frame_of(tmp_path, crossed({"a": "xy", "b": "uv"}, 3))
    assert clustering(one, "energy_j", "a", ("b",)) is not None
    same = frame_of(tmp_path, [r | {"energy_j": 5.0} for r in crossed({"a": "xy", "b": "uv"}, 3)])
    assert clustering(same, "energy_j", "a") is None


# All facts


def test_the_facts_of_the_published_design(reference: Path) -> None:
    path = reference / "greenlab" / "run_tables" / "GL_Final_Run_Table_Edited.csv"
    found = read_analysis(path, audit=False)
    facts = design_facts(found)
    assert facts.sentences[0] == (
        "900 rows are 30 runs of 30 repetitions; generation x model_size x task: 30 of 96 cells "
        "filled, 30 rows each"
    )
    assert (facts.claim("generation").df, facts.claim("task").crossed_df) == (1, 20)
    left = {each.factors: each.df for each in facts.saturated}
    assert left["generation", "task"] == 6
    alike = clustering(found, "energy_j", "generation")
    assert alike is not None
    assert 29 < alike.effective_rows < 32


def test_facts_are_json_ready(llamas: AnalysisFrame) -> None:
    facts: DesignFacts = design_facts(llamas)
    assert json.loads(json.dumps(facts.to_dict()))["claims"][0]["df"] == 1
    assert len(facts.sentences) == 8


def test_a_plain_design_warns_of_no_mixed_model(tmp_path: Path) -> None:
    facts = design_facts(frame_of(tmp_path, crossed({"gpu": "xy", "batch": "123"}, 3)))
    assert facts.balanced
    assert not [sentence for sentence in facts.sentences if "(1 | run)" in sentence]
