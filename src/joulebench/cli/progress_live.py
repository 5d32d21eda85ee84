"""Shows on a terminal how a study goes on: one live line, and one more for each testbed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from joulebench.cli.progress import Lines, shown_levels
from joulebench.cli.time_left import in_words
from joulebench.record import Run, RunTable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress, TaskID

REFRESH_HZ = 1.0
"""Drawing costs processor time on the machine that is measured: seldom is enough."""

_BAR_WIDTH = 10

_UNWATCHED = ("cool-down", "account", "fetch", "waiting", "no answer")
"""Beginnings of phases in which no sensor is read, so that the last watts would be old ones."""

Fields = dict[str, str]


class LiveLine(Lines):
    """Shows the trial under way, its phase, the watts now and the time left."""

    def __enter__(self) -> LiveLine:
        self._rows: dict[str, Fields] = {}
        self._bar = _bar(self)
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

    def trial_begins(self, plan: Mapping[str, Any], testbed: str = "") -> None:
        """Show the levels of the trial."""
        super().trial_begins(plan, testbed)
        levels = shown_levels(plan["trial"])
        self._show(testbed, description=levels, phase="starts", watts="")

    def told(self, message: Mapping[str, Any]) -> None:
        """Show the phase, or the watts with how they are known; the time left goes on."""
        super().told(message)
        testbed = str(message.get("testbed", ""))
        if message["event"] == "phase":
            over = {"watts": ""} if message["phase"].startswith(_UNWATCHED) else {}
            if message["phase"] == "report":
                self._rows.clear()
                over = {"watts": "", "description": ""}
            self._show(testbed, phase=message["phase"].replace("_", " "), **over)
        elif message["event"] == "watts":
            method = message.get("method", "measured")
            shown = f"{message['watts']:.1f} W" + ("" if method == "measured" else f" {method}")
            self._show(testbed, watts=shown)

    def trial_ends(self, run: Run) -> None:
        """Write the trial's line above the bar."""
        testbed = self._at.get(run.run_id, "")
        super().trial_ends(run)
        self._update(completed=self._done, left=self._left())
        if testbed:
            self._rows.pop(testbed, None)

    def say(self, line: str) -> None:
        """Write one line above the bar."""
        self._bar.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def rows(self) -> Iterable[RenderableType]:
        """Give a line for each testbed that has a trial; none where there is only this machine."""
        if not self._rows:
            return
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 1), expand=True)
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
        grid.add_column(no_wrap=True)
        grid.add_column(no_wrap=True)
        for testbed, row in sorted(self._rows.items()):
            cells = (testbed, row["description"], row["phase"], row["watts"])
            grid.add_row(*(Text(cell) for cell in cells))
        yield grid

    def _left(self) -> str:
        return f"{in_words(self.left_s)} left" if self.left_s else ""

    def _show(self, testbed: str, **fields: str) -> None:
        """Show a trial in the line, or in its testbed's where several have one."""
        if not testbed:
            self._update(left=self._left(), **fields)
            return
        row = self._rows.setdefault(testbed, {"description": "", "phase": "", "watts": ""})
        row.update(fields)
        self._update(left=self._left(), phase="")

    def _update(self, **fields: Any) -> None:
        if self._task is not None:
            self._bar.update(self._task, **fields)


def _bar(live: LiveLine) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    class Bar(Progress):
        def get_renderables(self) -> Iterable[RenderableType]:
            yield from super().get_renderables()
            yield from live.rows()

    def text(form: str, **column: Any) -> TextColumn:
        return TextColumn(form, markup=False, table_column=Column(no_wrap=True, **column))

    # Only the levels give way on a narrow terminal: phase, watts and time left stay.
    return Bar(
        text("{task.completed:.0f}/{task.total:.0f}"),
        BarColumn(bar_width=_BAR_WIDTH, table_column=Column(no_wrap=True)),
        text("{task.description}", ratio=1, overflow="ellipsis"),
        text("{task.fields[phase]}"),
        text("{task.fields[watts]}"),
        text("{task.fields[left]}"),
        console=Console(file=live.stream, emoji=False),
        refresh_per_second=REFRESH_HZ,
        transient=True,
        expand=True,
    )
