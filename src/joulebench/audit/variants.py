"""The ways in which people turn a trace into joules, the sound one and the wrong ones.

Each is a named formula over the samples of one channel. An audit holds published figures against
all of them: the one that gives the published figure to its last digit is how it was made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from joulebench.channel import Window
from joulebench.energy import Trace
from joulebench.integral import FloatArray

MOST_WINDOWS = 32
"""Number of windows of a run beyond which nobody integrates by hand what is measured in them."""


@dataclass(frozen=True)
class Samples:
    """The samples of one channel, as they are seen around a window.

    Args:
        trace: The channel's trace.
        window: What is integrated.
        asked_s: Spacing that the sampler was asked for, s; NaN where nothing says.
    """

    trace: Trace
    window: Window
    asked_s: float = math.nan

    @cached_property
    def inside(self) -> slice:
        """The samples that lie in the window, its edges included."""
        first = int(np.searchsorted(self.trace.t_s, self.window.start_s, side="left"))
        last = int(np.searchsorted(self.trace.t_s, self.window.stop_s, side="right"))
        return slice(first, max(first, last))

    @property
    def t_s(self) -> FloatArray:
        """Times of the samples in the window, s."""
        return self.trace.t_s[self.inside]

    @property
    def v(self) -> FloatArray:
        """Readings of the samples in the window, W or J."""
        return self.trace.v[self.inside]

    @cached_property
    def step_s(self) -> float:
        """Median spacing of all samples, s."""
        return float(np.median(np.diff(self.trace.t_s)))

    @cached_property
    def unwrapped(self) -> FloatArray:
        """A counter without its wraps, J; counted on from its last value where it was reset."""
        steps = np.diff(self.trace.v)
        if not (steps < 0).any():
            return self.trace.v
        wrap_j = self.trace.channel.wrap_j
        steps[steps < 0] += wrap_j if wrap_j is not None else np.nan
        unwrapped: FloatArray = self.trace.v[0] + np.concatenate(([0.0], np.cumsum(steps)))
        return unwrapped


@dataclass(frozen=True)
class Way:
    """One way to turn the samples of a channel into joules.

    Args:
        name: Unique among those of one unit.
        unit: Of the channels that it is for, "W" or "J".
        joules: The formula.
        text: What was done, to follow "the figure".
        faults: Rules that it breaks; empty for a sound one.
        sound: Way that does right what this one meant to do.
    """

    name: str
    unit: str
    joules: Callable[[Samples], float]
    text: str
    faults: tuple[str, ...] = ()
    sound: str = "plain"

    @property
    def key(self) -> str:
        """Unit and name."""
        return f"{self.unit}:{self.name}"


def nominal_s(step_s: float, digits: int) -> float:
    """Give the round number that a spacing is near, s.

    Args:
        step_s: Median spacing, s.
        digits: Significant digits of the round number.
    """
    return float(f"{step_s:.{digits - 1}e}") if step_s > 0 else math.nan


def _stepped(s: Samples) -> float:
    return nominal_s(s.step_s, 1) * float(s.v.sum())


def _finely_stepped(s: Samples) -> float:
    return nominal_s(s.step_s, 2) * float(s.v.sum())


def _stepped_trapezoid(s: Samples) -> float:
    return nominal_s(s.step_s, 1) * float(np.trapezoid(s.v))


def _stepped_left(s: Samples) -> float:
    return nominal_s(s.step_s, 1) * float(s.v[:-1].sum())


def _asked(s: Samples) -> float:
    return s.asked_s * float(s.v.sum())


def _trapezoid(s: Samples) -> float:
    return float(np.trapezoid(s.v, s.t_s))


def _left(s: Samples) -> float:
    return float(s.v[:-1] @ np.diff(s.t_s))


def _right(s: Samples) -> float:
    return float(s.v[1:] @ np.diff(s.t_s))


def _preceding(s: Samples) -> float:
    """Charge each sample of the window the interval before it, the first one too."""
    first = s.inside.start
    if first == 0:
        return math.nan
    return float(s.v @ np.diff(s.trace.t_s[first - 1 : s.inside.stop]))


def _whole_trapezoid(s: Samples) -> float:
    return float(np.trapezoid(s.trace.v, s.trace.t_s))


def _longer(s: Samples) -> float:
    late = int(np.searchsorted(s.trace.t_s, s.window.stop_s + 1.0, side="right"))
    stretch = slice(s.inside.start, late)
    return float(np.trapezoid(s.trace.v[stretch], s.trace.t_s[stretch]))


def _whole_stepped(s: Samples) -> float:
    return nominal_s(s.step_s, 1) * float(s.trace.v.sum())


def _difference(s: Samples) -> float:
    inner = s.unwrapped[s.inside]
    return float(inner[-1] - inner[0])


def _outer(s: Samples) -> float:
    first, last = s.inside.start - 1, s.inside.stop
    if first < 0 or last >= len(s.trace):
        return math.nan
    return float(s.unwrapped[last] - s.unwrapped[first])


def _clipped(s: Samples) -> float:
    return float(np.maximum(np.diff(s.v), 0.0).sum())


def _restarted(s: Samples) -> float:
    """Count what a counter shows after a fall as if it had begun again from zero."""
    steps = np.diff(s.v)
    return float(np.where(steps < 0, s.v[1:], steps).sum())


def _whole_clipped(s: Samples) -> float:
    return float(np.maximum(np.diff(s.trace.v), 0.0).sum())


_STEP = ("assumed-constant-step",)
_TAIL = ("tail-not-integrated",)
_SCOPE = ("scope-mismatch",)
_WRAP = ("counter-wrap",)

POWER_WAYS = (
    Way("step", "W", _stepped, "adds the samples of the window and multiplies them by one nominal "
        "step: E = D * sum P", _STEP),
    Way("step-trapezoid", "W", _stepped_trapezoid, "takes the trapezoid with one nominal step in "
        "place of the time stamps", _STEP),
    Way("step-left", "W", _stepped_left, "adds all samples but the last and multiplies them by one "
        "nominal step", _STEP),
    Way("fine-step", "W", _finely_stepped, "adds the samples of the window and multiplies them by "
        "one step of two digits", _STEP),
    Way("asked-step", "W", _asked, "adds the samples of the window and multiplies them by the step "
        "that the sampler was asked for, not the one that it kept", _STEP),
    Way("seconds", "W", lambda s: float(s.v.sum()), "adds samples of power as if each lasted one "
        "second: E = sum P", _STEP),
    Way("mean", "W", lambda s: float(s.v.mean()) * s.window.duration_s,
        "multiplies the mean of the samples by the duration, as if they were evenly spaced", _STEP),
    Way("inside", "W", _trapezoid, "integrates from the first to the last sample in the window and "
        "leaves out what lies between them and its edges", _TAIL),
    Way("left", "W", _left, "charges each sample the interval after it and leaves out the edges",
        _TAIL),
    Way("right", "W", _right, "charges each sample the interval before it and leaves out the edges",
        _TAIL),
    Way("preceding", "W", _preceding, "charges the first sample of the window the whole interval "
        "before it, which lies outside", ("edge-uncertainty",)),
    Way("longer", "W", _longer, "integrates until one second after the last stamp",
        ("edge-uncertainty",)),
    Way("peak", "W", lambda s: float(s.v.max()) * s.window.duration_s,
        "multiplies the highest power by the duration", ("energy-not-power-times-time",)),
    Way("whole", "W", _whole_trapezoid, "covers the whole log, not the measured window", _SCOPE,
        "whole"),
    Way("whole-step", "W", _whole_stepped, "covers the whole log, one nominal step a sample",
        ("scope-mismatch", "assumed-constant-step"), "whole"),
)  # fmt: skip
"""Of samples of power. D is the median spacing, rounded to one digit (``fine-step``: two)."""

COUNTER_WAYS = (
    Way("inside", "J", _difference, "takes the difference between the first and the last reading "
        "in the window and leaves out what lies between them and its edges", _TAIL),
    Way("clipped", "J", _clipped, "adds the steps of the counter in the window and drops the one "
        "at which it wraps", (*_TAIL, *_WRAP)),
    Way("restarted", "J", _restarted, "takes the wrap of the counter for a restart from zero and "
        "loses what lay before it", (*_TAIL, *_WRAP)),
    Way("raw", "J", lambda s: float(s.v[-1] - s.v[0]), "takes the difference of the readings in "
        "the window without undoing the wrap", (*_TAIL, *_WRAP)),
    Way("absolute", "J", lambda s: abs(float(s.v[-1] - s.v[0])), "takes the size of the difference "
        "of the readings in the window without undoing the wrap", (*_TAIL, *_WRAP)),
    Way("outer", "J", _outer, "takes the difference between the reading before and the one after "
        "the window", ("edge-uncertainty",)),
    Way("whole", "J", lambda s: float(s.unwrapped[-1] - s.unwrapped[0]),
        "covers the whole log, not the measured window", _SCOPE, "whole"),
    Way("whole-but-last", "J", lambda s: float(s.unwrapped[-2] - s.unwrapped[0]),
        "covers the whole log but its last interval", (*_SCOPE, *_TAIL), "whole"),
    Way("whole-clipped", "J", _whole_clipped, "covers the whole log and drops the step at which "
        "the counter wraps", (*_SCOPE, *_WRAP), "whole"),
    Way("whole-raw", "J", lambda s: float(s.trace.v[-1] - s.trace.v[0]),
        "covers the whole log and does not undo the wrap", (*_SCOPE, *_WRAP), "whole"),
    Way("whole-absolute", "J", lambda s: abs(float(s.trace.v[-1] - s.trace.v[0])),
        "covers the whole log and takes the size of a difference whose wrap is not undone",
        (*_SCOPE, *_WRAP), "whole"),
)  # fmt: skip
"""Of readings of a cumulative counter."""

PLAIN = {
    unit: Way("plain", unit, lambda s: s.trace.energy(s.window, gaps="bridge").joules, "is sound")
    for unit in ("W", "J")
}
"""The sound way: over the real time stamps, interpolated at both edges, wraps undone."""

ABOVE_IDLE = {
    unit: Way(
        "above-idle", unit, lambda _: math.nan,
        "has the idle power times the duration taken off: it is the energy above idle",
        _SCOPE, "above-idle",
    )
    for unit in ("W", "J")
}  # fmt: skip
"""What the idle power leaves; made of the recomputed energy, not of samples."""

ONE_DEVICE = {
    unit: Way(
        "one-device", unit, lambda _: math.nan,
        "is of the first device alone, though several were measured", _SCOPE, "one-device",
    )
    for unit in ("W", "J")
}  # fmt: skip

WAYS: Mapping[str, Way] = {
    way.key: way
    for way in (
        *PLAIN.values(),
        *POWER_WAYS,
        *COUNTER_WAYS,
        *ABOVE_IDLE.values(),
        *ONE_DEVICE.values(),
    )
}
"""All ways by unit and name."""


def by_all_ways(
    trace: Trace, windows: Sequence[Window], asked_s: float = math.nan
) -> dict[str, float]:
    """Give the joules of windows of one channel by every way but the sound one, by its key.

    Ways that cover the whole log are counted once, whatever the number of windows; what cannot be
    computed is left out.

    Args:
        trace: The channel's trace.
        windows: What is integrated.
        asked_s: Spacing that the sampler was asked for, s; NaN where nothing says.
    """
    ways = POWER_WAYS if trace.channel.unit == "W" else COUNTER_WAYS
    if not 0 < len(windows) <= MOST_WINDOWS:
        return {}
    parts = [Samples(trace, window, asked_s) for window in windows]
    if any(part.inside.stop - part.inside.start < 2 for part in parts):
        parts = []
    found = {}
    for way in ways:
        whole = way.name.startswith("whole")
        each = [Samples(trace, windows[0], asked_s)] if whole else parts
        joules = math.fsum(way.joules(part) for part in each) if each else math.nan
        if math.isfinite(joules):
            found[way.key] = joules
    return found
