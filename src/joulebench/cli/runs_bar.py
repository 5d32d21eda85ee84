"""A bar on a terminal for work that goes from run to run, once it has taken two seconds."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

_QUIET_S = 2.0


class RunsBar:
    """Shows how many runs are done, on a terminal, once the work has taken two seconds.

    Args:
        verb: What is done, for the first words.
    """

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._begun = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> RunsBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, done: int, count: int, run_id: str) -> None:
        """Show how many runs are done."""
        if self._bar is None:
            if time.monotonic() - self._begun < _QUIET_S or not sys.stderr.isatty():
                return
            self._start(count)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, description=run_id)

    def _start(self, count: int) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._bar = Progress(console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task(self._verb, total=count)
        self._bar.start()
