"""``joulebench status --watch``: the state of a study, drawn anew each second from its folder."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from joulebench.cli.status import status
from joulebench.cli.status_text import counts, doing, energy, failures, lines_of, time_left

if TYPE_CHECKING:
    from rich.console import RenderableType

    from joulebench.record import RunTable

EVERY_S = 1.0

_BAR_WIDTH = 20

State = Mapping[str, Any]


def watch_study(
    table: RunTable,
    stream: TextIO | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Show a study until it is complete; Ctrl-C leaves, and the study goes on.

    Args:
        table: Of the study, which another process may run.
        stream: Where to; standard output if not given.
        pause: Waits so many seconds.
    """
    out = stream or sys.stdout
    with suppress(KeyboardInterrupt):
        if out.isatty():
            _draw(table, out, pause)
        else:
            _write(table, out, pause)


def _draw(table: RunTable, out: TextIO, pause: Callable[[float], None]) -> None:
    from rich.console import Console
    from rich.live import Live

    state = status(table)
    with Live(picture(state), console=Console(file=out, emoji=False), auto_refresh=False) as live:
        while not complete(state):
            pause(EVERY_S)
            table.refresh()
            state = status(table)
            live.update(picture(state), refresh=True)


def _write(table: RunTable, out: TextIO, pause: Callable[[float], None]) -> None:
    """Write a line whenever a trial has ended: there is no terminal to draw on."""
    said = ""
    while True:
        state = status(table)
        line = "; ".join(filter(None, (counts(state), time_left(state))))
        if counts(state) != said:
            said = counts(state)
            out.write(f"{line}\n")
            out.flush()
        if complete(state):
            return
        pause(EVERY_S)
        table.refresh()


def complete(state: State) -> bool:
    """Say whether nothing is left to run and nothing runs."""
    return state["pending"] <= len(state["given_up"]) and "running" not in state


def picture(state: State) -> RenderableType:
    """Give what is shown on a terminal: counts, testbeds, failures."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bar = ProgressBar(total=max(1, state["planned"]), completed=state["done"], width=_BAR_WIDTH)
    head = Table.grid(padding=(0, 2))
    head.add_row(Text(state["study"]), bar, Text(counts(state)))
    said = [Text(line) for line in (energy(state), time_left(state)) if line]
    grid = Table.grid(padding=(0, 2), expand=True)
    for column in ("", "", "trial", "", ""):
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1 if column else None)
    for bed in state.get("running", {}).get("testbeds", []):
        grid.add_row(Text(bed["name"]), *(Text(part) for part in doing(bed)))
    beds: list[RenderableType] = [grid] if grid.row_count else [Text(_nobody(state))]
    lost = [Text(line.strip(), style="red") for line in failures(state)]
    return Group(head, *said, *beds, *lost)


def _nobody(state: State) -> str:
    last = list(lines_of(state))[-1].strip()
    return "complete" if complete(state) else f"nothing runs now; {last}"
