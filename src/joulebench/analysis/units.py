"""The units that several factors make up: a model, of its generation and its size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from joulebench.analysis.aliased_cells import joint_factors
from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.analysis.cells import joined
from joulebench.audit.design_factors import kind_of


def unit_of(frame: AnalysisFrame, factor: str) -> tuple[str, ...]:
    """Give the factors whose combinations are the units of a claim about one; empty for rows.

    Attributes of a model (generation, size, family) belong to the model: nobody sets them run by
    run, so that a model is one unit however often it was run. So do factors that empty cells tie
    together. All other factors were set run by run.
    """
    attributes = tuple(n for n in frame.factors if kind_of(frame.columns.get(n, n)) == "model")
    if factor in attributes and len(attributes) > 1:
        return attributes
    tied = next(group for group in joint_factors(frame) if factor in group)
    return tied if len(tied) > 1 else ()


def unit_word(frame: AnalysisFrame, parts: Sequence[str]) -> str:
    """Give the word for a unit that some factors make up."""
    if all(kind_of(frame.columns.get(name, name)) == "model" for name in parts):
        return "model"
    return (
        parts[0] if len(parts) == 1 else f"combination of {', '.join(parts[:-1])} and {parts[-1]}"
    )


def with_units(frame: AnalysisFrame) -> AnalysisFrame:
    """Add a column for each unit that several factors make up: ``model``, or ``a_b``."""
    import pandas as pd

    units: dict[str, tuple[str, ...]] = {}
    for factor in frame.factors:
        parts = unit_of(frame, factor)
        if len(parts) > 1:
            word = unit_word(frame, parts)
            units.setdefault(word if word == "model" else "_".join(parts), parts)
    if not units or not units.keys().isdisjoint(frame.frame.columns):
        return frame
    data = frame.frame.copy()
    place = data.columns.tolist().index(frame.factors[-1]) + 1
    for name, parts in units.items():
        data.insert(place, name, pd.Series(joined(frame, parts, "-"), index=data.index))
    return replace(frame, frame=data, units=units)
