"""Serves a testbed until it is told to stop: the socket, TLS, signals."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from joulebench.errors import UsageError
from joulebench.testbed.service_app import Service
from joulebench.testbed.service_connection import PatientProtocol
from joulebench.testbed.service_settings import IDLE_S, MOST_HEADERS, STOP_S, ServiceSettings

Say = Callable[[str], None]


def is_loopback(host: str) -> bool:
    """Say whether a host is this machine's own address alone.

    Raises:
        UsageError: No such host.
    """
    addresses = _addresses(host, 0)
    return all(ipaddress.ip_address(str(a[4][0]).partition("%")[0]).is_loopback for a in addresses)


def listen(host: str, port: int) -> socket.socket:
    """Open the socket of a service.

    Args:
        host: Name or address.
        port: 0 for any that is free.

    Raises:
        UsageError: The port is taken, or the address is not this machine's.
    """
    family, kind, protocol, _, address = _addresses(host, port)[0]
    found = socket.socket(family, kind, protocol)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(128)
    except OSError as error:
        found.close()
        raise UsageError(_no_port(host, port, error)) from error
    found.set_inheritable(False)
    return found


def _addresses(host: str, port: int) -> list[tuple[int, int, int, str, tuple[object, ...]]]:
    try:
        return list(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host}: no such host; give one of this machine's") from error


def _no_port(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--port {port}: something else listens there; stop it, or choose another (0: any)"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host}: no address of this machine; 0.0.0.0 stands for all it has"
    if error.errno == errno.EACCES:
        return f"--port {port}: ports below 1024 are the system's; choose a higher one"
    return f"--host {host} --port {port}: {error.strerror}"


def check_tls(cert: Path | None, key: Path | None) -> bool:
    """Say whether TLS is asked for, having tried its files.

    Raises:
        UsageError: One of them is missing, cannot be used, or can be read by others.
    """
    if cert is None and key is None:
        return False
    if cert is None or key is None:
        raise UsageError("--tls-cert and --tls-key need each other; give both, or neither")
    try:
        if key.stat().st_mode & 0o077:
            raise UsageError(f"--tls-key {key} can be read by others; type: chmod 600 {key}")
        cert.stat()
        # Without a callback a key with a password would have it asked for on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise UsageError(
            f"--tls-cert {cert} and --tls-key {key} cannot be used: "
            f"{getattr(error, 'reason', None) or error}; give a certificate and its key in PEM, "
            "without a password"
        ) from error
    except OSError as error:
        raise UsageError(
            f"{error.filename or cert}: {error.strerror}; check --tls-cert and --tls-key"
        ) from error
    return True


def serve(
    settings: ServiceSettings,
    listening: socket.socket,
    say: Say,
    cert: Path | None = None,
    key: Path | None = None,
) -> None:
    """Serve until SIGTERM or Ctrl-C; the trial under way is then stopped and marked.

    Args:
        settings: Of the service.
        listening: Its socket; closed at the end.
        say: Is told where it listens, once it does.
        cert: Certificate for TLS; none for plain HTTP.
        key: Its key.

    Raises:
        UsageError: The state's folder cannot be used.
    """
    try:
        service = Service(settings)
    except BaseException:
        listening.close()
        raise
    config = uvicorn.Config(
        service.app,
        http=PatientProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        h11_max_incomplete_event_size=MOST_HEADERS,
        timeout_keep_alive=int(IDLE_S),
        timeout_graceful_shutdown=int(STOP_S),
        ssl_certfile=cert,
        ssl_keyfile=key,
    )
    scheme = "https" if cert else "http"
    with _own_signals():
        _Server(config, service, lambda: say(_where(listening, scheme, settings))).run([listening])


def _where(listening: socket.socket, scheme: str, settings: ServiceSettings) -> str:
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    token = "no token" if settings.open else "with token"
    return (
        f"testbed {settings.called} at {scheme}://{shown}:{port} ({token}), state in "
        f"{settings.state}"
    )


class _Server(uvicorn.Server):
    """Stops the trial under way while connections are closed, and says when it listens."""

    def __init__(
        self, config: uvicorn.Config, service: Service, listens: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service = service
        self._listens = listens

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and say so."""
        await super().startup(sockets)
        self._listens()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop the trial under way, and answer what was asked before."""
        self._service.part()
        closing = asyncio.create_task(asyncio.to_thread(self._service.close))
        await super().shutdown(sockets)
        await closing


@contextmanager
def _own_signals() -> Iterator[None]:
    """Have the signals that end the server end no more than it: it raises them again at its end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def in_own_folder(settings: ServiceSettings) -> None:
    """Work in an empty folder, so that no relative path of a plan leads anywhere."""
    work = settings.state / "work"
    try:
        settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        work.mkdir(exist_ok=True, mode=0o700)
        os.chdir(work)
    except OSError as error:
        raise UsageError(f"cannot write {work}: {error.strerror}; choose --state") from error
