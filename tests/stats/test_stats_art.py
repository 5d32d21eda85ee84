"""The aligned rank transform against alignment written out in R, with lme4, car and emmeans."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from rank_oracles import FOLDER, agree, oracle, published, published_table

from joulebench.stats.art import Art, art
from joulebench.stats.art_align import align
from joulebench.stats.linear_model import lm
from joulebench.stats.refused import Refused

FORMULAS = {
    "three": "y ~ a * b * c",
    "ragged": "y ~ a * b * c",
    "within": "y ~ device * load + (1 | subject)",
    "split": "y ~ method * task + (1 | unit)",
    "one": "y ~ g",
}
CONTRASTS = {
    ("three", "ab"): ("a:b", "pairwise", "BH"),
    ("three", "bc_holm"): ("b:c", "consecutive", "holm"),
    ("three", "b_tukey"): ("b", "pairwise", "tukey"),
    ("three", "abc"): ("a:b:c", "pairwise", "none"),
    ("ragged", "ab"): ("a:b", "pairwise", "BH"),
    ("ragged", "a"): ("a", "pairwise", "BH"),
    ("within", "device"): ("device", "pairwise", "BH"),
    ("within", "cells"): ("device:load", "pairwise", "BH"),
    ("split", "method"): ("method", "pairwise", "BH"),
    ("split", "cells"): ("method:task", "pairwise", "BH"),
    ("one", "g"): ("g", "pairwise", "BH"),
}


def data_of(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / "data" / f"art_{name}.csv", skipinitialspace=True)


@cache
def fitted(name: str) -> Art:
    return art(FORMULAS[name], data_of(name))


def tolerance(name: str) -> float:
    """Closed forms to rounding, mixed models to the noise of R's optimiser."""
    return 1e-5 if "|" in FORMULAS[name] else 1e-11


@pytest.mark.parametrize("name", FORMULAS)
def test_ranks_and_f_of_every_term(name: str) -> None:
    expected, model = oracle("art")[name]["anova"], fitted(name)
    table = model.anova().set_index("term")
    assert set(table.index) == set(expected)
    for one in model.terms:
        case, row = expected[one.name], table.loc[one.name]
        agree(one.ranks, case["ranks"])
        found = [row["value"], row["df1"], row["df2"], row["p"]]
        agree(found, [case["F"], case["df1"], case["df2"], case["p"]], rel=tolerance(name))


@pytest.mark.parametrize(("name", "key"), CONTRASTS)
def test_contrasts_of_levels_and_cells(name: str, key: str) -> None:
    term, kind, adjust = CONTRASTS[name, key]
    case, table = oracle("art")[name][key], fitted(name).contrasts(term, kind, adjust)
    assert table["contrast"].tolist() == np.atleast_1d(case["contrast"]).tolist()
    assert (table["term"] == term).all()
    pairs = {"estimate": "estimate", "se": "se", "df1": "df", "value": "t", "p_adjusted": "p"}
    for ours, theirs in pairs.items():
        agree(table[ours], case[theirs], rel=tolerance(name), atol=1e-8)


@pytest.mark.parametrize("name", ["three", "ragged"])
def test_diagnostics_see_what_alignment_leaves(name: str) -> None:
    table, expected = fitted(name).diagnostics().set_index("term"), oracle("art")[name]["anova"]
    for term, case in expected.items():
        assert abs(float(table.loc[term, "column_sum"])) < 1e-12
        agree(table.loc[term, "largest_other"], case["largest_other"], rel=1e-9, atol=1e-20)
    uneven = table["largest_other"] > 0.01
    assert uneven.any() == (name == "ragged")
    assert (table["note"] != "").tolist() == uneven.tolist()
    notes = fitted(name).anova()["note"]
    assert notes.str.startswith("cells hold unequal").all() == (name == "ragged")


def test_an_aligned_response_holds_one_effect() -> None:
    model = fitted("within")
    frame = model.design.frame
    for one in model.terms:
        for other in (("device",), ("load",)):
            means = pd.Series(one.values).groupby([frame[name] for name in other]).mean()
            spread = float(np.ptp(means.to_numpy()))
            assert (spread > 1e-9) == (one.term == other)


@pytest.mark.parametrize("scale", [1e9, 1e-9, 1e140, 1e-200])
def test_the_unit_does_not_matter(scale: float) -> None:
    # ARTool's rounding to 8 decimals would tie everything at 1e-9.
    data = data_of("three")
    moved = art(FORMULAS["three"], data.assign(y=data["y"] * scale))
    for one, other in zip(fitted("three").terms, moved.terms, strict=True):
        assert (one.ranks == other.ranks).all()


def test_rounding_noise_of_means_breaks_no_ties() -> None:
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"a": np.repeat(["x", "y", "z"], 7), "b": list("pqrstuv") * 3})
    frame = frame.astype("category")
    response = rng.integers(0, 3, 21) / 10 + 0.7
    residual = align(response, frame, ("a",))[0].ranks
    exact = align(np.rint(response * 10), frame, ("a",))[0].ranks
    assert (residual == exact).all()


def test_numbers_on_the_right_are_factors() -> None:
    data = data_of("within")
    assert fitted("within").design.frame["load"].cat.categories.tolist() == ["1", "2", "10"]
    texts = data.assign(load=pd.Categorical(data["load"].astype(str), ["1", "2", "10"]))
    agree(
        art(FORMULAS["within"], texts).anova()["value"], fitted("within").anova()["value"].tolist()
    )


def test_balanced_repetitions_are_judged_by_their_means() -> None:
    rng = np.random.default_rng(6)
    runs = pd.DataFrame({"run": np.repeat(range(12), 5), "g": np.repeat(list("abc"), 20)})
    runs["y"] = rng.normal(size=60) + rng.normal(size=12)[runs["run"]]
    model = art("y ~ g + (1 | run)", runs)
    ranked = runs.assign(y=model.terms[0].ranks)
    means = ranked.groupby(["run", "g"], as_index=False).agg({"y": "mean"})
    expected = lm("y ~ g", means).anova().iloc[0]
    agree(model.anova()["value"], [expected["value"]], rel=1e-9)
    agree(model.anova()["df2"], [9.0], rel=1e-9)


def test_other_degrees_of_freedom_may_be_asked_for() -> None:
    table = fitted("split").anova(ddf="satterthwaite")
    assert (table["test"] == "aligned rank transform, mixed, satterthwaite").all()
    asymptotic = fitted("split").anova(ddf="asymptotic")
    assert np.isinf(asymptotic["df2"]).all()


def design(**columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = [(a, b, rng.normal()) for a in "xy" for b in "pqr" for _ in range(3)]
    return pd.DataFrame(rows, columns=["a", "b", "y"]).assign(**columns)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y ~ a + b", "lacks some: write a \\* b"),
        ("y ~ a * b - 1", "lacks some"),
        ("y ~ log(a) * b", "take factors by their names"),
        ("y ~ 1", "names no factor"),
        ("y ~ a * q", "no column 'q'"),
        ("flat ~ a * b", "flat is 1 in all 18 rows"),
        ("y ~ a * one", "factor 'one' has one level"),
        ("y ~ a * b * k", "each cell of a x b x k holds one row"),
        ("y ~ a * b + (1 | q)", "no column 'q'"),
    ],
)
def test_refuses_what_is_no_full_factorial(formula: str, said: str) -> None:
    data = design(flat=1.0, one="z", k=list("123") * 6)
    with pytest.raises(Refused, match=said):
        art(formula, data)


def test_refuses_empty_cells_and_says_what_to_do() -> None:
    data = design()
    with pytest.raises(Refused, match=r"1 of 6 cells of a x b hold no row \(the first: y:q\)"):
        art("y ~ a * b", data[(data["a"] == "x") | (data["b"] != "q")])


@pytest.mark.parametrize("term", ["q", "", "a:a", "a:q", None])
def test_refuses_contrasts_of_what_is_not_there(term: Any) -> None:
    with pytest.raises(Refused, match="name some of a, b, c"):
        fitted("three").contrasts(term)


def test_energy_of_the_published_study() -> None:
    found = published("ART")["RQ2_energy"]
    model = art("energy_j ~ generation * task + (1 | run)", published_table())
    table = model.anova().set_index("term")
    for term, case in found["table"].items():
        row = table.loc[term.replace("gen", "generation")]
        agree(row["value"], case["F"], rel=1e-6)
        agree([row["df1"], row["df2"]], [case["Df"], case["Df_res"]], rel=1e-9)
        agree(row["p"], case["p"], rel=1e-6)
    contrasts, case = model.contrasts("generation"), found["consec"]["gen"]
    agree(contrasts["estimate"], case["estimate"], rel=1e-9)
    agree(contrasts["se"], case["SE"], rel=1e-6)
    agree(contrasts["p_adjusted"], case["p.value"], rel=1e-6)


@pytest.mark.parametrize(
    ("key", "response"),
    [
        ("RQ3_1_energy_per_token", "energy_per_token"),
        ("RQ3_2_power", "power_w"),
        ("RQ3_3_accuracy", "accuracy"),
    ],
)
def test_one_factor_of_the_published_study(key: str, response: str) -> None:
    case = published("ART")[key]["table"]["gen"]
    row = art(f"{response} ~ generation + (1 | run)", published_table()).anova().iloc[0]
    agree([row["value"], row["df2"]], [case["F"], case["Df_res"]], rel=1e-5)
    # A p of 1e-14 moves by 13 times as much as its F.
    agree(row["p"], case["p"], rel=1e-4)


def test_cells_of_the_published_study() -> None:
    case = published("ART")["RQ2_artc_cell_pairs"]
    model = art("energy_j ~ generation * task + (1 | run)", published_table())
    table = model.contrasts("generation:task")
    found = {
        frozenset(row["contrast"].replace(":", ",").split(" - ")): row
        for row in table.to_dict("records")
    }
    assert len(found) == len(case["contrast"]) == 276
    for place, contrast in enumerate(case["contrast"]):
        row = found[frozenset(contrast.split(" - "))]
        agree(abs(row["estimate"]), abs(case["estimate"][place]), rel=1e-6, atol=1e-8)
        agree([row["se"], row["df1"]], [case["SE"][place], case["df"][place]], rel=1e-5)
        agree(row["p_adjusted"], case["p.value"][place], rel=1e-5)
