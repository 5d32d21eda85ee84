"""HTTP to a server on this machine: what the measured machine spends on asking is kept small.

Client and server draw from the same meters there. httpx's own connections cost several times the
processor time, most of it in the pool and in parsing each chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from typing import SupportsIndex

import httpx

from joulebench.engines.openai_chunks import BadChunks, Chunks

_READ_BYTES = 1 << 16
_MOST_HEAD_BYTES = 1 << 16


class Wire(httpx.AsyncBaseTransport):
    """Connections to one server without TLS, kept open from one request to the next."""

    def __init__(self) -> None:
        self._idle: list[_Connection] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request and give the answer as soon as its head is there.

        Raises:
            httpx.TransportError: It cannot be reached, says nothing in time, or no HTTP.
        """
        times: Mapping[str, float | None] = request.extensions.get("timeout", {})
        connection = self._kept() or await _opened(request, times.get("connect"))
        try:
            connection.send(request)
            status, headers, version = await connection.head(times.get("read"))
            body = _Body(connection, self._idle, times.get("read"))
            body.expect(request.method, status, httpx.Headers(headers), version)
        except BaseException:
            connection.close()
            raise
        return httpx.Response(status, headers=headers, stream=body)

    def _kept(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return connection
            connection.close()
        return None

    async def aclose(self) -> None:
        """Close the connections that nobody uses."""
        while self._idle:
            await self._idle.pop().closed()


async def _opened(request: httpx.Request, timeout_s: float | None) -> _Connection:
    url = request.url
    try:
        async with asyncio.timeout(timeout_s):
            return await _connected(url.host, url.port or 80)
    except TimeoutError as error:
        raise httpx.ConnectTimeout("no connection in time") from error
    except OSError as error:
        raise httpx.ConnectError(str(error)) from error


async def _connected(host: str, port: int) -> _Connection:
    """Connect as :func:`asyncio.open_connection` does, with a reader of ours."""
    loop = asyncio.get_running_loop()
    reader = _Reader(limit=_MOST_HEAD_BYTES, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    transport, _ = await loop.create_connection(lambda: protocol, host, port)
    return _Connection(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


class _Reader(asyncio.StreamReader):
    """Notes what comes while nothing is asked for: it must not be taken for the next answer."""

    asked = False
    unasked = False

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        self.unasked = self.unasked or not self.asked
        super().feed_data(data)


class _Connection:
    def __init__(self, reader: _Reader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def usable(self) -> bool:
        reader = self._reader
        return not (self._writer.is_closing() or reader.at_eof() or reader.unasked)

    def rest(self) -> None:
        """Take note that the answer is whole: what comes now was not asked for."""
        self._reader.asked = False

    def send(self, request: httpx.Request) -> None:
        self._reader.asked = True
        head = b"".join(b"%s: %s\r\n" % pair for pair in request.headers.raw)
        target = b"%s %s HTTP/1.1\r\n" % (request.method.encode(), request.url.raw_path)
        self._writer.write(target + head + b"\r\n" + request.content)

    async def head(self, timeout_s: float | None) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        """Give status, headers and version; what only announces them is passed over."""
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    lines = await self._head_lines()
                    status, version = _status(lines[0])
                    if status == 101:
                        raise httpx.RemoteProtocolError("it changed to another protocol")
                    if status >= 200:
                        return status, [_header(line) for line in lines[1:]], version
        except TimeoutError as error:
            raise httpx.ReadTimeout("no answer in time") from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error

    async def _head_lines(self) -> list[bytes]:
        lines: list[bytes] = []
        left = _MOST_HEAD_BYTES
        while True:
            try:
                line = await self._reader.readline()
            except ValueError as error:
                raise httpx.RemoteProtocolError("a header that is too long") from error
            if not line.endswith(b"\n"):
                raise httpx.RemoteProtocolError("it closed the connection without an answer")
            left -= len(line)
            if left < 0:
                raise httpx.RemoteProtocolError("headers that are too long")
            if stripped := line.rstrip(b"\r\n"):
                lines.append(stripped)
            elif lines:
                return lines

    async def read(self, timeout_s: float | None) -> bytes:
        """Give what came; nothing at the end of the connection."""
        try:
            async with asyncio.timeout(timeout_s):
                return await self._reader.read(_READ_BYTES)
        except TimeoutError as error:
            raise httpx.ReadTimeout("nothing more in time") from error
        except OSError as error:
            raise httpx.ReadError(str(error)) from error

    def close(self) -> None:
        self._writer.close()

    async def closed(self) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()


class _Body(httpx.AsyncByteStream):
    """The body of one answer; its connection is kept where the body came whole."""

    def __init__(
        self, connection: _Connection, idle: list[_Connection], timeout_s: float | None
    ) -> None:
        self._connection = connection
        self._idle = idle
        self._timeout_s = timeout_s
        self._chunks: Chunks | None = None
        self._left: int | None = None
        self._whole = self._keep = False

    def expect(self, method: str, status: int, headers: httpx.Headers, version: bytes) -> None:
        """Find out from the head where the body ends: chunks, a length, or the connection's end."""
        told = headers.get("connection", "").casefold()
        newer = version != b"HTTP/1.0"
        self._keep = "close" not in told and (newer or "keep-alive" in told)
        frames = headers.get("transfer-encoding", "").strip().casefold()
        if method == "HEAD" or status in (204, 304):
            self._whole = True
        elif frames == "chunked":
            self._chunks = Chunks()
            # A length besides is passed over, and such a connection not trusted any further.
            self._keep = self._keep and "content-length" not in headers
        elif frames:
            raise httpx.RemoteProtocolError(f"it sends in a form not asked for: {frames[:80]!r}")
        elif "content-length" in headers:
            self._left = _length(headers["content-length"])
            self._whole = self._left == 0
        else:
            self._keep = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self._whole:
            data = await self._connection.read(self._timeout_s)
            if not data:
                if self._chunks or self._left:
                    raise httpx.RemoteProtocolError("it closed the connection before the end")
                self._whole = True
                return
            if piece := self._taken(data):
                yield piece

    def _taken(self, data: bytes) -> bytes:
        if self._chunks is not None:
            try:
                data = self._chunks.feed(data)
            except BadChunks as error:
                raise httpx.RemoteProtocolError(str(error)) from error
            self._whole = self._chunks.ended
            self._keep = self._keep and not self._chunks.over
        elif self._left is not None:
            self._keep = self._keep and len(data) <= self._left
            data = data[: self._left]
            self._left -= len(data)
            self._whole = self._left == 0
        return data

    async def aclose(self) -> None:
        """Keep the connection for the next request, or close it."""
        if self._whole and self._keep and self._connection.usable:
            self._connection.rest()
            self._idle.append(self._connection)
        else:
            self._connection.close()


def _status(line: bytes) -> tuple[int, bytes]:
    version, _, rest = line.partition(b" ")
    code = rest.partition(b" ")[0]
    if not (version.startswith(b"HTTP/1.") and len(code) == 3 and code.isdigit()):
        raise httpx.RemoteProtocolError(f"no HTTP: {line[:80].decode('latin-1')!r}")
    return int(code), version


def _header(line: bytes) -> tuple[bytes, bytes]:
    name, colon, value = line.partition(b":")
    if not colon or not name or name != name.strip():  # a folded line is none either
        raise httpx.RemoteProtocolError(f"no header: {line[:80].decode('latin-1')!r}")
    return name, value.strip()


def _length(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise httpx.RemoteProtocolError(f"no length: {text[:80]!r}")
    return int(text)
