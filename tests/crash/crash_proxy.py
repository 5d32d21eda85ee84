"""A TCP proxy on loopback whose connections can be cut."""

from __future__ import annotations

import selectors
import socket
import threading
import time
from contextlib import suppress

_PIECE = 1 << 16


class Proxy:
    """Passes bytes between a port of its own and another; cuts them when told.

    Args:
        to_port: Where connections go on.
    """

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._closed_until_s = 0.0
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = int(self._listener.getsockname()[1])
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def cut(self, length_s: float) -> None:
        """Drop all connections in the middle of what they carry, and refuse new ones so long."""
        self._closed_until_s = time.monotonic() + length_s
        with self._lock:
            for side in list(self._pairs):
                self._drop(side)

    def close(self) -> None:
        """Let everything go."""
        self._done.set()
        self._thread.join()
        self.cut(0.0)
        self._listener.close()
        self._selector.close()

    def _serve(self) -> None:
        while not self._done.is_set():
            for key, _ in self._selector.select(0.05):
                with self._lock:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif isinstance(key.fileobj, socket.socket):
                        self._pass_on(key.fileobj)

    def _accept(self) -> None:
        with suppress(OSError):
            near, _ = self._listener.accept()
            if time.monotonic() < self._closed_until_s:
                near.close()
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._to_port), timeout=2.0)
            except OSError:
                near.close()
                return
            for side, other in ((near, far), (far, near)):
                side.settimeout(2.0)
                self._pairs[side] = other
                self._selector.register(side, selectors.EVENT_READ)

    def _pass_on(self, side: socket.socket) -> None:
        other = self._pairs.get(side)
        if other is None:
            return
        try:
            piece = side.recv(_PIECE)
            if piece:
                other.sendall(piece)
                return
        except OSError:
            pass
        self._drop(side)

    def _drop(self, side: socket.socket) -> None:
        other = self._pairs.pop(side, None)
        for each in (side, other):
            if each is None:
                continue
            self._pairs.pop(each, None)
            with suppress(KeyError, ValueError):
                self._selector.unregister(each)
            each.close()
