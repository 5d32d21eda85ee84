"""Mixed models, models by task and aligned ranks of the published table, beside R's."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from long_table import LongTable, Of, read_rows
from published_oracles import (
    CLOSED,
    FLAT,
    GENERATIONS,
    MIXED,
    MODELS,
    TASKS,
    Check,
    Oracle,
    agree,
    coefficients,
    contrasts,
    f_row,
    in_tasks,
    later_minus_earlier,
    means,
    mixed,
    variances,
)

TERMS = ("generation", "task", "generation:task")
RQ2 = {scale: Of("RQ2", "repetition", "energy_j", scale) for scale in ("raw", "log")}
HERE = "units by blocks, repetitions as residual"


@pytest.mark.parametrize("ddf", ["satterthwaite", "kenward-roger"])
def test_mixed_model_of_generation_and_task(
    long: LongTable, oracle: dict[str, Oracle], ddf: str
) -> None:
    theirs, of, test = oracle["RQ2"]["published_like"], RQ2["log"], f"mixed model, {ddf}"
    key = ddf.replace("-", "_")
    steps = later_minus_earlier(GENERATIONS)
    ratios = [f"{b} / {a}" for a, b in pairwise(GENERATIONS)]

    def checks() -> Iterator[Check]:
        yield from mixed(long, of, "mixed model", theirs, TERMS, ddf)
        yield from coefficients(long, of, f"{test}, coefficients", theirs[f"fixed_{key}"], MIXED)
        for name, families in (("in each task", "within_task"), ("all of them", "all_tasks")):
            yield from contrasts(long, of, f"{test}, {name}", in_tasks(lambda _: steps),
                                 theirs[f"consec_BH_{families}_{ddf}"], MIXED)  # fmt: skip
        over = theirs[f"gen_consec_BH_{ddf}"]
        yield from contrasts(long, of, f"{test}, over task", steps, over, MIXED)
        for name, terms, table in (
            ("ratios", in_tasks(lambda _: ratios), theirs[f"ratio_consec_BH_{ddf}"]),
            ("ratios over task", ratios, theirs[f"gen_ratio_consec_BH_{ddf}"]),
        ):
            yield from contrasts(long, of, f"{test}, {name}", terms, table, MIXED)
            for at, term in enumerate(terms):
                row = long.row(of, f"{test}, {name}", term)
                # Intervals of R are Bonferroni's over the family, as ours.
                yield f"{term} low", row["ci_low"], table["lower.CL"][at], FLAT
                yield f"{term} high", row["ci_high"], table["upper.CL"][at], FLAT
        inside = [f"generation={g}; task={t}" for t in TASKS for g in GENERATIONS]
        yield from means(long, of, f"{test}, marginal means in each task", inside,
                         theirs[f"emmeans_gen_within_task_{ddf}"], MIXED)  # fmt: skip
        single = [f"generation={g}" for g in GENERATIONS]
        table = theirs[f"emmeans_gen_{ddf}"]
        yield from means(long, of, f"{test}, marginal means", single, table, MIXED)

    assert agree(checks()) > 500


def test_variances_and_shares_of_the_mixed_model(
    long: LongTable, oracle: dict[str, Oracle]
) -> None:
    theirs, of = oracle["RQ2"]["published_like"], RQ2["log"]

    def checks() -> Iterator[Check]:
        groups = {"run": "run", "Residual": "Residual"}
        yield from variances(long, of, "mixed model, variances", theirs, groups)
        icc = long.row(of, "mixed model, ICC", "run")
        yield "ICC", icc["effect"], theirs["ICC_share"]["run"], MIXED
        for name in ("marginal", "conditional"):
            share = long.row(of, "mixed model, R squared", name)["effect"]
            yield f"R2 {name}", share, theirs["r2_nakagawa"][f"R2_{name}"], MIXED

    assert agree(checks()) == 5


def test_mixed_model_on_the_raw_scale(long: LongTable, oracle: dict[str, Oracle]) -> None:
    theirs, of = oracle["RQ2"]["raw_energy"], RQ2["raw"]

    def checks() -> Iterator[Check]:
        for ddf in ("satterthwaite", "kenward-roger"):
            yield from mixed(long, of, "mixed model", theirs, TERMS, ddf)
            test = f"mixed model, {ddf}, coefficients"
            key = f"fixed_{ddf.replace('-', '_')}"
            yield from coefficients(long, of, test, theirs[key], MIXED)
        groups = {"run": "run", "Residual": "Residual"}
        yield from variances(long, of, "mixed model, variances", theirs, groups)

    assert agree(checks()) > 200


def test_the_models_beside_it(long: LongTable, oracle: dict[str, Oracle]) -> None:
    theirs, of = oracle["RQ2"], RQ2["log"]
    random = "mixed model, units as random"

    def checks() -> Iterator[Check]:
        with_rounds = "mixed model with repetitions"
        yield from mixed(long, of, with_rounds, theirs["plus_repetition"], TERMS, "satterthwaite")
        yield from mixed(long, of, "mixed model without interaction", theirs["size_covariate"],
                         TERMS[:2], "satterthwaite")  # fmt: skip
        for ddf in ("satterthwaite", "kenward-roger"):
            yield from mixed(long, of, random, theirs["model_random"], TERMS[:2], ddf, flat=True)
        groups = {"modelf": "model", "modelf:task": "model:task", "Residual": "Residual"}
        yield from variances(long, of, f"{random}, variances", theirs["model_random"], groups,
                             flat=True)  # fmt: skip

    assert agree(checks()) == 39


def test_models_as_random_give_the_exact_f_where_r_stops_early(
    long: LongTable, oracle: dict[str, Oracle]
) -> None:
    """Balanced, F of the mixed model is that of the models' means, to more digits than R has."""
    row = long.row(RQ2["log"], "mixed model, units as random, kenward-roger", "generation")
    reps = long.row(RQ2["log"], HERE, "model")
    theirs = oracle["RQ2"]["fixed_model_x_task"]["emmeans"]
    cells = list(zip(theirs["modelf"], theirs["emmean"], strict=True))
    of_model = {m: np.mean([mean for name, mean in cells if name == m]) for m in MODELS}
    groups = [[of_model[m] for m in MODELS if m.split("-")[0] == g] for g in GENERATIONS]
    grand = np.mean(list(of_model.values()))
    between = sum(len(g) * (np.mean(g) - grand) ** 2 for g in groups) / 3
    within = sum(np.sum((np.array(g) - np.mean(g)) ** 2) for g in groups)
    assert row["value"] == pytest.approx(between / within, rel=1e-7)
    assert (row["df1"], row["df2"]) == pytest.approx((3, 1), rel=1e-6)
    assert reps["n"] == 900


def test_a_singular_fit_says_so_wherever_its_numbers_stand(
    long: LongTable, analysed: Path, oracle: dict[str, Oracle]
) -> None:
    assert oracle["RQ2"]["plus_repetition"]["singular"]
    test = "mixed model with repetitions, satterthwaite"
    row = long.row(RQ2["log"], test, "generation")
    here = {name: row[name] for name in ("question", "scale", "test", "term")}
    told = [r["statistic"] for r in long.rows if here.items() <= r.items()]
    assert any("note: singular fit: the variance of repetition is 0" in name for name in told)
    rows = read_rows(analysed / "tables/Statistical_Tests/RQ2/RQ2_omnibus.csv")
    named = [r for r in rows if r["test"].startswith("mixed model with repetitions")]
    assert named
    assert all("singular fit" in r["note"] for r in named if r["scale"] == "log")


def test_two_way_on_run_means_of_logarithms(long: LongTable, oracle: dict[str, Oracle]) -> None:
    """The mixed model of balanced repetitions is the two-way analysis of the runs' means."""
    theirs = oracle["RQ2"]["runmean_two_way"]["Anova_type3"]
    names = theirs["_row"]
    for term, name in zip(TERMS, ("gen", "task", "gen:task"), strict=True):
        row = long.row(RQ2["log"], "mixed model, satterthwaite", term)
        at = names.index(name)
        agree(iter([
            (term, row["value"], theirs["F value"][at], 1e-7),
            (f"{term} p", row["p"], theirs["Pr(>F)"][at], 1e-7),
        ]))  # fmt: skip


def test_models_by_task_with_repetitions_as_residual(
    long: LongTable, oracle: dict[str, Oracle]
) -> None:
    theirs, of = oracle["RQ2"]["fixed_model_x_task"], RQ2["log"]
    table, steps = theirs["anova"], theirs["consec_BH_response"]

    def checks() -> Iterator[Check]:
        # R's table has the model first; of balanced cells the order changes nothing.
        for at, term in enumerate(("model", "task", "model:task")):
            row = long.row(of, HERE, term)
            yield from f_row(row, table, at, CLOSED, term)
            squares = long.figure(of, HERE, term, "sum sq")
            yield f"{term} sum of squares", squares, table["sum_sq"][at], CLOSED
            share = theirs["eta_sq_partial"]["Eta2_partial"][at]
            yield f"{term} partial eta squared", row["effect"], share, CLOSED
        sigma = math.sqrt(long.figure(of, HERE, "Residuals", "mean sq"))
        yield "sigma", sigma, theirs["sigma"], CLOSED
        for at in range(len(steps["contrast"])):
            task = steps["task"][at]
            row = long.row(of, HERE, f"{steps['contrast'][at]} | task={task}")
            yield f"{task} ratio", row["effect"], steps["ratio"][at], CLOSED
            yield f"{task} t", row["value"], steps["t.ratio"][at], CLOSED
            yield f"{task} p", row["p_adjusted"], steps["p.value"][at], CLOSED
            yield f"{task} low", row["ci_low"], steps["lower.CL"][at], CLOSED
            yield f"{task} high", row["ci_high"], steps["upper.CL"][at], CLOSED
        for at, mean in enumerate(theirs["emmeans"]["emmean"]):
            model, task = theirs["emmeans"]["modelf"][at], theirs["emmeans"]["task"][at]
            row = long.row(of, f"{HERE}, marginal means", f"model={model}; task={task}")
            yield f"mean of {model} in {task}", math.log(row["value"]), mean, CLOSED

    assert agree(checks()) > 150


ALIGNED = {
    "RQ2_energy": Of("RQ2", "repetition", "energy_j", "raw"),
    "RQ3_1_energy_per_token": Of("RQ3.1", "repetition", "energy_per_token_j", "raw"),
    "RQ3_2_power": Of("RQ3.2", "repetition", "power_w", "raw"),
    "RQ3_3_accuracy": Of("RQ3.3", "repetition", "accuracy", "raw"),
}


@pytest.mark.parametrize("key", ALIGNED)
def test_aligned_ranks(long: LongTable, oracle: dict[str, Oracle], key: str) -> None:
    theirs, of = oracle["ART"][key], ALIGNED[key]
    names = {"gen": "generation", "task": "task", "gen:task": "generation:task"}

    def checks() -> Iterator[Check]:
        for term, one in theirs["table"].items():
            row = long.row(of, "aligned rank transform", names[term])
            for name, field in (("value", "F"), ("df1", "Df"), ("df2", "Df_res"), ("p", "p")):
                yield f"{term} {field}", row[name], one[field], MIXED
        table = theirs["consec"]["gen"]
        pairs = [f"generation | {a} - {b}" for a, b in combinations(GENERATIONS, 2)]
        yield from contrasts(long, of, "aligned rank contrasts", pairs, table, MIXED)

    assert agree(checks()) >= 34


def test_aligned_rank_contrasts_of_cells(long: LongTable, oracle: dict[str, Oracle]) -> None:
    theirs = oracle["ART"]["RQ2_artc_cell_pairs"]
    of, test = ALIGNED["RQ2_energy"], "aligned rank contrasts of cells"

    def checks() -> Iterator[Check]:
        for at, name in enumerate(theirs["contrast"]):
            first, second = (side.strip().replace(",", ":") for side in name.split(" - "))
            term, sign = f"generation:task | {first} - {second}", 1.0
            if term not in known:
                term, sign = f"generation:task | {second} - {first}", -1.0
            row = long.row(of, test, term)
            yield f"{name} estimate", sign * row["effect"], theirs["estimate"][at], MIXED
            yield f"{name} t", sign * row["value"], theirs["t.ratio"][at], MIXED
            yield f"{name} BH", row["p_adjusted"], theirs["p.value"][at], MIXED

    known = set(long.terms(of, test))
    assert len(known) == 276
    assert agree(checks()) == 3 * 276
