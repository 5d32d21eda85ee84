"""Connections that do not keep a place for ever: late heads, dead ends and too many are cut off."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from uvicorn.protocols.http.h11_impl import H11Protocol

from joulebench.testbed.service_settings import DEAD_S, HEAD_S, MOST_CONNECTIONS


class PatientProtocol(H11Protocol):
    """A connection whose request must come in time, and whose other end must be alive."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS:
            transport.abort()
            return
        _give_up_dead(cast("socket.socket | None", transport.get_extra_info("socket")))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Take what came; a head that is not whole yet has its time."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let a connection go."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        if self._late is None and not self.transport.is_closing():
            self._late = self.loop.call_later(HEAD_S, self._cut_off)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _cut_off(self) -> None:
        self._late = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()


def _give_up_dead(connection: socket.socket | None) -> None:
    """Have the kernel give up an end that answers nothing: an open stream keeps a lease alive."""
    if connection is None or not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * DEAD_S))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, int(DEAD_S))
