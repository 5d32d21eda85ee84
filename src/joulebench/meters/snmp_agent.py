"""An SNMP agent that is asked for numbers, through pysnmp.

pysnmp works with asyncio; a loop of its own is run for as long as each request takes, in whichever
thread asks.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from joulebench.errors import Unavailable, UsageError, unknown
from joulebench.meters.http_json import secret
from joulebench.meters.polled import NoAnswer

_AUTH = {
    "MD5": "usmHMACMD5AuthProtocol",
    "SHA": "usmHMACSHAAuthProtocol",
    "SHA256": "usmHMAC192SHA256AuthProtocol",
    "SHA512": "usmHMAC384SHA512AuthProtocol",
}
_PRIV = {
    "AES": "usmAesCfb128Protocol",
    "AES256": "usmAesCfb256Protocol",
    "DES": "usmDESPrivProtocol",
}


@dataclass(frozen=True)
class Login:
    """Who asks; secrets are named by their environment variables.

    Args:
        version: ``"1"``, ``"2c"`` or ``"3"``.
        community_env: Variable with the community, for the first two.
        user_env: Variable with the user's name, for the third.
        auth_env: Variable with the pass phrase that requests are signed with.
        priv_env: Variable with the pass phrase that they are enciphered with.
        auth: How they are signed: one of MD5, SHA, SHA256, SHA512.
        priv: How they are enciphered: one of AES, AES256, DES.
    """

    version: str = "2c"
    community_env: str | None = None
    user_env: str | None = None
    auth_env: str | None = None
    priv_env: str | None = None
    auth: str = "SHA"
    priv: str = "AES"

    def __post_init__(self) -> None:
        for what, value, allowed in (
            ("version", self.version, ("1", "2c", "3")),
            ("auth", self.auth, _AUTH),
            ("priv", self.priv, _PRIV),
        ):
            if value not in allowed:
                raise unknown(f"meter 'snmp': {what}", value, allowed)
        if self.version == "3" and not self.user_env:
            raise UsageError("meter 'snmp': version 3 needs user_env, and auth_env for its phrase")
        if self.priv_env and not self.auth_env:
            raise UsageError("meter 'snmp': priv_env needs auth_env: what is enciphered is signed")


class Count(NamedTuple):
    """What an agent gave for one object: the number, nan where there is none, and its type."""

    value: float
    kind: str


class SnmpAgent:
    """Asks one agent.

    Args:
        host: Its address.
        port: Its UDP port.
        login: Who asks.
        timeout_s: Longest that one request may take, s; half of it is waited for a first answer.

    Raises:
        Unavailable: pysnmp is not installed.
        UsageError: A variable that is not set.
    """

    def __init__(self, host: str, port: int, login: Login, timeout_s: float) -> None:
        try:
            from pysnmp.hlapi.v3arch import asyncio as hlapi
        except ImportError as cause:
            raise Unavailable(
                f"The package pysnmp is needed to ask by SNMP ({cause}).",
                "pip install 'joulebench[snmp]'",
            ) from cause
        self._hlapi: Any = hlapi
        self.name = f"{host}:{port}"
        self._address = (host, port)
        self._timeout_s = timeout_s
        self._identity = _identity(hlapi, login)
        self._loop = asyncio.new_event_loop()
        self._engine: Any = hlapi.SnmpEngine()
        self._target: Any = None

    def numbers(self, oids: Sequence[str]) -> list[Count]:
        """Ask for several objects in one request.

        Raises:
            NoAnswer: No answer in time, or a refusal.
        """
        try:
            return self._loop.run_until_complete(asyncio.wait_for(self._get(oids), self._timeout_s))
        except TimeoutError as error:
            raise NoAnswer(f"{self.name} had no answer in {self._timeout_s:g} s") from error
        except OSError as error:
            raise NoAnswer(f"{self.name} cannot be asked: {error}") from error

    async def _get(self, oids: Sequence[str]) -> list[Count]:
        hlapi = self._hlapi
        if self._target is None:
            self._target = await hlapi.UdpTransportTarget.create(
                self._address, timeout=0.5 * self._timeout_s, retries=1
            )
        asked = [hlapi.ObjectType(hlapi.ObjectIdentity(oid)) for oid in oids]
        failed, status, place, bound = await hlapi.get_cmd(
            self._engine, self._identity, self._target, hlapi.ContextData(), *asked, lookupMib=False
        )
        if failed:
            raise NoAnswer(f"{self.name}: {failed}")
        if status:
            which = f" for {oids[int(place) - 1]}" if place else ""
            raise NoAnswer(f"{self.name} answers {status.prettyPrint()}{which}")
        return [_count(value) for _, value in bound]

    def close(self) -> None:
        """Close the socket and the loop."""
        self._engine.close_dispatcher()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()


def _count(value: Any) -> Count:
    kind = type(value).__name__
    try:
        return Count(float(value), kind)
    except (TypeError, ValueError):
        pass
    try:
        return Count(float(value.prettyPrint()), kind)  # some agents write numbers as text
    except ValueError:
        return Count(math.nan, kind)


def _identity(hlapi: Any, login: Login) -> Any:
    if login.version != "3":
        community = secret(login.community_env) if login.community_env else "public"
        return hlapi.CommunityData(community, mpModel=0 if login.version == "1" else 1)
    auth = secret(login.auth_env) if login.auth_env else None
    priv = secret(login.priv_env) if login.priv_env else None
    return hlapi.UsmUserData(
        secret(login.user_env or ""),
        auth,
        priv,
        authProtocol=getattr(hlapi, _AUTH[login.auth] if auth else "usmNoAuthProtocol"),
        privProtocol=getattr(hlapi, _PRIV[login.priv] if priv else "usmNoPrivProtocol"),
    )
