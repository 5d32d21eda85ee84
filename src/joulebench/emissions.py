"""Carbon dioxide of an energy: joules times the carbon intensity of the electricity.

The joules are ours, of the measured window, with their uncertainty. The intensity is the one that a
meter tells (CodeCarbon's, a mean over a year); nobody states how far it is off, so the interval is
that of the joules alone. The meter's own total stands beside, labelled: it covers the whole
recording and is known as well as the weakest of what it adds up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulebench.energy import Energy, weakest
from joulebench.record import Run
from joulebench.run_row import MEASURED, headline_energy

J_PER_KWH = 3.6e6

SOURCE = "codecarbon"
"""Kind of the meter that tells a carbon intensity."""

REMOTE = "the model ran on a remote machine"
"""Why a run has no emissions: what is measured here is the client's energy, not the model's."""

NO_ENERGY = "the measured window has no energy"

UNKNOWN = "no_emissions"
"""Name of the fact that says why a run's emissions are not known."""

INTERVAL_OF = "the energy alone: the intensity is a mean over a year, and nobody states its error"


def add_emissions(run: Run) -> None:
    """Put the emissions of the measured window into a run's record, or why they are not known.

    A run of which no meter told a carbon intensity is left as it is, unless its engine says that it
    is ``remote``: the emissions of such a model are never a number.
    """
    told = _told(run.facts.get("recorder") or {})
    if (run.facts.get("engine") or {}).get("remote"):
        run.emissions, run.facts[UNKNOWN] = None, REMOTE
    elif told is not None:
        energy = headline_energy(run)
        if energy is None:
            run.facts[UNKNOWN] = NO_ENERGY
        else:
            run.emissions = _emissions(energy, told, MEASURED)


def emissions_of(
    energy: Energy, recorder: Mapping[str, Any], window: str = MEASURED
) -> dict[str, Any] | None:
    """Give the emissions of an energy, where a meter of its recording told an intensity.

    Args:
        energy: Of the window.
        recorder: Facts of the recording, once it has ended.
        window: Name of the window.
    """
    told = _told(recorder)
    return None if told is None else _emissions(energy, told, window)


def emissions_kg(energy: Energy, kg_per_kwh: float) -> tuple[float, float, float]:
    """Give the emissions of an energy with the ends of their 95 % interval, kg CO2 equivalent.

    Args:
        energy: Joules with their doubt.
        kg_per_kwh: Carbon intensity, taken as exact.
    """
    kg_per_j = kg_per_kwh / J_PER_KWH
    low_j, high_j = energy.interval_95
    return energy.joules * kg_per_j, low_j * kg_per_j, high_j * kg_per_j


def _told(recorder: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Give what a meter told of emissions; nothing where none did."""
    told = (recorder.get("meters") or {}).get(SOURCE) or {}
    return told if (told.get("intensity") or {}).get("kg_per_kwh") is not None else None


def _emissions(energy: Energy, told: Mapping[str, Any], window: str) -> dict[str, Any]:
    intensity = told["intensity"]
    kg, low_kg, high_kg = emissions_kg(energy, intensity["kg_per_kwh"])
    places = ("country", "country_iso_code", "region")
    return {
        "emissions_kg": kg,
        "interval_95_kg": [low_kg, high_kg],
        "interval_of": INTERVAL_OF,
        "energy_kwh": energy.joules / J_PER_KWH,
        "intensity_kg_per_kwh": intensity["kg_per_kwh"],
        "intensity_from": intensity["source"],
        **{name: intensity[name] for name in places if name in intensity},
        "source": SOURCE,
        # Nobody measured carbon dioxide: at best it is the model of a grid.
        "method": weakest([energy.method, "modelled"]),
        "scope": energy.scope,
        "window": window,
        **_own_total(told),
    }


def _own_total(told: Mapping[str, Any]) -> dict[str, Any]:
    """Give the meter's own total, under the meter's name."""
    final = told.get("final_emissions_data") or {}
    if final.get("emissions") is None:
        return {}
    methods = told.get("methods") or {}
    return {
        SOURCE: {
            "emissions_kg": final["emissions"],
            "energy_kwh": final.get("energy_consumed"),
            "duration_s": final.get("duration"),
            "window": "recording",
            "method": weakest([*methods.values(), "modelled"]),
            "includes": list(methods),
        }
    }
