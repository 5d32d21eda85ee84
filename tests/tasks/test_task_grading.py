"""Grading of typical answers; the longer ones are in the manner of real chat models."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from joulebench.tasks import answers
from joulebench.tasks.registry import build_task

CHOICES = ("He missed the bus.", "His hair got wet.")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Yes", True),
        ("no.", False),
        ("**Yes**, they do.", True),
        ("  Yes, that is correct. According to the passage, no baker's yeast is needed.", True),
        ("No, it does not.", False),
        ("No it does not", False),
        ("True", True),
        ("Based on the passage, no, the two are distinct.", False),
        ("The tower was restored twice. Therefore, the answer is **yes**.", True),
        ('According to the text, the answer is "no".', False),
        ("Answer: False", False),
        ('I would say "yes" because the passage says so.', True),
        ("The answer to the question of the tides is no. The passage says otherwise.", False),
        ("No one can tell from this passage.", None),
        ("Yesterday it rained.", None),
        ("The passage is about chess clocks.", None),
        ("Yes. On reflection, the answer is no.", None),
        ("", None),
    ],
)
def test_yes_and_no(text: str, verdict: bool | None) -> None:
    assert answers.yes_no(text) is verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("Yes, the hypothesis follows from the premise.", True),
        ("No, the hypothesis does not follow from the premise.", False),
        ('The hypothesis "It rained" does follow from the premise.', True),
        ("The hypothesis doesn’t necessarily follow from the premise.", False),
        ("The premise entails the hypothesis.", True),
        ("The premise does not entail the hypothesis. It says nothing of that.", False),
        ("The hypothesis contradicts the premise.", False),
        ("The hypothesis is supported by the premise.", True),
        ("The hypothesis is not implied by the premise.", False),
        ("The premise does never entail the hypothesis.", False),
        ("The premise entails the hypothesis. It does not follow that both are true.", True),
        ("Both sentences are about ferries.", None),
    ],
)
def test_entailment(text: str, verdict: bool | None) -> None:
    assert answers.follows(text) is verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('In both sentences, the word "run" has the same meaning.', True),
        ('No, the word "bank" has different meanings in the two sentences.', False),
        ('The word "bank" does not have the same meaning in the two sentences.', False),
        ("The word has a different sense in each.", False),
        ("They are not the same.", False),
        ("In Sentence 1, it is the side of a river.", None),
    ],
)
def test_word_meaning(text: str, verdict: bool | None) -> None:
    assert answers.same_meaning(text) is verdict


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('Yes, "it" refers to "the cup".', True),
        ('No, "it" does not refer to the cup.', False),
        ('In the sentence, "it" refers to "the cup." ', True),
        ('The pronoun refers back to "The Cup", since it was full.', True),
        ('In the sentence, "it" refers to the bottle.', False),
        ('The pronoun "it" does not refer to "the cup". Instead it refers to the bottle.', False),
        ('"it" does not refer to the bottle.', None),
        ("The cupboard is open; it refers to the cupboard.", False),
        ("Water was poured.", None),
    ],
)
def test_pronouns(text: str, verdict: bool | None) -> None:
    assert answers.refers_to(text, "the cup") is verdict


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("1", 0),
        ("2.", 1),
        ("(1) He missed the bus.", 0),
        ("Choice 2", 1),
        ("I would choose **Choice 2: His hair got wet**. Choice 1 has nothing to do with it.", 1),
        ("The correct answer is (2) His hair got wet.", 1),
        ("The most likely effect is:\n\nChoice 1: He missed the bus. Unlike Choice 2, it fits.", 0),
        ("The answer is that his hair got wet.", 1),
        ("Choice 1 and Choice 2 are both possible.", None),
        ("I chose option 2 of these.", 1),
        ("It rained for 2 days.", None),
        ("", None),
    ],
)
def test_choices(text: str, taken: int | None) -> None:
    assert answers.choice(text, CHOICES) == taken


def graded(name: str, label: object, text: str, prompt: str = "explain") -> bool | None:
    task = build_task(name, {"prompt": prompt})
    request = next(r for r in task.requests() if r.item["label"] == label)
    return task.grade(request, text)


@pytest.mark.parametrize(
    ("name", "label", "text", "right"),
    [
        ("boolq", True, "Yes.", True),
        ("boolq", False, "Yes.", False),
        ("cb", "neutral", "No, the premise does not entail it.", True),
        ("cb", "entailment", "Yes, it does.", True),
        ("copa", 0, "Choice 1", True),
        ("copa", 1, "Choice 1", False),
        ("rte", "not_entailment", "No, it does not.", True),
        ("wic", True, "They have the same meaning.", True),
        ("wsc", False, "No.", True),
        ("wsc", True, "I cannot tell.", None),
    ],
)
def test_each_task_grades(name: str, label: object, text: str, right: bool | None) -> None:
    assert graded(name, label, text) is right


@pytest.mark.parametrize(
    ("text", "right"),
    [("neutral", True), ("Contradiction.", False), ("No", None), ("entailment or neutral", None)],
)
def test_short_cb_asks_for_three_labels(text: str, right: bool | None) -> None:
    assert graded("cb", "neutral", text, prompt="short") is right


def test_the_gold_answer_is_always_right_and_the_other_never() -> None:
    said = {
        True: "Yes.",
        False: "No.",
        "entailment": "Yes.",
        "neutral": "No.",
        "contradiction": "No.",
        "not_entailment": "No.",
    }
    for name in ("boolq", "cb", "copa", "rte", "wic", "wsc"):
        task = build_task(name, {})
        for request in task.requests():
            label = request.item["label"]
            gold = str(label + 1) if name == "copa" else said[label]
            other = {"Yes.": "No.", "No.": "Yes.", "1": "2", "2": "1"}[gold]
            assert task.grade(request, gold) is True
            assert task.grade(request, other) is False


@pytest.mark.parametrize(
    ("number", "name", "share"),
    [
        (0, "boolq", 0.65),
        (1, "cb", 0.95),
        (2, "copa", 0.80),
        (3, "rte", 0.98),
        (4, "wic", 0.85),
        (5, "wsc", 0.98),
    ],
)
def test_most_real_answers_can_be_graded(
    number: int, name: str, share: float, reference: Path
) -> None:
    """Take the published study's logged answers; its own prompts ask for free text."""
    task = build_task(name, {"data": str(reference / "superglue")})
    asked = {" ".join(request.prompt.split()): request for request in task.requests()}
    grades = [
        task.grade(asked[" ".join(prompt.split())], response)
        for prompt, response in logged_answers(reference, number)
    ]
    assert len(grades) > 500
    assert sum(grade is not None for grade in grades) / len(grades) >= share


def logged_answers(reference: Path, number: int) -> list[tuple[str, str]]:
    """Prompts and responses of all runs of one task: every sixth run id."""
    csv.field_size_limit(10**7)
    runs = reference / "greenlab" / "experiments" / "llama_profiling"
    found = []
    for file in sorted(runs.glob("run_*_repetition_*/prompts_out.tsv")):
        if int(file.parent.name.split("_")[1]) % 6 == number:
            with file.open(encoding="utf-8", newline="") as lines:
                rows = csv.DictReader(lines, delimiter="\t")
                found += [(row["prompt"], row["response"]) for row in rows]
    return found
