"""SuperGLUE's diagnostics, SST-2 and QQP: prompts, answers, and what else they measure."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from joulebench.errors import UsageError
from joulebench.tasks import answers, hub, metrics
from joulebench.tasks.form import Graded
from joulebench.tasks.forms import FORMS
from joulebench.tasks.registry import build_task
from joulebench.tasks.superglue import SuperGlueTask
from joulebench.work import Request

NAMES = ("axb", "axg", "sst2", "qqp")
SAID: dict[str, dict[object, str]] = {
    "axb": {"entailment": "Yes.", "not_entailment": "No."},
    "axg": {"entailment": "Yes.", "not_entailment": "No."},
    "sst2": {1: "Positive.", 0: "Negative."},
    "qqp": {1: "Yes.", 0: "No."},
}


@pytest.mark.parametrize("name", NAMES)
def test_twelve_demo_items_half_of_each_label(name: str) -> None:
    requests = build_task(name, {}).requests()
    labels = Counter(request.item["label"] for request in requests)
    assert labels == dict.fromkeys(FORMS[name].labels, 6)
    assert len({request.prompt for request in requests}) == 12


@pytest.mark.parametrize("name", NAMES)
def test_each_variant_ends_with_its_own_line(name: str) -> None:
    explain, short = (
        build_task(name, {"prompt": p}).requests()[0].prompt for p in ("explain", "short")
    )
    assert explain.endswith("Explain your choice.")
    assert short.endswith(FORMS[name].short)


@pytest.mark.parametrize("name", NAMES)
def test_the_gold_answer_is_always_right_and_the_other_never(name: str) -> None:
    task = build_task(name, {})
    for request in task.requests():
        gold = request.item["label"]
        for label, text in SAID[name].items():
            assert task.grade(request, text) is (label == gold)


@pytest.mark.parametrize(("name", "title"), [("axb", "AX-b"), ("axg", "AX-g")])
def test_the_real_diagnostics_are_read(name: str, title: str, reference: Path) -> None:
    folder = reference / "superglue"
    requests = build_task(title, {"data": str(folder), "items": 80}).requests()
    lines = [json.loads(line) for line in (folder / f"{title}.jsonl").read_text().splitlines()]
    assert [request.item for request in requests] == lines
    assert requests[0].request_id == f"{name}-0000"
    demo = {request.prompt for request in build_task(name, {}).requests()}
    assert not demo & {request.prompt for request in requests}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Positive", True),
        ("negative.", False),
        ("**Positive.** The acting is praised.", True),
        ("The review is clearly negative, although it praises the music.", False),
        ("The sentiment of the review is positive.", True),
        ("Answer: negative", False),
        ("It praises the actors, so I would call it positive.", True),
        ("It is not positive.", None),
        ("It has positive and negative parts.", None),
        ("The film is long.", None),
        ("", None),
    ],
)
def test_feelings(text: str, verdict: bool | None) -> None:
    assert answers.positive(text) is verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Yes, they are duplicates.", True),
        ("The two questions ask the same thing.", True),
        ("They do not ask the same thing.", False),
        ("The questions are about different things.", False),
        ("They are not duplicates of each other.", False),
        ("Both speak of basil.", None),
    ],
)
def test_questions(text: str, verdict: bool | None) -> None:
    assert answers.same_question(text) is verdict


@pytest.mark.parametrize(
    ("name", "label", "says"),
    [
        ("axb", "contradiction", "label 'contradiction' is not one of AX-b's: entailment, not_"),
        ("sst2", "1", "label '1' is not one of SST-2's: 0, 1"),
        ("sst2", -1, "label -1 is not one of SST-2's"),
        ("qqp", True, "label True is not one of QQP's: 0, 1"),
    ],
)
def test_labels_outside_the_set_are_refused(
    name: str, label: object, says: str, tmp_path: Path
) -> None:
    item = dict(build_task(name, {}).requests()[0].item)
    lines = [json.dumps(item), json.dumps(item | {"label": label})]
    (tmp_path / f"{FORMS[name].title}.jsonl").write_text("\n".join(lines))
    with pytest.raises(UsageError) as error:
        build_task(name, {"data": str(tmp_path)})
    assert f"{FORMS[name].title}.jsonl:2: {says}" in str(error.value)


def graded(name: str, rights: list[bool | None]) -> dict[str, float]:
    """Give the metrics of a demo's answers with these grades."""
    task = SuperGlueTask(name)
    requests = task.requests()[: len(rights)]
    return task.metrics([(r, "", right) for r, right in zip(requests, rights, strict=True)])


def test_matthews_correlation() -> None:
    # Labels 1 0 0 1 1 0; answered 1 0 1 0 1 -: 2 true and 1 false positives, 1 and 1 negatives.
    found = graded("axb", [True, True, False, False, True, None])
    assert found["matthews"] == pytest.approx((2 * 1 - 1 * 1) / (3 * 3 * 2 * 2) ** 0.5)
    assert graded("axb", [True] * 12) == {"matthews": 1.0}
    assert graded("axb", [False] * 12) == {"matthews": -1.0}
    assert graded("axb", [True]) == {"matthews": 0.0}
    assert graded("axb", [None]) == {}


def test_f1_of_duplicates() -> None:
    # Labels 1 0 1 0; answered 1 1 0 -: one true and one false positive, one false negative.
    assert graded("qqp", [True, False, False, None]) == {"f1": pytest.approx(2 / 4)}
    assert graded("qqp", [None]) == {}


def test_gender_parity_counts_pairs_that_are_both_graded() -> None:
    # Pairs: right and right, right and wrong, right and not graded.
    rights = [True, True, True, False, True, None]
    assert graded("axg", rights) == {"gender_parity": 0.5, "pairs_graded": 2.0}
    assert graded("axg", [True]) == {}


def test_pairs_without_a_number_have_no_parity() -> None:
    item = {"label": "entailment"}
    assert metrics.gender_parity([Graded(item, "", "short", True)] * 2) == {}


def test_sst2_measures_accuracy_alone() -> None:
    task = SuperGlueTask("sst2")
    assert task.metrics([(Request("a", "b", {"label": 1}), "positive", True)]) == {}


@pytest.mark.parametrize(
    ("task", "row", "label"),
    [
        ("axb", {"sentence1": "a", "sentence2": "b", "idx": 0, "label": 0}, "entailment"),
        ("axg", {"premise": "a", "hypothesis": "b", "idx": 0, "label": 1}, "not_entailment"),
        ("sst2", {"sentence": "a", "idx": 0, "label": 1}, 1),
        ("qqp", {"question1": "a", "question2": "b", "idx": 0, "label": 0}, 0),
    ],
)
def test_hub_rows_take_the_data_sets_own_form(
    task: str, row: dict[str, Any], label: object
) -> None:
    assert hub.own_form(task, row) == row | {"label": label}


def test_every_task_has_its_place_on_the_hub_at_one_revision() -> None:
    assert set(hub.SOURCES) == set(FORMS)
    assert {len(source.revision) for source in hub.SOURCES.values()} == {40}
    assert {name for name in FORMS if hub.SOURCES[name].split == "test"} == {"axb", "axg"}
