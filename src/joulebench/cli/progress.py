"""Shows how a study goes on: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, TextIO

from joulebench.cli.time_left import (
    LATEST,
    cool_down_s,
    in_words,
    latest_lengths,
    left_s,
    typical_trial_s,
)
from joulebench.energy import Energy
from joulebench.errors import EnergyError
from joulebench.exclusion import level_text
from joulebench.record import Run, RunTable


class Lines:
    """Writes a line for each trial that has ended.

    Args:
        stream: Where to.
        clock: Gives monotonic time, s.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self.stream = stream
        self._clock = clock
        self._total = 0
        self._lengths: deque[float] = deque(maxlen=LATEST)
        self._done = 0
        self._wait_s = 0.0
        self._begun_s: dict[str, float] = {}
        self._at: dict[str, str] = {}
        self._testbeds: set[str] = set()

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def begins(self, plans: Sequence[Mapping[str, Any]], table: RunTable) -> None:
        """Say what there is to do."""
        self._total = len(plans)
        self._done = len(table.done_ids)
        self._lengths.extend(latest_lengths(table.entries))
        self._wait_s = cool_down_s(plans[0]["protocol"])
        ahead = f", {self._done} of them done already" if self._done else ""
        trials = f"{self._total} trial" + ("s" if self._total != 1 else "")
        self.say(f"{table.name}: {trials}{ahead}, into {table.folder}")

    def trial_begins(self, plan: Mapping[str, Any], testbed: str = "") -> None:
        """Note when: a trial is told of when it has ended."""
        self._testbeds.add(testbed)
        self._begun_s[testbed] = self._clock()
        self._at[str(plan.get("run_id"))] = testbed

    def told(self, message: Mapping[str, Any]) -> None:
        """Say what is meant for people, and nothing of phases and watts."""
        if message["event"] == "note":
            self.say(f"note: {message['note']}")

    def trial_ends(self, run: Run) -> None:
        """Say what a trial gave, and how long the rest takes."""
        testbed = self._at.pop(run.run_id, "")
        self._begun_s.pop(testbed, None)
        if "wall_s" in run.facts:
            self._lengths.append(run.facts["wall_s"])
        self._done += run.status == "done"
        left = f"; about {in_words(self.left_s)} left" if self.left_s else ""
        place = f"{testbed}: " if testbed else ""
        self.say(f"{self._done}/{self._total}  {place}{summary(run)}{left}")

    def say(self, line: str) -> None:
        """Write one line; a reader that has gone away is no reason to stop measuring."""
        with suppress(OSError):
            self.stream.write(line + "\n")
            self.stream.flush()

    @property
    def left_s(self) -> float:
        """Time left, s, cool-downs included; 0 where it is unknown or nothing is left."""
        trial_s, trials = typical_trial_s(self._lengths), self._total - self._done
        if trial_s is None or trials <= 0:
            return 0.0
        now_s, share = self._clock(), max(1, len(self._testbeds))
        spent_s = sum(min(now_s - begun_s, trial_s) for begun_s in self._begun_s.values()) / share
        return max(0.0, left_s(trials, trial_s, self._wait_s, share) - spent_s)


def listener_for(stream: TextIO) -> Lines:
    """Give the live line on a terminal, plain lines elsewhere."""
    from joulebench.cli.progress_live import LiveLine

    return LiveLine(stream) if stream.isatty() else Lines(stream)


def shown_levels(trial: Mapping[str, Any]) -> str:
    """Print the levels of a trial and its repetition; a number says what it is of."""
    levels = [
        level_text(level) if isinstance(level, str) else f"{name} {level_text(level)}"
        for name, level in trial["levels"].items()
    ]
    what = "control" if trial.get("control") else "repetition"
    return ", ".join([*levels, f"{what} {trial['repetition']}"])


def summary(run: Run) -> str:
    """Say in one line what a run gave."""
    levels = shown_levels(run.trial)
    if run.status == "failed":
        return f"{levels}: failed: {run.error}"
    energy = _headline(run)
    if energy is not None:
        return f"{levels}: {energy}"
    reasons = [finding.message for finding in run.findings if finding.severity == "error"]
    return f"{levels}: no energy" + (f": {reasons[0]}" if reasons else "")


def _headline(run: Run) -> Energy | None:
    from joulebench.run_row import headline_energy

    try:
        return headline_energy(run)
    except EnergyError:
        return None
