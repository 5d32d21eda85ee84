"""What the options of the transformers engine may be."""

from __future__ import annotations

from dataclasses import dataclass

from joulebench.errors import UsageError, unknown

DTYPES = ("auto", "bfloat16", "float16", "float32")

ATTENTIONS = (
    "eager",
    "flash_attention_2",
    "flash_attention_3",
    "flash_attention_4",
    "flex_attention",
    "sdpa",
)

BATCHINGS = ("continuous", "static")

SCHEMES = (
    "2:4",
    "fp4",
    "int8",
    "nf4",
    "torchao-fp8",
    "torchao-int4wo",
    "torchao-int8dq",
    "torchao-int8wo",
)
"""Ways to make weights smaller when they are loaded."""

NONE = "none"
"""Level of a factor that leaves a setting as the checkpoint has it."""


@dataclass(frozen=True, slots=True)
class TorchOptions:
    """The options of the transformers engine; checked when they are made.

    Args:
        threads: CPU threads of torch; torch's own choice if ``None``.
        dtype: ``float32``, ``bfloat16``, ``float16``, or ``auto`` for the checkpoint's own.
        device: ``auto`` (an accelerator if there is one), ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        max_model_len: Longest sequence, tokens; the model's own limit if ``None``.
        attention: One of :data:`ATTENTIONS`; the library's choice if ``None``.
        compiled: Whether the model goes through ``torch.compile``.
        batching: ``static`` (a batch begins and ends together) or ``continuous``.
        quantization: One of :data:`SCHEMES`; ``None`` for the weights as they are.

    Raises:
        UsageError: One that does not exist, or two that exclude each other.
    """

    threads: int | None = None
    dtype: str = "float32"
    device: str = "auto"
    max_model_len: int | None = None
    attention: str | None = None
    compiled: bool = False
    batching: str = "static"
    quantization: str | None = None

    def __post_init__(self) -> None:
        _one_of("dtype", self.dtype, DTYPES)
        _one_of("batching", self.batching, BATCHINGS)
        _positive("threads", self.threads)
        _positive("max_model_len", self.max_model_len)
        for name, allowed in (("attention", ATTENTIONS), ("quantization", SCHEMES)):
            value = getattr(self, name)
            if value == NONE:
                object.__setattr__(self, name, None)
            elif value is not None:
                _one_of(name, value, allowed)
        if self.batching == "continuous":
            self._refuse_what_excludes_continuous()

    def _refuse_what_excludes_continuous(self) -> None:
        if self.compiled:
            raise UsageError(
                "engine 'transformers': compile: true goes with batching: static; leave one out"
            )
        if self.attention == "flex_attention":
            raise UsageError(
                "engine 'transformers': batching: continuous takes attention eager, sdpa or a "
                "flash_attention, not flex_attention"
            )


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise unknown(f"engine 'transformers': {name}", str(value), allowed)


def _positive(name: str, value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"engine 'transformers': {name} = {value!r} must be a whole number from 1")
