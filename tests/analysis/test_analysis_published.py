"""The study's own tables, to their three decimals, and the long table against all others."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from long_table import LongTable, Of, read_rows

from joulebench.analysis.read import Choices, read_analysis
from joulebench.stats.art import art
from joulebench.stats.correlation_by import spearman_by

GENERATIONS = ("2", "3", "3.1", "3.2")
STUDY = {"Gen2_7B": "2-7B", "Gen3_8B": "3-8B", "Gen3.1_8B": "3.1-8B", "Gen3.2_1B": "3.2-1B",
         "Gen3.2_3B": "3.2-3B"}  # fmt: skip


@pytest.fixture(scope="module")
def published(reference: Path) -> Path:
    return reference / "greenlab" / "published_tables"


def near(ours: float, theirs: str | float) -> bool:
    """Say whether a number is another one with three decimals."""
    return abs(ours - float(theirs)) <= 0.00051 + 1e-9 * abs(float(theirs))


def _table(published: Path, stage: str, question: str, word: str) -> list[dict[str, str]]:
    (path,) = (published / stage / question).glob(f"*{word}*.csv")
    return read_rows(path)


DESCRIBED = {
    ("RQ1.1", "run", "energy_j"): {"mean_energy": "mean", "median_energy": "median",
                                   "sd_energy": "sd", "min_energy": "min", "max_energy": "max"},
    ("RQ3.1", "repetition", "energy_per_token_j"): {"mean_Ept": "mean", "median_Ept": "median",
                                                    "sd_Ept": "sd", "min_Ept": "min",
                                                    "max_Ept": "max"},
    ("RQ3.3", "repetition", "accuracy"): {"mean_accuracy": "mean", "median_accuracy": "median",
                                          "sd_accuracy": "sd"},
}  # fmt: skip


@pytest.mark.parametrize("key", DESCRIBED, ids=lambda key: key[0])
def test_descriptions_by_generation(
    long: LongTable, published: Path, key: tuple[str, str, str]
) -> None:
    question, level, response = key
    for row in _table(published, "Descriptive_Data_Exploration", question, "Descriptive"):
        of, term = Of(question, level, response, "raw"), f"generation={row['generation']}"
        for theirs, ours in DESCRIBED[key].items():
            figure = long.figure(of, "descriptive", term, ours)
            assert near(figure, row[theirs]), (term, ours)
        count = row.get("n_runs") or row["n_observations"]
        assert long.row(of, "descriptive", term)["n"] == int(count)


def test_descriptions_of_cells_and_models(long: LongTable, published: Path) -> None:
    names = {"mean_E": "mean", "median_E": "median", "sd_E": "sd", "min_E": "min", "max_E": "max"}
    rows = _table(published, "Descriptive_Data_Exploration", "RQ2", "Descriptive")
    of = Of("RQ2", "repetition", "energy_j", "raw")
    for row in rows:
        term = f"generation={row['generation']}; task={row['task']}"
        for theirs, ours in names.items():
            assert near(long.figure(of, "descriptive", term, ours), row[theirs]), term
    assert len(rows) == 24
    of = Of("RQ1.2", "run", "j_per_b", "raw")
    names = {"mean": "mean", "median": "median", "sd": "sd", "min": "min", "max": "max"}
    for row in _table(published, "Descriptive_Data_Exploration", "RQ1.2", "Descriptive"):
        term = f"model={row['generation']}-{row['model_size_b']}B"
        for theirs, ours in names.items():
            assert near(long.figure(of, "descriptive", term, ours), row[f"{theirs}_J_per_B"])


ASSUMED = {
    "RQ1.1": (Of("RQ1.1", "run", "energy_j", "raw"), "generation"),
    "RQ1.2": (Of("RQ1.2", "run", "j_per_b", "raw"), "model"),
    "RQ3.1": (Of("RQ3.1", "repetition", "energy_per_token_j", "raw"), "generation"),
    "RQ3.3": (Of("RQ3.3", "repetition", "accuracy", "raw"), "generation"),
    "RQ2": (Of("RQ2", "repetition", "energy_j", "raw"), "generation:task"),
}


@pytest.mark.parametrize("question", ASSUMED)
def test_assumptions(long: LongTable, published: Path, question: str) -> None:
    (row,) = _table(published, "Assumptions_Verification", question, "Summary")
    of, factor = ASSUMED[question]
    assert near(long.row(of, "Shapiro-Wilk", "residuals")["p"], row["shapiro_p"])
    assert near(long.row(of, "Levene (median)", factor)["p"], row["levene_p"])


def test_ranks_by_generation_and_model(long: LongTable, published: Path) -> None:
    for question, word, of, factor in (
        ("RQ1.1", "Omnibus", Of("RQ1.1", "run", "energy_j", "raw"), "generation"),
        ("RQ1.2", "Omnibus", Of("RQ1.2", "run", "j_per_b", "raw"), "model"),
    ):
        (row,) = _table(published, "Statistical_Tests", question, word)
        ours = long.row(of, "Kruskal-Wallis", factor)
        for name, theirs in (("value", "chi_sq"), ("df1", "df"), ("p", "p_value"),
                             ("effect", "epsilon_sq")):  # fmt: skip
            assert near(ours[name], row[theirs])


def test_dunn_of_all_pairs(long: LongTable, published: Path) -> None:
    """The study shows some pairs of six and ten, adjusted for all of these."""
    for question, word, response in (
        ("RQ1.1", "Dunn", "energy_j"), ("RQ1.2", "Key_Pairwise", "j_per_b"),
    ):  # fmt: skip
        of = Of(question, "run", response, "raw")
        for row in _table(published, "Statistical_Tests", question, word):
            ours = long.row(of, "Dunn", _named(row["Comparison"]))
            # The study has the greater mean rank second here, and a z below 0 all the same.
            turned = -1.0 if row["Comparison"] == "Gen3_8B - Gen3.1_8B" else 1.0
            assert near(turned * ours["value"], row["Z"])
            assert near(ours["p"], row["P.unadj"])
            if row["Comparison"] != "Gen3.2_1B - Gen3.2_3B":
                assert near(ours["p_adjusted"], row["P.adj"])


def test_dunn_where_the_study_s_package_leaves_out_a_step_of_bh(
    long: LongTable, published: Path
) -> None:
    """0.225 x 10 / 7 is above the next one's 0.251 x 10 / 8, which BH takes for both."""
    row = _table(published, "Statistical_Tests", "RQ1.2", "Key_Pairwise")[0]
    ours = long.row(Of("RQ1.2", "run", "j_per_b", "raw"), "Dunn", "3.2-1B - 3.2-3B")
    assert near(ours["p"] * 10 / 7, row["P.adj"])
    next_one = long.row(Of("RQ1.2", "run", "j_per_b", "raw"), "Dunn", "2-7B - 3-8B")
    assert ours["p_adjusted"] == pytest.approx(next_one["p"] * 10 / 8)


def _named(comparison: str) -> str:
    return " - ".join(STUDY.get(side, side) for side in comparison.split(" - "))


ALIGNED = {
    "RQ2": (Of("RQ2", "repetition", "energy_j", "raw"), "Main"),
    "RQ3.1": (Of("RQ3.1", "repetition", "energy_per_token_j", "raw"), "Efficiency"),
    "RQ3.3": (Of("RQ3.3", "repetition", "accuracy", "raw"), "Accuracy"),
}


@pytest.mark.parametrize("question", ALIGNED)
def test_aligned_ranks(long: LongTable, published: Path, question: str) -> None:
    of, word = ALIGNED[question]
    for row in _table(published, "Statistical_Tests", question, "Omnibus"):
        ours = long.row(of, "aligned rank transform", row["Term"])
        for name, theirs in (("value", "F"), ("df1", "Df"), ("df2", "Df.res"), ("p", "Pr(>F)")):
            assert near(ours[name], row[theirs]), row["Term"]
    (path,) = [p for p in (published / "Statistical_Tests" / question).glob("*Successive*.csv")
               if word in p.name and "Per_Task" not in p.name]  # fmt: skip
    for row in read_rows(path):
        first, second = (side.removeprefix("generation") for side in row["Comparison"].split(" - "))
        ours = long.row(of, "aligned rank contrasts", f"generation | {first} - {second}")
        for name, theirs in (("effect", "estimate"), ("value", "t.ratio"), ("df1", "df"),
                             ("p_adjusted", "p.value")):  # fmt: skip
            assert near(ours[name], row[theirs]), row["Comparison"]


def test_aligned_rank_contrasts_of_cells(long: LongTable, published: Path) -> None:
    of, test = ALIGNED["RQ2"][0], "aligned rank contrasts of cells"
    rows = _table(published, "Statistical_Tests", "RQ2", "Per_Task")
    for row in rows:
        first, second = (side.replace(",", ":") for side in row["Comparison"].split(" - "))
        ours = long.row(of, test, f"generation:task | {first} - {second}")
        assert near(ours["effect"], row["estimate"])
        assert near(ours["value"], row["t.ratio"])
        assert near(ours["p_adjusted"], row["p.value"])
    assert len(rows) == 108


COUPLED = {"RQ3.1": ("tokens", "rho", "p_val"), "RQ3.3": ("accuracy", "rho", "p_val")}


@pytest.mark.parametrize("question", COUPLED)
def test_rank_correlations(long: LongTable, published: Path, question: str) -> None:
    other, rho, p = COUPLED[question]
    of = Of(question, "repetition", "energy_j", "raw")
    for row in _table(published, "Statistical_Tests", question, "Spearman"):
        term = f"generation={row['generation']}"
        ours = long.row(of, f"Spearman with {other}", term)
        assert near(ours["effect"], row[rho])
        if question != "RQ3.3" or row["generation"] != "3":
            assert near(ours["p"], row[p])
            assert near(ours["p_adjusted"], row["p_BH"])


def test_power_is_the_study_s_from_the_durations_that_it_read(
    reference: Path, published: Path, long: LongTable
) -> None:
    """The study divided by "111,84", read as 11184: its power is ours over 100, of those times.

    The analysis takes the milliseconds beside it, which are finer, so that its F is not the
    study's to three decimals.
    """
    table = reference / "greenlab/run_tables/GL_Final_Run_Table_Edited.csv"
    frame = read_analysis(table, Choices(responses=("time(s)",)), audit=False)
    (row,) = _table(published, "Statistical_Tests", "RQ3.2", "Omnibus")
    found = art("power_w ~ generation + (1 | run)", frame.frame).anova().to_dict("records")[0]
    assert near(found["value"], row["F"])
    fine = long.row(Of("RQ3.2", "repetition", "power_w", "raw"), "aligned rank transform",
                    "generation")  # fmt: skip
    assert not near(fine["value"], row["F"])
    assert fine["value"] == pytest.approx(float(row["F"]), rel=2e-4)
    power = frame.frame.groupby("generation", observed=True)["power_w"].mean()
    for each in _table(published, "Descriptive_Data_Exploration", "RQ3.2", "Descriptive"):
        assert near(power[each["generation"]] / 100, each["mean_power_W"])
    coupled = spearman_by(frame.frame, "energy_j", "duration_s", "generation")
    for ours, each in zip(
        coupled.to_dict("records"),
        _table(published, "Statistical_Tests", "RQ3.2", "Spearman"),
        strict=True,
    ):
        assert near(ours["effect"], each["Spearman_Rho"])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def test_every_number_stands_once_and_whole_in_the_long_table(
    analysed: Path, long: LongTable
) -> None:
    keys = [
        tuple(row[n] for n in ("question", "level", "response", "scale", "test", "term",
                               "statistic")) for row in long.rows
    ]  # fmt: skip
    twice = {key for key in keys if keys.count(key) > 1} if len(set(keys)) < len(keys) else set()
    assert not twice
    figures = {
        name: _sorted(row[name] for row in long.rows)
        for name in ("value", "df1", "df2", "p", "p_adjusted", "effect", "ci_low", "ci_high", "n")
    }
    everything = _sorted(np.concatenate(list(figures.values())).tolist())
    checked = 0
    for path in sorted((analysed / "tables").rglob("*.csv")):
        if path.name == "statistics.csv" or "summary" in path.name:
            continue
        for row in read_rows(path):
            for name, text in row.items():
                number = _number(text)
                if math.isnan(number) or name in _LABELS or row.get("note") == text:
                    continue
                checked += 1
                assert _has(everything, number), f"{path.name}: {name} = {text} in {row}"
    assert checked > 15_000


_LABELS = ("generation", "model_size", "model", "task", "contrast", "term", "confidence", "run")


def _sorted(values: Any) -> Any:
    found = np.array(list(values), dtype=np.float64)
    return np.unique(found[~np.isnan(found)])


def _has(known: Any, number: float) -> bool:
    """Say whether a number of six digits is one of the whole numbers, rounded."""
    if math.isinf(number):
        return bool(np.isinf(known).any())
    at = int(np.searchsorted(known, number))
    near = known[max(0, at - 1) : at + 1]
    return bool(np.any(np.abs(near - number) <= 6e-6 * abs(number) + 1e-300))
