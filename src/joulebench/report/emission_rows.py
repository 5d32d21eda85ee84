"""Carbon dioxide of the runs: a table of them, and one figure for the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from joulebench.emissions import UNKNOWN, emissions_kg
from joulebench.energy import Energy, total
from joulebench.record import Run
from joulebench.report.evidence import Evidence, Reading, printed_levels
from joulebench.report.numbers import best_unit, count, plus_minus
from joulebench.stats import Estimate

_COLUMNS = ("emissions_kg", "energy_kwh", "intensity_kg_per_kwh", "intensity_from", "method",
            "scope", "window", "source")  # fmt: skip


def emission_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Give one row a run whose emissions are known, or of which it is known why they are not."""
    return [_row(run) for run in evidence.runs if run.emissions is not None or UNKNOWN in run.facts]


def _row(run: Run) -> dict[str, Any]:
    row: dict[str, Any] = {"run_id": run.run_id, **printed_levels(run)}
    found = run.emissions
    if found is None:
        return {**row, "not_known": run.facts[UNKNOWN]}
    low_kg, high_kg = found["interval_95_kg"]
    row |= {name: found[name] for name in _COLUMNS}
    row |= {"emissions_low_kg": low_kg, "emissions_high_kg": high_kg}
    own = found.get(found["source"]) or {}
    told = ("emissions_kg", "energy_kwh", "window", "method")
    return row | {f"{found['source']}_{name}": own[name] for name in told if name in own}


def emission_facts(evidence: Evidence) -> list[tuple[str, str]]:
    """Give the emissions of all measured windows for the page, and why others are not known."""
    facts = []
    known = [each for each in evidence.readings if each.run.emissions is not None]
    if known:
        title = "emissions of " + ("all measured windows" if len(known) == len(evidence.readings)
                                   else count(len(known), "run"))  # fmt: skip
        facts.append((title, _sum(known)))
    unknown = [run for run in evidence.runs if UNKNOWN in run.facts]
    for reason in dict.fromkeys(str(run.facts[UNKNOWN]) for run in unknown):
        runs = sum(run.facts[UNKNOWN] == reason for run in unknown)
        of = "" if runs == len(evidence.runs) else f" of {count(runs, 'run')}"
        facts.append((f"emissions{of}", f"not known: {reason}"))
    return facts


def _sum(known: Sequence[Reading]) -> str:
    """Print the sum with the interval of its energies, and what it rests on."""
    by_place: dict[tuple[float, str], list[Energy]] = {}
    methods = []
    for each in known:
        found = each.run.emissions or {}
        place = found["intensity_kg_per_kwh"], found["intensity_from"]
        by_place.setdefault(place, []).append(each.energy)
        methods.append(str(found["method"]))
    sums = [emissions_kg(total(energies), kg) for (kg, _), energies in by_place.items()]
    # Intervals of several places are added as if they erred together: a sensor's gain does.
    value_kg, low_kg, high_kg = (sum(figures) for figures in zip(*sums, strict=True))
    sources = "; ".join(dict.fromkeys(source for _, source in by_place))
    basis = f"{', '.join(dict.fromkeys(methods))}; {sources}"
    return f"{_printed(value_kg, low_kg, high_kg)} ({basis})"


def described(emissions: Mapping[str, Any]) -> str:
    """Print the emissions of a window with what they rest on."""
    printed = _printed(emissions["emissions_kg"], *emissions["interval_95_kg"])
    return f"{printed} ({emissions['method']}; {emissions['intensity_from']})"


def _printed(value_kg: float, low_kg: float, high_kg: float) -> str:
    # In grams, since kilograms would get a prefix of their own.
    unit = best_unit([1e3 * value_kg], "g")
    estimate = Estimate(1e3 * value_kg, 1e3 * low_kg, 1e3 * high_kg, 1)
    return f"{plus_minus(estimate, unit)} {unit.symbol} CO₂e"
