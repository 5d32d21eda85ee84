"""Stand-in tokenizers: sizes and special tokens as published, any text there and back."""

from __future__ import annotations

import functools
from typing import Any

import pytest
from engine_cases import needs_torch, shape_folder
from hypothesis import given
from hypothesis import strategies as st

from joulebench.engines.shapes import SHAPES

pytestmark = needs_torch

CHAT = [{"role": "user", "content": "Is it warm?"}]


@functools.cache
def tokenizer(name: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(shape_folder(name), local_files_only=True)


@pytest.mark.parametrize("name", SHAPES)
def test_the_vocabulary_has_the_published_size(name: str) -> None:
    size = SHAPES[name].vocabulary
    assert len(tokenizer(name)) == size
    assert sorted(tokenizer(name).get_vocab().values()) == list(range(size))


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("llama-2-13b", {"<unk>": 0, "<s>": 1, "</s>": 2}),
        (
            "llama-3-8b",
            {
                "<|begin_of_text|>": 128000,
                "<|end_of_text|>": 128001,
                "<|reserved_special_token_2|>": 128004,
                "<|start_header_id|>": 128006,
                "<|end_header_id|>": 128007,
                "<|reserved_special_token_4|>": 128008,
                "<|eot_id|>": 128009,
                "<|reserved_special_token_250|>": 128255,
            },
        ),
        (
            "llama-3.2-3b",
            {
                "<|begin_of_text|>": 128000,
                "<|end_of_text|>": 128001,
                "<|finetune_right_pad_id|>": 128004,
                "<|reserved_special_token_2|>": 128005,
                "<|eom_id|>": 128008,
                "<|eot_id|>": 128009,
                "<|python_tag|>": 128010,
                "<|reserved_special_token_247|>": 128255,
            },
        ),
    ],
)
def test_special_tokens_have_the_published_ids(name: str, ids: dict[str, int]) -> None:
    found = tokenizer(name)
    assert {token: found.convert_tokens_to_ids(token) for token in ids} == ids
    assert found.decode(list(ids.values()), skip_special_tokens=True) == ""
    assert (found.bos_token_id, found.eos_token_id) in ((1, 2), (128000, 128001))


@given(st.text(max_size=60))
def test_any_text_comes_back(text: str) -> None:
    for name in ("llama-2-7b", "llama-3.2-1b"):
        ids = tokenizer(name)(text, add_special_tokens=False)["input_ids"]
        assert tokenizer(name).decode(ids) == text


@pytest.mark.parametrize("name", SHAPES)
def test_every_token_can_be_read(name: str) -> None:
    found = tokenizer(name)
    assert all(isinstance(text, str) for text in found.batch_decode([[i] for i in range(999)]))
    last = SHAPES[name].vocabulary - 257  # neither a byte nor a special token
    assert found.decode([last], skip_special_tokens=True).strip()


def test_a_chat_is_put_as_its_family_does() -> None:
    llama_3 = tokenizer("llama-3.1-8b")
    ids = llama_3.apply_chat_template(CHAT, add_generation_prompt=True)["input_ids"]
    names = llama_3.convert_ids_to_tokens(ids)
    assert (names[0], names[1], names[3]) == (
        "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>"
    )  # fmt: skip
    assert names.count("<|eot_id|>") == 1
    llama_2 = tokenizer("llama-2-7b")
    text = llama_2.apply_chat_template(CHAT, add_generation_prompt=True, tokenize=False)
    assert text == "<s>[INST] Is it warm? [/INST]"
    assert llama_2(text, add_special_tokens=False)["input_ids"].count(1) == 1


def test_a_bare_text_begins_as_published() -> None:
    for name, first in (("llama-2-7b", 1), ("llama-3-8b", 128000)):
        assert tokenizer(name)("Hello")["input_ids"][0] == first


def test_words_are_more_than_bytes() -> None:
    text = "What is the cause of the following sentence? Explain your choice."
    assert len(tokenizer("llama-3-8b")(text)["input_ids"]) < len(text) / 3
