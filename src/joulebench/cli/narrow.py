"""Tables that fit the terminal: whole columns give way, never the digits of a number."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_UNLIMITED = 10_000  # characters; wider than any table


def table_that_fits(
    console: Console, build: Callable[[Collection[str]], Table], spare: Sequence[str]
) -> Table:
    """Give a table without as many spare columns as it takes to be no wider than the console.

    Args:
        console: Where it is printed.
        build: Makes the table without the columns named.
        spare: Columns that can be done without, the first to go first.
    """
    for count in range(len(spare) + 1):
        table = build(spare[:count])
        if _natural_width(console, table) <= console.width:
            break
    return table


def _natural_width(console: Console, table: Table) -> int:
    """Give the width that a table would take if nothing limited it, characters."""
    unlimited = console.options.update(width=_UNLIMITED)
    return console.measure(table, options=unlimited).maximum
