"""A Redfish service: its documents, and where among them the power of a machine stands.

Schemas: https://redfish.dmtf.org/schemas/v1/ (EnvironmentMetrics, Power, Outlet, Sensor, Session).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from joulebench.errors import Unavailable, UsageError
from joulebench.meters.http_json import Access, JsonServer, accepted
from joulebench.meters.polled import NoAnswer

ROOT = "/redfish/v1/"
SESSIONS = "/redfish/v1/SessionService/Sessions"

MOST_CHASSIS = 8
"""More chassis than this are not asked one by one: each answer may take a second."""

_KWH_J = 3.6e6
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """One figure of a document.

    Args:
        quantity: ``"power"`` or ``"energy"``.
        scale: What it is worth, W or J.
        place: Names and numbers that lead to it.
    """

    quantity: str
    scale: float
    place: tuple[str | int, ...]

    def value(self, document: Any) -> float:
        """Give the figure, in W or J; nan where there is none."""
        for step in self.place:
            try:
                document = document[step]
            except (KeyError, IndexError, TypeError):
                return math.nan
        number = isinstance(document, int | float) and not isinstance(document, bool)
        return self.scale * document if number else math.nan

    def step(self, document: Document) -> float:
        """Give the step of the figure, W or J: its last decimal, as far as one reading shows it."""
        value = self.value(document) / self.scale
        decimals = len(f"{value:.6f}".rstrip("0").partition(".")[2])
        return float(self.scale * 10.0**-decimals)

    def sensor(self, document: Document) -> str:
        """Give the path of the sensor that it is an excerpt of; empty where it is of none."""
        source = document.get(str(self.place[0]))
        return str(source.get("DataSourceUri", "")) if isinstance(source, dict) else ""


_FIGURES = (
    Figure("power", 1.0, ("PowerWatts", "Reading")),
    Figure("power", 1.0, ("PowerControl", 0, "PowerConsumedWatts")),
    Figure("energy", 1.0, ("EnergyJoules", "Reading")),
    Figure("energy", _KWH_J, ("EnergykWh", "Reading")),
)
_SENSOR_FIGURES = {
    "Power": Figure("power", 1.0, ("Reading",)),
    "EnergyJoules": Figure("energy", 1.0, ("Reading",)),
    "EnergykWh": Figure("energy", _KWH_J, ("Reading",)),
}


class RedfishService:
    """Asks a Redfish service, with a password at each request or in a session.

    Args:
        url: Its address.
        access: Credentials and trust.
        timeout_s: Longest that one request may take, s.
        session: Log in once instead of at each request.
    """

    def __init__(self, url: str, access: Access, timeout_s: float, *, session: bool) -> None:
        self._user = access.user() if session else None
        self._web = JsonServer(url, replace(access, user_env=None, password_env=None)
                               if session else access, timeout_s)  # fmt: skip
        self._session = ""
        self.url = self._web.url

    def get(self, path: str) -> Document:
        """Give a document.

        Raises:
            NoAnswer: No answer, or none that is a document.
        """
        if self._user and not self._session:
            self._log_in()
        answer = self._web.exchange("GET", _own(path))
        if answer.status == 401 and self._user:  # the session has run out
            self._log_in()
            answer = self._web.exchange("GET", _own(path))
        document = accepted(answer, f"{self.url}{path}").document
        if not isinstance(document, dict):
            raise NoAnswer(f"{self.url}{path} is no document")
        return document

    def _log_in(self) -> None:
        assert self._user is not None
        name, password = self._user
        self._web.add_header("X-Auth-Token", "")
        answer = self._web.exchange("POST", SESSIONS, json={"UserName": name, "Password": password})
        headers = accepted(answer, self.url).headers
        if "x-auth-token" not in headers:
            raise NoAnswer(f"{self.url} opens no session")
        self._web.add_header("X-Auth-Token", headers["x-auth-token"])
        self._session = headers.get("location", "")

    def close(self, *, answering: bool = True) -> None:
        """Leave the session, if there is one and the service answers, and close the connections."""
        if self._session and answering:
            path = re.sub(r"^https?://[^/]+", "", self._session)
            with suppress(NoAnswer):  # it runs out by itself
                self._web.exchange("DELETE", path)
        self._web.close()


@dataclass(frozen=True)
class Source:
    """A document that has power or energy in it.

    Args:
        name: What it is of: the id of the chassis, or of the resource.
        path: Where it is.
        figures: What is in it, at most one of each quantity.
        document: It, as it was found.
    """

    name: str
    path: str
    figures: Sequence[Figure]
    document: Document

    @property
    def watts(self) -> float:
        """The power in it, W; nan where there is none."""
        found = [one.value(self.document) for one in self.figures if one.quantity == "power"]
        return found[0] if found else math.nan


def source_at(service: RedfishService, path: str, name: str = "") -> Source | None:
    """Look for figures in one document; ``None`` where it has none.

    Raises:
        NoAnswer: It is not there.
    """
    document = service.get(path)
    found: dict[str, Figure] = {}
    sensor = _SENSOR_FIGURES.get(str(document.get("ReadingType")))
    for figure in (sensor,) if sensor else _FIGURES:
        if math.isfinite(figure.value(document)):
            found.setdefault(figure.quantity, figure)
    name = name or str(document.get("Id", path))
    return Source(name, path, list(found.values()), document) if found else None


def chassis_source(service: RedfishService, chassis: str | None) -> Source:
    """Find the power of the chassis asked for, or of the only one that has any.

    Raises:
        NoAnswer: The service does not answer.
        Unavailable: No chassis has power, or not the one asked for.
        UsageError: Several have: says which.
    """
    paths = _chassis(service)
    known = ", ".join(paths)
    if chassis and chassis not in paths:
        raise Unavailable(f"{service.url} has no chassis {chassis!r}, only {known}.")
    if not chassis and len(paths) > MOST_CHASSIS:
        raise UsageError(
            f"meter 'redfish': {service.url} has {len(paths)} chassis; say which with "
            f"chassis=...: {known}"
        )
    asked = [chassis] if chassis else list(paths)
    found = [source for name in asked if (source := _power_of(service, paths[name], name))]
    if not found:
        raise Unavailable(f"{service.url} shows no power for chassis {', '.join(asked)}.")
    if len(found) > 1:
        raise UsageError(
            f"meter 'redfish': {', '.join(one.name for one in found)} all show power; say which "
            "is the machine's with chassis=..."
        )
    return found[0]


def _chassis(service: RedfishService) -> dict[str, str]:
    collection = _link(service.get(ROOT), "Chassis")
    if not collection:
        raise NoAnswer(f"{service.url} is a Redfish service without chassis")
    members = [_link({"": one}, "") for one in service.get(collection).get("Members", ())]
    return {path.rstrip("/").rpartition("/")[2]: path for path in members if path}


def _power_of(service: RedfishService, path: str, name: str) -> Source | None:
    """Look where newer services keep the power of a chassis, then where older ones do."""
    chassis = service.get(path)
    for link in ("EnvironmentMetrics", "Power"):
        place = _link(chassis, link)
        try:
            source = source_at(service, place, name) if place else None
        except NoAnswer:
            continue  # a link that leads nowhere
        if source is not None and source.watts > 0:
            return source
    return None


def seconds(text: object) -> float | None:
    """Read a duration as ISO 8601 has it, ``PT0.5S``; ``None`` where it is none."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, rest = (float(part or 0) for part in match.groups())
    return 86400 * days + 3600 * hours + 60 * minutes + rest


def _link(document: Document, name: str) -> str:
    link = document.get(name)
    return str(link.get("@odata.id", "")) if isinstance(link, dict) else ""


def _own(path: str) -> str:
    """Give the path of a document on this service; a link elsewhere is not followed."""
    if not path.startswith("/"):
        raise NoAnswer(f"the link {path!r} leads elsewhere")
    return path.partition("#")[0]
