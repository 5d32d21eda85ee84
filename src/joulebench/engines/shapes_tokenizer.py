"""Stand-in tokenizers: the size and the special tokens of the published ones, other words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.engines.shapes import Shape
from joulebench.engines.shapes_folder import training_lines
from joulebench.engines.tiny_build import train_tokenizer

_MOST_TRAINED = 30_000
"""More tokens than the training lines can give; the rest of a vocabulary is filled up."""

_LLAMA_2_CHAT = (
    "{{ '<s>' }}{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ ' ' + message['content'] + ' </s><s>' }}"
    "{% else %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endif %}"
    "{% endfor %}"
)

_LLAMA_3_CHAT = (
    "{{ '<|begin_of_text|>' }}{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' }}"
    "{{ message['content'] + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)

_LLAMA_3_NAMES = {6: "start_header_id", 7: "end_header_id", 9: "eot_id"}
_LLAMA_31_NAMES = _LLAMA_3_NAMES | {4: "finetune_right_pad_id", 8: "eom_id", 10: "python_tag"}


@dataclass(frozen=True, slots=True)
class Words:
    """The special tokens of a family, and how it puts a chat.

    Args:
        special: Special tokens, in the order of their ids.
        first: Id of the first of them: 0, or after the ordinary tokens if -1.
        bos: Begins a text.
        eos: Ends one.
        chat: Template of a chat.
    """

    special: tuple[str, ...]
    first: int
    bos: str
    eos: str
    chat: str


def _reserved(named: dict[int, str]) -> tuple[str, ...]:
    """Give Llama 3's 256 special tokens: those without a name of their own are numbered."""
    named = {0: "begin_of_text", 1: "end_of_text", **named}
    free = iter(range(256))
    return tuple(
        f"<|{named.get(place) or f'reserved_special_token_{next(free)}'}|>" for place in range(256)
    )


WORDS = {
    "llama-2": Words(("<unk>", "<s>", "</s>"), 0, "<s>", "</s>", _LLAMA_2_CHAT),
    "llama-3": Words(
        _reserved(_LLAMA_3_NAMES), -1, "<|begin_of_text|>", "<|end_of_text|>", _LLAMA_3_CHAT
    ),
    "llama-3.1": Words(
        _reserved(_LLAMA_31_NAMES), -1, "<|begin_of_text|>", "<|end_of_text|>", _LLAMA_3_CHAT
    ),
}
"""Special tokens by family, at the ids that the published tokenizers have them."""


def stand_in_tokenizer(shape: Shape) -> Any:
    """Make a byte-level tokenizer with a shape's vocabulary size; any text comes back whole.

    It knows common English words. What is left of the vocabulary is filled with tokens that no text
    is made into, and that read `` token12345`` where a model with random weights generates them.

    Args:
        shape: Its ``vocabulary`` and ``words`` decide the tokenizer.

    Returns:
        A transformers tokenizer with a chat template.
    """
    if shape.words == "tiny":
        return train_tokenizer(shape.vocabulary)
    words = WORDS[shape.words]
    pieces, merges = _trained()
    ordinary = [*pieces, *(f"Ġtoken{n}" for n in range(len(pieces), _ordinary(shape, words)))]
    tokens = [*words.special, *ordinary] if words.first == 0 else [*ordinary, *words.special]
    return _tokenizer(tokens, merges, words)


def _ordinary(shape: Shape, words: Words) -> int:
    return shape.vocabulary - len(words.special)


def _trained() -> tuple[list[str], list[tuple[str, str]]]:
    """Learn pieces of words: bytes first, then each merge's result."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=_MOST_TRAINED,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(training_lines(), trainer)
    model = json.loads(bpe.to_str())["model"]
    pieces = sorted(model["vocab"], key=lambda piece: int(model["vocab"][piece]))
    return pieces, [(left, right) for left, right in model["merges"]]


def _tokenizer(tokens: Sequence[str], merges: list[tuple[str, str]], words: Words) -> Any:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    ids = {token: number for number, token in enumerate(tokens)}
    bpe = Tokenizer(models.BPE(vocab=ids, merges=merges))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    bpe.post_processor = processors.TemplateProcessing(
        single=f"{words.bos} $A", special_tokens=[(words.bos, ids[words.bos])]
    )
    bpe.add_special_tokens([AddedToken(token, special=True) for token in words.special])
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call, unused-ignore]
        tokenizer_object=bpe,
        bos_token=words.bos,
        eos_token=words.eos,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )
    tokenizer.chat_template = words.chat
    return tokenizer
