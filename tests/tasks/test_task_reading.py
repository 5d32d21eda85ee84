"""MultiRC, ReCoRD and SQuAD: their files, how answers are found, and what is measured."""

from __future__ import annotations

import copy
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from joulebench.errors import UsageError
from joulebench.tasks import answers, spans
from joulebench.tasks.forms import FORMS
from joulebench.tasks.registry import build_task
from joulebench.tasks.superglue import SuperGlueTask

NAMES = ("multirc", "record", "squad", "squad2")
NOTHING = "The passage does not say."


def gold(task: SuperGlueTask, item: Any) -> str:
    """Give a right answer to an item."""
    if task.name == "multirc":
        return "Yes." if item["label"] else "No."
    return item["answers"][0] if item["answers"] else NOTHING


def test_demo_items() -> None:
    counts = {name: len(build_task(name, {"items": 12}).requests()) for name in NAMES}
    assert counts == {"multirc": 31, "record": 12, "squad": 12, "squad2": 12}
    for name in NAMES:
        prompts = [request.prompt for request in build_task(name, {}).requests()]
        assert len(set(prompts)) == len(prompts)
    nothing = [not r.item["answers"] for r in build_task("squad2", {}).requests()]
    assert nothing.count(True) == 6


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("prompt", ["explain", "short"])
def test_gold_answers_are_right_and_score_one(name: str, prompt: str) -> None:
    task = SuperGlueTask(name, prompt=prompt)
    said = [(r, gold(task, r.item), task.grade(r, gold(task, r.item))) for r in task.requests()]
    assert all(right is True for _, _, right in said)
    ones = {key: value for key, value in task.metrics(said).items() if "graded" not in key}
    assert ones
    assert set(ones.values()) == {1.0}
    ends = "Explain your choice." if prompt == "explain" else FORMS[name].short
    assert task.requests()[0].prompt.endswith(ends)


@pytest.mark.parametrize(("name", "requests"), [("multirc", 488), ("record", 80)])
def test_eighty_real_items(name: str, requests: int, reference: Path) -> None:
    task = SuperGlueTask(name, data=str(reference / "superglue"), items=80)
    assert len(task.requests()) == requests
    said = [(r, gold(task, r.item), task.grade(r, gold(task, r.item))) for r in task.requests()]
    assert all(right is True for _, _, right in said)
    demo = {request.prompt for request in SuperGlueTask(name).requests()}
    assert not demo & {request.prompt for request in task.requests()}


def test_an_item_of_multirc_is_a_question_with_all_its_answers() -> None:
    first = build_task("multirc", {"items": 1}).requests()
    assert [r.item["answer"] for r in first] == [
        "In a shop beside the station",
        "At the school",
        "In the town hall",
    ]
    assert [r.request_id for r in first] == ["multirc-0000", "multirc-0001", "multirc-0002"]
    drawn = build_task("multirc", {"items": 2, "seed": 4}).requests()
    questions = [r.item["question"] for r in drawn]
    assert len(set(questions)) == 2
    everything = build_task("multirc", {}).requests()
    assert all(
        questions.count(q) == [r.item["question"] for r in everything].count(q) for q in questions
    )


def multirc_metrics(rights: list[bool | None]) -> dict[str, float]:
    task = SuperGlueTask("multirc")
    asked = task.requests()[: len(rights)]
    return task.metrics([(r, "", right) for r, right in zip(asked, rights, strict=True)])


def test_f1a_is_over_answers_and_exact_match_over_questions() -> None:
    # Labels 1 1 0 | 1 0; the second is denied, the last affirmed: 2 hits, 1 miss, 1 false alarm.
    found = multirc_metrics([True, False, True, True, False])
    assert found == {
        "f1a": pytest.approx(2 * 2 / (2 * 2 + 1 + 1)),
        "exact_match": 0.0,
        "questions_graded": 2.0,
    }
    assert multirc_metrics([True, True, True, True, False])["exact_match"] == 0.5


def test_a_question_with_an_ungraded_answer_is_missing_not_wrong() -> None:
    found = multirc_metrics([True, None, True, True, True])
    assert (found["exact_match"], found["questions_graded"]) == (1.0, 1.0)
    assert found["f1a"] == 1.0
    assert "exact_match" not in multirc_metrics([True, None, True])
    assert multirc_metrics([None, None, None]) == {}


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Yes, it is.", True),
        ("The answer is correct.", True),
        ("The answer is not correct.", False),
        ("That answer is incorrect, since she works there on Tuesdays.", False),
        ("No.", False),
        ("She works beside the station.", None),
    ],
)
def test_proposed_answers(text: str, verdict: bool | None) -> None:
    assert answers.is_correct(text) is verdict


# The official script's own cases: case, punctuation, articles and blanks make no difference.
@pytest.mark.parametrize(
    ("said", "golds", "exact", "f1"),
    [
        ("The  Denver Broncos!", ["Denver Broncos"], True, 1.0),
        ("an apple", ["Apple"], True, 1.0),
        ("Denver", ["Denver Broncos"], False, 2 / 3),
        ("the team Denver Broncos of Denver", ["Denver Broncos", "Broncos"], False, 4 / 7),
        ("well-known", ["well known"], False, 0.0),
        ("1,000", ["1000"], True, 1.0),
        ("nothing", ["something"], False, 0.0),
        ("", [], True, 1.0),
        ("the", [], True, 1.0),
        ("six", [], False, 0.0),
        ("", ["six"], False, 0.0),
        ("to be or to be", ["to do or to go"], False, 3 / 5),
    ],
)
def test_exact_match_and_f1(said: str, golds: list[str], exact: bool, f1: float) -> None:
    assert spans.exact(said, golds) is exact
    assert spans.f1(said, golds) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("text", "variant", "found"),
    [
        ("six", "short", "six"),
        ("Answer: in April.", "short", "in April"),
        ("The answer is **a railway**.\nIt was cheaper.", "short", "a railway"),
        ("", "short", None),
        (" \n", "explain", None),
        ("Six. The passage says that a family could look after six.", "explain", "Six"),
        ("The answer is April, since the work began then.", "explain",
         "April, since the work began then"),
        ('The correct answer is "a railway". It was built in 1836.', "explain", "a railway"),
        ("The passage speaks of many things, of basins and of salt and of rain too.",
         "explain", None),
    ],
)  # fmt: skip
def test_spans_of_a_text(text: str, variant: str, found: str | None) -> None:
    assert spans.span(text, variant) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("no answer", ""),
        ("No answer.", ""),
        ("The passage doesn’t mention its weight.", ""),
        ("Its weight is not stated in the passage.", ""),
        ("This question cannot be answered from the passage.", ""),
        ("Unanswerable", ""),
        ("40 grams", "40 grams"),
        ("", None),
    ],
)
def test_no_answer(text: str, found: str | None) -> None:
    assert spans.span_or_nothing(text, "short") == found


ENTITIES = ("Holm", "Petra Holm", "Baltic Bank", "St. Ives")


@pytest.mark.parametrize(
    ("text", "variant", "found"),
    [
        ("Petra Holm", "short", "Petra Holm"),
        ("petra holm.", "short", "petra holm"),
        ("It stands for the Baltic Bank, which lent Petra Holm money.", "explain", "Baltic Bank"),
        ("The answer is St. Ives.", "explain", "St. Ives"),
        ("Petra Holm, since Petra Holm owns it.", "explain", "Petra Holm"),
        ("Either the Baltic Bank or Petra Holm.", "explain", None),
        ("Lindau", "short", "Lindau"),
        ("I cannot tell which of them is meant here.", "short", None),
        ("Lindau", "explain", None),
        ("Holmes", "explain", None),
        ("", "short", None),
    ],
)
def test_entities_of_a_text(text: str, variant: str, found: str | None) -> None:
    assert spans.entity(text, ENTITIES, variant) == found


def test_answers_that_cannot_be_graded_are_left_out_of_the_metrics() -> None:
    task = SuperGlueTask("record", prompt="short")
    asked = task.requests()[:3]
    texts = ("Petra Holm", "Some Bank", "I cannot tell this from the text.")
    said = [(r, text, task.grade(r, text)) for r, text in zip(asked, texts, strict=True)]
    assert [right for _, _, right in said] == [True, False, None]
    assert task.metrics(said) == {"exact_match": 0.5, "f1": pytest.approx((1 + 0.5) / 2)}


def test_squad2_tells_questions_with_an_answer_from_those_without() -> None:
    task = SuperGlueTask("squad2", prompt="short")
    said = [(r, "no answer", task.grade(r, "no answer")) for r in task.requests()]
    assert task.metrics(said) == {
        "exact_match": 0.5,
        "f1": 0.5,
        "has_answer_exact_match": 0.0,
        "has_answer_f1": 0.0,
        "no_answer_exact_match": 1.0,
        "no_answer_f1": 1.0,
    }


# Files.

PARAGRAPH = {
    "context": "Salt was made here in six basins.",
    "qas": [
        {
            "id": "q1",
            "question": "How many basins?",
            "answers": [{"text": "six", "answer_start": 22}, {"text": "six", "answer_start": 22}],
        },
        {"id": "q2", "question": "Who made salt?", "answers": [], "is_impossible": True},
    ],
}


def test_the_official_squad_file_is_read_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "dev-v2.0.json"
    article = {"title": "Salt", "paragraphs": [PARAGRAPH]}
    file.write_text(json.dumps({"version": "v2.0", "data": [article]}))
    one, other = build_task("squad2", {"data": str(file)}).requests()
    assert one.item == {
        "id": "q1",
        "context": PARAGRAPH["context"],
        "question": "How many basins?",
        "answers": ["six"],
    }
    assert other.item["answers"] == []
    (tmp_path / "SQuAD2").mkdir()
    (tmp_path / "SQuAD2/val.jsonl").write_text(json.dumps(article) + "\n")
    assert build_task("squad2", {"data": str(tmp_path)}).requests() == [one, other]
    with pytest.raises(UsageError, match=r"question 2: no answers; SQuAD 1\.1 has one"):
        build_task("squad", {"data": str(file)})


def first_line(name: str) -> dict[str, Any]:
    file = Path(str(sys.modules["joulebench.tasks"].__file__)).parent / f"data/{name}.jsonl"
    line: dict[str, Any] = json.loads(file.read_text("utf-8").splitlines()[0])
    return line


def broken(name: str, change: dict[str, Any]) -> dict[str, Any]:
    """Give the first line of a demo with parts changed, by dotted path."""
    line = copy.deepcopy(first_line(name))
    for path, value in change.items():
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        place: Any = line
        for part in way:
            place = place[part]
        place[last] = value
    return line


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("multirc", {"passage": "text"}, ":2: field 'passage' is missing or is no object"),
        ("multirc", {"passage.questions": 3}, ":2: field 'questions' is missing or is no list"),
        ("multirc", {"passage.questions.1.answers.0.label": 2},
         ":2: question 2, answer 1: label 2 is not one of MultiRC's: 0, 1"),
        ("multirc", {"passage.questions.0.answers.0": {"text": "x"}},
         ":2: question 1, answer 1: field 'label' is missing"),
        ("multirc", {"passage.text": None}, "field 'paragraph' is missing"),
        ("record", {"passage.text": 5}, ":2: field 'passage.text' is missing or is no text"),
        ("record", {"passage.entities.0.end": 9999}, "lies outside the passage"),
        ("record", {"qas.1.query": "no mark"}, ":2: query 2: field 'query' holds no @placeholder"),
        ("record", {"qas.0.answers.0.text": "Nobody"},
         ":2: query 1: answer 'Nobody' is not one of the item's entities"),
        ("record", {"qas.0.answers": []}, ":2: query 1: field 'answers' is empty"),
        ("squad", {"answers.text": ["seven hundred"]},
         ":2: answer 'seven hundred' does not stand in the item's context"),
        ("squad", {"answers": "six"}, ":2: field 'answers' is missing or is no list of texts"),
        ("squad2", {"answers": {"text": [4]}}, ":2: field 'answers' is missing or is no list"),
        ("squad", {"context": 4}, ":2: field 'context' = 4 must be text"),
    ],
)  # fmt: skip
def test_bad_files_name_line_and_field(
    name: str, change: dict[str, Any], says: str, tmp_path: Path
) -> None:
    file = tmp_path / f"{name}.jsonl"
    file.write_text(f"{json.dumps(first_line(name))}\n{json.dumps(broken(name, change))}\n")
    with pytest.raises(UsageError) as error:
        build_task(name, {"data": str(file)})
    assert says in str(error.value)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


HUB_ROWS: dict[str, list[dict[str, Any]]] = {
    "multirc": [
        {"paragraph": "p", "question": "q", "answer": a, "label": n,
         "idx": {"paragraph": 0, "question": 0, "answer": n}}
        for n, a in enumerate(("one", "two"))
    ],
    "record": [
        {"passage": "Ann saw Bo.", "query": "@placeholder fell.", "entities": ["Ann", "Bo"],
         "entity_spans": {}, "answers": ["Bo"], "idx": {"passage": 0, "query": 0}}
    ],
    "squad2": [
        {"id": "1", "title": "t", "context": "It is six.", "question": "How many?",
         "answers": {"text": ["six", "six"], "answer_start": [6, 6]}}
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", HUB_ROWS)
def test_hub_rows_are_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("datasets")
    module.load_dataset = lambda *_, **__: HUB_ROWS[name]  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "datasets", module)
    task = SuperGlueTask(name, data="hub", items=1)
    requests = task.requests()
    assert len(requests) == len(HUB_ROWS[name])
    assert all(task.grade(r, gold(task, r.item)) is True for r in requests)
