"""What is printed on narrow terminals: whole columns, whole numbers."""

from __future__ import annotations

import io
from collections.abc import Collection

import pytest
from rich.console import Console
from rich.table import Table

from joulebench.cli.narrow import table_that_fits

COLUMNS = {"channel": "gpu0:power", "energy": "12.3 J ± 0.4 J", "covers": "gpu board"}


def build(without: Collection[str]) -> Table:
    table = Table()
    shown = [heading for heading in COLUMNS if heading not in without]
    for heading in shown:
        table.add_column(heading, no_wrap=True)
    table.add_row(*(COLUMNS[heading] for heading in shown))
    return table


@pytest.mark.parametrize(
    ("width", "shown", "absent"),
    [
        (80, ("gpu0:power", "12.3 J ± 0.4 J", "gpu board"), ()),
        (35, ("gpu0:power", "12.3 J ± 0.4 J"), ("covers", "…")),
        (20, ("12.3 J ± 0.4 J",), ("covers", "channel", "…")),
    ],
)
def test_columns_give_way_whole(
    width: int, shown: tuple[str, ...], absent: tuple[str, ...]
) -> None:
    console = Console(file=io.StringIO(), width=width)
    console.print(table_that_fits(console, build, ("covers", "channel")))
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert all(part in text for part in shown)
    assert not any(part in text for part in absent)
