"""Joulebench measures, audits, compares and explains the energy of language models.

Names are imported when they are first used, so that ``import joulebench`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joulebench.attribution import Attribution, IdlePower, Weights, attribute
    from joulebench.audit.examine import Examined, examine_results
    from joulebench.channel import Channel, Window
    from joulebench.comparison.compare import compare_studies
    from joulebench.comparison.comparison import Comparison
    from joulebench.energy import Energy, Trace, headline_channels
    from joulebench.errors import EnergyError, Unavailable, UsageError
    from joulebench.finding import Finding
    from joulebench.measurement import Measurement, measure
    from joulebench.meter_comparison import MeterComparison, compare_meters
    from joulebench.record import Run, RunTable
    from joulebench.record_traces import load_traces, save_traces
    from joulebench.work import Response

__version__ = "0.1.0"

__all__ = [
    "Attribution",
    "Channel",
    "Comparison",
    "Energy",
    "EnergyError",
    "Examined",
    "Finding",
    "IdlePower",
    "Measurement",
    "MeterComparison",
    "Response",
    "Run",
    "RunTable",
    "Trace",
    "Unavailable",
    "UsageError",
    "Weights",
    "Window",
    "attribute",
    "compare_meters",
    "compare_studies",
    "examine_results",
    "headline_channels",
    "load_traces",
    "measure",
    "save_traces",
]

_HOMES = {
    "Attribution": "attribution",
    "Channel": "channel",
    "Comparison": "comparison.comparison",
    "Energy": "energy",
    "EnergyError": "errors",
    "Examined": "audit.examine",
    "Finding": "finding",
    "IdlePower": "attribution",
    "Measurement": "measurement",
    "MeterComparison": "meter_comparison",
    "Response": "work",
    "Run": "record",
    "RunTable": "record",
    "Trace": "energy",
    "Unavailable": "errors",
    "UsageError": "errors",
    "Weights": "attribution",
    "Window": "channel",
    "attribute": "attribution",
    "compare_meters": "meter_comparison",
    "compare_studies": "comparison.compare",
    "examine_results": "audit.examine",
    "headline_channels": "energy",
    "load_traces": "record_traces",
    "measure": "measurement",
    "save_traces": "record_traces",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, also those that were not used yet."""
    return sorted({*globals(), *__all__})
