from __future__ import annotations

import csv
import json
import re
import sys
import types
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from joulebench.errors import Unavailable, UsageError
from joulebench.tasks.forms import FORMS
from joulebench.tasks.registry import build_task
from joulebench.tasks.superglue import SuperGlueTask

NAMES = ("boolq", "cb", "copa", "rte", "wic", "wsc")
"""Those of the published study, in its order."""

MAJORITY = {"cb": 5}


def label_of(request: Any) -> object:
    return request.item["label"]


@pytest.mark.parametrize("name", NAMES)
def test_twelve_demo_items_with_about_half_of_each_label(name: str) -> None:
    requests = build_task(name, {}).requests()
    counts = Counter(map(label_of, requests))
    assert len(requests) == 12
    assert max(counts.values()) == MAJORITY.get(name, 6)
    assert set(counts) == set(FORMS[name].labels)
    assert len({request.prompt for request in requests}) == 12


@pytest.mark.parametrize("name", NAMES)
def test_demo_items_share_nothing_with_the_data_sets(name: str, reference: Path) -> None:
    demo = {r.prompt for r in build_task(name, {}).requests()}
    real = {r.prompt for r in build_task(name, {"data": str(reference / "superglue")}).requests()}
    assert not demo & real


def test_demo_spans_are_where_they_say() -> None:
    for request in build_task("wic", {}).requests():
        item = request.item
        for n in ("1", "2"):
            found = item[f"sentence{n}"][item[f"start{n}"] : item[f"end{n}"]]
            assert found.casefold().startswith(item["word"][:4])
    for request in build_task("wsc", {}).requests():
        words, target = request.item["text"].split(), request.item["target"]
        for n in ("1", "2"):
            first = words[target[f"span{n}_index"]].strip(".,")
            assert first == target[f"span{n}_text"].split()[0]
        assert target["span1_index"] != target["span2_index"]


@pytest.mark.parametrize("name", NAMES)
def test_all_eighty_real_items_are_read(name: str, reference: Path) -> None:
    folder = reference / "superglue"
    requests = build_task(name, {"data": str(folder), "items": 80}).requests()
    file = folder / f"{FORMS[name].title}.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert [request.item for request in requests] == lines
    assert [r.request_id for r in requests[:2]] == [f"{name}-0000", f"{name}-0001"]
    assert len(build_task(name, {"data": str(file)}).requests()) == 80


@pytest.mark.parametrize(("number", "name"), list(enumerate(NAMES)))
def test_explain_prompts_are_the_published_studys(number: int, name: str, reference: Path) -> None:
    """Compare with the prompts that the study logged, where line ends became blanks."""
    run = reference / f"greenlab/experiments/llama_profiling/run_{number}_repetition_0"
    file = next(iter(sorted(run.parent.glob(f"run_{number}_repetition_*")))) / "prompts_out.tsv"
    csv.field_size_limit(10**7)
    with file.open(encoding="utf-8", newline="") as lines:
        logged = [" ".join(row["prompt"].split()) for row in csv.DictReader(lines, delimiter="\t")]
    task = build_task(name, {"data": str(reference / "superglue")})
    ours = {" ".join(request.prompt.split()) for request in task.requests()}
    assert logged
    assert set(logged) <= ours


@pytest.mark.parametrize("name", NAMES)
def test_each_variant_ends_with_its_own_line(name: str) -> None:
    explain, short = (build_task(name, {"prompt": p}).requests()[0].prompt for p in VARIANTS)
    assert explain.endswith("Explain your choice.")
    assert short.endswith(FORMS[name].short)
    assert short.removesuffix(FORMS[name].short) == explain.removesuffix("Explain your choice.")


VARIANTS = ("explain", "short")


def test_names_are_matched_without_regard_to_case() -> None:
    assert build_task("BoolQ", {}).name == "boolq"
    assert SuperGlueTask("WiC").name == "wic"


def test_items_are_the_first_ones_unless_a_seed_draws_them() -> None:
    everything = build_task("rte", {}).requests()
    assert build_task("rte", {"items": 5}).requests() == everything[:5]
    drawn = build_task("rte", {"items": 5, "seed": 1}).requests()
    assert drawn == build_task("rte", {"items": 5, "seed": 1}).requests()
    assert drawn != everything[:5]
    assert all(request in everything for request in drawn)


def test_the_published_folder_layout_is_read(tmp_path: Path) -> None:
    (tmp_path / "RTE").mkdir()
    (tmp_path / "RTE/val.jsonl").write_text(json.dumps(dict(RTE_ITEM)) + "\n\n")
    assert len(build_task("rte", {"data": str(tmp_path)}).requests()) == 1


RTE_ITEM = {"premise": "p", "hypothesis": "h", "label": "entailment", "idx": 0}
GOOD = json.dumps(RTE_ITEM) + "\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (GOOD + "{broken\n", ":2: not JSON"),
        (GOOD + "[1]\n", ":2: not a JSON object"),
        (GOOD + GOOD.replace("hypothesis", "hypotheses"), ":2: field 'hypothesis' is missing"),
        (GOOD.replace('"h"', "7"), ":1: field 'hypothesis' = 7 must be text"),
        (GOOD.replace('"label"', '"lable"'), ":1: field 'label' is missing"),
        (GOOD.replace("entailment", "maybe"), "label 'maybe' is not one of RTE's: entailment, not"),
        ("\n \n", "no items"),
    ],
)
def test_bad_files_name_line_and_field(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "RTE.jsonl"
    file.write_text(text, "utf-8")
    with pytest.raises(UsageError) as error:
        build_task("rte", {"data": str(tmp_path)})
    assert says in str(error.value)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rte.jsonl"
    file.write_bytes(GOOD.encode("utf-16"))
    with pytest.raises(UsageError, match="not UTF-8"):
        build_task("rte", {"data": str(file)})


@pytest.mark.parametrize(
    ("name", "label"), [("copa", True), ("copa", 2), ("boolq", 1), ("boolq", "true"), ("cb", 0)]
)
def test_labels_of_another_type_are_refused(name: str, label: object, tmp_path: Path) -> None:
    item = dict(build_task(name, {}).requests()[0].item) | {"label": label}
    (tmp_path / f"{name}.jsonl").write_text(json.dumps(item))
    with pytest.raises(UsageError, match="is not one of"):
        build_task(name, {"data": str(tmp_path)})


def test_a_nested_field_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "wsc.jsonl").write_text(json.dumps({"text": "t", "target": {}, "label": True}))
    with pytest.raises(UsageError, match=r"field 'target\.span1_text' is missing"):
        build_task("wsc", {"data": str(tmp_path)})


@pytest.mark.parametrize(
    ("name", "config", "says"),
    [
        ("boolqq", {}, "did you mean 'boolq'"),
        ("rte", {"item": 3}, "did you mean 'items'"),
        ("rte", {"name": "cb"}, "option 'name' is not known"),
        ("rte", {"prompt": "long"}, "allowed: explain, short"),
        ("rte", {"items": 13}, "has 12 items but 13 are asked for"),
        ("rte", {"items": 0}, "items = 0 must be a whole number from 1"),
        ("rte", {"data": "/no/such/folder"}, "is no folder or file"),
    ],
)
def test_wrong_configurations_say_what_to_write(
    name: str, config: dict[str, object], says: str
) -> None:
    with pytest.raises(UsageError) as error:
        build_task(name, config)
    assert says in str(error.value)


def test_a_folder_without_the_tasks_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"neither RTE\.jsonl nor RTE/val\.jsonl"):
        build_task("rte", {"data": str(tmp_path)})


def test_the_hub_without_its_package_names_the_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(Unavailable, match="pip install datasets"):
        build_task("rte", {"data": "hub"})


def fake_hub(monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]] | Exception) -> None:
    def load_dataset(repository: str, task: str, split: str, revision: str) -> list[dict[str, Any]]:
        assert (repository, split) == ("aps/super_glue", "validation")
        assert re.fullmatch("[0-9a-f]{40}", revision)
        if isinstance(rows, Exception):
            raise rows
        return rows

    module = types.ModuleType("datasets")
    module.load_dataset = load_dataset  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)


def test_the_hub_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, ConnectionError("no route\nto host"))
    with pytest.raises(Unavailable, match=r"cannot be fetched: no route\. Check the network"):
        build_task("rte", {"data": "hub"})


def test_hub_rows_take_the_data_sets_own_form(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "text": "Ann fell.",
        "span1_index": 0,
        "span2_index": 0,
        "span1_text": "Ann",
        "span2_text": "Ann",
        "idx": 0,
        "label": 1,
    }
    fake_hub(monkeypatch, [row])
    (request,) = build_task("wsc", {"data": "hub"}).requests()
    assert request.item["label"] is True
    assert request.item["target"]["span1_text"] == "Ann"


def test_unlabelled_hub_rows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_hub(monkeypatch, [{"premise": "p", "hypothesis": "h", "idx": 0, "label": -1}])
    with pytest.raises(UsageError, match="label -1 is not one of RTE's"):
        build_task("rte", {"data": "hub"})
