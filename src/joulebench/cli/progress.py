"""Shows how a study goes on: a live line on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from joulebench.cli.time_left import in_words, mean_trial_s
from joulebench.energy import Energy
from joulebench.errors import EnergyError
from joulebench.exclusion import level_text
from joulebench.record import Run, RunTable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

REFRESH_HZ = 1.0
"""Drawing costs processor time on the machine that is measured: seldom is enough."""


class Lines:
    """Writes a line for each trial that has ended.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._total = 0
        self._ended: list[Run] = []
        self._done = 0
        self._order = 0

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
        ahead = f", {self._done} of them done already" if self._done else ""
        self.say(f"{table.name}: {self._total} trials{ahead}, into {table.folder}")

    def trial_begins(self, plan: Mapping[str, Any]) -> None:
        """Say nothing: a trial is told of when it has ended."""

    def told(self, message: Mapping[str, Any]) -> None:
        """Say nothing of phases and watts."""

    def trial_ends(self, run: Run) -> None:
        """Say what a trial gave, and how long the rest takes."""
        self._ended.append(run)
        self._done += run.status == "done"
        left = f"; {in_words(self.left_s)} left" if self.left_s else ""
        self.say(f"{self._done}/{self._total}  {summary(run)}{left}")

    def say(self, line: str) -> None:
        """Write one line."""
        self._stream.write(line + "\n")
        self._stream.flush()

    @property
    def left_s(self) -> float:
        """Time left, s; 0 where it is unknown or nothing is left."""
        return (mean_trial_s(self._ended) or 0.0) * (self._total - self._done)


class LiveLine(Lines):
    """Shows the trial under way, its phase, the watts now and the time left."""

    def __enter__(self) -> LiveLine:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._bar: Progress = Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            BarColumn(bar_width=20),
            TextColumn("{task.description}  {task.fields[phase]}"),
            TextColumn("{task.fields[watts]}"),
            TextColumn("{task.fields[left]}"),
            console=Console(file=self._stream),
            refresh_per_second=REFRESH_HZ,
            transient=True,
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
        levels = shown_levels(plan["trial"])
        self._show(description=levels, phase="starts", left=self._left())

    def told(self, message: Mapping[str, Any]) -> None:
        """Show the phase, or the watts."""
        if message["event"] == "phase":
            self._show(phase=message["phase"].replace("_", " "))
        elif message["event"] == "watts":
            self._show(watts=f"{message['watts']:.1f} W")

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
    """Print the levels of a trial and its repetition."""
    levels = [level_text(level) for level in trial["levels"].values()]
    return ", ".join([*levels, f"repetition {trial['repetition']}"])


def summary(run: Run) -> str:
    """Say in one line what a run gave."""
    levels = shown_levels(run.trial)
    if run.status == "failed":
        return f"{levels}: failed: {run.error}"
    energy = _headline(run)
    return f"{levels}: {energy}" if energy is not None else f"{levels}: no energy"


def _headline(run: Run) -> Energy | None:
    from joulebench.run_row import headline_energy

    try:
        return headline_energy(run)
    except EnergyError:
        return None
