"""What a real trial costs beyond its work and the waits of its protocol.

Run by ``orchestrator.py``: ``python benchmarks/orchestrator_real.py FOLDER TRIALS [URL]`` runs a
study of an echo engine read by a simulated meter, on this machine or over HTTP. Between the first
trial's beginning and the last one's end, all is overhead that is not between the first and the
last mark of a trial (idle time, loading, warm-up, work, idle time again), the wait for the sensors'
last readings, or cool-down. Of it, the time up to the first mark is told apart: on this machine it
is the start of the trial's process and of the recorder's.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from joulebench.record import Run
from joulebench.study import run
from joulebench.study_course_listener import Silent
from joulebench.study_read import parse

COOL_DOWN_S = 0.2
INTERVAL_S = 0.05
READINGS_S = 2 * INTERVAL_S
"""The protocol waits for two more readings, so that the last window's end is in them."""


class Watch(Silent):
    """Notes when trials begin and end."""

    def __init__(self) -> None:
        self.begun_s: list[float] = []
        self.runs: list[Run] = []
        self.ended_s = 0.0

    def trial_begins(self, plan: Mapping[str, Any], testbed: str = "") -> None:
        """Note when."""
        del plan, testbed
        self.begun_s.append(time.monotonic())

    def trial_ends(self, run: Run) -> None:
        """Note when, and what became of it."""
        self.ended_s = time.monotonic()
        self.runs.append(run)


def measured(folder: Path, trials: int, url: str) -> dict[str, Any]:
    """Run a study and give the overhead of each trial, s."""
    raw: dict[str, Any] = {
        "study": "overhead",
        "factors": {"model": ["small", "large"]},
        "task": "copa",
        "repetitions": max(1, trials // 2),
        "engine": {"kind": "echo", "token_s": 0.001},
        "tasks": {"items": 4},
        "protocol": {
            "idle_s": 0.3,
            "idle_after_s": 0.3,
            "interval_s": INTERVAL_S,
            "cooldown": {"fixed_s": COOL_DOWN_S},
        },
        "meters": [{"simulated": {"board": "rapl", "watts": 80.0}}],
        "testbeds": [{"url": url}] if url else [],
    }
    watch = Watch()
    outcome = run(parse(raw, "the benchmark's study"), folder, listener=watch, report=False)
    assert not outcome.failed
    spans = [_span_s(each) for each in watch.runs]
    count = len(watch.runs)
    wall_s = watch.ended_s - watch.begun_s[0]
    starts = [_first_mark_s(run) - s for run, s in zip(watch.runs, watch.begun_s, strict=True)]
    return {
        "trials": count,
        "process": watch.runs[0].facts.get("process"),
        "span_s": statistics.mean(spans),
        "beyond_s": (wall_s - sum(spans) - COOL_DOWN_S * (count - 1)) / count - READINGS_S,
        "start_s": statistics.median(starts),
        "wall_s": wall_s,
    }


def _span_s(run: Run) -> float:
    """Give the time from the first mark of a trial to its last, s."""
    return max(window.stop_s for window in run.windows) - _first_mark_s(run)


def _first_mark_s(run: Run) -> float:
    return min(window.start_s for window in run.windows)


if __name__ == "__main__":
    place, count = Path(sys.argv[1]), int(sys.argv[2])
    print(json.dumps(measured(place, count, sys.argv[3] if sys.argv[3:] else "")))
