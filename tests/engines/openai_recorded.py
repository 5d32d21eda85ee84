"""Streams of servers that are in use, in the forms that they are documented and seen in.

Written by hand after their documentation and streams that others published; texts and ids are ours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recorded:
    """What a server sends, and what is to be read in it.

    Args:
        lines: Of the stream; each ends an event.
        text: The answer.
        tokens: Prompt tokens and generated ones; ``None`` where the server tells none.
        pieces: How many pieces have a time.
        finish: The reason as Joulebench has it.
    """

    lines: tuple[str, ...]
    text: str
    tokens: tuple[int, int] | None
    pieces: int
    finish: str

    @property
    def data(self) -> bytes:
        """The bytes."""
        return "".join(f"{line}\n\n" for line in self.lines).encode()


def _ollama(delta: str, finish: str = "null") -> str:
    return (
        'data: {"id":"chatcmpl-140","object":"chat.completion.chunk","created":1768062791,'
        '"model":"tiny:1b","system_fingerprint":"fp_ollama","choices":[{"index":0,"delta":{'
        f'"role":"assistant",{delta}}},"finish_reason":{finish}}}]}}'
    )


OLLAMA = Recorded(
    (
        _ollama('"content":"","reasoning":"Hm"'),
        _ollama('"content":"It"'),
        _ollama('"content":" is"'),
        _ollama('"content":" \\"warm\\""'),
        _ollama('"content":""', '"stop"'),
        'data: {"id":"chatcmpl-140","object":"chat.completion.chunk","created":1768062791,'
        '"model":"tiny:1b","system_fingerprint":"fp_ollama","choices":[],"usage":'
        '{"prompt_tokens":22,"completion_tokens":6,"total_tokens":28}}',
        "data: [DONE]",
    ),
    'It is "warm"',
    (22, 6),
    4,
    "stop",
)
"""A role in each piece, thoughts in ``reasoning`` beside an empty text, usage without choices."""


def _llama_cpp(delta: str, told: int, finish: str = "null") -> str:
    return (
        f'data: {{"choices":[{{"finish_reason":{finish},"index":0,"delta":{delta}}}],'
        '"created":1781492230,"id":"chatcmpl-qC6laQHb","model":"tiny.gguf",'
        '"system_fingerprint":"b9554-d403f00ec","object":"chat.completion.chunk","timings":'
        f'{{"cache_n":7,"prompt_n":10,"prompt_ms":251.51,"predicted_n":{told},'
        f'"predicted_ms":{14.5 * told}}}}}'
    )


LLAMA_CPP = Recorded(
    (
        _llama_cpp('{"role":"assistant","content":null}', 0),
        _llama_cpp('{"content":"It"}', 1),
        _llama_cpp('{"content":" is"}', 2),
        _llama_cpp('{"content":"\\n"}', 3),
        _llama_cpp("{}", 3, '"length"'),
        'data: {"choices":[],"created":1781492230,"id":"chatcmpl-qC6laQHb","model":"tiny.gguf",'
        '"system_fingerprint":"b9554-d403f00ec","object":"chat.completion.chunk","usage":'
        '{"completion_tokens":3,"prompt_tokens":17,"total_tokens":20},"timings":{"cache_n":7,'
        '"prompt_n":10,"prompt_ms":251.51,"predicted_n":3,"predicted_ms":43.5}}',
        "data: [DONE]",
    ),
    "It is\n",
    (17, 3),
    3,
    "length",
)
"""A first piece whose text is null, timings that change from piece to piece."""


def _tgi(content: str, finish: str = "null") -> str:
    return (
        'data:{"id":"","object":"text_completion","created":1725530204,"model":"tiny",'
        '"system_fingerprint":"2.0.1-native","choices":[{"index":0,"delta":{"role":"assistant",'
        f'"content":"{content}"}},"logprobs":null,"finish_reason":{finish}}}]}}'
    )


TGI = Recorded(
    (_tgi("It"), _tgi(" is"), _tgi(" wärm"), _tgi(".", '"length"')),
    "It is wärm.",
    None,
    4,
    "length",
)
"""No blank after ``data:``, the reason beside the last text, neither usage nor ``[DONE]``."""


def _sglang(delta: str, finish: str = "null", matched: str = "null") -> str:
    return (
        'data: {"id":"669d24a3423f4012","object":"chat.completion.chunk","created":1787195762,'
        f'"model":"tiny","choices":[{{"index":0,"delta":{delta},"logprobs":null,'
        f'"finish_reason":{finish},"matched_stop":{matched}}}],"usage":null}}'
    )


SGLANG = Recorded(
    (
        _sglang('{"role":"assistant","content":"","reasoning_content":null,"tool_calls":null}'),
        _sglang('{"role":null,"content":null,"reasoning_content":"Hm so","tool_calls":null}'),
        _sglang('{"role":null,"content":"It is","reasoning_content":null,"tool_calls":null}'),
        _sglang('{"role":null,"content":" warm","reasoning_content":null,"tool_calls":null}'),
        _sglang(
            '{"role":null,"content":null,"reasoning_content":null,"tool_calls":null}',
            '"stop"',
            "128009",
        ),
        'data: {"id":"669d24a3423f4012","object":"chat.completion.chunk","created":1787195762,'
        '"model":"tiny","choices":[],"usage":{"prompt_tokens":75,"total_tokens":81,'
        '"completion_tokens":6,"prompt_tokens_details":null,"reasoning_tokens":2}}',
        "data: [DONE]",
    ),
    "It is warm",
    (75, 6),
    3,
    "stop",
)
"""``usage: null`` in all pieces but the last, several tokens in a piece, thoughts apart."""

RECORDED = {"ollama": OLLAMA, "llama.cpp": LLAMA_CPP, "tgi": TGI, "sglang": SGLANG}
