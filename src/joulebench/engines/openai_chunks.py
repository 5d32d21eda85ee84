"""The chunks that a body of unknown length comes in (RFC 9112, section 7.1)."""

from __future__ import annotations

_LONGEST_LINE = 1 << 14
_MOST_TRAILERS_BYTES = 1 << 14
_HEX = b"0123456789abcdefABCDEF"
_END = b"\r\n"


class BadChunks(ValueError):
    """Bytes that are no chunks."""


class Chunks:
    """Takes the chunks' frames off, however the bytes are cut."""

    def __init__(self) -> None:
        self.ended = False
        self.over = False
        """Whether something came behind the last chunk, which belongs to no body."""
        self._rest = b""
        self._left = 0
        """Bytes of the chunk under way that are to come, its line end included."""
        self._trailers = False
        self._trailers_left = _MOST_TRAILERS_BYTES

    def feed(self, data: bytes) -> bytes:
        """Give what is inside of the frames.

        Raises:
            BadChunks: A size that is none, a chunk that is longer than told, too long trailers.
        """
        data = self._rest + data
        self._rest = b""
        inside: list[bytes] = []
        place = 0
        while place < len(data):
            if self.ended:
                self.over = True
                break
            if self._left:
                place = self._within(data, place, inside)
            else:
                stop = data.find(b"\n", place)
                if stop < 0:
                    self._keep(data[place:])
                    break
                self._line(data[place:stop].rstrip(b"\r"))
                place = stop + 1
        return inside[0] if len(inside) == 1 else b"".join(inside)

    def _within(self, data: bytes, place: int, inside: list[bytes]) -> int:
        """Take what is there of the chunk under way."""
        text_stop = min(place + max(self._left - len(_END), 0), len(data))
        if text_stop > place:
            inside.append(data[place:text_stop])
            self._left -= text_stop - place
        if self._left > len(_END):
            return text_stop
        end = _END[-self._left :]
        found = data[text_stop : text_stop + len(end)]
        if not end.startswith(found):
            raise BadChunks("a chunk that is longer than told")
        self._left -= len(found)
        return text_stop + len(found)

    def _keep(self, rest: bytes) -> None:
        if len(rest) > _LONGEST_LINE:
            raise BadChunks("a chunk whose size does not end")
        self._rest = rest

    def _line(self, line: bytes) -> None:
        if self._trailers:
            self._trailers_left -= len(line)
            if self._trailers_left < 0:
                raise BadChunks("trailers that are too long")
            self.ended = not line
            return
        size = line.partition(b";")[0].rstrip()
        if not 0 < len(size) < 16 or size.strip(_HEX):
            raise BadChunks(f"a chunk without a size: {line[:40].decode('latin-1')!r}")
        if length := int(size, 16):
            self._left = length + 2
        else:
            self._trailers = True
