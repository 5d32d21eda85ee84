"""Tables that nobody would want to analyse, and what is said of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from long_table import read_rows
from runs_table import write

from joulebench.analysis.analyse import Analysis, analyse
from joulebench.analysis.read import Choices
from joulebench.analysis.report_lines import markdown
from joulebench.cli import invoke
from joulebench.errors import UsageError
from joulebench.stats.refused import Refused

Row = dict[str, Any]
ENERGY = Choices(responses=("energy_j",))


def plain(repetitions: int = 3, **more: Any) -> list[Row]:
    """Make rows of two devices and two tasks."""
    return [
        {"device": d, "task": t, "repetition": r,
         "energy_j": 100.0 + 10 * r + 50 * (d == "y") + 5 * (t == "q"), **more}
        for d, t, r in product("xy", "pq", range(repetitions))
    ]  # fmt: skip


def analysed(tmp_path: Path, rows: Sequence[Row], choices: Choices = ENERGY) -> Analysis:
    return analyse(write(tmp_path / "runs.csv", rows), tmp_path / "out", choices, plots=False)


def changed(change: Callable[[Row], Any], name: str = "energy_j") -> list[Row]:
    return [row | {name: change(row)} for row in plain()]


# What is refused


REFUSED = {
    "one level": ([r for r in plain() if r["device"] == "x" and r["task"] == "p"],
                  "no column was varied, so there is nothing to compare; name the factors with"),
    "one row": (plain()[:1], "no column was varied"),
    "no numbers": (changed(lambda _: "much"), "no column is an energy.*--response"),
    "nothing measured": (changed(lambda _: ""), "no column is an energy"),
    "constant": (changed(lambda _: 5.0), "energy_j is 5 in every row.*there is nothing to compare"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_table_without_an_answer_is_refused_in_one_line(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, told = REFUSED[name]
    table = write(tmp_path / "runs.csv", rows)
    with pytest.raises(UsageError, match=told):
        analyse(table, tmp_path / "out", plots=False)
    assert invoke(["analyze", str(table), "--out", str(tmp_path / "out"), "--no-plots"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("joulebench: ")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "holds no row of results"),
        ("device,energy_j\n", "holds no row of results"),
        ("device,device,energy_j\nx,y,5\n", "column 'device' is there twice; remove one"),
        ("device,energy_j\nx,5\ny\n", "line 3 has 1 cells where the header has 2"),
    ],
)
def test_a_damaged_table_is_refused_with_its_place(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=told):
        analyse(tmp_path / "t.csv", tmp_path / "out", plots=False)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--response", "enery_j"], "did you mean 'energy_j'"),
        (["--response", "device"], "holds text, not numbers"),
        (["--factors", "devise"], "did you mean 'device'"),
        (["--factors", "energy_j"], "has a column energy_j of its own"),
        (["--run", "nope"], "--run 'nope' is not known"),
        (["--run", "task", "--factors", "device"], "run 'p' has rows of y and of x"),
        (["--exclude", "devic == 'x'"], "did you mean 'device'"),
        (["--exclude", "energy_j > 3"], "energy_j"),
        (["--exclude", "device in ['x', 'y']"], "no row can be used"),
        (["--preset", "llama"], "allowed: llama-generations"),
        (["--preset", "llama-generations"], "lacking here: generation, model_size"),
    ],
)
def test_a_wrong_word_is_refused_with_the_right_one(
    tmp_path: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write(tmp_path / "runs.csv", plain())
    place = str(tmp_path / "out")
    assert invoke(["analyze", str(table), "--out", place, "--no-plots", *words]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert not (tmp_path / "out" / "tables").exists()


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    table = write(tmp_path / "runs.csv", plain())
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UsageError, match="is a file; name a folder"):
        analyse(table, tmp_path / "file", plots=False)
    with pytest.raises(UsageError, match="cannot be written"):
        analyse(table, tmp_path / "file" / "below", plots=False)


def test_a_study_is_no_place_for_its_own_analysis(tmp_path: Path) -> None:
    table = write(tmp_path / "runs.csv", plain())
    study = tmp_path / "study"
    study.mkdir()
    (study / "runs.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"is a study; name a folder of its own, such as .*analysis"
    ):
        analyse(table, study, plots=False)
    assert sorted(path.name for path in study.iterdir()) == ["runs.jsonl"]
    analyse(table, study / "analysis", ENERGY, plots=False)
    assert (study / "analysis" / "verdicts.md").is_file()


# What is said


def test_one_row_a_thing_says_how_far_and_that_nothing_judges_it(tmp_path: Path) -> None:
    found = analysed(tmp_path, [{"device": "x", "energy_j": 5}, {"device": "y", "energy_j": 6}])
    (told,) = found.verdicts
    assert told.sentence == (
        "That these 2 devices differ in energy per run cannot be told: y has 1.2 times the energy "
        "per run of x, each run once."
    )


def test_a_constant_response_that_was_asked_for_says_so(tmp_path: Path) -> None:
    found = analysed(tmp_path, changed(lambda _: 5.0))
    assert {claim.sure for told in found.verdicts for claim in told.claims} == {"cannot be told"}
    assert "energy_j is 5 in every row" in markdown(found)


def test_a_level_without_a_value_is_no_level(tmp_path: Path) -> None:
    rows = changed(lambda row: "" if row["device"] == "y" else row["energy_j"])
    found = analysed(tmp_path, rows)
    assert found.frame.factors == ("task",)
    assert "device is 'x' in all rows that are left, and no factor here" in found.frame.notes


def test_a_response_of_one_level_alone_is_not_compared(tmp_path: Path) -> None:
    rows = [row | {"duration_s": 5.0 + row["repetition"]} for row in plain()]
    rows = [row | {"energy_j": ""} if row["device"] == "y" else row for row in rows]
    found = analysed(tmp_path, rows)
    told = next(v for q, v in zip(found.questions, found.verdicts, strict=True)
                if q.groups == "device")  # fmt: skip
    assert told.claims[0].sure == "cannot be told"
    assert told.why[0] == "it was measured for x alone: measure the others too"


def test_an_infinite_value_is_left_out_and_told(tmp_path: Path) -> None:
    rows = changed(lambda row: "inf" if row["repetition"] == 2 else row["energy_j"])
    found = analysed(tmp_path, rows)
    assert "4 rows left out" in markdown(found)
    assert len(found.frame) == 8


@pytest.mark.parametrize("low", [0.0, -7.0])
def test_energies_without_a_logarithm_are_compared_as_they_are(tmp_path: Path, low: float) -> None:
    rows = changed(lambda row: low if row["device"] == "x" else row["energy_j"])
    rows[0]["energy_j"] = low + 1.0
    found = analysed(tmp_path, rows)
    assert all(question.scales == ("raw",) for question in found.questions)
    assert "y lies " in found.verdicts[0].sentence
    assert " J (" in found.verdicts[0].sentence


def test_repetitions_that_are_copies_are_no_repetitions(tmp_path: Path) -> None:
    rows = changed(lambda row: 100.0 + 50 * (row["device"] == "y") + 5 * (row["task"] == "q"))
    told = analysed(tmp_path, rows).verdicts[0]
    assert told.claims[0].about == "more of the same"
    assert any("alike to the last digit" in doubt for doubt in told.doubts)


def test_a_table_of_means_is_told_from_runs(tmp_path: Path) -> None:
    rows = [{"model": m, "energy_j": e, "energy_sd_j": 1.0, "runs": 30} for m, e in
            (("a", 10.0), ("b", 20.0), ("c", 15.0))]  # fmt: skip
    text = markdown(analysed(tmp_path, rows))
    assert "rows look like means of several runs (column energy_sd_j)" in text


def test_an_exclusion_of_nothing_is_told(tmp_path: Path) -> None:
    choices = Choices(responses=("energy_j",), exclude=("device == 'z'",))
    text = markdown(analysed(tmp_path, plain(), choices))
    assert "0 rows left out: excluded by \"device == 'z'\"" in text


def test_levels_that_were_never_set_together_are_refused_with_some_that_were(
    tmp_path: Path,
) -> None:
    rows = [{"task": "p", "quant": q, "layers": "", "energy_j": e} for q, e in (("4", 5), ("8", 7))]
    rows += [
        {"task": "q", "quant": "", "layers": n, "energy_j": e} for n, e in (("2", 5), ("6", 9))
    ]
    with pytest.raises(
        UsageError, match=r"name factors that were set in the same rows, such as --f"
    ):
        analysed(tmp_path, rows)


def test_a_factor_that_others_decide_together_is_told(tmp_path: Path) -> None:
    rows = [
        {"quant": "ab"[a], "cache": "ab"[b], "fuse": "ab"[(a + b) % 2], "repetition": r,
         "energy_j": 100.0 * (1 + a) + r}
        for a, b, r in product((0, 1), (0, 1), range(3))
    ]  # fmt: skip
    found = analysed(tmp_path, rows)
    assert any("together and is no factor of its own" in note for note in found.frame.notes)


NAMES = {"energy (J)": "energy_j", "model-size": "model_size", "a:b": "a_b", "1st": "x1st",
         "lambda": "lambda", "class": "class", "größe": "größe", "n": "factor_n",
         "conditions": "conditions", "cell": "cell", "C(x)": "c_x"}  # fmt: skip


@pytest.mark.parametrize("name", [name for name in NAMES if name != "energy (J)"])
def test_any_column_may_be_a_factor(tmp_path: Path, name: str) -> None:
    levels = {"model-size": ("1B", "3B")}.get(name, ("a:b", "c / d", "e - f"))
    rows = [
        {name: level, "task": task, "rep": rep,
         "energy (J)": 100.0 * (1 + at) + 3 * rep + (task == "q")}
        for at, level in enumerate(levels) for task in "pq" for rep in range(3)
    ]  # fmt: skip
    found = analysed(tmp_path, rows)
    told = next(v for q, v in zip(found.questions, found.verdicts, strict=True)
                if q.groups == NAMES[name])  # fmt: skip
    assert told.claims[0].sure == "sure"
    assert f"{levels[-1]} has " in told.sentence
    assert f"the energy per run of {levels[0]} on average over the 2 tasks" in told.sentence


# Fits that are doubtful


def test_a_singular_fit_is_said_in_tables_statistics_and_verdict(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    rows = [
        {"generation": g, "model_size": s, "task": t, "repetition": r,
         "energy_j": 100.0 * (1 + "234".index(g)) * rng.lognormal(0, 0.2)}
        for g, s in (("2", "1B"), ("2", "3B"), ("3", "1B"), ("3", "7B"), ("4", "3B"), ("4", "7B"))
        for t in ("BoolQ", "RTE") for r in range(6)
    ]  # fmt: skip
    singular = "singular fit: the variance of run is 0"
    table = write(tmp_path / "runs.csv", rows)
    found = analyse(table, tmp_path / "out", preset="llama-generations", plots=False)
    fits = [row for row in read_rows(found.folder / "tables/statistics.csv")
            if row["question"] == "RQ2" and row["test"] == "mixed model, satterthwaite"
            and row["scale"] == "log"]  # fmt: skip
    notes = [row for row in fits if row["statistic"].startswith(f"note: {singular}")]
    assert len(notes) == sum(row["statistic"] == "F" for row in fits) > 0
    tables = read_rows(found.folder / "tables/Statistical_Tests/RQ2/RQ2_omnibus.csv")
    shown = [row["note"] for row in tables if row["test"] == "mixed model, satterthwaite"]
    assert any(note.startswith(singular) for note in shown)
    told = next(verdict for verdict in found.verdicts if verdict.question == "RQ2")
    assert any(singular in also for also in told.also)


# Anything


NAMED = ("model", "task", "batch size", "model-size", "a:b", "lambda", "gpu", "order", "block",
         "line", "précision", "run type", "conditions")  # fmt: skip
LEVELS = (("1", "2", "4", "8"), ("1B", "3B", "7B"), ("a:b", "c / d", "e - f", "(g)"),
          ("fp16", "fp32"), ("é", "日本", "ß"), ("0.1", "0.2"))  # fmt: skip
STRANGE = ("", "nan", "inf", "-5", "0", "1e400", "much")


def any_table(seed: int) -> list[Row]:
    """Make up a table: any factors, cells left out, any scale, strange values in some."""
    rng = np.random.default_rng(seed)
    names = [str(name) for name in rng.choice(NAMED, int(rng.integers(1, 4)), replace=False)]
    levels = [LEVELS[k] for k in rng.integers(0, len(LEVELS), len(names))]
    cells = [cell for cell in product(*levels) if rng.random() < rng.choice([0.5, 0.9, 1.0])][:24]
    scale, noise = 10.0 ** rng.integers(-9, 10), rng.choice([0.0, 1e-9, 0.01, 3.0])
    rows: list[Row] = []
    for repetition, cell in product(range(int(rng.integers(1, 4))), cells):
        energy = scale * float(np.exp(0.3 * sum(map(len, cell)) + noise * rng.normal()))
        rows.append({**dict(zip(names, cell, strict=True)), "repetition": repetition,
                     "energy_j": repr(energy), "energy_bias_j": repr(0.05 * energy),
                     "testbed": str(rng.choice(["one", "other"]))})  # fmt: skip
    for row in rows:
        if rng.random() < rng.choice([0.0, 0.0, 0.1]):
            row["energy_j"] = str(rng.choice(STRANGE))
    return rows or [{"model": "a", "energy_j": 1}]


@pytest.mark.parametrize("seed", range(14))
def test_any_table_is_analysed_or_refused_in_one_line(tmp_path: Path, seed: int) -> None:
    try:
        found = analysed(tmp_path, any_table(seed), Choices())
    except (UsageError, Refused) as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert "\n" not in refused
        return
    json.dumps(found.to_dict(), allow_nan=False)
    for told in found.verdicts:
        assert told.sentence.endswith(".")
        assert not {"nan", "inf", "-inf"} & set(told.sentence.replace(",", " ").split())
    text = (found.folder / "tables/statistics.csv").read_text(encoding="utf-8")
    assert all(len(row) == 17 for row in csv.reader(text.splitlines()))
    assert (found.folder / "verdicts.md").read_text(encoding="utf-8").startswith("# runs.csv\n")
