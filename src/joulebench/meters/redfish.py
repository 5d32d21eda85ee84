"""Power of a machine by Redfish: from its service processor, or from a power strip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from joulebench.channel import Channel
from joulebench.errors import Unavailable, UsageError
from joulebench.meters.http_json import Access
from joulebench.meters.meter import ABSENT
from joulebench.meters.moments import BMC_GAIN, OUTLET_GAIN, MomentMeter, Pace
from joulebench.meters.polled import NoAnswer
from joulebench.meters.redfish_service import (
    RedfishService,
    Source,
    chassis_source,
    seconds,
    source_at,
)

PERIOD_S = 1.0
"""Taken as the update period, s, where the service does not tell it: as most have it."""


class RedfishMeter(MomentMeter):
    """Reads a chassis' power, or any resource with power in it.

    Where the service names the sensor behind a figure, its stated accuracy and sensing interval are
    used.

    Args:
        url: Address of the service, ``https://bmc7``.
        chassis: Id of the chassis; the only one with power without it.
        resource: Path of another resource instead: an outlet, a sensor.
        energy: Read its counted energy too. Many count in steps of 1 kWh, which only very long
            windows resolve.
        session: Log in once instead of at each request.
        user_env: Environment variable with the user's name.
        password_env: Environment variable with the password.
        verify: Check the service's certificate.
        ca_file: Certificates to trust instead of the system's.
        device: Name of the channels' device.
        scope: What the reading covers: ``"wall"`` without it for power equipment, else ``"node"``.
        gain: Relative standard uncertainty of the reading.
        period_s: The sensor's own update period, s.
        averaging_s: Stretch that it averages over, s.
        poll_s: Time between two requests, s.
        timeout_s: Longest that one request may take, s.
        lost_after_s: How long it may give no reading before it counts as lost, s.

    Raises:
        Unavailable: The service does not answer, or shows no power.
        UsageError: Several chassis show power, or an option cannot be used.
    """

    def __init__(  # noqa: PLR0913 - a service has that many settings, all of them named
        self,
        url: str,
        *,
        chassis: str | None = None,
        resource: str | None = None,
        energy: bool = False,
        session: bool = False,
        user_env: str | None = None,
        password_env: str | None = None,
        verify: bool = True,
        ca_file: str | None = None,
        device: str | None = None,
        scope: str | None = None,
        gain: float | None = None,
        period_s: float | None = None,
        averaging_s: float = 0.0,
        poll_s: float = 1.0,
        timeout_s: float = 4.0,
        lost_after_s: float = 30.0,
    ) -> None:
        if chassis and resource:
            raise UsageError("meter 'redfish': chassis and resource exclude each other")
        pace = Pace(poll_s, timeout_s, lost_after_s, period_s or 0.0, averaging_s)
        access = Access(user_env, password_env, None, verify, ca_file)
        self._service = RedfishService(url, access, timeout_s, session=session)
        try:
            source = _source(self._service, chassis, resource)
            self._choose(source, energy=energy)
            self._told = self._sensor(source)
            if period_s is None:
                pace = replace(
                    pace, period_s=seconds(self._told.get("SensingInterval")) or PERIOD_S
                )
            channels = self._channels(source, device, scope, gain)
            self.follow(channels, self._read, f"the Redfish service {url}", pace)
        except NoAnswer as error:
            self._service.close()
            raise Unavailable(f"No power by Redfish: {error}.", _remedy(str(error))) from error
        except BaseException:
            self._service.close()
            raise
        self.notes = self._notes(source)

    def close(self) -> None:
        """Ask no more, leave the session and close the connections."""
        if self._poller.close(self._pace.timeout_s + 0.5):
            self._service.close(answering=self._poller.answering)

    def facts(self) -> dict[str, Any]:
        """Give which document was read, and how it was asked for."""
        return {"url": self._service.url, "path": self._path, **super().facts()}

    def _read(self) -> list[float]:
        document = self._service.get(self._path)
        values = [figure.value(document) for figure in self._figures]
        # An outlet may supply nothing; a machine that answers does not draw 0 W.
        return [value if value > 0 or (self._wall and value == 0) else ABSENT for value in values]

    def _choose(self, source: Source, *, energy: bool) -> None:
        """Choose what of a document is read."""
        self._path = source.path
        self._wall = "/PowerEquipment/" in source.path
        self._figures = [one for one in source.figures if energy or one.quantity == "power"]
        if not self._figures:
            raise Unavailable(f"{source.path} counts energy alone.", "Ask for it: energy=true")

    def _sensor(self, source: Source) -> dict[str, Any]:
        """Give what the service tells of the sensor behind a figure; nothing where it does not."""
        if "ReadingType" in source.document:
            return dict(source.document)
        path = self._figures[0].sensor(source.document)
        try:
            return dict(self._service.get(path)) if path else {}
        except NoAnswer:
            return {}

    def _channels(
        self, source: Source, device: str | None, scope: str | None, gain: float | None
    ) -> list[Channel]:
        device = device or (f"outlet{source.name}" if self._wall else "node")
        if gain is None:
            usual = OUTLET_GAIN if self._wall else BMC_GAIN
            gain = _uniform(0.01 * _number(self._told.get("Accuracy"))) or usual
        return [
            Channel(
                f"{device}:redfish-{figure.quantity}",
                "W" if figure.quantity == "power" else "J",
                resolution=figure.step(source.document),
                gain=gain,
                offset=_uniform(_number(self._told.get("ReadingAccuracy"))) if not place else 0.0,
                scope=scope or ("wall" if self._wall else "node"),
            )
            for place, figure in enumerate(self._figures)
        ]

    def _notes(self, source: Source) -> list[str]:
        period_s = self._pace.period_s
        told = "as it says" if seconds(self._told.get("SensingInterval")) == period_s else "assumed"
        notes = [f"{source.path}, updated every {period_s:g} s ({told})"]
        controls = source.document.get("PowerControl")
        if isinstance(controls, Sequence) and len(controls) > 1:
            names = ", ".join(str(one.get("Name", number)) for number, one in enumerate(controls))
            notes.append(f"the first of {len(controls)} power controls is read: {names}")
        return notes


def _source(service: RedfishService, chassis: str | None, resource: str | None) -> Source:
    if not resource:
        return chassis_source(service, chassis)
    source = source_at(service, resource)
    if source is None:
        raise Unavailable(f"{service.url}{resource} shows neither power nor energy.")
    return source


def _number(value: object) -> float:
    """Give a figure of a document as it is stated; 0 where there is none."""
    return float(value) if isinstance(value, int | float) and value > 0 else 0.0


def _uniform(tolerance: float) -> float:
    """Give the standard deviation of ± a tolerance, taken as uniform."""
    return tolerance / math.sqrt(3)


def _remedy(said: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return "Give the certificate with ca_file=FILE, or do without with verify=false."
    if "credentials" in said or "HTTP 401" in said:
        return "Name the variables with the user and the password: user_env=..., password_env=..."
    return "Check the address: curl -k URL/redfish/v1/"
