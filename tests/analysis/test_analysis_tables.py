"""Descriptive tables, the long table of statistics, the folders, and the verb that writes them."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from long_table import read_rows
from runs_table import crossed, generations, write

from joulebench.analysis.analyse import analyse
from joulebench.analysis.cells import run_means
from joulebench.analysis.descriptive import FIGURES, describe, mean_of
from joulebench.analysis.folders import ENDINGS, STAGES, OutputTree, file_name
from joulebench.analysis.preset import preset_questions
from joulebench.analysis.question import general_questions
from joulebench.analysis.read import Choices, read_analysis
from joulebench.analysis.statistics_table import COLUMNS, StatisticsTable, as_csv
from joulebench.cli import invoke
from joulebench.errors import UsageError

HERE = {"question": "RQ9", "level": "run", "response": "energy_j", "scale": "log"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return write(tmp_path / "runs.csv", generations())


# Descriptions


def test_a_group_is_described_by_the_usual_figures(tmp_path: Path) -> None:
    rows = [{"task": t, "rep": r, "energy_j": y}
            for t, ys in {"a": [1.0, 2.0, 4.0, 8.0], "b": [5.0, -5.0, 6.0]}.items()
            for r, y in enumerate(ys)]  # fmt: skip
    found = describe(read_analysis(write(tmp_path / "t.csv", rows)), "energy_j", ["task"])
    assert tuple(found.columns) == ("task", *FIGURES)
    a, b = found.to_dict("records")
    assert (a["task"], a["n"], a["mean"], a["median"]) == ("a", 4, 3.75, 3.0)
    assert a["sd"] == pytest.approx(np.std([1, 2, 4, 8], ddof=1))
    assert a["cv"] == pytest.approx(a["sd"] / 3.75)
    # R: quantile(c(1, 2, 4, 8)) gives 1.75 and 5.
    assert (a["q1"], a["q3"], a["iqr"], a["min"], a["max"]) == (1.75, 5.0, 3.25, 1.0, 8.0)
    assert a["geometric_mean"] == pytest.approx(64 ** (1 / 4))
    # R: t.test(c(1, 2, 4, 8))$conf.int
    assert (a["ci_low"], a["ci_high"]) == pytest.approx(
        (-1.17594304823029, 8.67594304823029), rel=1e-12
    )
    assert math.isnan(b["geometric_mean"])
    assert not math.isnan(b["cv"])


def test_one_value_and_none_leave_figures_open(tmp_path: Path) -> None:
    rows = crossed({"a": "xy", "b": "uv"})
    rows[0]["energy_j"] = ""
    rows += [{"a": "x", "b": "u", "rep": 5, "energy_j": ""}]
    for row in rows:
        row["duration_s"] = 2.0 + row["rep"]
    found = describe(read_analysis(write(tmp_path / "t.csv", rows)), "energy_j", ["a", "b"])
    first, second = found.to_dict("records")[:2]
    assert first["n"] == 0
    assert math.isnan(first["mean"])
    assert (second["n"], second["mean"]) == (1, 110.0)
    assert math.isnan(second["sd"])
    assert math.isnan(second["ci_low"])


def test_noise_and_bias_of_the_meter_widen_the_interval_of_a_mean() -> None:
    values = np.array([10.0, 10.1, 9.9, 10.0])
    unknown = np.full(4, np.nan)
    plain = mean_of(values, unknown, unknown)
    noisy = mean_of(values, np.full(4, 1.0), unknown)
    biased = mean_of(values, unknown, np.full(4, 1.0))
    assert plain.half_width < 0.2
    assert noisy.half_width == pytest.approx(1.959964 * 1.0 / 2, rel=1e-6)
    assert biased.half_width > 1.9
    assert biased.bias == 1.0
    # Repeats shrink noise, and leave bias as it is.
    many = mean_of(np.tile(values, 100), np.full(400, 1.0), np.full(400, 1.0))
    assert many.half_width == pytest.approx(1.96 * math.hypot(1.0, 0.05), rel=1e-3)


def test_descriptions_of_the_published_table_are_the_published_ones(reference: Path) -> None:
    base = reference / "greenlab"
    frame = read_analysis(base / "run_tables" / "GL_Final_Run_Table_Edited.csv", audit=False)
    folder = base / "published_tables" / "Descriptive_Data_Exploration"
    published = pd.read_csv(folder / "RQ1.1" / "RQ1.1_Descriptive_Summary.csv")
    found = describe(run_means(frame), "energy_j", ["generation"])
    for figure in ("mean", "median", "sd", "min", "max"):
        assert found[figure].round(3).tolist() == published[f"{figure}_energy"].tolist()
    assert found["n"].tolist() == published["n_runs"].tolist()
    published = pd.read_csv(folder / "RQ1.2" / "RQ1.2_Descriptive_Summary.csv")
    found = describe(run_means(frame), "j_per_b", ["model"])
    assert found["mean"].round(3).tolist() == published["mean_J_per_B"].tolist()
    published = pd.read_csv(folder / "RQ3.1" / "RQ3.1_Descriptive_Summary.csv")
    found = describe(frame, "energy_per_token_j", ["generation"])
    assert found["sd"].round(3).tolist() == published["sd_Ept"].tolist()


# The long table


def _add(found: pd.DataFrame, **more: str) -> list[dict[str, Any]]:
    table = StatisticsTable()
    table.add(found, **HERE, **more)
    return table.rows


def test_a_test_with_an_effect_size_gives_a_row_for_each_figure() -> None:
    found = pd.DataFrame([{
        "test": "one-way ANOVA", "term": "generation", "statistic": "F", "value": 4.5, "df1": 3.0,
        "df2": 26.0, "p": 0.011, "effect_size": "eta squared", "effect": 0.34, "ci_low": 0.05,
        "ci_high": 0.6, "confidence": 0.95, "n": 30, "omega_squared": 0.26, "note": "",
    }])  # fmt: skip
    main, eta, omega = _add(found)
    assert {name: main[name] for name in COLUMNS} == {
        **HERE, "test": "one-way ANOVA", "term": "generation", "statistic": "F", "value": 4.5,
        "df1": 3.0, "df2": 26.0, "p": 0.011, "p_adjusted": None, "effect": 0.34, "ci_low": 0.05,
        "ci_high": 0.6, "n": 30,
    }  # fmt: skip
    assert (eta["statistic"], eta["value"], eta["effect"]) == ("eta squared", 0.34, 0.34)
    assert (eta["ci_low"], eta["n"]) == (0.05, 30)
    assert (omega["statistic"], omega["value"], omega["effect"]) == ("omega squared", 0.26, 0.26)
    assert "ci_low" not in omega


def test_a_contrast_says_where_it_holds_and_its_interval_is_of_the_estimate() -> None:
    found = pd.DataFrame([{
        "contrast": "3 - 2", "task": "CB", "estimate": -0.25, "se": 0.125, "statistic": "t",
        "value": -2.0, "df1": 6.0, "p": 0.09, "p_adjusted": 0.18, "adjust": "BH",
        "ci_low": -0.5, "ci_high": 0.1, "n": 12,
    }])  # fmt: skip
    main, estimate, se = _add(found, test="contrasts")
    assert (main["test"], main["term"], main["effect"]) == ("contrasts", "3 - 2 | task=CB", -0.25)
    assert (main["value"], main["p_adjusted"], main["ci_low"]) == (-2.0, 0.18, -0.5)
    assert (estimate["statistic"], estimate["value"], estimate["ci_high"]) == (
        "estimate", -0.25, 0.1,
    )  # fmt: skip
    assert (se["statistic"], se["value"]) == ("se", 0.125)


def test_the_interval_is_of_the_effect_where_there_is_one() -> None:
    found = pd.DataFrame([{
        "contrast": "a - b", "estimate": 5.0, "statistic": "t", "value": 2.0, "p": 0.1,
        "effect_size": "Hedges' g", "effect": 0.8, "ci_low": 0.1, "ci_high": 1.5,
    }])  # fmt: skip
    main, effect, estimate = _add(found)
    assert (main["effect"], main["ci_low"]) == (0.8, 0.1)
    assert (effect["statistic"], effect["ci_high"]) == ("Hedges' g", 1.5)
    assert estimate["value"] == 5.0
    assert "ci_low" not in estimate


def test_a_mean_without_a_statistic_is_an_estimate() -> None:
    found = pd.DataFrame(
        [{"task": "CB", "estimate": 2.0, "se": 0.5, "ci_low": 1.0, "ci_high": 3.0}]
    )
    main, se = _add(found)
    assert (main["statistic"], main["value"], main["effect"], main["term"]) == (
        "estimate", 2.0, 2.0, "task=CB",
    )  # fmt: skip
    assert se["statistic"] == "se"


def test_figures_are_written_to_the_last_digit() -> None:
    row = {"a": 0.1 + 0.2, "b": np.float64(1e-300), "c": math.nan, "d": None, "e": np.int64(7),
           "f": "x, y", "g": True, "h": math.inf}  # fmt: skip
    assert as_csv([row], list(row)) == (
        'a,b,c,d,e,f,g,h\n0.30000000000000004,1e-300,,,7,"x, y",True,inf\n'
    )


# Folders


def test_the_tree_has_a_folder_for_each_question_and_stage(tmp_path: Path) -> None:
    OutputTree.create(tmp_path / "out", ("RQ1.1", "RQ2"))
    made = {p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").glob("*/*/*")}
    assert made == {f"{kind}/{stage}/{question}" for kind in ("tables", "plots")
                    for stage in STAGES for question in ("RQ1.1", "RQ2")}  # fmt: skip
    assert set(ENDINGS) == {"desc", "assumption_summary", "omnibus", "consec", "pairwise"}


def test_tables_for_people_are_rounded_and_named_by_their_ending(tmp_path: Path) -> None:
    tree = OutputTree.create(tmp_path, ("RQ1",), plots=False)
    found = pd.DataFrame([{"term": "a", "p": 0.123456789, "df": 12.0, "mean": 1234567.89}])
    path = tree.table(found, "omnibus", "RQ1", "energy/run")
    assert path == tmp_path / "tables/Statistical_Tests/RQ1/RQ1_energy_run_omnibus.csv"
    assert path.read_text() == "term,p,df,mean\na,0.123457,12,1234570\n"
    assert file_name("a b/..c") == "a_b_..c"


def test_an_earlier_analysis_is_cleared_and_nothing_else(tmp_path: Path) -> None:
    root = tmp_path / "out"
    first = OutputTree.create(root, ("RQ1",))
    old = first.table(pd.DataFrame([{"a": 1}]), "desc", "RQ1")
    (old.parent / "mine.txt").write_text("keep")
    outside = [root / "beside.csv", tmp_path / "above.csv", tmp_path / "far.csv"]
    for path in outside:
        path.write_text("keep")
    first.written += ["tables/../beside.csv", "../above.csv", str(outside[2])]
    first.finish({})
    OutputTree.create(root, ("RQ2",))
    assert not old.exists()
    assert (old.parent / "mine.txt").exists()
    assert all(path.exists() for path in outside)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is a file; name a folder"):
        OutputTree.create(tmp_path / "file", ("RQ1",))
    with pytest.raises(UsageError, match="cannot be written: Not a directory"):
        OutputTree.create(tmp_path / "file" / "below", ("RQ1",))


# Questions


def test_the_general_questions_are_those_that_can_be_asked(table: Path) -> None:
    frame = read_analysis(table)
    asked = general_questions(frame)
    assert {q.response for q in asked} == {
        "energy_j", "energy_per_token_j", "power_w", "duration_s", "accuracy",
    }  # fmt: skip
    # Generation and size are asked of the models that they make up.
    assert {q.groups for q in asked} == {"model", "task"}
    assert {q.scales for q in asked if q.response == "accuracy"} == {("raw",)}
    assert [q.response for q in general_questions(frame, ("tokens_out",))] == ["tokens"] * 2


def test_what_has_no_logarithm_is_asked_about_on_its_own_scale_alone(tmp_path: Path) -> None:
    rows = crossed({"gpu": "xy", "batch": "12"}, 3)
    rows[0]["energy_j"] = 0.0
    (scales,) = {
        q.scales for q in general_questions(read_analysis(write(tmp_path / "t.csv", rows)))
    }
    assert scales == ("raw",)


def test_the_preset_asks_its_six_questions(table: Path) -> None:
    asked, left_out = preset_questions("llama-generations", read_analysis(table))
    assert not left_out
    ids = ["RQ1.1", "RQ1.2", "RQ1.2", "RQ2", "RQ3.1", "RQ3.2", "RQ3.3"]
    assert [q.id for q in asked] == ids
    assert [q.response for q in asked[1:3]] == ["j_per_b", "energy_j"]
    assert len({(q.id, q.stem) for q in asked}) == len(asked)
    assert asked[1].groups == "model"
    with pytest.raises(UsageError, match="did you mean 'llama-generations'"):
        preset_questions("llama-generation", read_analysis(table))
    with pytest.raises(UsageError, match="lacking here: model_size"):
        preset_questions(
            "llama-generations", read_analysis(table, Choices(factors=("generation", "task")))
        )


def test_a_question_that_a_table_cannot_answer_is_said(table: Path, tmp_path: Path) -> None:
    rows = read_rows(table)
    for row in rows:
        row["accuracy"] = "1.0"
        del row["duration_s"]
    asked, left_out = preset_questions(
        "llama-generations", read_analysis(write(tmp_path / "same.csv", rows))
    )
    assert [q.id for q in asked] == ["RQ1.1", "RQ1.2", "RQ1.2", "RQ2", "RQ3.1"]
    assert left_out == [
        "RQ3.2 (power by generation, energy against duration) is not answered: power_w is not in "
        "the table and duration_s is not in the table",
        "RQ3.3 (accuracy by generation, energy against accuracy) is not answered: accuracy is the "
        "same in every row",
    ]


# The whole


def test_an_analysis_writes_its_tables_at_full_precision(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    found = analyse(table, out, Choices(responses=("energy_j",)), plots=False)
    with (out / "tables" / "statistics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    means = {row["term"]: row for row in rows
             if row["level"] == "run" and row["test"] == "descriptive"
             and row["statistic"] == "mean"}  # fmt: skip
    expected = found.means.frame.groupby("generation", observed=True)["energy_j"].mean()
    assert float(means["generation=3.1"]["value"]) == pytest.approx(expected["3.1"], rel=1e-15)
    record = json.loads((out / "analysis.json").read_text())
    assert record["design"]["claims"][0]["df"] == 1
    assert "tables/statistics.csv" in record["files"]
    assert all((out / name).is_file() for name in record["files"])


def test_the_verb_says_what_it_read_and_what_the_design_carries(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "out")
    words = ["analyze", str(table), "--out", out, "--response", "energy_j,power_w", "--no-plots"]
    assert invoke([*words, "--factors", "generation,model_size", "--factors", "task"]) == 0
    shown = capsys.readouterr().out
    assert "energy_j, power_w by generation, model_size, task" in shown
    assert "1 degree of freedom" in " ".join(shown.split())
    assert "tables/statistics.csv" in shown
    place = tmp_path / "found.json"
    words[words.index("energy_j,power_w")] = "energy_j"
    assert invoke([*words, "--json", str(place)]) == 0
    assert json.loads(place.read_text())["source"]["rows"] == 60
    capsys.readouterr()
    assert invoke([*words, "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["source"]["runs"] == 15


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--response", "enery_j"], "did you mean 'energy_j'"),
        (["--response", ","], "--response: names no column"),
        (["--preset", "lama"], "--preset 'lama' is not known"),
        (["--factors", "task", "--exclude", "task != 'x'"], "no row can be used"),
    ],
)
def test_wrong_use_ends_with_status_2_and_one_line(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    assert invoke(["analyze", str(table), "--out", str(tmp_path / "out"), *words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert told in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_refusal_of_the_statistics_is_one_line(
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from joulebench.analysis import analyse as module
    from joulebench.stats.refused import Refused

    def refuse(*_: object, **__: object) -> None:
        raise Refused("constant")

    monkeypatch.setattr(module, "analyse", refuse)
    assert invoke(["analyze", str(table), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == f"joulebench: {table}: constant\n"
