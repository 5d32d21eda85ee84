"""What a figure draws: a response by the levels of a factor, in the unit that reads best."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.report.drawing import SERIES, label_text
from joulebench.report.numbers import Unit, best_unit, count, fixed

Floats = NDArray[np.float64]

MOST_LEVELS = 40
"""More levels than this cannot be read in one figure."""

MOST_POINTS = 3000
"""More points than this only take time: a sample of them shows as much."""

DECADES = 30.0
"""Values above 0 that span more than this are drawn on a logarithmic axis."""

_DASHES: tuple[tuple[float, ...], ...] = (
    (), (5, 2), (1.5, 1.5), (6, 1.5, 1.5, 1.5), (9, 3), (3, 1.5), (6, 1.5, 1.5, 1.5, 1.5, 1.5),
)  # fmt: skip
_MARKERS = "osD^vPX"
LOOKS = 2 * len(SERIES)
"""Levels that can be told apart where they are drawn over one another."""


@dataclass(frozen=True, slots=True)
class Look:
    """How one level is drawn where levels lie over one another; apart in grey print too.

    Args:
        colour: Of lines and points.
        dash: Lengths of strokes and gaps, points; none for a whole line.
        marker: Shape of points.
    """

    colour: str
    dash: tuple[float, ...]
    marker: str

    @property
    def line(self) -> Any:
        """The dash as matplotlib takes it."""
        return 0.0, self.dash or None


def look(place: int) -> Look:
    """Give the look of a level by its place in the order of the levels."""
    second = place // len(SERIES)
    dash = _DASHES[(place + second) % len(_DASHES)]
    return Look(SERIES[place % len(SERIES)], dash, _MARKERS[(place + second) % len(_MARKERS)])


@dataclass(frozen=True, eq=False)
class Axis:
    """One response along an axis.

    Args:
        label: What it is, with its unit.
        unit: What SI values are multiplied by, with its symbol.
        logarithmic: Whether equal distances are equal ratios.
        bounds: Values, in the unit, beyond which the response cannot be.
    """

    label: str
    unit: Unit
    logarithmic: bool
    bounds: tuple[float, float] = (-math.inf, math.inf)

    def even(self, values: Floats) -> Floats:
        """Give values so that equal distances on the axis are equal differences."""
        return np.log10(values) if self.logarithmic else values

    def back(self, values: Floats) -> Floats:
        """Give values on the axis from even ones."""
        return 10.0**values if self.logarithmic else values


@dataclass(frozen=True, eq=False)
class Groups:
    """A response by the levels of one factor.

    Args:
        names: Levels that have a value, in their order.
        samples: Values of each, in the unit of the axis.
        axis: Of the response.
        by: What the levels are of, in words.
        rows: What one value is: ``run`` or ``repetition``.
        left_out: Levels beyond the most that can be read.
    """

    names: tuple[str, ...]
    samples: tuple[Floats, ...]
    axis: Axis
    by: str
    rows: str
    left_out: int = 0

    @property
    def n(self) -> int:
        """Number of values."""
        return sum(map(len, self.samples))

    def named(self) -> list[str]:
        """Give the levels with their numbers of values, for a legend."""
        pairs = zip(self.names, self.samples, strict=True)
        return [f"{name}  (n {fixed(len(sample), 0)})" for name, sample in pairs]

    @property
    def counted(self) -> str:
        """How many values of how many levels, in words."""
        said = count(self.n, self.rows)
        if not self.left_out:
            return said
        return f"{said} of the first {len(self.names)} of {len(self.names) + self.left_out} levels"


def axis_of(frame: AnalysisFrame, response: str) -> Axis:
    """Choose the unit and the kind of axis for a response.

    Args:
        frame: Repetitions or run means.
        response: Tidy name.

    Raises:
        UsageError: There is no such response.
    """
    column = frame.response(response)
    values = values_of(frame, response)
    seen = values[np.isfinite(values)]
    unit = best_unit(seen, column.unit) if column.unit else Unit("")
    words = label_text(column.words)
    label = f"{words}, {unit.symbol}" if unit.symbol else words
    return Axis(label, unit, spans_decades(seen), _bounds(response, seen))


def _bounds(response: str, values: Floats) -> tuple[float, float]:
    """Give what a response can be: a share up to 1; what is never below 0 is taken as an amount."""
    low = 0.0 if values.size and values.min() >= 0 else -math.inf
    return low, 1.0 if response == "accuracy" else math.inf


def spans_decades(values: Floats) -> bool:
    """Say whether values are all above 0 and too far apart for a linear axis."""
    return bool(values.size and values.min() > 0 and values.max() > DECADES * values.min())


def values_of(frame: AnalysisFrame, response: str) -> Floats:
    """Give the values of a response in SI units, shape (n,)."""
    return np.asarray(frame.frame[response].to_numpy(dtype=np.float64))


def groups_of(frame: AnalysisFrame, response: str, by: str, axis: Axis | None = None) -> Groups:
    """Take a response apart by the levels of a factor or a unit.

    Args:
        frame: Repetitions or run means.
        response: Tidy name.
        by: Tidy name.
        axis: One that is shared with other values; made for these if ``None``.

    Raises:
        UsageError: A name that is not there.
    """
    axis = axis or axis_of(frame, response)
    values, codes = values_of(frame, response), codes_of(frame, by)
    seen = np.isfinite(values) & ((values > 0) | (not axis.logarithmic))
    samples = {
        name: values[seen & (codes == code)] * axis.unit.factor
        for code, name in enumerate(frame.levels(by))
    }
    kept = {name: sample for name, sample in samples.items() if len(sample)}
    names = tuple(kept)[:MOST_LEVELS]
    return Groups(
        tuple(map(label_text, names)),
        tuple(kept[name] for name in names),
        axis,
        words_of(by),
        frame.level,
        len(kept) - len(names),
    )


def codes_of(frame: AnalysisFrame, by: str) -> NDArray[np.intp]:
    """Give the place of each row's level among the levels, -1 for none, shape (n,)."""
    return np.asarray(frame.frame[by].cat.codes.to_numpy(), dtype=np.intp)


def words_of(name: str) -> str:
    """Give the name of a factor as people write it."""
    return label_text(name.replace("_", " "))


def thinned(values: Floats, most: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Choose which values are drawn: all, or a sample that holds the least and the largest.

    Args:
        values: Shape (n,).
        most: Points at most.
        rng: Draws the sample.

    Returns:
        Places of those drawn, in their order.
    """
    if len(values) <= most:
        return np.arange(len(values))
    drawn = rng.choice(len(values), most, replace=False)
    return np.unique(np.concatenate([drawn, [values.argmin(), values.argmax()]]))
