"""Where power strips keep the power and the energy of an outlet: object identifiers by maker.

Sources: PowerNet-MIB (APC: rPDU2OutletMeteredStatusPower, -Energy), PDU2-MIB (Raritan and Legrand:
measurementsOutletSensorValue, outletSensorDecimalDigits), Sentry4-MIB (Server Technology:
st4OutletActivePower, st4OutletEnergy), EATON-EPDU-MIB (outletWatts, outletWh).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from joulebench.errors import UsageError, unknown

WATT_HOUR_J = 3600.0


@dataclass(frozen=True)
class Figure:
    """One figure of an outlet.

    Args:
        oid: Object identifier up to the index.
        scale: What a count is worth, W or J.
        after: What follows the index.
        digits: Where the number of decimals is kept, up to the index, if there is such a place.
    """

    oid: str
    scale: float
    after: str = ""
    digits: str = ""


@dataclass(frozen=True)
class Maker:
    """How a maker's strips number outlets, and where they keep the figures.

    Args:
        before: What comes before the outlet in an index that names the outlet alone: the first
            strip of a chain, its first cord.
        figures: By quantity: ``"power"`` and ``"energy"``.
    """

    before: tuple[str, ...]
    figures: dict[str, Figure]


_RARITAN = "1.3.6.1.4.1.13742.6.5.4.3.1.4"
_RARITAN_DIGITS = "1.3.6.1.4.1.13742.6.3.5.4.1.7"
_SENTRY4 = "1.3.6.1.4.1.1718.4.1.8.3.1"

MAKERS = {
    "apc": Maker(
        (),
        {
            "power": Figure("1.3.6.1.4.1.318.1.1.26.9.4.3.1.7", 1.0),
            "energy": Figure("1.3.6.1.4.1.318.1.1.26.9.4.3.1.11", 100 * WATT_HOUR_J),
        },
    ),
    "raritan": Maker(
        ("1",),
        {
            "power": Figure(_RARITAN, 1.0, ".5", _RARITAN_DIGITS),
            "energy": Figure(_RARITAN, WATT_HOUR_J, ".8", _RARITAN_DIGITS),
        },
    ),
    "servertech": Maker(
        ("1", "1"),
        {
            "power": Figure(f"{_SENTRY4}.7", 1.0),
            "energy": Figure(f"{_SENTRY4}.14", WATT_HOUR_J),
        },
    ),
    "eaton": Maker(
        ("0",),
        {
            "power": Figure("1.3.6.1.4.1.534.6.6.7.6.5.1.3", 1.0),
            "energy": Figure("1.3.6.1.4.1.534.6.6.7.6.5.1.4", WATT_HOUR_J),
        },
    ),
}


@dataclass(frozen=True)
class Outlet:
    """One outlet to read: its name, where its figure is, and what a count is worth."""

    name: str
    oid: str
    scale: float
    digits_oid: str = ""


def outlets_of(maker: str, quantity: str, outlets: Sequence[int | str]) -> list[Outlet]:
    """Find the objects of a maker's outlets.

    Args:
        maker: One of :data:`MAKERS`.
        quantity: ``"power"`` or ``"energy"``.
        outlets: Numbers; with the strip and the cord before a dot where there are several.

    Raises:
        UsageError: An unknown maker or quantity, or an outlet that cannot be.
    """
    if maker not in MAKERS:
        raise unknown("meter 'snmp': vendor", maker, MAKERS)
    known = MAKERS[maker]
    if quantity not in known.figures:
        raise unknown("meter 'snmp': quantity", quantity, known.figures)
    if not outlets:
        raise UsageError("meter 'snmp': say which outlets the machine hangs on: outlets=[3,4]")
    figure = known.figures[quantity]
    return [_outlet(figure, known.before, str(outlet)) for outlet in outlets]


def _outlet(figure: Figure, before: tuple[str, ...], outlet: str) -> Outlet:
    parts = outlet.split(".")
    missing = len(before) + 1 - len(parts)
    if missing < 0 or not all(part.isdigit() for part in parts):
        form = ".".join([*("STRIP", "CORD")[: len(before)], "OUTLET"])
        raise UsageError(f"meter 'snmp': outlet {outlet!r} must be a number, or {form}")
    index = ".".join([*before[:missing], *parts])
    digits = f"{figure.digits}.{index}{figure.after}" if figure.digits else ""
    return Outlet(outlet, f"{figure.oid}.{index}{figure.after}", figure.scale, digits)
