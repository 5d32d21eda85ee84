"""Anybody's table, and our own folder, as one tidy frame."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from runs_table import crossed, generations, write

from joulebench.analysis.cells import run_means
from joulebench.analysis.factor_columns import ordered
from joulebench.analysis.model_size import size_in
from joulebench.analysis.read import Choices, read_analysis
from joulebench.channel import Channel, Window
from joulebench.errors import UsageError
from joulebench.record import Run, RunTable


def test_a_table_becomes_tidy_columns_in_si_units(tmp_path: Path) -> None:
    rows = [
        {"GPU Type": "A100", "batch": batch, "energy_kwh": 0.001 * (k + 1), "time_ms": 500.0 + k}
        for k, batch in enumerate((1, 2, 4, 8, 1, 2, 4, 8))
    ]
    for row in rows[4:]:
        row["GPU Type"] = "L4"
    found = read_analysis(write(tmp_path / "t.csv", rows))
    assert found.factors == ("gpu_type", "batch")
    assert found.levels("batch") == ["1", "2", "4", "8"]
    assert found.frame["energy_j"].tolist() == pytest.approx([3600.0 * (k + 1) for k in range(8)])
    assert found.frame["duration_s"].iloc[0] == 0.5
    assert found.frame["power_w"].iloc[0] == pytest.approx(7200.0)
    assert found.response("energy_j").source == "energy_kwh"
    assert found.frame["line"].tolist() == list(range(2, 10))
    assert found.columns["gpu_type"] == "GPU Type"


def test_spellings_of_a_number_are_one_level_and_levels_are_in_order(tmp_path: Path) -> None:
    rows = crossed({"generation": ["2.0", "3.2", "3.10", "3", "2"], "task": ["b", "a"]}, 2)
    found = read_analysis(write(tmp_path / "t.csv", rows))
    assert found.levels("generation") == ["2", "3", "3.1", "3.2"]
    assert found.frame["generation"].cat.ordered
    assert found.levels("task") == ["a", "b"]
    assert found.runs == 8


@pytest.mark.parametrize(
    ("levels", "asked", "expected"),
    [
        (["10", "9", "8.5"], [], ["8.5", "9", "10"]),
        (["8B", "500M", "1B", "70B"], [], ["500M", "1B", "8B", "70B"]),
        (["WSC", "WiC", "boolq"], [], ["boolq", "WiC", "WSC"]),
        (["low", "high", "mid"], ["low", "mid", "high"], ["low", "mid", "high"]),
        (["8B", "x"], [], ["8B", "x"]),
    ],
)
def test_levels_stand_in_an_order_that_means_something(
    levels: list[str], asked: list[str], expected: list[str]
) -> None:
    assert ordered(levels, asked) == expected


@pytest.mark.parametrize(
    ("text", "size"),
    [("8B", 8.0), ("llama-3.1-8b-instruct", 8.0), ("Qwen2.5-0.5B", 0.5), ("opt-350m", 0.35),
     ("mixtral-8x7B", None), ("tiny_b", None), ("3.2", None), ("7B-8B", None), ("0B", None)],
)  # fmt: skip
def test_the_size_of_a_model_is_read_out_of_its_name(text: str, size: float | None) -> None:
    assert size_in(text) == (None if size is None else pytest.approx(size))


def test_units_made_of_several_factors_have_a_column(tmp_path: Path) -> None:
    found = read_analysis(write(tmp_path / "t.csv", generations()))
    assert found.units == {"model": ("generation", "model_size")}
    assert found.levels("model") == ["2-7B", "3-8B", "3.1-8B", "3.2-1B", "3.2-3B"]
    assert found.frame["j_per_b"].to_numpy() == pytest.approx(
        (found.frame["energy_j"] / found.frame["size_b"]).to_numpy()
    )


def test_a_unit_that_is_the_run_has_a_column_too(tmp_path: Path) -> None:
    rows = [row for row in generations() if row["task"] == "RTE"]
    found = read_analysis(write(tmp_path / "t.csv", rows))
    assert found.factors == ("generation", "model_size")
    assert found.units == {"model": ("generation", "model_size")}
    assert found.frame["model"].nunique() == found.runs


def test_a_column_that_names_combinations_of_others_is_no_factor(tmp_path: Path) -> None:
    rows = [
        row
        | {"model": f"{row['generation']}-{row['model_size']}", "size_b": row["model_size"][:-1]}
        for row in generations()
    ]
    found = read_analysis(write(tmp_path / "t.csv", rows))
    assert found.factors == ("generation", "model_size", "task")
    assert found.frame["size_b"].unique().tolist() == [7.0, 8.0, 1.0, 3.0]
    named = read_analysis(tmp_path / "t.csv", Choices(factors=("model", "task")))
    assert named.factors == ("model", "task")
    assert named.runs == found.runs
    assert not [note for note in named.notes if "varied too" in note]


def test_rows_are_left_out_with_the_reason(tmp_path: Path) -> None:
    rows = generations()
    rows[0]["status"] = "failed"
    rows[5]["task"] = ""
    for column in ("energy_j", "duration_s", "tokens_out", "accuracy"):
        rows[7][column] = ""
    rows[9]["energy_j"] = "inf"
    path = write(tmp_path / "t.csv", rows)
    found = read_analysis(path, Choices(exclude=("generation == 2.0",)))
    told = [(each.rows, each.reason) for each in found.dropped]
    assert told == [(1, "status is 'failed'"), (11, "excluded by 'generation == 2.0'")]
    assert found.levels("generation") == ["3", "3.1", "3.2"]
    found = read_analysis(path)
    assert [(each.rows, each.reason.split(" and ")[0]) for each in found.dropped] == [
        (1, "status is 'failed'"), (1, "no level of task"), (1, "no energy_j"),
    ]  # fmt: skip
    assert found.dropped[1].sentence == "1 row left out: no level of task (the first: line 7)"
    assert any("energy_j is missing in 1 of 57 rows" in note for note in found.notes)
    assert np.isnan(found.frame["energy_j"]).sum() == 1


def test_repetitions_that_clash_are_counted_anew(tmp_path: Path) -> None:
    rows = generations()
    found = read_analysis(write(tmp_path / "t.csv", rows), Choices(factors=("generation",)))
    assert any("repetitions are counted anew" in note for note in found.notes)
    assert any("task was varied too" in note for note in found.notes)
    assert found.frame.groupby("run", observed=True)["repetition"].max().tolist() == [
        12,
        12,
        12,
        24,
    ]
    assert not found.frame.duplicated(["run", "repetition"]).any()


def test_the_total_is_taken_and_the_user_may_choose_another(tmp_path: Path) -> None:
    rows = [
        row | {"energy": 2 * row["energy_j"], "total_joules": 3 * row["energy_j"],
               "gpu_joules": 0.7 * row["energy_j"]}
        for row in generations()
    ]  # fmt: skip
    ours = [row.pop("energy_j") for row in rows]
    path = write(tmp_path / "t.csv", rows)
    found = read_analysis(path)
    assert found.frame["energy_j"].to_numpy() == pytest.approx(3 * np.array(ours))
    assert "--response energy" in found.response("energy_j").reason
    chosen = read_analysis(path, Choices(responses=("energy",)))
    assert chosen.frame["energy_j"].to_numpy() == pytest.approx(2 * np.array(ours))
    assert chosen.responses[0].name == "energy_j"
    part = read_analysis(path, Choices(responses=("gpu_joules",)))
    assert part.responses[0].name == "gpu_energy_j"
    with pytest.raises(UsageError, match="energy and total_joules are both energy_j"):
        read_analysis(path, Choices(responses=("energy", "total_joules")))


def test_without_a_total_the_parts_are_added(tmp_path: Path) -> None:
    rows = [row | {"cpu_joules": 5.0, "gpu_joules": 7.0 + k} for k, row in enumerate(generations())]
    for row in rows:
        del row["energy_j"]
    found = read_analysis(write(tmp_path / "t.csv", rows))
    assert found.response("energy_j").source == "cpu_joules + gpu_joules"
    assert found.frame["energy_j"].iloc[3] == 15.0


def test_power_is_energy_over_duration_unless_the_user_says_otherwise(tmp_path: Path) -> None:
    rows = [row | {"avg_power_w": 4.0 + k} for k, row in enumerate(generations())]
    path = write(tmp_path / "t.csv", rows)
    found = read_analysis(path)
    assert found.frame["power_w"].iloc[0] == rows[0]["energy_j"] / rows[0]["duration_s"]
    chosen = read_analysis(path, Choices(responses=("avg_power_w", "energy_j")))
    assert chosen.frame["power_w"].iloc[0] == 4.0
    assert [each.name for each in chosen.responses[:2]] == ["power_w", "energy_j"]


def test_an_error_of_the_audit_that_touches_a_response_is_one_line() -> None:
    path = Path(__file__).resolve().parents[2] / "examples" / "published-results.csv"
    found = read_analysis(path)
    assert found.audit.startswith("audit: 2 errors touch energy_j, ")
    assert found.audit.endswith(f"; type: joulebench audit {path}")
    assert "duration_s" not in found.audit
    assert read_analysis(path, audit=False).audit == ""


def test_a_factor_may_be_named_by_its_tidy_name(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", crossed({"GPU Type": "xy", "host": "ab"}, 2))
    found = read_analysis(path, Choices(factors=("gpu_type", "host")))
    assert found.factors == ("gpu_type", "host")


def test_a_run_of_the_users_own_lies_in_one_cell(tmp_path: Path) -> None:
    rows = [row | {"day": f"d{row['repetition'] % 2}"} for row in generations()]
    for row in rows:
        row["session"] = f"{row['generation']}{row['model_size']}{row['task']}{row['day']}"
    path = write(tmp_path / "t.csv", rows)
    three = ("generation", "model_size", "task")
    found = read_analysis(path, Choices(factors=three, run="session"))
    assert found.runs == 30
    assert run_means(found).frame["n"].tolist() == [2] * 30
    with pytest.raises(UsageError, match="run 'd0' has rows of"):
        read_analysis(path, Choices(factors=three, run="day"))


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        (Choices(responses=("enrgy_j",)), "did you mean 'energy_j'"),
        (Choices(responses=("task",)), "--response task: holds text"),
        (Choices(responses=("j_per_b",)), "--response 'j_per_b' is not known"),
        (Choices(factors=("tsk",)), "did you mean 'task'"),
        (Choices(factors=("status",)), "is 'done' in every row"),
        (Choices(factors=("energy_j",)), "a column energy_j of its own"),
        (Choices(run="day"), "--run 'day' is not known"),
        (Choices(repetition="day"), "--repetition 'day' is not known"),
        (Choices(exclude=("task != ''",)), "no row can be used: 24 rows left out"),
        (Choices(exclude=("tsk == 'a'",)), "exclude \"tsk == 'a'\""),
    ],
    ids=str,
)
def test_wrong_words_are_refused_in_one_line(tmp_path: Path, choices: Choices, words: str) -> None:
    rows = [
        {"model": model, "task": task, "rep": rep, "status": "done", "energy_j": 5.0 + rep}
        for model in ("a", "b", "c") for task in ("x", "y") for rep in range(4)
    ]  # fmt: skip
    with pytest.raises(UsageError, match=re.escape(words)) as refusal:
        read_analysis(write(tmp_path / "t.csv", rows), choices)
    assert "\n" not in str(refusal.value)


def test_what_is_no_table_of_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        read_analysis(tmp_path / "absent.csv")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError, match="a table ends with one of"):
        read_analysis(tmp_path / "notes.txt")
    with pytest.raises(UsageError, match="is not a study's folder"):
        read_analysis(tmp_path)
    (tmp_path / "empty.csv").write_text("a,energy_j\n")
    with pytest.raises(UsageError, match="holds no row"):
        read_analysis(tmp_path / "empty.csv")
    with pytest.raises(UsageError, match="no column was varied"):
        read_analysis(write(tmp_path / "one.csv", [{"model": "a", "energy_j": 1.5}] * 3))
    with pytest.raises(UsageError, match="no column is an energy"):
        read_analysis(write(tmp_path / "no.csv", [{"model": m, "colour": "red"} for m in "ab"]))


# A study of our own form

_CHANNEL = Channel("gpu0:power", "W", 0.001, 0.03, 0.5, 0.1, 0.0, scope="gpu board")


def _study(folder: Path) -> RunTable:
    table = RunTable.create(folder, {"study": "ours", "factors": {"size": ["small", "large"]}})
    for place, (size, repetition) in enumerate([("small", 1), ("large", 1), ("small", 2)]):
        joules = 100.0 * (place + 1)
        energy = {"joules": joules, "noise": 3.0, "biases": {"gain": 0.04 * joules}}
        table.append(
            Run(
                f"r{place}",
                "ours",
                {"order": place, "block": repetition, "repetition": repetition,
                 "levels": {"size": size}},
                host="box",
                windows=[Window("measure", 0.0, 4.0)],
                channels=[_CHANNEL],
                energy={"gpu0:power": {"measure": energy | _WORDS}},
                work={"tokens_out": 50},
            )
        )  # fmt: skip
    failed = Run("r3", "ours", {"levels": {"size": "large"}, "repetition": 2}, "failed", error="x")
    table.append(failed)
    table.write_csv()
    return table


_WORDS = {"method": "measured", "scope": "gpu board", "below_resolution": False}


def test_a_study_is_read_from_its_records_with_noise_and_bias(tmp_path: Path) -> None:
    _study(tmp_path / "study")
    found = read_analysis(tmp_path / "study")
    assert found.name == "ours"
    assert found.levels("size") == ["small", "large"]
    assert [each.sentence for each in found.dropped] == [
        "1 row left out: status is 'failed' (the first: row 4 (r3))"
    ]
    assert found.frame["energy_j"].tolist() == [100.0, 200.0, 300.0]
    assert found.frame["energy_noise_j"].tolist() == [3.0] * 3
    assert found.frame["energy_bias_j"].tolist() == pytest.approx([4.0, 8.0, 12.0])
    assert found.frame["power_w"].tolist() == [25.0, 50.0, 75.0]
    assert found.frame["power_noise_w"].tolist() == [0.75] * 3
    assert found.frame["energy_per_token_bias_j"].tolist() == pytest.approx([0.08, 0.16, 0.24])
    assert found.frame["block"].tolist() == [1, 1, 2]


def test_a_damaged_record_is_refused_with_its_run(tmp_path: Path) -> None:
    table = _study(tmp_path / "study")
    run = table.runs[0]
    run.energy = {"gpu0:power": {"measure": {"joules": 5.0}}}
    table.append(run)
    with pytest.raises(UsageError, match=r"run 'r0' of study 'ours' has a damaged record .* mend"):
        read_analysis(table.folder)


def test_run_means_carry_noise_that_shrinks_and_bias_that_does_not(tmp_path: Path) -> None:
    _study(tmp_path / "study")
    means = run_means(read_analysis(tmp_path / "study"))
    assert means.level == "run"
    assert means.frame["run"].tolist() == ["small", "large"]
    assert means.frame["n"].tolist() == [2, 1]
    assert means.frame["energy_j"].tolist() == [200.0, 200.0]
    assert means.frame["energy_noise_j"].tolist() == pytest.approx([3.0 / np.sqrt(2), 3.0])
    assert means.frame["energy_bias_j"].tolist() == pytest.approx([8.0, 8.0])
    assert run_means(means) is means


def test_the_table_of_a_study_reads_as_its_folder_does(tmp_path: Path) -> None:
    table = _study(tmp_path / "study")
    folder = read_analysis(table.folder).frame
    # The order of levels in words is known to the folder alone, and so are lines to the file.
    for path in (table.folder / "run_table.csv", table.folder / "runs.jsonl"):
        file = read_analysis(path).frame
        same = [name for name in folder if name not in ("line", "run", "size")]
        assert file[same].equals(folder[same])


# Published tables


def _published(reference: Path, name: str) -> Path:
    return reference / "greenlab" / "run_tables" / name


def test_the_published_tables_read_as_they_are(reference: Path) -> None:
    edited = read_analysis(_published(reference, "GL_Final_Run_Table_Edited.csv"))
    raw = read_analysis(_published(reference, "GL_Final_Run_Table_Raw.csv"))
    for found in (edited, raw):
        assert (len(found), found.runs, found.dropped) == (900, 30, ())
        assert found.factors == ("generation", "model_size", "task")
        assert found.levels("generation") == ["2", "3", "3.1", "3.2"]
        assert found.levels("model_size") == ["1B", "3B", "7B", "8B"]
        assert found.levels("task") == ["BoolQ", "CB", "COPA", "RTE", "WiC", "WSC"]
    assert edited.response("duration_s").source == "duration_ms"
    assert raw.response("energy_j").source == "energy_consumption_total_joules"
    assert raw.response("tokens").source == "response_token_count"
    assert "accuracy" in edited.varying
    assert "accuracy" not in raw.varying  # it is 1 in every row there
    same = ["energy_j", "duration_s", "tokens", "run", "repetition"]
    assert edited.frame[same].equals(raw.frame[same])
    # "111,84" is 111.84: about 390 W, not 4.
    assert 300 < float(edited.frame["power_w"].mean()) < 450
    wrapped = read_analysis(
        _published(reference, "GL_Final_Run_Table_Raw.csv"), Choices(responses=("energy",))
    )
    assert "error touches energy_j" in wrapped.audit


def test_run_means_of_the_published_table(reference: Path) -> None:
    path = reference.parent / "oracles" / "csv" / "greenlab_published_run.csv"
    if not path.is_file():
        pytest.skip(f"reference values absent: {path}")
    means = run_means(read_analysis(_published(reference, "GL_Final_Run_Table_Edited.csv"))).frame
    expected = read_analysis(path, audit=False).frame.set_index("run")
    means = means.set_index(means["run"].astype(str))
    expected.index = expected.index.astype(str)
    for name in ("energy_j", "energy_per_token_j", "duration_s", "accuracy", "j_per_b"):
        ratio = means[name] / expected.loc[means.index, name]
        assert np.abs(ratio - 1).max() < 1e-13


def test_what_was_read_is_json_ready(tmp_path: Path) -> None:
    found = read_analysis(write(tmp_path / "t.csv", generations()))
    assert found.to_dict()["units"] == {"model": ["generation", "model_size"]}
    assert asdict(found.responses[0])["name"] == "energy_j"
