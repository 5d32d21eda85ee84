"""CodeCarbon as a meter, and as the source of a carbon intensity.

Its ``OfflineEmissionsTracker`` runs beside the other meters and asks nothing of a network. It reads
sensors where it finds any and assumes powers where it does not: every channel says which. What it
tells at the end is kept whole in the meter's facts.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from joulebench.errors import UsageError
from joulebench.meters.codecarbon_intensity import find_intensity
from joulebench.meters.codecarbon_parts import Part, find_parts
from joulebench.meters.codecarbon_quiet import Warnings, import_codecarbon
from joulebench.meters.codecarbon_threads import Periodic, unhurried

J_PER_KWH = 3.6e6

SHORTEST_S, LONGEST_S = 0.1, 3600.0
"""Time between CodeCarbon's readings, s: a reading takes it some ms."""

_RECORDER = "joulebench.testbed.recorder"


class CodeCarbonMeter:
    """Runs CodeCarbon's offline tracker and passes on its totals of CPU, GPU and RAM.

    Settings of CodeCarbon from files and the environment are not used: each would change what the
    numbers mean, and some send them away.

    Args:
        country_iso_code: Country whose electricity is used, three letters: ``"NLD"``.
        region: State, province or zone within it, where CodeCarbon has figures of it.
        interval_s: Time between CodeCarbon's readings, s (its ``measure_power_secs``).
        tracking_mode: ``"machine"``, or ``"process"`` to assume the power of the measured process
            and its children alone where no sensor reads the processor.

    Raises:
        Unavailable: CodeCarbon is not installed.
        UsageError: An option has a value that it cannot have, or CodeCarbon does not start.
    """

    on_request = True

    def __init__(
        self,
        country_iso_code: str,
        region: str | None = None,
        interval_s: float = 1.0,
        tracking_mode: str = "machine",
    ) -> None:
        _check(interval_s, tracking_mode)
        self._warnings = Warnings()
        self._rows: deque[tuple[float, Any]] = deque()
        self._tracker: Any = None
        self._periodic: Periodic | None = None
        self._final: dict[str, Any] = {}
        try:
            package = import_codecarbon()
            self._intensity = find_intensity(country_iso_code, region)
            self._tracker = package.OfflineEmissionsTracker(
                country_iso_code=self._intensity.country_iso_code,
                region=region,
                measure_power_secs=interval_s,
                tracking_mode=tracking_mode,
                output_handlers=[self],
                **_SETTINGS,
            )
            unhurried(self._start)
            self._parts = self._found()
        except BaseException:
            self.close()
            raise
        self.channels = [part.channel for part in self._parts]
        # Its readings carry their own stamps, so that they are no polls of something slower.
        self.settle_s = interval_s
        self.notes = [part.note for part in self._parts if part.note]
        self.notes += [f"CodeCarbon: {message}" for message in self._warnings.messages]

    def rows(self) -> Sequence[tuple[float, Sequence[float]]]:
        """Give CodeCarbon's totals since the last call, J, at the times when it took them, s."""
        taken = [self._rows.popleft() for _ in range(len(self._rows))]
        return [
            (stamp_s, [J_PER_KWH * getattr(total, part.total) for part in self._parts])
            for stamp_s, total in taken
        ]

    def facts(self) -> dict[str, Any]:
        """Give what CodeCarbon told at its end, where it had it from, and its intensity."""
        intensity = asdict(self._intensity)
        return {
            "version": self._final.get("codecarbon_version"),
            "final_emissions_data": self._final,
            "backends": {part.channel.name: part.backend for part in self._parts},
            "methods": {part.channel.name: part.channel.method for part in self._parts},
            "intensity": {name: fact for name, fact in intensity.items() if fact is not None},
            "warnings": list(self._warnings.messages),
        }

    def close(self) -> None:
        """Stop CodeCarbon and its threads; it reads once more."""
        tracker, self._tracker = self._tracker, None
        if tracker is not None:
            if self._periodic is not None:
                self._periodic.end(tracker.stop)
            told = getattr(tracker, "final_emissions_data", None)
            self._final = _plain(vars(told)) if told is not None else {}
        self._warnings.release()

    def live_out(self, total: Any, delta: Any) -> None:
        """Take a reading from CodeCarbon, which calls this after each."""
        del delta  # totals survive a reading that is missed
        self._rows.append((time.monotonic(), total))

    def out(self, total: Any, delta: Any) -> None:
        """Take nothing: CodeCarbon calls this at its end with a reading that it has given."""

    def exit(self) -> None:
        """Be told by CodeCarbon that it has ended."""

    def _start(self) -> None:
        try:
            self._periodic = Periodic(self._tracker, self._warnings.keep)
            self._tracker.get_detected_hardware()
            if self._tracker._tracking_mode == "process":
                _watch(self._tracker._hardware, _watched_pid())
            self._tracker.start()
        except Exception as error:  # of a tracker that could not be made and said so in its log
            self._warnings.keep(f"{type(error).__name__}: {error}")

    def _found(self) -> list[Part]:
        """Describe what CodeCarbon reads.

        Raises:
            UsageError: It reads nothing: it keeps errors of its start to itself.
        """
        parts = find_parts(getattr(self._tracker, "_hardware", ()))
        if self._rows and parts:
            return parts
        raise UsageError(
            "meter 'codecarbon': CodeCarbon does not start: "
            + ("; ".join(self._warnings.messages[-2:]) or "it gave no reading")
            + "; try it by itself, or leave the meter out"
        )


_SETTINGS: dict[str, Any] = {
    "output_methods": [],
    "emissions_endpoint": None,
    # Empty and not None, for which CodeCarbon would look up a token under its older name.
    "electricitymaps_api_token": "",
    "api_call_interval": 1,
    "allow_multiple_runs": True,
    "log_level": "warning",
    "logger_preamble": "",
    "output_dir": ".",
    "pue": 1.0,
    "wue": 0.0,
    "cloud_provider": None,
    "cloud_region": None,
    "country_2letter_iso_code": None,
    "gpu_ids": None,
    "force_cpu_power": None,
    "force_ram_power": None,
    "force_carbon_intensity_g_co2e_kwh": None,
    "force_mode_cpu_load": False,
    "rapl_include_dram": False,
    "rapl_prefer_psys": False,
    "metadata": None,
}
"""What a file or the environment could set otherwise: nothing is sent or written, no lock is taken,
every reading is told of, and energies are those of the machine alone (PUE 1)."""


def _check(interval_s: float, tracking_mode: str) -> None:
    if not SHORTEST_S <= interval_s <= LONGEST_S:
        raise UsageError(
            f"meter 'codecarbon': interval_s = {interval_s} must be from {SHORTEST_S:g} to "
            f"{LONGEST_S:g} s"
        )
    if tracking_mode not in ("machine", "process"):
        raise UsageError(
            f"meter 'codecarbon': tracking_mode = {tracking_mode!r} must be 'machine' or 'process'"
        )


def _watched_pid() -> int:
    """Give the process whose work is measured: in the recorder's own process, its parent."""
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    return os.getppid() if main is not None and main.name == _RECORDER else os.getpid()


def _watch(hardware: Sequence[Any], pid: int) -> None:
    """Have CodeCarbon's process mode watch a process other than its own."""
    import psutil

    for part in hardware:
        if hasattr(part, "_pid"):
            part._pid = pid
        if hasattr(part, "_process"):
            part._process = psutil.Process(pid)


def _plain(told: dict[str, Any]) -> dict[str, Any]:
    """Give CodeCarbon's data as JSON values; a number that is none is absent."""
    return {name: _json(value) for name, value in told.items()}


def _json(value: Any) -> Any:
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value if value is None or isinstance(value, bool | int | str) else str(value)
