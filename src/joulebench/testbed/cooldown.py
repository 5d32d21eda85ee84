"""The wait between two trials, so that one does not warm the next."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joulebench.clock import VIRTUAL
from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.record import Run
from joulebench.testbed.adaptive_bands import Back, Bands, Idle, Probe, Reference, Rest

Wait = Callable[[float], object]
"""Waits so many seconds: may raise, or give ``True`` when it is time to stop."""

Meters = Sequence[Mapping[str, Any]]
MakeProbe = Callable[[Meters, float], Probe]

STEP_S = 0.5
"""Time between two looks at the sensors, s."""

_SHORTEST_WAIT_S = 0.01
_REFERENCE = "reference"

_LONGEST_STRETCH = 8
"""A noisy power is averaged over up to so many times the shortest stretch."""


def cool_down(protocol: Mapping[str, Any], wait: Wait) -> float:
    """Wait for the fixed time of a protocol; computed time needs no waiting.

    Args:
        protocol: Of the study.
        wait: Waits so many seconds; may be interrupted.

    Returns:
        How long the cool-down was, s.
    """
    fixed_s = float(protocol["cooldown"]["fixed_s"])
    if fixed_s > 0 and protocol.get("clock") != VIRTUAL:
        wait(fixed_s)
    return fixed_s


def sensor_probe(meters: Meters, interval_s: float) -> Probe:
    """Make what looks at the sensors of this machine; numpy is not imported before.

    Args:
        meters: As they were found.
        interval_s: Time between samples, s.
    """
    from joulebench.testbed.adaptive_idle import SensorProbe

    return SensorProbe(meters, interval_s)


@dataclass(frozen=True)
class _Watched:
    """How the wait for a goal ended: with the last look at the sensors, if there was one."""

    idle: Idle | None
    reached: bool = False
    stopped: bool = False


class CoolDown:
    """Cools a machine down between trials, for a fixed time or until it is as it was.

    For a protocol that is adaptive it holds the machine against how it idled before the first
    trial. If it was still warm then, the lowest idle power and temperatures seen since count.

    Args:
        probe: Makes what looks at the sensors, of meters as they were found and an interval, s.
        now_s: Gives monotonic time, s.
    """

    def __init__(
        self, probe: MakeProbe = sensor_probe, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._make_probe = probe
        self._now_s = now_s
        self._references: dict[str, Reference] = {}
        self._facts: dict[str, Any] = {}
        self._findings: list[Finding] = []

    def reference(self, meters: Meters) -> Reference | None:
        """Give what the machine is held against with these meters; ``None`` before it is taken."""
        return self._references.get(_key(meters))

    def hold_against(self, meters: Meters, reference: Reference) -> None:
        """Hold the machine against what was taken of it earlier, by another process.

        Args:
            meters: As they were found on this machine.
            reference: How it idled.
        """
        self._references[_key(meters)] = reference

    def due(self, protocol: Mapping[str, Any], meters: Meters) -> bool:
        """Say whether the reference is still to be taken; see :meth:`begin`."""
        return _bands(protocol) is not None and _key(meters) not in self._references

    def begin(self, protocol: Mapping[str, Any], meters: Meters, wait: Wait) -> None:
        """Take the reference, before the first trial; does nothing where there is one, or no need.

        It waits until the machine no longer cools down, for the protocol's ``max_s`` at most.

        Args:
            protocol: Of the trial that is to come.
            meters: As they were found on this machine.
            wait: Waits so many seconds; gives ``True``, or raises, when it is time to stop.

        Raises:
            UsageError: Nothing on this machine tells of its power or temperature.
        """
        bands = _bands(protocol)
        if bands is None or not self.due(protocol, meters):
            return
        begun_s = self._now_s()
        watched = self._watch(protocol, meters, wait, Rest(bands))
        if watched.stopped:
            return
        idle = _told(watched.idle, bands)
        reference = self._references[_key(meters)] = Reference.of(idle)
        outside = [] if watched.reached else [_REFERENCE]
        self._tell(self._now_s() - begun_s, idle, reference, outside)

    def between(self, protocol: Mapping[str, Any], meters: Meters, wait: Wait) -> None:
        """Wait after a trial as its protocol says: first the fixed time, then the adaptive one.

        Args:
            protocol: Of the trial.
            meters: As they were found on this machine.
            wait: Waits so many seconds; gives ``True``, or raises, when it is time to stop.

        Raises:
            UsageError: Nothing on this machine tells of its power or temperature.
        """
        begun_s = self._now_s()
        cool_down(protocol, wait)
        bands, key = _bands(protocol), _key(meters)
        if bands is None:
            return
        if key not in self._references:
            self.begin(protocol, meters, wait)
            return
        back = Back(bands, self._references[key])
        watched = self._watch(protocol, meters, wait, back)
        self._references[key] = back.reference
        if not watched.stopped:
            idle = watched.idle or Idle()
            self._tell(self._now_s() - begun_s, idle, back.reference, back.outside)

    def note(self, run: Run) -> None:
        """Say in the record of the next run how long was waited for what, and whether it came."""
        if self._facts:
            run.facts["cooldown"] = self._facts
            run.findings += self._findings
        self._facts, self._findings = {}, []

    def _watch(
        self, protocol: Mapping[str, Any], meters: Meters, wait: Wait, goal: Rest | Back
    ) -> _Watched:
        """Look at the sensors until a goal is reached, or time is up."""
        probe = self._make_probe(meters, float(protocol["interval_s"]))
        probe.start()
        try:
            return self._looked(probe, wait, goal)
        finally:
            probe.stop()

    def _looked(self, probe: Probe, wait: Wait, goal: Rest | Back) -> _Watched:
        begun_s, length_s = self._now_s(), max(probe.shortest_s, goal.least_s)
        first_s = probe.first_s + length_s - probe.shortest_s
        longest_s = max(goal.bands.max_s, first_s + 2 * STEP_S)
        idle: Idle | None = None
        while True:
            seen = probe.look(length_s)
            idle = seen or idle
            waited_s = self._now_s() - begun_s
            if seen is not None and goal.reached(seen, waited_s):
                return _Watched(seen, reached=True)
            if waited_s >= longest_s:
                return _Watched(idle)
            if seen is not None and goal.in_noise(seen):
                longest_stretch_s = max(length_s, _LONGEST_STRETCH * probe.shortest_s)
                length_s = min(2 * length_s, longest_stretch_s)
            if wait(min(STEP_S, max(longest_s - waited_s, _SHORTEST_WAIT_S))) is True:
                return _Watched(idle, stopped=True)

    def _tell(
        self, waited_s: float, idle: Idle, reference: Reference, outside: Sequence[str]
    ) -> None:
        degrees = {
            device: {"now_c": now_c, "reference_c": reference.temperatures.get(device, now_c)}
            for device, now_c in idle.temperatures.items()
        }
        self._facts = {
            "waited_s": round(waited_s, 3),
            "within": not outside,
            **({"outside": list(outside)} if outside else {}),
            **_powers(idle, reference),
            "temperatures": degrees,
        }
        self._findings = [_not_cooled(self._facts, outside)] if outside else []


def _bands(protocol: Mapping[str, Any]) -> Bands | None:
    return None if protocol.get("clock") == VIRTUAL else Bands.of(protocol)


def _key(meters: Meters) -> str:
    return json.dumps(list(map(dict, meters)), sort_keys=True, default=str)


def _powers(idle: Idle, reference: Reference) -> dict[str, float]:
    powers = {
        "idle_w": idle.watts,
        "idle_half_width_w": idle.half_width_w if idle.watts is not None else None,
        "reference_w": reference.watts,
    }
    return {name: float(f"{watts:.6g}") for name, watts in powers.items() if watts is not None}


def _told(idle: Idle | None, bands: Bands) -> Idle:
    """Give a look at the sensors, or say that there is nothing to look at."""
    if idle is None:
        raise UsageError(
            "protocol.cooldown.adaptive: the sensors gave no stretch of readings within "
            f"{bands.max_s:g} s; raise max_s, or use protocol.cooldown.fixed_s instead"
        )
    if idle.watts is None and not idle.temperatures:
        raise UsageError(
            "protocol.cooldown.adaptive: no meter of this study reads a power on this machine and "
            "nothing tells a temperature; use protocol.cooldown.fixed_s instead"
        )
    return idle


def _not_cooled(facts: Mapping[str, Any], outside: Sequence[str]) -> Finding:
    idle_w, reference_w = facts.get("idle_w"), facts.get("reference_w")
    waited = f"after {facts['waited_s']:.0f} s"
    if _REFERENCE in outside:
        message = (
            f"the idle machine still cooled down, or was not steady, {waited} before the first "
            "trial: what later ones are held against may be too high"
        )
    else:
        message = (
            "the machine was not back as it was before the first trial "
            f"{waited}: {', '.join(outside)} outside the band"
        )
    return Finding(
        rule="not-cooled",
        severity="warning",
        where="cool-down",
        message=message,
        remedy="raise protocol.cooldown.adaptive.max_s, or let the machine rest, then run this "
        "again",
        seen="" if idle_w is None else f"{idle_w:.4g} W",
        possible="" if reference_w is None or _REFERENCE in outside else f"{reference_w:.4g} W",
    )
