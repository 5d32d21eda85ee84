"""All rules of the audit, out of the modules that hold them."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from joulebench.audit.rule import Rule

_MODULES: tuple[str, ...] = (
    "trace_cadence",
    "trace_edges",
    "trace_idle",
    "trace_lag",
    "trace_limits",
    "trace_sensors",
    "trace_summary",
    "compute_bounds",
    "compute_scaling",
    "compute_sums",
    "compute_padding",
    "design_effects",
    "design_units",
    "design_crossing",
    "design_order",
    "design_controls",
    "design_repeats",
    "design_stated_spread",
    "design_joined",
    "design_copies",
    "design_labels",
    "design_exchanged",
    "design_devices",
    "design_selection",
    "design_frontier",
    "answers",
    "joint",
    "joint_summary",
    "joint_meters",
    "table_data_accuracy",
    "table_data_cells",
    "table_data_dates",
    "table_energy_absent",
    "table_energy_derived",
    "table_energy_plateau",
    "table_energy_power",
    "table_energy_sums",
    "table_energy_windows",
    "table_energy_wrap",
    "table_units_outliers",
    "table_units_summary",
    "serving_load",
    "serving_judge",
)
"""Modules of this room with a tuple ``RULES``, in the order in which their rules are applied."""


@cache
def rules() -> tuple[Rule, ...]:
    """Give all rules."""
    modules = [import_module(f"joulebench.audit.{name}") for name in _MODULES]
    return tuple(rule for module in modules for rule in module.RULES)
