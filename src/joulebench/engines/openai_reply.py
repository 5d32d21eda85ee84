"""What an OpenAI-compatible server answers, as it comes: pieces, their times, usage, the end."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from joulebench.engines.openai_alike import Alike
from joulebench.work import Response

_SHOWN = 200
_LONGEST_LINE = 16 << 20
_BOM = b"\xef\xbb\xbf"


class ReplyError(Exception):
    """An answer that cannot be used; says what the server sent."""


class Reply:
    """One answer while it comes in.

    Args:
        start_s: When it was asked for, monotonic s.
        streamed: Whether it comes in pieces whose times say something.
    """

    def __init__(self, start_s: float, *, streamed: bool) -> None:
        self.start_s = start_s
        self.streamed = streamed
        self.text: list[str] = []
        self.token_s: list[float] = []
        self.stop_s = math.nan
        self.finish_reason = ""
        self.usage: Mapping[str, Any] = {}
        self.model = ""
        self.ended = False
        self._rest = bytearray()
        self._alike = Alike()

    def feed(self, data: bytes, now_s: float) -> None:
        """Take what came over the connection at a time.

        Raises:
            ReplyError: A line that is no JSON, or an error that the server told.
        """
        if len(self._rest) + len(data) > _LONGEST_LINE:
            raise ReplyError(f"it sent a line of more than {_LONGEST_LINE >> 20} MiB")
        if b"\n" not in data:
            self._rest += data
            return
        *lines, rest = (bytes(self._rest) + data).split(b"\n")
        self._rest = bytearray(rest)
        for line in lines:
            if line and not self.ended:
                self._line(line, now_s)

    def close(self, now_s: float) -> None:
        """Take note that no more comes.

        Raises:
            ReplyError: The answer is not complete.
        """
        rest, self._rest = bytes(self._rest), bytearray()
        if rest and not self.ended:
            self._line(rest, now_s)
        if not (self.ended or self.finish_reason):
            raise ReplyError("the answer broke off: neither a finish_reason nor [DONE] came")

    def _line(self, line: bytes, now_s: float) -> None:
        """Take one line; comments and what is no data mean nothing here."""
        text = self._alike.text(line)
        if text is not None:
            self.text.append(text)
            self.token_s.append(now_s)
            return
        name, _, value = line.strip().removeprefix(_BOM).partition(b":")
        if name != b"data" or not value.strip():
            return
        if value.strip() == b"[DONE]":
            self.ended = True
            return
        if self.take(parsed(value), now_s):
            self._alike.learn(line, self.text[-1])

    def take(self, document: Any, now_s: float) -> bool:
        """Take one document: a piece of a stream, or a whole answer.

        Returns:
            Whether it brought text, and not the end.

        Raises:
            ReplyError: It tells an error, or has another form.
        """
        if not isinstance(document, dict):
            raise ReplyError(f"it sent {shown(json.dumps(document))!r}, which is no answer")
        if document.get("error"):
            raise ReplyError(f"it tells an error: {said(document)}")
        if isinstance(document.get("usage"), dict):
            self.usage = document["usage"]
        self.model = str(document.get("model") or self.model)
        choices = document.get("choices")
        if not (isinstance(choices, list) and choices and isinstance(choices[0], dict)):
            return False
        return self._choice(choices[0], now_s)

    def _choice(self, choice: Mapping[str, Any], now_s: float) -> bool:
        part = choice.get("delta") or choice.get("message") or choice
        if not isinstance(part, dict):
            raise ReplyError(f"it sent a choice of an unknown form: {shown(json.dumps(choice))!r}")
        text = part.get("content") or part.get("text") or ""
        # What a model thinks before it answers is generated too, but is no answer.
        thought = part.get("reasoning_content") or part.get("reasoning") or ""
        if isinstance(text, str) and text:
            self.text.append(text)
        if text or thought:
            self.token_s.append(now_s)
        if choice.get("finish_reason"):
            self.finish_reason = str(choice["finish_reason"])
            self.stop_s = now_s
            return False
        return isinstance(text, str) and bool(text)

    def response(self, request_id: str) -> Response:
        """Give the response, its tokens counted by the server, or else by its pieces.

        Raises:
            ReplyError: Nothing in it says how many tokens were generated.
        """
        stop_s = self.token_s[-1] if self.token_s else self.stop_s
        told = self._counts()
        if told is None and not self.streamed:
            raise ReplyError(
                "it does not tell its usage and was not asked to stream, so that nothing counts "
                "the tokens; set stream: true"
            )
        tokens_in, tokens_out = told or (0, len(self.token_s))
        return Response(
            request_id=request_id,
            text=_whole("".join(self.text)),
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            start_s=self.start_s,
            first_token_s=(self.token_s or [stop_s])[0] if self.streamed else math.nan,
            stop_s=stop_s,
            finish_reason="length" if self.finish_reason in ("length", "max_tokens") else "stop",
            token_s=tuple(self.token_s) if self.streamed else (),
            tokens_from="usage" if told else "chunks",
        )

    def _counts(self) -> tuple[int, int] | None:
        counts = (self.usage.get("prompt_tokens"), self.usage.get("completion_tokens"))
        given = [n for n in counts if isinstance(n, int) and not isinstance(n, bool) and n >= 0]
        return (given[0], given[1]) if len(given) == 2 else None


def _whole(text: str) -> str:
    """Put surrogate pairs together that came in two pieces; half a pair is no character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def parsed(data: bytes) -> Any:
    """Parse a document.

    Raises:
        ReplyError: It is no JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError):  # also what is no UTF-8
        text = shown(data.decode("utf-8", "replace"))
        raise ReplyError(f"it sent a line that is no JSON: {text!r}") from None


def said(document: Any) -> str:
    """Give in one line what a server says of an error, in any of the forms that are in use."""
    while isinstance(document, dict):
        inner = (document.get(key) for key in ("error", "message", "detail", "type"))
        document = next((each for each in inner if each), "no reason")
    return shown(document if isinstance(document, str) else json.dumps(document))


def shown(text: str) -> str:
    """Cut a text to one line that one can read."""
    line = "".join(c if c.isprintable() else " " for c in " ".join(text.split()))
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}..."
