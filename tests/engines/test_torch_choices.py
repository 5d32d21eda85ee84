from __future__ import annotations

from typing import Any

import pytest
from engine_cases import loaded, needs_torch, requests, tiny

from joulebench.engines import torch_choices
from joulebench.engines.transformers import TransformersEngine
from joulebench.errors import UsageError
from joulebench.work import Request

pytestmark = needs_torch

CHOICES = (
    ["yes", "no"],
    ["the cause", "an effect of it, and more besides", "x"],
    ["True", "False"],
)


def engine() -> TransformersEngine:
    found = tiny()
    assert isinstance(found, TransformersEngine)
    return found


def naive(found: TransformersEngine, prompt: str, choice: str) -> float:
    """One forward pass for each prefix: no batch, no padding, no slice of the logits."""
    import torch

    asked = found._words.asked(prompt)
    head, whole = (
        found._words.tokenizer([text], add_special_tokens=False)["input_ids"][0]
        for text in (asked, f"{asked} {choice}")
    )
    assert whole[: len(head)] == head
    total = 0.0
    with torch.no_grad():
        for end in range(len(head), len(whole)):
            last = found._model(input_ids=torch.tensor([whole[:end]])).logits[0, -1]
            total += float(last.double().log_softmax(-1)[whole[end]])
    return total


@pytest.mark.parametrize("most", [torch_choices.MOST_TOKENS, 64])
def test_sums_are_those_of_single_forward_passes(
    monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    """Whatever goes through the model together."""
    monkeypatch.setattr(torch_choices, "MOST_TOKENS", most)
    found = engine().choice_logprobs(requests(), CHOICES)
    for request, choices, sums in zip(requests(), CHOICES, found, strict=True):
        expected = [naive(engine(), request.prompt, choice) for choice in choices]
        assert sums == pytest.approx(expected, abs=1e-4)
        assert all(value < 0 for value in sums)


def test_a_model_that_gives_all_logits_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    some = engine().choice_logprobs(requests(), CHOICES)
    monkeypatch.setattr(torch_choices, "_keeps_some", lambda _: False)
    whole = engine().choice_logprobs(requests(), CHOICES)
    for one, other in zip(some, whole, strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_a_prompt_joined_with_its_choice_counts_what_is_not_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tokenizer that makes one token of the prompt's end and the choice."""
    words = engine()._words
    table: dict[str, list[int]] = {"a": [5, 6], "a b": [5, 7], "a c": [5, 6, 8]}
    monkeypatch.setattr(words, "asked", lambda prompt: prompt)
    monkeypatch.setattr(words, "ids", lambda texts: [table[text] for text in texts])
    (found,) = engine().choice_logprobs([Request("r", "a")], [["b", "c"]])
    expected = [_sum(engine()._model, ids, 1) for ids in ([5, 7], [5, 6, 8])]
    assert found == pytest.approx(expected, abs=1e-4)


def _sum(model: Any, ids: list[int], first: int) -> float:
    import torch

    with torch.no_grad():
        chances = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return float(sum(chances[at - 1, ids[at]] for at in range(first, len(ids))))


def test_an_overlong_prompt_loses_its_middle_and_is_counted() -> None:
    small = loaded("transformers", max_model_len=40)
    assert isinstance(small, TransformersEngine)
    long = Request("a", "Start. " + "middle " * 200 + "finish.")
    (found,) = small.choice_logprobs([long], [["yes", "no"]])
    assert all(value < 0 for value in found)
    assert small.facts()["prompts_truncated"] == 1


@pytest.mark.parametrize(
    ("choices", "says"),
    [
        ([[]], "give choices"),
        ([["yes", ""]], "none of them empty"),
        ([["yes"], ["no"]], "2 lists of choices for 1 requests"),
        ([["word " * 5000]], "leaves no room"),
    ],
)
def test_bad_choices_are_refused(choices: list[list[str]], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        engine().choice_logprobs(requests()[:1], choices)
