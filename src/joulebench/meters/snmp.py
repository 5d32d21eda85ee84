"""Power at the wall: metered outlets of a power strip, by SNMP."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from joulebench.channel import Channel
from joulebench.errors import Unavailable, UsageError
from joulebench.meters.meter import ABSENT
from joulebench.meters.moments import OUTLET_GAIN, MomentMeter, Pace
from joulebench.meters.polled import NoAnswer
from joulebench.meters.snmp_agent import Count, Login, SnmpAgent
from joulebench.meters.snmp_outlets import Outlet, outlets_of

_COUNTER32 = 2.0**32


class SnmpMeter(MomentMeter):
    """Reads outlets of a power strip: power, or counted energy.

    A machine with two power supplies hangs on two outlets: name both, their energies are added.

    Args:
        host: The power strip's address.
        outlets: Their numbers; with the strip of a chain, and its cord, before a dot.
        vendor: Whose strip it is: ``"apc"``, ``"raritan"``, ``"servertech"`` or ``"eaton"``.
        quantity: ``"power"`` or ``"energy"``, of a known vendor. Energy comes in steps of 0.1 kWh
            (APC) or 1 Wh, which long windows alone resolve.
        oid: Object identifier for any other agent: of the figure itself, or up to the outlet.
        unit: Of that object: ``"W"`` for power, ``"J"`` for counted energy.
        scale: What one count of it is worth in that unit: 0.1 for tenths of a watt, 3600 for Wh.
        port: UDP port of the agent.
        version: ``"1"``, ``"2c"`` or ``"3"``.
        community_env: Environment variable with the community; "public" without it.
        user_env: Environment variable with the user's name, for version 3.
        auth_env: Environment variable with the pass phrase for signing.
        priv_env: Environment variable with the pass phrase for enciphering.
        auth: MD5, SHA, SHA256 or SHA512.
        priv: AES, AES256 or DES.
        device: What comes before an outlet's number in the names of the channels.
        scope: What the outlets supply: the machine from the wall.
        gain: Relative standard uncertainty of the readings; that of metered outlets without it.
        period_s: The strip's own update period, s.
        averaging_s: Stretch that it averages over, s.
        poll_s: Time between two requests, s.
        timeout_s: Longest that one request may take, s.
        lost_after_s: How long it may give no reading before it counts as lost, s.

    Raises:
        Unavailable: pysnmp is not installed, the strip does not answer, or an outlet is not there.
        UsageError: An option that cannot be used.
    """

    def __init__(  # noqa: PLR0913 - a strip and its protocol have that many settings, all named
        self,
        host: str,
        outlets: Sequence[int | str] | int | str | None = None,
        *,
        vendor: str | None = None,
        quantity: str = "power",
        oid: str | None = None,
        unit: str = "W",
        scale: float = 1.0,
        port: int = 161,
        version: str | int = "2c",
        community_env: str | None = None,
        user_env: str | None = None,
        auth_env: str | None = None,
        priv_env: str | None = None,
        auth: str = "SHA",
        priv: str = "AES",
        device: str = "outlet",
        scope: str = "wall",
        gain: float | None = None,
        period_s: float = 1.0,
        averaging_s: float = 0.0,
        poll_s: float = 1.0,
        timeout_s: float = 2.0,
        lost_after_s: float = 30.0,
    ) -> None:
        pace = Pace(poll_s, timeout_s, lost_after_s, period_s, averaging_s)
        login = Login(str(version), community_env, user_env, auth_env, priv_env, auth, priv)
        if isinstance(outlets, int | str):
            outlets = str(outlets).split(",")
        self._outlets = _asked_for(vendor, quantity, oid, outlets or (), scale)
        gain = OUTLET_GAIN if gain is None else gain
        unit = {"power": "W", "energy": "J"}[quantity] if vendor else unit
        self._agent = SnmpAgent(host, port, login, timeout_s)
        self._oids = [outlet.oid for outlet in self._outlets]
        self.notes = [f"outlets of {host}, taken to be updated every {period_s:g} s"]
        try:
            self._scales = self._with_digits()
            counts = self._refuse_absent(host)
            kinds = [_channel(outlet, device, unit, gain, scope) for outlet in self._outlets]
            channels = [
                _stepped(channel, step, count)
                for channel, step, count in zip(kinds, self._scales, counts, strict=True)
            ]
            self.follow(channels, self._read, f"the power strip {host}", pace)
        except NoAnswer as error:
            self._agent.close()
            raise Unavailable(f"No power from the power strip: {error}.", _remedy(host)) from error
        except BaseException:
            self._agent.close()
            raise

    def close(self) -> None:
        """Ask no more and close the socket."""
        if self._poller.close(self._pace.timeout_s + 0.5):
            self._agent.close()

    def _read(self) -> list[float]:
        counts = self._agent.numbers(self._oids)
        return [
            # Strips write -1 for what they cannot measure.
            count.value * scale if count.value >= 0 else ABSENT
            for count, scale in zip(counts, self._scales, strict=True)
        ]

    def _with_digits(self) -> list[float]:
        """Give what one count of each outlet is worth, decimals included."""
        if not self._outlets[0].digits_oid:
            return [outlet.scale for outlet in self._outlets]
        digits = self._agent.numbers([outlet.digits_oid for outlet in self._outlets])
        return [
            outlet.scale * 10.0 ** -(count.value if math.isfinite(count.value) else 0)
            for outlet, count in zip(self._outlets, digits, strict=True)
        ]

    def _refuse_absent(self, host: str) -> list[Count]:
        counts = self._agent.numbers(self._oids)
        for outlet, count in zip(self._outlets, counts, strict=True):
            if not count.value >= 0:
                shown = f"{count.value:g}" if math.isfinite(count.value) else count.kind
                which = f"outlet {outlet.name}" if outlet.name else "what was asked for"
                raise Unavailable(
                    f"The power strip {host} has no reading for {which} ({outlet.oid} is {shown}).",
                    "Check the outlet's number and that the model meters single outlets.",
                )
        return counts


def _asked_for(
    vendor: str | None,
    quantity: str,
    oid: str | None,
    outlets: Sequence[int | str],
    scale: float,
) -> list[Outlet]:
    if bool(vendor) == bool(oid):
        raise UsageError(
            "meter 'snmp': say whose power strip it is, with vendor=apc and outlets=[3,4], or "
            "which object holds the figure, with oid=1.3.6..."
        )
    if vendor:
        return outlets_of(vendor, quantity, outlets)
    oid = (oid or "").strip(".")
    if not all(part.isdigit() for part in oid.split(".")):
        raise UsageError(f"meter 'snmp': oid {oid!r} must be numbers with dots between them")
    if not outlets:
        return [Outlet("", oid, scale)]
    return [Outlet(str(outlet), f"{oid}.{outlet}", scale) for outlet in outlets]


def _channel(outlet: Outlet, device: str, unit: str, gain: float, scope: str) -> Channel:
    name = f"{device}{outlet.name}:{'power' if unit == 'W' else 'energy'}"
    try:
        return Channel(name, unit, gain=gain, scope=scope)
    except ValueError as error:
        raise UsageError(f"meter 'snmp': {error}") from error


def _stepped(channel: Channel, step: float, count: Count) -> Channel:
    """Give a channel its resolution, and the wrap of the agent's type where it is that of one."""
    wraps = channel.unit == "J" and count.kind == "Counter32"
    return replace(channel, resolution=step, wrap_j=_COUNTER32 * step if wraps else None)


def _remedy(host: str) -> str:
    return (
        "Check host, version and credentials, and that the strip lets this machine ask: "
        f"snmpget -v2c -c COMMUNITY {host} 1.3.6.1.2.1.1.1.0"
    )
