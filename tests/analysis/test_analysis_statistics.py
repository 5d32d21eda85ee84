"""Numbers of R on the published table, one factor at a time, beside those of the analysis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from long_table import LongTable, Of, read_rows
from published_oracles import (
    CLOSED,
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
    kruskal,
    later_minus_earlier,
    levene,
    mixed,
    one_way,
    variances,
    wilcoxon,
)

RQ11 = {scale: Of("RQ1.1", "run", "energy_j", scale) for scale in ("raw", "log")}
RQ12 = {scale: Of("RQ1.2", "run", "energy_j", scale) for scale in ("raw", "log")}
BLOCKED = "units with blocks"


@pytest.mark.parametrize(("key", "scale"), [("energy", "raw"), ("log_energy", "log")])
def test_energy_by_generation(
    long: LongTable, oracle: dict[str, Oracle], key: str, scale: str
) -> None:
    ours = one_way(long, RQ11[scale], "generation", GENERATIONS, oracle["RQ1_1"][key])
    assert agree(ours) > 150


def test_models_in_blocks_of_tasks(long: LongTable, oracle: dict[str, Oracle]) -> None:
    theirs = oracle["RQ1_1"]["blocked"]
    of = RQ11["log"]

    def checks() -> Iterator[Check]:
        for at, term in enumerate(("task", "model")):
            row = long.row(of, BLOCKED, term)
            yield from f_row(row, theirs["anova"], at, CLOSED, term)
            figure = long.figure(of, BLOCKED, term, "sum sq")
            yield f"{term} sum of squares", figure, theirs["anova"]["sum_sq"][at], CLOSED
        for at, (a, b) in enumerate(combinations(MODELS, 2)):
            row = long.row(of, f"{BLOCKED}, Tukey", f"({a}) / ({b})")
            table = theirs["tukey_model"]
            yield f"{a} {b}", math.log(row["effect"]), table["estimate"][at], CLOSED
            yield f"{a} {b} t", row["value"], table["t.ratio"][at], CLOSED
            yield f"Tukey {a} {b}", row["p_adjusted"], table["p.value"][at], CLOSED

    assert agree(checks()) == 38


def test_ranks_in_blocks_of_tasks(long: LongTable, oracle: dict[str, Oracle]) -> None:
    theirs = oracle["RQ1_1"]["friedman"]
    friedman = long.row(RQ11["raw"], "Friedman", "model")
    quade = long.row(RQ11["raw"], "Quade", "model")
    agree(iter([
        ("chi2", friedman["value"], theirs["chi_sq"], CLOSED),
        ("df", friedman["df1"], theirs["df"], CLOSED),
        ("p", friedman["p"], theirs["p"], CLOSED),
        ("W", friedman["effect"], theirs["kendall_W"], CLOSED),
        ("F", quade["value"], theirs["quade_F"], CLOSED),
        ("df1", quade["df1"], theirs["quade_df"][0], CLOSED),
        ("df2", quade["df2"], theirs["quade_df"][1], CLOSED),
        ("Quade p", quade["p"], theirs["quade_p"], CLOSED),
    ]))  # fmt: skip


def test_tasks_as_random_blocks(long: LongTable, oracle: dict[str, Oracle]) -> None:
    theirs, of = oracle["RQ1_1"]["lmm_task_block"], RQ11["log"]
    stem = "mixed model, conditions as random"

    def checks() -> Iterator[Check]:
        for ddf in ("satterthwaite", "kenward-roger"):
            yield from mixed(long, of, stem, theirs, ("generation",), ddf)
        groups = {"task": "task", "Residual": "Residual"}
        yield from variances(long, of, f"{stem}, variances", theirs, groups)
        yield from contrasts(long, of, f"{stem}, satterthwaite", later_minus_earlier(GENERATIONS),
                             theirs["emmeans_consec_BH_satterthwaite"], MIXED)  # fmt: skip

    assert agree(checks()) == 25


def test_energy_and_energy_per_parameter_by_model(
    long: LongTable, oracle: dict[str, Oracle]
) -> None:
    theirs = oracle["RQ1_2"]
    assert agree(one_way(long, RQ12["raw"], "model", MODELS, theirs["oneway_model"])) > 200
    of = Of("RQ1.2", "run", "j_per_b", "raw")
    assert agree(one_way(long, of, "model", MODELS, theirs["oneway_model_j_per_b"])) > 200


def test_models_that_differ_in_one_factor(long: LongTable, oracle: dict[str, Oracle]) -> None:
    theirs = oracle["RQ1_2"]["planned_log_task_blocked"]
    test = f"{BLOCKED}, one factor changed"
    for name, term in (("3.2: 3B-1B", "3.2-3B / 3.2-1B"), ("8B: 3.1-3", "3.1-8B / 3-8B")):
        at = theirs["contrast"].index(name)
        row = long.row(RQ12["log"], test, term)
        # R adjusts three contrasts together, of which the third changes both factors at once.
        p = 2 * _t_tail(theirs["t.ratio"][at], theirs["df"][at])
        agree(iter([
            (f"{name} estimate", math.log(row["effect"]), theirs["estimate"][at], CLOSED),
            (f"{name} t", row["value"], theirs["t.ratio"][at], CLOSED),
            (f"{name} p", row["p"], p, CLOSED),
        ]))  # fmt: skip


def _t_tail(t: float, df: float) -> float:
    from scipy.special import stdtr

    return float(stdtr(df, -abs(t)))


def test_growth_with_size(long: LongTable, oracle: dict[str, Oracle]) -> None:
    theirs = oracle["RQ1_2"]["loglog_size"]
    columns = {"estimate": "Estimate", "t": "t value", "p": "Pr(>|t|)"}
    table = {name: theirs["coef"][column] for name, column in columns.items()}
    table["df"] = [23.0] * len(table["t"])
    of = RQ12["log"]

    def checks() -> Iterator[Check]:
        yield from coefficients(long, of, "power law", table, CLOSED)
        row = long.row(of, "power law", "log(size_b)")
        yield "low", row["ci_low"], theirs["confint"]["2.5 %"][1], CLOSED
        yield "high", row["ci_high"], theirs["confint"]["97.5 %"][1], CLOSED
        share = {"r squared": "r2", "adjusted r squared": "adj_r2"}
        for name, key in share.items():
            yield name, long.figure(of, "power law", "log(size_b)", name), theirs[key], CLOSED

    assert agree(checks()) == 32


def test_generation_and_size_are_aliased_as_r_says(
    analysed: Path, oracle: dict[str, Oracle]
) -> None:
    assert "aliased" in oracle["RQ1_2"]["interaction"]["Anova_type3"]["error"]
    path = analysed / "tables/Statistical_Tests/RQ1.2/RQ1.2_energy_by_model_omnibus.csv"
    rows = read_rows(path)
    (row,) = [r for r in rows if r["test"].startswith("two-way ANOVA") and r["scale"] == "log"]
    assert "aliased: generation (keeps 1 of 3 df), model_size (keeps 1 of 3 df)" in row["note"]
    assert not row["value"]


def test_energy_per_token(long: LongTable, oracle: dict[str, Oracle]) -> None:
    theirs = oracle["RQ3"]["RQ3_1"]
    reps = Of("RQ3.1", "repetition", "energy_per_token_j", "raw")
    runs = Of("RQ3.1", "run", "energy_per_token_j", "raw")

    def checks() -> Iterator[Check]:
        yield from kruskal(long, reps, "generation", GENERATIONS, theirs["kruskal_rep"])
        yield from kruskal(long, runs, "generation", GENERATIONS, theirs["kruskal_run"])
        yield from wilcoxon(long, reps, GENERATIONS, theirs["pairwise_wilcox_rep"])
        yield from wilcoxon(long, runs, GENERATIONS, theirs["pairwise_wilcox_run_exact"])
        for (a, b), delta in zip(pairwise(GENERATIONS), theirs["cliffs"].values(), strict=True):
            row = long.row(reps, "Cliff's delta", f"{a} - {b}")
            yield f"delta {a}", row["effect"], delta["delta"], CLOSED
            low, high = delta["ci_feng_cliff_normal"]
            yield f"delta {a} low", row["ci_low"], low, CLOSED
            yield f"delta {a} high", row["ci_high"], high, CLOSED
        yield from _spearman(long, "RQ3.1", "tokens", theirs["spearman_energy_tokens"],
                             theirs["spearman_p_BH"])  # fmt: skip

    assert agree(checks()) > 100


def _spearman(
    long: LongTable, question: str, other: str, theirs: Oracle, p_bh: list[float]
) -> Iterator[Check]:
    of = Of(question, "repetition", "energy_j", "raw")
    for (generation, one), adjusted in zip(theirs.items(), p_bh, strict=True):
        row = long.row(of, f"Spearman with {other}", f"generation={generation}")
        low, high = one["ci_bonett_wright"]
        yield f"rho {generation}", row["effect"], one["rho"], CLOSED
        yield f"S {generation}", row["value"], one["S"], CLOSED
        yield f"p {generation}", row["p"], one["p_default"], CLOSED
        yield f"BH {generation}", row["p_adjusted"], adjusted, CLOSED
        yield f"low {generation}", row["ci_low"], low, CLOSED
        yield f"high {generation}", row["ci_high"], high, CLOSED
        kendall = long.row(of, f"Kendall with {other}", f"generation={generation}")
        yield f"tau {generation}", kendall["effect"], one["kendall_tau_b"], CLOSED
        yield f"tau {generation} p", kendall["p"], one["kendall_p_asymp"], CLOSED


def _within_runs(
    long: LongTable, question: str, other: str, theirs: list[float]
) -> Iterator[Check]:
    of = Of(question, "repetition", "energy_j", "raw")
    test = f"Spearman with {other} within runs"
    # R's runs are numbered in the order of the factors, tasks within models.
    terms = [f"run={g} · {size} · {task}"
             for g, size in (m.split("-") for m in MODELS) for task in TASKS]  # fmt: skip
    for term, rho in zip(terms, theirs, strict=True):
        yield term, long.row(of, test, term)["effect"], rho, CLOSED


def test_power_and_duration(long: LongTable, oracle: dict[str, Oracle]) -> None:
    theirs = oracle["RQ3"]["RQ3_2"]
    reps = Of("RQ3.2", "repetition", "power_w", "raw")
    runs = Of("RQ3.2", "run", "power_w", "raw")

    def checks() -> Iterator[Check]:
        yield from kruskal(long, reps, "generation", GENERATIONS, theirs["power_kruskal"])
        yield from one_way(long, runs, "generation", GENERATIONS, theirs["power_oneway_run"])
        yield from _spearman(long, "RQ3.2", "duration_s", theirs["spearman_energy_duration"],
                             theirs["p_BH"])  # fmt: skip
        yield from _within_runs(long, "RQ3.2", "duration_s", theirs["within_run_rho"])

    assert agree(checks()) > 200


def test_accuracy(long: LongTable, oracle: dict[str, Oracle]) -> None:
    theirs = oracle["RQ3"]["RQ3_3"]
    reps = Of("RQ3.3", "repetition", "accuracy", "raw")
    runs = Of("RQ3.3", "run", "accuracy", "raw")

    def checks() -> Iterator[Check]:
        yield from kruskal(long, reps, "generation", GENERATIONS, theirs["kruskal_accuracy"])
        yield from kruskal(long, runs, "generation", GENERATIONS, theirs["kruskal_accuracy_run"])
        yield from wilcoxon(long, reps, GENERATIONS, theirs["pairwise_wilcox"])
        yield from levene(long, reps, "generation", theirs["levene"])
        yield from _spearman(long, "RQ3.3", "accuracy", theirs["spearman_energy_accuracy"],
                             theirs["p_BH"])  # fmt: skip
        yield from _within_runs(long, "RQ3.3", "accuracy", theirs["within_run_rho"])

    assert agree(checks()) > 130
