"""Shows how a study goes on: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from joulebench.cli.time_left import cool_down_s, in_words, typical_trial_s
from joulebench.energy import Energy
from joulebench.errors import EnergyError
from joulebench.exclusion import level_text
from joulebench.record import Run, RunTable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

REFRESH_HZ = 1.0
"""Drawing costs processor time on the machine that is measured: seldom is enough."""

_BAR_WIDTH = 10

_UNWATCHED = ("cool-down", "account")
"""Phases in which no sensor is read, so that the last watts would be old ones."""


class Lines:
    """Writes a line for each trial that has ended.

    Args:
        stream: Where to.
        clock: Gives monotonic time, s.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._total = 0
        self._ended: list[Run] = []
        self._done = 0
        self._wait_s = 0.0
        self._begun_s: float | None = None

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
        self._ended = table.runs
        self._wait_s = cool_down_s(plans[0]["protocol"])
        ahead = f", {self._done} of them done already" if self._done else ""
        self.say(f"{table.name}: {self._total} trials{ahead}, into {table.folder}")

    def trial_begins(self, plan: Mapping[str, Any]) -> None:
        """Note when: a trial is told of when it has ended."""
        del plan
        self._begun_s = self._clock()

    def told(self, message: Mapping[str, Any]) -> None:
        """Say nothing of phases and watts."""

    def trial_ends(self, run: Run) -> None:
        """Say what a trial gave, and how long the rest takes."""
        self._begun_s = None
        self._ended.append(run)
        self._done += run.status == "done"
        left = f"; about {in_words(self.left_s)} left" if self.left_s else ""
        self.say(f"{self._done}/{self._total}  {summary(run)}{left}")

    def say(self, line: str) -> None:
        """Write one line; a reader that has gone away is no reason to stop measuring."""
        with suppress(OSError):
            self._stream.write(line + "\n")
            self._stream.flush()

    @property
    def left_s(self) -> float:
        """Time left, s, cool-downs included; 0 where it is unknown or nothing is left."""
        trial_s, trials = typical_trial_s(self._ended), self._total - self._done
        if trial_s is None or trials <= 0:
            return 0.0
        left_s = trials * (trial_s + self._wait_s) - self._wait_s
        spent_s = 0.0 if self._begun_s is None else self._clock() - self._begun_s
        return left_s - min(spent_s, trial_s)


class LiveLine(Lines):
    """Shows the trial under way, its phase, the watts now and the time left."""

    def __enter__(self) -> LiveLine:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        def text(form: str, **column: Any) -> TextColumn:
            return TextColumn(form, markup=False, table_column=Column(no_wrap=True, **column))

        # Only the levels give way on a narrow terminal: phase, watts and time left stay.
        self._bar: Progress = Progress(
            text("{task.completed:.0f}/{task.total:.0f}"),
            BarColumn(bar_width=_BAR_WIDTH, table_column=Column(no_wrap=True)),
            text("{task.description}", ratio=1, overflow="ellipsis"),
            text("{task.fields[phase]}"),
            text("{task.fields[watts]}"),
            text("{task.fields[left]}"),
            console=Console(file=self._stream, emoji=False),
            refresh_per_second=REFRESH_HZ,
            transient=True,
            expand=True,
        )
        self._task: TaskID | None = None
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def begins(self, plans: Sequence[Mapping[str, Any]], table: RunTable) -> None:
        """Open the bar."""
        super().begins(plans, table)
        self._task = self._bar.add_task(
            "",
            total=len(plans),
            completed=self._done,
            phase="importing libraries",
            watts="",
            left="",
        )

    def trial_begins(self, plan: Mapping[str, Any]) -> None:
        """Show the levels of the trial."""
        super().trial_begins(plan)
        levels = shown_levels(plan["trial"])
        self._show(description=levels, phase="starts", watts="", left=self._left())

    def told(self, message: Mapping[str, Any]) -> None:
        """Show the phase, or the watts with how they are known; the time left goes on."""
        if message["event"] == "phase":
            over = {"watts": ""} if message["phase"] in _UNWATCHED else {}
            if message["phase"] == "report":
                over = {"watts": "", "description": ""}
            phase = message["phase"].replace("_", " ")
            self._show(phase=phase, left=self._left(), **over)
        elif message["event"] == "watts":
            method = message.get("method", "measured")
            shown = f"{message['watts']:.1f} W" + ("" if method == "measured" else f" {method}")
            self._show(watts=shown, left=self._left())

    def trial_ends(self, run: Run) -> None:
        """Write the trial's line above the bar."""
        super().trial_ends(run)
        self._show(completed=self._done, left=self._left())

    def say(self, line: str) -> None:
        """Write one line above the bar."""
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _left(self) -> str:
        return f"{in_words(self.left_s)} left" if self.left_s else ""

    def _show(self, **fields: Any) -> None:
        if self._task is not None:
            self._bar.update(self._task, **fields)


def listener_for(stream: TextIO) -> Lines:
    """Give the live line on a terminal, plain lines elsewhere."""
    return LiveLine(stream) if stream.isatty() else Lines(stream)


def shown_levels(trial: Mapping[str, Any]) -> str:
    """Print the levels of a trial and its repetition; a number says what it is of."""
    levels = [
        level_text(level) if isinstance(level, str) else f"{name} {level_text(level)}"
        for name, level in trial["levels"].items()
    ]
    return ", ".join([*levels, f"repetition {trial['repetition']}"])


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
