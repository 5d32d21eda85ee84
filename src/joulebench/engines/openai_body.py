"""What an OpenAI-compatible server is asked: the body of one request."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from joulebench.engines.sampling import call_seed
from joulebench.work import Request, Sampling

DISPENSABLE = ("stream_options", "ignore_eos")
"""Fields that are left out where a server refuses them; what they promise is checked besides."""

_SEEDS = 2**31
"""Some servers keep seeds in 32 bits."""


@dataclass(frozen=True, slots=True)
class Form:
    """What all requests of an engine have in common.

    Args:
        model: Name that the server knows the model by.
        chat: Ask for a chat completion; for a plain completion otherwise.
        stream: Have the answer sent as it is generated.
        extra: Further fields; one that is ``None`` is left out, whoever set it.
    """

    model: str
    chat: bool = True
    stream: bool = True
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Path below the server's root."""
        return "/chat/completions" if self.chat else "/completions"

    def body(self, request: Request, sampling: Sampling) -> dict[str, Any]:
        """Give the body that asks for one answer; its seed does not depend on the batch."""
        asked: dict[str, Any] = {"model": self.model}
        if self.chat:
            asked["messages"] = [{"role": "user", "content": request.prompt}]
        else:
            asked["prompt"] = request.prompt
        asked |= {"max_tokens": sampling.max_tokens, "temperature": sampling.temperature}
        if sampling.temperature > 0:
            asked |= {"top_p": sampling.top_p, "seed": call_seed(sampling, [request]) % _SEEDS}
        if sampling.min_tokens > 0:
            asked["min_tokens"] = sampling.min_tokens
        if sampling.min_tokens == sampling.max_tokens:
            asked["ignore_eos"] = True
        if self.stream:
            asked |= {"stream": True, "stream_options": {"include_usage": True}}
        asked |= self.extra
        return {name: value for name, value in asked.items() if value is not None}
