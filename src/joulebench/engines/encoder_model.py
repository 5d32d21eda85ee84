"""Gets an encoder onto a device: its head, its labels, its longest input."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joulebench.engines.model_source import ModelSource
from joulebench.engines.torch_hub import refusal
from joulebench.engines.torch_memory import in_memory, is_out_of_memory
from joulebench.engines.torch_model import no_progress_bar
from joulebench.engines.torch_quiet import torchao_quiet
from joulebench.engines.torch_weights import touch_weights
from joulebench.errors import Unavailable, UsageError

CLASSIFIER, SPAN = "classifier", "span"
HEADS: Mapping[str, str] = {
    CLASSIFIER: "ForSequenceClassification",
    SPAN: "ForQuestionAnswering",
}
"""Heads that answer, and how the classes of models that have them end."""

_OFFSET = ("roberta", "camembert", "mpnet", "longformer")
"""Families whose first position is the one after that of padding: they have fewer than stated."""


@dataclass(frozen=True, slots=True)
class LoadedEncoder:
    """An encoder that is ready.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        device: Where it is.
        head: ``classifier`` or ``span``.
        names: The checkpoint's names of its labels, in order; empty without a classifier.
        context: Longest input, tokens.
        untrained: Number of weights that the checkpoint does not hold, so that they are random.
    """

    model: Any
    tokenizer: Any
    device: Any
    head: str
    names: tuple[str, ...]
    context: int
    untrained: int


@torchao_quiet()
def import_encoder_libraries(source: ModelSource) -> None:
    """Import torch, transformers and the code of the model's architecture; run no operation.

    Raises:
        UsageError: The model's configuration cannot be read.
        Unavailable: torch or transformers is not installed.
    """
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise Unavailable(
                f"the encoder engine needs {package}, which is not installed.",
                "Install it: pip install 'joulebench[transformers]'",
            )
    import torch  # noqa: F401
    from transformers import AutoTokenizer

    del AutoTokenizer
    if source.local:
        config = _config(source)
        for head in HEADS:
            # Looking the class up imports its module, which would otherwise fall into the load.
            _class(head)._model_mapping.get(type(config), None)


def load_encoder(source: ModelSource, head: str, dtype: str, device: Any) -> LoadedEncoder:
    """Load tokenizer and weights onto a device, ready for inference.

    Args:
        source: Where they are.
        head: ``classifier``, ``span``, or ``auto`` for what the checkpoint was saved with.
        dtype: Of the weights.
        device: A torch device.

    Raises:
        UsageError: They are missing or damaged, or the checkpoint has no head that answers.
    """
    from transformers import AutoTokenizer

    config = _config(source)
    head = _own_head(source, config) if head == "auto" else head
    tokenizer = _loaded(source, AutoTokenizer, padding_side="right")
    if not tokenizer.is_fast or tokenizer.pad_token is None:
        raise UsageError(
            f"model {source.name!r}: the encoder engine needs a tokenizer of the library "
            "tokenizers with a padding token; use a checkpoint that has one"
        )
    with in_memory(device, "loading", "encoder"):
        model, info = _loaded(source, _class(head), dtype=dtype, output_loading_info=True)
        model = model.to(device).eval()
    touch_weights(model)
    weights = dict(model.named_parameters())
    missing = [weights[key].numel() for key in info["missing_keys"] if key in weights]
    return LoadedEncoder(
        model=model,
        tokenizer=tokenizer,
        device=device,
        head=head,
        names=_names(model.config) if head == CLASSIFIER else (),
        context=_context(model.config, tokenizer),
        untrained=sum(missing),
    )


def _own_head(source: ModelSource, config: Any) -> str:
    """Tell a checkpoint's head by the class that it was saved with."""
    classes = [str(name) for name in getattr(config, "architectures", None) or ()]
    for head, end in HEADS.items():
        if any(name.endswith(end) for name in classes):
            return head
    raise UsageError(
        f"model {source.name!r} has no head that answers (it is {', '.join(classes) or 'bare'}, "
        f"not ...{' or ...'.join(HEADS.values())}); use a fine-tuned checkpoint, or engine.head: "
        f"{CLASSIFIER} or {SPAN} to measure a random one"
    )


def _names(config: Any) -> tuple[str, ...]:
    return tuple(str(name) for _, name in sorted(config.id2label.items()))


def _context(config: Any, tokenizer: Any) -> int:
    """Give the longest input of a model, tokens."""
    own = getattr(config, "max_position_embeddings", None) or 2**31
    if any(family in config.model_type for family in _OFFSET):
        own -= (config.pad_token_id or 0) + 1
    return int(min(own, tokenizer.model_max_length))


def _class(head: str) -> Any:
    import transformers

    return getattr(transformers, f"AutoModel{HEADS[head]}")


def _config(source: ModelSource) -> Any:
    from transformers import AutoConfig

    return _loaded(source, AutoConfig)


@torchao_quiet()
def _loaded(source: ModelSource, kind: Any, **options: Any) -> Any:
    """Load a part of a model, turning a library's complaint into one line."""
    from safetensors import SafetensorError

    try:
        with no_progress_bar():
            return kind.from_pretrained(source.place, local_files_only=source.local, **options)
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as cause:
        if is_out_of_memory(cause):
            raise
        raise refusal(source, cause) from cause
