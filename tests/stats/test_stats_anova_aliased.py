"""Terms that the data cannot tell apart, and the model that they carry instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anova_oracles import by_term, data_of, deviation, oracle, published, published_runs, r_table

from joulebench.stats.anova import anova
from joulebench.stats.fitted_instead import fitted_instead
from joulebench.stats.linear_model import lm
from joulebench.stats.lmm_hypotheses import hypotheses
from joulebench.stats.refused import Refused

FIVE = {("2", "7B"), ("3", "8B"), ("3.1", "8B"), ("3.2", "1B"), ("3.2", "3B")}
TASKS = ("BoolQ", "CB", "COPA", "RTE", "WiC", "WSC")


def five_models(repetitions: int = 1) -> pd.DataFrame:
    """Give five of sixteen combinations, each with six tasks."""
    rng = np.random.default_rng(3)
    rows = [
        {
            "generation": g,
            "model_size": s,
            "model": f"{g}-{s}",
            "task": t,
            "y": rng.normal(len(g), 1),
        }
        for g, s in sorted(FIVE)
        for t in TASKS
        for _ in range(repetitions)
    ]
    return pd.DataFrame(rows)


CASES = [
    (name, case) for name in ("gap_in_three", "gap_in_two") for case in oracle()[name]["cases"]
]


@pytest.mark.parametrize(("name", "case"), CASES)
@pytest.mark.parametrize("type_", [1, 2])
def test_what_is_left_of_the_terms_is_tested_as_r_does(
    name: str, case: dict[str, Any], type_: int
) -> None:
    with pytest.raises(Refused, match="is aliased"):
        anova(case["formula"], data_of(name), type_)
    table = anova(case["formula"], data_of(name), type_, aliased="drop")
    ours, theirs = by_term(table), r_table(case[f"type{type_}"])
    columns = ["sum_sq", "df1"]
    assert deviation(ours.loc[theirs.index, columns], theirs[columns]) < 1e-11
    terms = [term for term in theirs.index if term != "Residuals"]
    assert deviation(ours.loc[terms, "p"], theirs.loc[terms, "p"]) < 1e-11
    assert "aliased, tested for what is left" in table["note"][0]


@pytest.mark.parametrize(("name", "case"), CASES)
def test_type_three_has_no_answer_as_in_r(name: str, case: dict[str, Any]) -> None:
    assert case["type3_error"] == "there are aliased coefficients in the model"
    for aliased in ("refuse", "drop"):
        with pytest.raises(Refused, match="aliased"):
            anova(case["formula"], data_of(name), 3, aliased=aliased)


def test_the_refusal_names_terms_cells_and_the_model_instead() -> None:
    with pytest.raises(Refused) as caught:
        anova(
            "log(y2) ~ generation * model_size", five_models().assign(y2=lambda d: np.exp(d["y"]))
        )
    said = str(caught.value)
    assert "generation:model_size (keeps 0 of 9 df)" in said
    assert "model_size (keeps 1 of 3 df)" in said
    assert "5 of 16 cells of generation x model_size hold data" in said
    assert "'log(y2) ~ generation:model_size + task'" in said
    assert "\n" not in said


@pytest.mark.parametrize("formula", ["y ~ generation * model_size", "y ~ generation + model_size"])
def test_five_models_with_task_as_block(formula: str) -> None:
    offer = fitted_instead(formula, five_models())
    assert offer.formula == "y ~ generation:model_size + task"
    assert offer.blocks == ("task",)
    assert offer.reduced == ""
    assert set(offer.cells.filled) == FIVE
    assert len(offer.cells.empty) == 11
    assert list(offer.cells.table()["n"]) == [6 if c in FIVE else 0 for c in offer.cells.counts]
    assert offer.contrasts == {
        "8B: 3.1 - 3": {"3.1:8B": 1.0, "3:8B": -1.0},
        "3.2: 3B - 1B": {"3.2:3B": 1.0, "3.2:1B": -1.0},
    }
    assert "5 of 16" in str(offer)
    assert fitted_instead(f"{formula} + task", five_models()).reduced == ""
    assert by_term(offer.anova()).loc["generation:model_size", "df1"] == 4
    named = anova("y ~ model + task", five_models())
    ours = by_term(offer.anova())
    assert ours.loc["generation:model_size", "sum_sq"] == pytest.approx(
        by_term(named).loc["model", "sum_sq"], rel=1e-12
    )


def test_numbers_that_stand_for_levels_are_offered_as_levels() -> None:
    frame = five_models().assign(generation=lambda d: d["generation"].astype(float))
    with pytest.raises(Refused, match=r"for its levels write C\(generation\)"):
        anova("y ~ generation * model_size", frame)
    offer = fitted_instead("y ~ generation * model_size", frame)
    assert offer.formula == "y ~ C(generation):model_size + task"
    text = fitted_instead("y ~ generation * model_size", five_models())
    ours, theirs = offer.planned_contrasts(), text.planned_contrasts()
    assert list(ours["contrast"]) == list(theirs["contrast"])
    assert deviation(ours["p"], theirs["p"]) < 1e-11


def test_with_repetitions_the_interaction_with_the_block_is_kept() -> None:
    offer = fitted_instead("y ~ generation * model_size * task", five_models(2))
    assert offer.formula == "y ~ generation:model_size + task + generation:model_size:task"
    assert offer.anova()["df1"].tolist() == [5, 4, 20, 30]
    runs = fitted_instead("y ~ generation * model_size * task", five_models())
    assert runs.formula == "y ~ generation:model_size + task"
    with pytest.raises(Refused, match="5 of 16 cells"):
        anova("y ~ generation * model_size * task", five_models())


def test_a_factor_not_seen_in_every_cell_is_no_block() -> None:
    frame = five_models()
    frame = frame[~((frame["model"] == "2-7B") & (frame["task"] == "CB"))]
    assert fitted_instead("y ~ generation * model_size", frame).formula == (
        "y ~ generation:model_size"
    )
    known = fitted_instead("y ~ generation * model_size + task", frame)
    assert known.formula == "y ~ generation:model_size + task"
    assert known.blocks == ()


def test_an_outcome_is_no_block() -> None:
    frame = five_models(3)
    frame["verdict"] = np.where(np.arange(len(frame)) % 7 < 4, "right", "wrong")
    frame["done"], frame["tags"] = True, [["a"]] * len(frame)
    frame.loc[frame.index[::2], "done"] = False
    assert frame.groupby(["model", "verdict"]).ngroups == 10
    assert fitted_instead("y ~ generation * model_size", frame).blocks == ("task",)


def test_a_gap_in_three_factors_leaves_the_model_without_their_product() -> None:
    offer = fitted_instead("y ~ a * b * c + x", data_of("gap_in_three"))
    assert offer.formula == "y ~ a:b:c + x"
    assert offer.reduced == "y ~ a + b + c + x + a:b + a:c + b:c"
    assert by_term(offer.anova()).loc["a:b:c", "df1"] == 22
    assert offer.contrasts["v, t3: r - q"] == {"r:v:t3": 1.0, "q:v:t3": -1.0}
    assert "v, t4: r - q" not in offer.contrasts
    whole = anova(offer.reduced, data_of("gap_in_three"), 3)
    assert len(whole) == 8


def test_a_factor_inside_another() -> None:
    frame = five_models()
    with pytest.raises(Refused, match="each level of model occurs with one level of generation"):
        anova("y ~ generation + model", frame)
    nested = by_term(anova("y ~ generation / model + task", frame))
    assert nested.loc["generation:model", "df1"] == 1
    assert nested.loc["generation", "df1"] == 3
    with pytest.raises(Refused, match="stands for its cells"):
        anova("y ~ generation / model", frame, 3)


def test_a_covariate_that_a_factor_already_says() -> None:
    frame = five_models().assign(size_b=lambda d: d["model_size"].str[0].astype(float))
    with pytest.raises(Refused, match="each level of model has one value of size_b"):
        anova("y ~ model + size_b", frame)
    with pytest.raises(Refused, match="say the same"):
        fitted_instead("y ~ model + size_b", frame)


def test_nothing_is_offered_where_nothing_is_wanting() -> None:
    with pytest.raises(Refused, match="no aliased term"):
        fitted_instead("y ~ model * task", five_models(2))
    few = five_models().groupby("model").head(1)
    with pytest.raises(Refused, match="add repetitions"):
        fitted_instead("y ~ generation * model_size", few)


def test_no_two_cells_that_differ_in_one_factor() -> None:
    frame = pd.DataFrame({"a": list("pqpq"), "b": list("uvuv"), "y": [1.0, 2.0, 3.0, 5.0]})
    offer = fitted_instead("y ~ a * b", frame)
    assert offer.contrasts == {}
    with pytest.raises(Refused, match="no two filled cells"):
        offer.planned_contrasts()


def test_cells_alone_are_a_one_way() -> None:
    frame = five_models()
    for type_ in (1, 2, 3):
        table = by_term(anova("y ~ generation:model_size + task", frame, type_))
        assert table.loc["generation:model_size", "df1"] == 4
        assert (table["note"] == "").all()


def test_a_gap_that_mixed_models_refuse_is_refused_here() -> None:
    model = lm("y ~ generation * model_size", five_models())
    with pytest.raises(Refused):
        hypotheses(model.design, 2)
    with pytest.raises(Refused):
        model.anova()


def test_the_filled_cells_are_compared_as_r_does() -> None:
    found, frame = oracle()["gap_in_two"]["filled"], data_of("gap_in_two")
    offer = fitted_instead("y ~ a * b + c", frame)
    assert offer.formula == "y ~ a:b + c"
    ours, theirs = by_term(offer.anova()), r_table(found["table"])
    assert ours.loc["a:b", "sum_sq"] == pytest.approx(theirs.loc["cell", "sum_sq"], rel=1e-11)
    table = offer.planned_contrasts().set_index("contrast")
    names = ["u: q - p", "u: r - q", "v: q - p", "p: v - u", "q: v - u"]
    pairs = {"estimate": "estimate", "se": "se", "p": "p", "p_adjusted": "BH"}
    for column, name in pairs.items():
        assert deviation(table.loc[names, column], found["contrasts"][name]) < 1e-11


@pytest.mark.parametrize(
    ("part", "key", "formula", "type_"),
    [
        ("interaction", "anova_type1", "energy_j ~ generation * model_size", 1),
        ("interaction", "Anova_type2", "energy_j ~ generation * model_size", 2),
        ("additive", "anova_type1_gen_first", "energy_j ~ generation + model_size", 1),
        ("additive", "anova_type1_size_first", "energy_j ~ model_size + generation", 1),
        ("additive", "Anova_type2", "energy_j ~ generation + model_size", 2),
    ],
)
def test_reduced_tables_of_the_published_study(
    part: str, key: str, formula: str, type_: int
) -> None:
    found = published("RQ1_2")[part][key]
    ours = by_term(anova(formula, published_runs(), type_, aliased="drop"))
    names = {"gen": "generation", "size": "model_size", "gen:size": "generation:model_size"}
    rows = [names.get(row, row) for row in found["_row"]]
    expected = [0.0 if v is None else v for v in found["sum_sq"]]
    assert deviation(ours.loc[rows, "sum_sq"], expected) < 1e-10
    assert list(ours.loc[rows, "df1"]) == found["Df"]
    p = [np.nan if v is None else v for v in found["Pr(>F)"]]
    assert deviation(ours.loc[rows, "p"], p) < 1e-10


@pytest.mark.parametrize(
    ("formula", "key"),
    [
        ("log(energy_j) ~ generation:model_size", ""),
        ("log(energy_j) ~ generation:model_size + task", "x"),
    ],
)
def test_planned_contrasts_of_the_published_study(formula: str, key: str) -> None:
    values = published("RQ1_2")
    found = values["planned_log_task_blocked"] if key else values["planned_log"]["contrasts"]
    offer = fitted_instead("log(energy_j) ~ generation * model_size", published_runs())
    assert offer.formula == "log(energy_j) ~ generation:model_size + task"
    weights: dict[str, dict[str, float]] = {
        "3.2: 3B-1B": offer.contrasts["3.2: 3B - 1B"],
        "8B: 3.1-3": offer.contrasts["8B: 3.1 - 3"],
        "3-8B minus 2-7B": {"3:8B": 1, "2:7B": -1},
    }
    from joulebench.stats.planned_contrasts import planned_contrasts

    ours = planned_contrasts(formula, published_runs(), weights)
    assert list(ours["contrast"]) == found["contrast"]
    pairs = {
        "estimate": "estimate",
        "se": "SE",
        "df1": "df",
        "value": "t.ratio",
        "p_adjusted": "p.value",
    }
    for column, name in pairs.items():
        assert deviation(ours[column], found[name]) < 1e-10
