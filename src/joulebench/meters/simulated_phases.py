"""A simulated power that follows the phases of a trial; possible where its time is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from joulebench.channel import Window
from joulebench.errors import UsageError, unknown
from joulebench.meters.power_profile import PowerProfile

IDLE = "idle"

STANDS_IN = {
    "idle": (),
    "load": (),
    "warmup": ("decode", "measure"),
    "measure": (),
    "prefill": ("measure",),
    "decode": ("measure",),
    "idle_after": (),
    "judge": (),
}
"""Phases, and what they draw where they have no power of their own; all else draws the idle one."""

ONLY_VIRTUAL = (
    "meter 'simulated': watts by phase need the computed time of a study with protocol.clock: "
    "virtual; give one power, pairs of seconds and watts, or a file"
)


class PhasePowers:
    """Power of each phase, W.

    Args:
        watts: By phase: W, or ``{factor: {level: W}}``; idle has to be there.
        noise_rel: Relative standard deviation of each phase's power from run to run.

    Raises:
        UsageError: A phase that does not exist, no idle power, or a figure that cannot be.
    """

    def __init__(self, watts: Mapping[str, Any], noise_rel: float = 0.0) -> None:
        for phase, power in watts.items():
            if phase not in STANDS_IN:
                raise unknown("meter 'simulated': watts: phase", phase, STANDS_IN)
            _refuse_bad_power(phase, power)
        if IDLE not in watts:
            raise UsageError("meter 'simulated': watts: give the power of idle as well, W")
        if not 0 <= noise_rel < 1:
            raise UsageError(
                f"meter 'simulated': noise_rel = {noise_rel} must be from 0 to below 1"
            )
        self.watts = dict(watts)
        self.noise_rel = noise_rel

    def profile(self, windows: Sequence[Window], begin_s: float, random: Random) -> PowerProfile:
        """Give the power over time; what lies in no window is idle.

        Args:
            windows: Of the trial, those of requests within them; one that is no phase draws what
            the phase around it draws.
            begin_s: Until when it is idle at least, s.
            random: Draws by how much this run differs from others.

        Raises:
            UsageError: A power that differs between levels, whose level is not known.
        """
        drawn = {phase: self._drawn_w(phase, random) for phase in STANDS_IN}
        times, watts = [begin_s], [drawn[IDLE]]
        for at_s, phase in steps([window for window in windows if window.name in STANDS_IN]):
            if at_s <= times[-1]:
                watts[-1] = drawn[phase]
            else:
                times.append(at_s)
                watts.append(drawn[phase])
        if times[0] == begin_s and watts[0] != drawn[IDLE]:
            times, watts = [begin_s - 1e6, *times], [drawn[IDLE], *watts]
        return PowerProfile(times, watts)

    def _drawn_w(self, phase: str, random: Random) -> float:
        scatter = max(0.0, 1 + self.noise_rel * random.gauss(0.0, 1.0))
        keys = (phase, *STANDS_IN[phase], IDLE)
        power = next(self.watts[key] for key in keys if key in self.watts)
        if isinstance(power, Mapping):
            raise UsageError(ONLY_VIRTUAL)
        return float(power) * scatter


def at_levels(watts: Mapping[str, Any], levels: Mapping[str, Any]) -> dict[str, Any]:
    """Choose the powers of a trial where they differ between levels.

    Args:
        watts: As :class:`PhasePowers` takes them.
        levels: Of the trial, by factor, as text.

    Raises:
        UsageError: A factor that the study does not have, or a level without a power.
    """
    return {phase: _at_levels(phase, power, levels) for phase, power in watts.items()}


def _at_levels(phase: str, power: Any, levels: Mapping[str, Any]) -> Any:
    if not isinstance(power, Mapping):
        return power
    _refuse_bad_power(phase, power)
    [(factor, of)] = power.items()
    where = f"meter 'simulated': watts of {phase}"
    if factor not in levels:
        raise unknown(f"{where}: factor", factor, levels)
    texts = {str(level): watts for level, watts in of.items()}
    if levels[factor] not in texts:
        raise UsageError(f"{where}: {factor} has no power for {levels[factor]!r}; add it")
    return texts[levels[factor]]


def steps(windows: Sequence[Window]) -> list[tuple[float, str]]:
    """Give from when on which phase it is: the innermost window's; idle where there is none.

    Args:
        windows: In any order; one may hold others, none may overlap another in part.
    """
    edges = [(w.start_s, 1, -w.stop_s, w) for w in windows]
    edges += [(w.stop_s, 0, 0.0, w) for w in windows]
    open_now: list[Window] = []
    found: list[tuple[float, str]] = []
    for at_s, begins, _, window in sorted(edges, key=lambda edge: edge[:3]):
        if begins:
            open_now.append(window)
        else:
            open_now.remove(window)
        found.append((at_s, open_now[-1].name if open_now else IDLE))
    return found


def _refuse_bad_power(phase: str, power: Any) -> None:
    if isinstance(power, Mapping):
        if len(power) != 1 or not all(isinstance(of, Mapping) and of for of in power.values()):
            raise UsageError(
                f"meter 'simulated': watts of {phase} must be a power, or one factor with the "
                "power at each of its levels: {model: {small: 200, large: 300}}"
            )
        for watts in next(iter(power.values())).values():
            _refuse_bad_figure(phase, watts)
        return
    _refuse_bad_figure(phase, power)


def _refuse_bad_figure(phase: str, watts: Any) -> None:
    number = isinstance(watts, int | float) and not isinstance(watts, bool)
    if not number or not (math.isfinite(watts) and watts >= 0):
        raise UsageError(
            f"meter 'simulated': watts of {phase} = {watts!r} must be finite and at least 0 W"
        )
