"""Pieces of an answer that differ in their text alone: read without being parsed."""

from __future__ import annotations

_NAMES = (b'"content":', b'"text":')
_MOST_MISSES = 8
"""Pieces in a row that were not alike, after which none is looked for."""


class Alike:
    """Remembers what surrounds the text of a piece, and finds the text of the next one by it.

    Most servers send hundreds of pieces that are equal byte by byte but for the text. What is
    not certainly of that form is not read here: it is parsed like the first one.
    """

    def __init__(self) -> None:
        self._head = self._tail = b""
        self._shortest = 0
        self._misses = 0

    def text(self, line: bytes) -> str | None:
        """Give the text of a piece that is like the one before; ``None`` where it may not be."""
        if not self._shortest or len(line) < self._shortest:
            return None
        if not (line.startswith(self._head) and line.endswith(self._tail)):
            return None
        inner = line[len(self._head) : -len(self._tail)]
        if b'"' in inner or b"\\" in inner:
            return None
        try:
            text = inner.decode()
        except UnicodeDecodeError:
            return None
        # What JSON does not allow in a text is not printable: the parser says so.
        if not text.isprintable():
            return None
        self._misses = 0
        return text

    def learn(self, line: bytes, text: str) -> None:
        """Remember what surrounds the text of a piece, if that is clear."""
        self._shortest = 0
        if self._misses >= _MOST_MISSES:
            return
        self._misses += 1
        counts = [line.count(name) for name in _NAMES]
        if sum(counts) != 1:  # which of several the text is from is not certain
            return
        name = _NAMES[counts.index(1)]
        name_end = line.index(name) + len(name)
        begin = line.find(b'"', name_end) + 1
        end = line.find(b'"', begin)
        plain = text.encode(errors="surrogatepass")
        if end <= begin or line[name_end : begin - 1].strip() or line[begin:end] != plain:
            return
        self._head, self._tail = line[:begin], line[end:]
        self._shortest = len(self._head) + len(self._tail) + 1
