"""Work whose steps keep time with a sensor that sees only part of it: the marks of a run tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from joulebench.aliasing import aliasing_finding, bound_j, kept_step, unseen_share
from joulebench.channel import Window
from joulebench.energy import Energy, Trace

ALIASING = "aliasing"


def with_aliasing(
    trace: Trace, energy: Energy, window: Window, marks: Mapping[str, Sequence[Window]]
) -> Energy:
    """Carry the time that a sensor does not see where the work keeps step with it.

    Args:
        trace: Readings of the sensor.
        energy: Of the window.
        window: The window.
        marks: Windows of the work by name: requests, steps; those that repeat often enough count.

    Returns:
        The energy, with the bias and the finding ``aliasing`` where there is reason for them.
    """
    channel = trace.channel
    if not unseen_share(channel) or any(f.rule == ALIASING for f in energy.findings):
        return energy
    updates_s, _ = trace.updates()
    updates_s = updates_s[(updates_s >= window.start_s) & (updates_s < window.stop_s)]
    for name, repeated in marks.items():
        step = kept_step(updates_s, np.sort([mark.start_s for mark in repeated]))
        if step:
            lowest_w, highest_w = float(trace.v.min()), float(trace.v.max())
            doubt_j = step * bound_j(channel, window, (lowest_w, highest_w))
            finding = aliasing_finding(
                channel, window, doubt_j, f"the windows {name!r} keep step with the sensor"
            )
            biases = {**energy.biases, f"{ALIASING} {channel.name}": doubt_j}
            return replace(energy, biases=biases, findings=(*energy.findings, finding))
    return energy
