"""Programs that are measured, each with one recorder in it and nothing else to do.

Run as ``python measuring_hosts.py KIND FOLDER PERIOD_S``. A line says that the recorder samples;
every line of the input ends a segment, for which one line of JSON answers, and begins the next.
"""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

Segments = Iterator[dict[str, Any]]
"""Gives nothing of interest once it samples, then the figures of each segment."""

ZONES = {
    "intel-rapl:0": "package-0",
    "intel-rapl:0:0": "core",
    "intel-rapl:0:1": "uncore",
    "intel-rapl:0:2": "dram",
}
POWERCAP = "powercap"
LOOP = "recorder_loop"


def ours(folder: Path, period_s: float, meters: list[Any], mode: str) -> Segments:
    """Record with our recorder, one recording a segment."""
    from joulebench.meters.registry import resolve
    from joulebench.testbed.recording import Recording

    specs = resolve(meters)
    figures: dict[str, Any] = {"version": version("joulebench")}
    for place in range(sys.maxsize):
        recording = Recording(specs, folder / str(place), interval_s=period_s, mode=mode)
        with recording:
            yield figures
        facts = recording.facts()
        names = ("samples", "missed", "lateness_p50_s", "lateness_p99_s", "priority")
        figures = {name: facts[name] for name in names if name in facts}


def simulated(folder: Path, period_s: float, mode: str) -> Segments:
    """Record a simulated board and files in the form of RAPL's."""
    board = {"simulated": {"board": "hopper", "watts": 100.0}}
    return ours(folder, period_s, [board, {"rapl": {"root": str(folder.parent / POWERCAP)}}], mode)


def loop(folder: Path, period_s: float) -> Segments:
    """Do the same reads in a C program."""
    counters = [str(folder.parent / POWERCAP / zone / "energy_uj") for zone in ZONES]
    figures: dict[str, Any] = {}
    for place in range(sys.maxsize):
        rows = str(folder / f"{place}.f64")
        program = subprocess.Popen(
            [str(folder.parent / LOOP), str(period_s), rows, *counters],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        yield figures
        answer, _ = program.communicate()
        figures = json.loads(answer)


def codecarbon(folder: Path, period_s: float) -> Segments:
    """Run CodeCarbon's offline tracker, which writes and sends nothing."""
    from codecarbon import OfflineEmissionsTracker

    logging.getLogger("codecarbon").setLevel(logging.CRITICAL)
    tracker: Any = OfflineEmissionsTracker(
        country_iso_code="NLD",
        measure_power_secs=period_s,
        gpu_ids="0",
        output_methods=[],
        output_dir=str(folder),
        allow_multiple_runs=True,
        log_level="critical",
    )
    taken = 0
    measure = tracker._do_measurements

    def counted() -> None:
        nonlocal taken
        taken += 1
        measure()

    tracker._do_measurements = counted
    tracker.start()
    figures: dict[str, Any] = {"version": version("codecarbon")}
    figures["reads"] = [type(part).__name__ for part in tracker._hardware]
    while True:
        taken = 0
        yield figures
        figures = {"samples": taken}


def zeus(folder: Path, period_s: float) -> Segments:
    """Run Zeus's power monitor over all that the GPU offers."""
    del folder
    from zeus.monitor.power import PowerMonitor

    monitor = PowerMonitor(gpu_indices=[0], update_period=period_s)
    domains = [domain.value for domain in monitor.measurement_domains]
    start_s = time.time()
    figures: dict[str, Any] = {"version": version("zeus"), "reads": domains}
    while True:
        yield figures
        timeline = monitor.get_power_timeline("device_instant", 0, start_time=start_s)[0]
        start_s = time.time()
        figures = lateness([t_s for t_s, _ in timeline], period_s)


def lateness(stamps: list[float], period_s: float) -> dict[str, Any]:
    """Give how late samples were to a schedule that each of them sets anew, s."""
    late_s = [later - earlier - period_s for earlier, later in pairwise(stamps)]
    if len(late_s) < 2:
        return {"samples": len(stamps)}
    cut = statistics.quantiles(late_s, n=100, method="inclusive")
    return {
        "samples": len(stamps),
        "lateness_p50_s": cut[49],
        "lateness_p99_s": cut[98],
        "drift": sum(late_s) / (stamps[-1] - stamps[0]),
    }


def bare(folder: Path, period_s: float) -> Segments:
    """Do nothing: what a Python program costs by itself."""
    del folder, period_s
    while True:
        yield {}


HOSTS: dict[str, Callable[[Path, float], Segments]] = {
    "bare": bare,
    "process": lambda folder, period_s: simulated(folder, period_s, "process"),
    "thread": lambda folder, period_s: simulated(folder, period_s, "thread"),
    "loop": loop,
    "nvml": lambda folder, period_s: ours(folder, period_s, ["nvml"], "process"),
    "codecarbon": codecarbon,
    "zeus": zeus,
}


def main() -> None:
    """Run one recorder until the input ends."""
    kind, folder, period_s = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    folder.mkdir(parents=True)
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries print what their drivers lack
    for figures in HOSTS[kind](folder, period_s):
        print(json.dumps(figures), file=answers, flush=True)
        if not sys.stdin.readline():
            return


if __name__ == "__main__":
    main()
