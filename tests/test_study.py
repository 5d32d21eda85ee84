"""Study files: what is read, what is refused, and what is planned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from joulebench.errors import UsageError
from joulebench.record import Run, RunTable
from joulebench.study_file import json_schema, seed_of
from joulebench.study_folder import open_study
from joulebench.study_plan import plan
from joulebench.study_read import differences, dump, load, parse, presets

ECHO: dict[str, Any] = {
    "study": "echo",
    "factors": {"model": ["small", "large"], "task": ["BoolQ", "copa"]},
    "repetitions": 2,
    "engine": {"kind": "echo", "token_s": 0.001},
    "tasks": {"items": 2},
}


def planned(**changes: Any) -> list[dict[str, Any]]:
    return plan(parse({**ECHO, **changes}, "s.yaml"))


def refusal(**changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        planned(**changes)
    return str(caught.value)


def test_presets_are_read_and_planned() -> None:
    assert "demo" in presets()
    for name in presets():
        assert len(plan(load(name))) > 0


def test_the_demo_is_eighteen_trials() -> None:
    plans = plan(load("demo"))
    assert len(plans) == 18
    assert {trial["model"] for trial in plans} == {"tiny_a", "tiny_b"}
    assert {trial["task"] for trial in plans} == {"boolq", "copa", "rte"}


def test_a_plan_holds_what_a_trial_needs() -> None:
    first = planned()[0]
    assert first["study"] == "echo"
    assert first["trial"].keys() == {"order", "block", "repetition", "levels"}
    assert first["engine"] == {"kind": "echo", "token_s": 0.001}
    assert first["tasks"] == {"data": "demo", "items": 2, "prompt": "short"}
    json.dumps(first, allow_nan=False)


def test_tasks_are_matched_without_regard_to_case() -> None:
    assert {trial["task"] for trial in planned()} == {"boolq", "copa"}


def test_the_sampling_seed_differs_by_repetition_alone() -> None:
    seeds = {(t["trial"]["repetition"], t["sampling"]["seed"]) for t in planned()}
    assert len(seeds) == 2
    assert len({seed for _, seed in seeds}) == 2
    again = {(t["trial"]["repetition"], t["sampling"]["seed"]) for t in planned()}
    assert seeds == again


def test_seeds_do_not_change_between_versions() -> None:
    assert seed_of("demo") == 357279926
    assert 0 <= seed_of("x", 3) < 2**31


def test_a_factor_named_after_a_setting_sets_it() -> None:
    factors = {"model": ["a"], "task": ["boolq"], "batch_size": [1, 4], "max_tokens": [8, 16]}
    plans = planned(factors=factors, load={"kind": "batch"})
    assert {t["load"]["batch_size"] for t in plans} == {1, 4}
    assert {t["sampling"]["max_tokens"] for t in plans} == {8, 16}


def test_a_level_is_checked_like_the_setting() -> None:
    factors = {"model": ["a"], "task": ["boolq"], "batch_size": [1, 4]}
    assert "batch_size above 1 needs kind: batch" in refusal(factors=factors)


def test_the_model_may_depend_on_factors() -> None:
    plans = planned(
        factors={"generation": ["2", 3.1], "task": ["boolq"]},
        model={"by": ["generation"], "of": {"2": "old", "3.1": "new"}},
    )
    pairs = {(t["trial"]["levels"]["generation"], t["model"]) for t in plans}
    assert pairs == {("2", "old"), (3.1, "new")}


def test_a_cell_without_a_model_is_refused() -> None:
    said = refusal(
        factors={"generation": ["2", "3"], "task": ["boolq"]},
        model={"by": ["generation"], "of": {"2": "old"}},
    )
    assert "model.of has no line for '3'" in said


def test_a_command_takes_levels() -> None:
    plans = plan(
        parse(
            {
                "study": "c",
                "factors": {"n": [1, 2]},
                "workload": "command",
                "command": ["sleep", "0.{n}"],
            },
            "s.yaml",
        )
    )
    assert sorted(t["command"][1] for t in plans) == ["0.1", "0.2"]
    assert "model" not in plans[0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"repetition": 3}, "key 'repetition' is not known: did you mean 'repetitions'"),
        ({"sampling": {"max_token": 3}}, "sampling: key 'max_token' is not known: did you mean"),
        ({"protocol": {"cooldown": {"fixed": 3}}}, "protocol.cooldown: key 'fixed' is not known"),
        ({"repetitions": 0}, "repetitions: must be greater than or equal to 1, not 0"),
        ({"repetitions": "3"}, "repetitions: must be a valid integer, not '3'"),
        ({"load": {"kind": "opn"}}, "load.kind: must be 'sequential', 'batch', 'closed' or 'open'"),
        ({"workload": "train"}, "workload: must be 'generate' or 'command', not 'train'"),
        ({"testbeds": [{}]}, "testbeds.0: a testbed has either url: or slurm:"),
        ({"tasks": {"score": {"kind": "judge"}}}, "tasks.score.engine: is missing"),
        ({"tasks": {"score": {"kind": "juge"}}}, "tasks.score.kind: must be 'rules', 'choice'"),
        ({"tasks": {"score": {"kind": "rules", "votes": 3}}}, "tasks.score: key 'votes' is not"),
        ({"analysis": {"presets": "x"}}, "analysis: key 'presets' is not known"),
        ({"study": "../x"}, "is also a folder's name"),
        ({"sampling": {"max_tokens": 2, "min_tokens": 3}}, "min_tokens 3 is above max_tokens 2"),
        ({"factors": {"model": ["a"], "task": ["boolq"], "colour": ["red"]}}, "changes nothing"),
        ({"factors": {"task": ["boolq"]}}, "key 'model' is missing"),
        ({"factors": {"model": ["a"]}}, "key 'task' is missing"),
        ({"model": "x"}, "model is given twice"),
        ({"task": "boolq"}, "task is given twice"),
        ({"model": {"by": ["size"], "of": {"a": "b"}}}, "model.by: factor 'size' is not known"),
        ({"model": {"by": ["model"], "off": {"a": "b"}}}, "model: key 'off' is not known"),
        ({"exclude": ["model == 'smal'"]}, "excludes no cell"),
        ({"workload": "command"}, "need each other"),
        ({"meters": "nvml"}, "meters: must be auto or a list such as [nvml, rapl], not 'nvml'"),
        ({"protocol": {"idle_s": float("inf")}}, "protocol.idle_s: must be a finite number"),
        ({"protocol": {"idle_s": float("nan")}}, "protocol.idle_s: must be a finite number"),
        ({"protocol": {"idle_s": 1e300}}, "protocol.idle_s: must be less than or equal to 86400"),
        ({"sampling": {"temperature": float("inf")}}, "sampling.temperature: must be a finite"),
        ({"factors": {"task": "boolq"}}, "factors.task: must be a list of levels"),
        ({"factors": {"task": ["cb", None]}}, "factors.task: level 2 must be text, a finite"),
        ({"factors": {"task": [float("nan")]}}, "factors.task: level 1 must be text, a finite"),
        ({"factors": ["task"]}, "factors: must hold names and their lists of levels"),
        ({"study": 5}, "study: must be a valid string, not 5; put it in quotes"),
        ({"repetitions": 10**8}, "at most 100000 trials"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], said: str) -> None:
    message = refusal(**changes)
    assert said in message
    assert "\n" not in message


def command_refusal(*words: str, **factors: list[Any]) -> str:
    study = {"study": "c", "workload": "command", "command": list(words), "factors": factors}
    with pytest.raises(UsageError) as caught:
        plan(parse(study, "s.yaml"))
    return str(caught.value)


def test_what_stands_in_a_command_is_a_factor() -> None:
    assert "{m} names no factor (factors: n)" in command_refusal("sleep", "{m}", n=[1])
    assert "names no factor (factors: none); write {{ and }}" in command_refusal("sh", "${X}")
    assert "write {n} in a word of the command" in command_refusal("sleep", "1", n=[1])
    for word in ("{n:999999999}", "{n:d}", "{n!x}"):
        assert "more than a factor's name" in command_refusal("sleep", word, n=[1])
    for word in ("{n.__class__}", "{n[0]}"):
        assert "names no factor" in command_refusal("sleep", word, n=[1])


@pytest.mark.parametrize("name", ["status", "run_id", "energy_j", "duration_s", "findings"])
def test_a_factor_may_not_hide_a_column_of_the_table(name: str) -> None:
    said = command_refusal("sleep", f"{{{name}}}", **{name: [1, 2]})
    assert "the run table has a column of that name" in said


def test_a_study_without_items_takes_all_of_the_demo() -> None:
    from importlib.resources import files

    study = parse({"study": "s", "model": "m", "task": "cb"}, "s.yaml")
    packaged = files("joulebench.tasks").joinpath("data/cb.jsonl").read_text("utf-8")
    assert study.tasks.items == len(packaged.splitlines())
    elsewhere = parse({"study": "s", "model": "m", "task": "cb", "tasks": {"data": "hub"}}, "s")
    assert elsewhere.tasks.items == 80


def test_numbers_with_an_exponent_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text("study: s\nprotocol: {idle_s: 2e0, interval_s: 5e-2}\n")
    protocol = load(str(path)).protocol
    assert (protocol.idle_s, protocol.interval_s) == (2.0, 0.05)


def test_the_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**ECHO, "oder": {}}))
    with pytest.raises(UsageError, match=r"mine\.yaml: key 'oder' is not known.*'order'"):
        load(str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("study: a\nstudy: b\n", "line 2: key 'study' is given twice"),
        ("factors:\n  a: [1]\n  a: [2]\n", "line 3: key 'a' is given twice"),
        ("study: [a\n", "mend the YAML"),
        ("- a\n", "must hold keys and values"),
        ("", "must hold keys and values"),
        ("repetitions: 3\n", "study: is missing"),
        ("tasks: 3\nstudy: a\n", "tasks: "),
    ],
)
def test_bad_yaml_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        load(str(path))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("source", ["nowhere.yaml", "runs/nothing"])
def test_a_missing_file_is_told(source: str) -> None:
    with pytest.raises(UsageError, match="no such study file"):
        load(source)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'demo'"):
        load("demmo")


def test_overrides_are_part_of_the_resolved_study() -> None:
    study = load("demo", {"tasks.items": 4, "repetitions": 1})
    assert study.tasks.items == 4
    assert dump(study)["repetitions"] == 1


def test_the_resolved_study_reads_back_the_same() -> None:
    study = load("demo")
    assert parse(dump(study), "again") == study


def test_data_is_placed_beside_the_study_file(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(yaml.safe_dump({**ECHO, "tasks": {"data": "items"}}))
    assert load(str(path)).tasks.data == str(tmp_path / "items")


def test_differences_name_keys() -> None:
    old, new = dump(load("demo")), dump(load("demo", {"tasks.items": 4}))
    assert differences(old, new) == ["tasks.items is 12 there and 4 now"]


def test_the_schema_describes_every_key() -> None:
    schema = json_schema()
    assert schema["additionalProperties"] is False
    assert all(part.keys() & {"description", "$ref"} for part in schema["properties"].values())


def test_an_imported_study_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("study: s\norigin: imported\n")
    with pytest.raises(
        UsageError, match=r"imported and cannot be run here; type: joulebench report"
    ):
        load(str(tmp_path))


def test_what_is_asked_of_the_results_may_change_when_the_runs_are_there(tmp_path: Path) -> None:
    study = {"study": "s", "repetitions": 2, "analysis": {"preset": ""}}
    table = RunTable.create(tmp_path / "s", {k: study[k] for k in ("study", "repetitions")})
    trial = {"order": 1, "block": 1, "repetition": 1, "levels": {}}
    table.append(Run("r01", "s", trial, "failed", error="stopped"))
    asked = {**study, "analysis": {"response": ["energy_j"]}}
    assert open_study(table.folder, asked, {}).study == asked
    assert RunTable.load(table.folder).study["analysis"] == {"response": ["energy_j"]}
    with pytest.raises(UsageError, match="repetitions is 2 there and 3 now"):
        open_study(table.folder, {**asked, "repetitions": 3}, {})
