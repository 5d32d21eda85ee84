"""Tiny BERT-like models with a WordPiece tokenizer, built on the spot."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORDS = (
    "the a film was is it and of very good fine lovely bad dull awful plot cast ending who what "
    "where did Ann Bo go went to Paris Rome yesterday in found lost key dog cat house . ? , yes no "
    "not same premise hypothesis bank river money"
)
CONTEXT = 48


@functools.cache  # training is not quite the same twice
def tokenizer() -> Any:
    """A WordPiece tokenizer that knows the words above and can spell all others."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=400, special_tokens=special, show_progress=False)
    made.train_from_iterator([WORDS, "abcdefghijklmnopqrstuvwxyz 0123456789"] * 5, trainer)
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call, unused-ignore]
        tokenizer_object=made,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        model_max_length=CONTEXT,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def config(names: Sequence[str] = ("LABEL_0", "LABEL_1")) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=len(tokenizer()),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=CONTEXT,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        id2label=dict(enumerate(names)),
        label2id={name: n for n, name in enumerate(names)},
    )


def save(model: Any, folder: Path, *, random: bool = False) -> str:
    """Write a model with its tokenizer; a random one carries our marker."""
    model.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    if random:
        (folder / "joulebench.json").write_text(json.dumps({"random_weights": True}), "utf-8")
    return str(folder)


def trained(texts: Sequence[str], labels: Sequence[int], names: Sequence[str]) -> Any:
    """A classifier that has learnt to tell texts apart, in a second or so."""
    import torch
    from transformers import BertForSequenceClassification

    torch.manual_seed(0)
    model = BertForSequenceClassification(config(names)).train()
    batch = tokenizer()(list(texts), padding=True, return_tensors="pt")
    wanted = torch.tensor(list(labels))
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        loss = model(**batch, labels=wanted).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return model.eval()
