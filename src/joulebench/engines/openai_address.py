"""Where an OpenAI-compatible server is: its address, and whether that is this machine."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from joulebench.errors import UsageError

_VERSION = re.compile(r"/v\d+\w*(/|$)")


def endpoint_root(url: str) -> str:
    """Give the address that ``/chat/completions`` is appended to: with ``/v1`` where none is given.

    Raises:
        UsageError: No address of a web server, or one with a password.
    """
    try:
        parts = urlsplit(url)
        found = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except ValueError:
        found = None
    if not found or parts.query or parts.fragment:
        raise UsageError(
            f"engine 'openai': url {url.partition('?')[0]!r} is no address of a server; write "
            "http://HOST:PORT or https://HOST/v1"
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"engine 'openai': url of {parts.hostname}: a password in it would be recorded; name "
            "an environment variable with api_key_env instead"
        )
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{path}" + ("" if _VERSION.search(path) else "/v1")


def origin(url: str) -> str:
    """Give scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def is_here(url: str) -> bool:
    """Say whether an address leads to this machine: loopback, or an address of its own.

    A name that cannot be resolved is taken as elsewhere.
    """
    host = urlsplit(url).hostname or ""
    try:
        found = {str(info[4][0]).partition("%")[0] for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    own = _own_addresses()
    return bool(found) and all(
        ipaddress.ip_address(each).is_loopback or each in own for each in found
    )


def _own_addresses() -> set[str]:
    import psutil

    kinds = (socket.AF_INET, socket.AF_INET6)
    return {
        address.address.partition("%")[0]
        for addresses in psutil.net_if_addrs().values()
        for address in addresses
        if address.family in kinds
    }
