"""A recording on computed time: simulated sensors, read after the work at every planned instant.

Nothing that a simulated board shows can change the work of a trial, so that the readings are
computed once its phases are known. What comes of them (traces, energies, findings) is computed by
the code that real recordings go through.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from joulebench.channel import Window
from joulebench.clock import VIRTUAL, Clock, RealClock, VirtualClock, is_virtual
from joulebench.errors import SensorLost, UsageError
from joulebench.exclusion import level_text
from joulebench.meters.meter import MeterSpec, refuse_same_names
from joulebench.meters.simulated_phases import ONLY_VIRTUAL, PhasePowers, at_levels
from joulebench.plugins import construct
from joulebench.testbed.recorded import FloatArray, Recorded, stamped
from joulebench.testbed.recording import Recording

SIMULATED = "simulated"

ORIGIN_S = 1000.0
"""Where computed time begins, s: averages that reach back before a trial stay above zero."""


def clock_for(plan: Mapping[str, Any]) -> Clock:
    """Give the clock that a trial takes place on."""
    if is_virtual(plan):
        return VirtualClock(ORIGIN_S, plan["protocol"].get("timeout_s"))
    return RealClock()


def recording_for(
    plan: Mapping[str, Any],
    spool: Path,
    clock: Clock,
    windows: Callable[[], Sequence[Window]],
) -> Recording:
    """Give the recording of a trial.

    Args:
        plan: Of the trial, with its meters as they were found.
        spool: Folder that a recorder may write into.
        clock: That the trial takes place on.
        windows: Gives its windows, once it has ended.
    """
    interval_s = plan["protocol"]["interval_s"]
    if is_virtual(plan):
        return VirtualRecording(trial_meters(plan), clock, interval_s, windows)
    specs = [MeterSpec.from_dict(spec) for spec in plan["meters"]]
    return Recording(specs, spool, interval_s=interval_s, mode="process")


def refuse_other_time(plan: Mapping[str, Any]) -> None:
    """Refuse real meters on computed time, and powers by phase on real time.

    Args:
        plan: Of a trial; its meters as in a study file, or as they were found on a machine.

    Raises:
        UsageError: Says which meter.
    """
    meters = plan["meters"]
    for kind, options in [("auto", {})] if meters == "auto" else map(_told, meters):
        watts = options.get("watts")
        if not is_virtual(plan) and kind == SIMULATED and isinstance(watts, Mapping):
            raise UsageError(ONLY_VIRTUAL)
        if is_virtual(plan) and kind != SIMULATED:
            raise UsageError(
                f"meters: {kind!r} reads real sensors, and protocol.clock: virtual has no real "
                "time to read them in; name simulated boards: [{simulated: {board: a100, watts: "
                "{idle: 60, measure: 300}}}]"
            )
        if isinstance(watts, Mapping):
            PhasePowers(at_levels(watts, _levels(plan)))


def _told(meter: str | Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    if isinstance(meter, str):
        return meter.casefold(), {}
    if "target" in meter:
        return str(meter["kind"]), meter["options"]
    kind, options = next(iter(meter.items()))
    return str(kind).casefold(), options or {}


def trial_meters(plan: Mapping[str, Any]) -> list[MeterSpec]:
    """Give the meters of a trial: powers at its levels, and a seed that no other trial has.

    Args:
        plan: Of the trial, with its meters as they were found.
    """
    specs = []
    for place, record in enumerate(plan["meters"]):
        options = dict(record["options"])
        if isinstance(options.get("watts"), Mapping):
            options["watts"] = at_levels(options["watts"], _levels(plan))
        drawn = (options.get("seed", 0), plan["sampling"]["seed"], plan["run_id"], place)
        digest = hashlib.sha256("/".join(map(str, drawn)).encode()).digest()
        options["seed"] = int.from_bytes(digest[:4], "big") >> 1
        specs.append(MeterSpec(record["kind"], options, record["target"]))
    return specs


def _levels(plan: Mapping[str, Any]) -> dict[str, str]:
    levels: Mapping[str, Any] = plan["trial"]["levels"]
    return {factor: level_text(level) for factor, level in levels.items()}


@dataclass(frozen=True)
class _InMemory(Recorded):
    """What would be the file of one meter."""

    kept: FloatArray = field(default_factory=lambda: np.empty((0, 1)))

    def rows(self, start_s: float = -math.inf) -> FloatArray:
        """Give the rows from the last one before a time on; shape (n, 1 + channels)."""
        first = int(np.searchsorted(self.kept[:, 0], start_s))
        return self.kept[max(first - 1, 0) :]


class VirtualRecording(Recording):
    """Records simulated meters on computed time.

    Args:
        meters: All simulated.
        clock: On which the work takes place.
        interval_s: Time between samples, s.
        windows: Gives the windows of the trial, asked for when it has ended.
    """

    def __init__(
        self,
        meters: Sequence[MeterSpec],
        clock: Clock,
        interval_s: float,
        windows: Callable[[], Sequence[Window]],
    ) -> None:
        super().__init__(meters, Path(), interval_s=interval_s, mode="thread")
        self.mode = VIRTUAL
        self._clock = clock
        self._windows = windows
        self._reading_s = self._begin_s = clock.now_s()
        self._extra_s: list[float] = []
        self._open: list[Any] = []
        self._in_memory: list[_InMemory] = []
        self._samples = 0
        self._lost: dict[str, str] = {}

    def start(self) -> None:
        """Open the meters.

        Raises:
            UsageError: An option that does not exist or cannot be used.
        """
        self._reading_s = self._begin_s = self._clock.now_s()
        # Without what was measured of this machine's sensors: no record may depend on the place.
        self._open = [
            construct(spec.load(), f"meter {spec.kind!r}", spec.options, clock=self._shown_s)
            for spec in self.meters
        ]
        refuse_same_names((SIMULATED, meter) for meter in self._open)
        self._in_memory = [self._file(meter) for meter in self._open]
        self._files = list(self._in_memory)

    def _shown_s(self) -> float:
        return self._reading_s

    def _file(self, meter: Any) -> _InMemory:
        polled = not hasattr(meter, "rows")
        spacing_s = self.interval_s if polled else 0.0
        sources = tuple(meter.channels)
        return _InMemory(
            Path(),
            sources,
            tuple(stamped(source, spacing_s)[0] for source in sources),
            polled,
            tuple(getattr(meter, "notes", ())),
            SIMULATED if len(self._open) == 1 else f"{SIMULATED} {sources[0].device}",
            meter.identities,
            kept=np.empty((0, 1 + len(sources))),
        )

    def sample(self) -> None:
        """Have a sample taken at this instant."""
        self._extra_s.append(self._clock.now_s())

    def watts(self) -> float | None:
        """Give nothing: nobody can watch computed time pass."""
        return None

    def stop(self) -> None:
        """Read the meters at every instant of the recording; a second call does nothing."""
        if self._stopped or not self._open:
            return
        self._stopped = True
        instants = self._instants()
        self._samples = len(instants)
        windows = self._windows()
        self._files = []
        for meter, file in zip(self._open, self._in_memory, strict=True):
            meter.follow(windows)
            rows = np.array(list(self._rows(meter, file.name, instants)))
            self._files.append(replace(file, kept=rows.reshape(-1, 1 + len(meter.channels))))
            meter.close()

    def _instants(self) -> list[float]:
        """Give the pace of the recorder and the edges of the windows, in order."""
        stop_s = self._clock.now_s()
        ticks = int((stop_s - self._begin_s) / self.interval_s)
        paced = self._begin_s + self.interval_s * np.arange(ticks + 1)
        together: list[float] = np.union1d(paced, [*self._extra_s, stop_s]).tolist()
        return together

    def _rows(self, meter: Any, name: str, instants: Sequence[float]) -> Iterator[list[float]]:
        stamps_itself = hasattr(meter, "rows")
        try:
            for at_s in instants:
                self._reading_s = at_s
                if stamps_itself:
                    yield from ([stamp_s, *values] for stamp_s, values in meter.rows())
                else:
                    yield [at_s, *meter.read()]
        except SensorLost as error:
            self._lost[name] = str(error)

    def facts(self) -> dict[str, Any]:
        """Give how it was recorded: on computed time no sample is late."""
        facts = {**super().facts(), "samples": self._samples, "missed": 0}
        return facts | ({"lost": self._lost} if self._lost else {})
