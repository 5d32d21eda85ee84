"""Builds one tiny model into a folder: ``python -m joulebench.engines.tiny_build NAME FOLDER``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from joulebench.engines.tiny import FORMAT, MARKER, RECIPES, TinyRecipe, corpus, recipe_digest

BEGIN, END, USER, ANSWER, PAD = "<|begin|>", "<|end|>", "<|user|>", "<|assistant|>", "<|pad|>"

CHAT_TEMPLATE = (
    "{{ '" + BEGIN + "' }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + '\\n' + message['content'] + '" + END + "' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '" + ANSWER + "' + '\\n' }}{% endif %}"
)


def train_tokenizer(vocabulary: int) -> Any:
    """Train a byte-level BPE tokenizer on the package's corpus.

    Args:
        vocabulary: Number of tokens, bytes and special tokens included.

    Returns:
        A transformers tokenizer with a chat template; it can encode any text.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, BEGIN, END, USER, ANSWER],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(corpus(), trainer)
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call, unused-ignore]
        tokenizer_object=bpe, bos_token=BEGIN, eos_token=END, pad_token=PAD, padding_side="left"
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def random_model(recipe: TinyRecipe, tokenizer: Any) -> Any:
    """Make a Llama of a recipe's shape with seeded random weights, in float32."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        max_position_embeddings=recipe.context,
        initializer_range=recipe.initializer_range,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(recipe.seed)
    return LlamaForCausalLM(config)


def build(name: str, folder: Path) -> None:
    """Write a tiny model, its tokenizer and, last of all, its marker into a folder."""
    recipe = RECIPES[name]
    tokenizer = train_tokenizer(recipe.vocabulary)
    random_model(recipe, tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    marker = {
        "format": FORMAT,
        "name": name,
        "random_weights": True,
        "digest": recipe_digest(name),
        "recipe": asdict(recipe),
    }
    (folder / MARKER).write_text(json.dumps(marker, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    build(sys.argv[1], Path(sys.argv[2]))
