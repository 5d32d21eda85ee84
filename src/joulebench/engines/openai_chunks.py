"""The chunks that a body of unknown length comes in (RFC 9112, section 7.1)."""

from __future__ import annotations

_LONGEST_LINE = 1 << 14


class BadChunks(ValueError):
    """Bytes that are no chunks."""


class Chunks:
    """Takes the chunks' frames off, however the bytes are cut."""

    def __init__(self) -> None:
        self.ended = False
        self._rest = b""
        self._left = 0
        """Bytes of the chunk under way that are to come, its line end included."""
        self._trailers = False

    def feed(self, data: bytes) -> bytes:
        """Give what is inside of the frames.

        Raises:
            BadChunks: A size that is none, a chunk that is longer than told, bytes after the end.
        """
        data = self._rest + data
        self._rest = b""
        inside: list[bytes] = []
        place = 0
        while place < len(data):
            if self._left:
                place = self._within(data, place, inside)
            else:
                stop = data.find(b"\n", place)
                if stop < 0:
                    self._keep(data[place:])
                    break
                self._line(data[place:stop].strip())
                place = stop + 1
        return inside[0] if len(inside) == 1 else b"".join(inside)

    def _within(self, data: bytes, place: int, inside: list[bytes]) -> int:
        """Take what is there of the chunk under way."""
        stop = min(place + self._left, len(data))
        self._left -= stop - place
        text_stop = stop - max(2 - self._left, 0)  # without what is there of its line end
        if text_stop > place:
            inside.append(data[place:text_stop])
        end = data[max(text_stop, place) : stop]
        if not b"\r\n".endswith(end) and not b"\r\n".startswith(end):
            raise BadChunks("a chunk that is longer than told")
        return stop

    def _keep(self, rest: bytes) -> None:
        if len(rest) > _LONGEST_LINE:
            raise BadChunks("a chunk whose size does not end")
        self._rest = rest

    def _line(self, line: bytes) -> None:
        if self.ended:
            raise BadChunks("more came after the last chunk")
        if self._trailers:
            self.ended = not line
            return
        size = line.partition(b";")[0].strip()
        try:
            length = int(size, 16) if size.isalnum() and len(size) < 16 else -1
        except ValueError:
            length = -1
        if length < 0:
            raise BadChunks(f"a chunk without a size: {line[:40].decode('latin-1')!r}")
        if length:
            self._left = length + 2
        else:
            self._trailers = True
