"""``joulebench import``: read other people's results into a study."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joulebench.cli.json_file import JsonFile, write_json
from joulebench.errors import UsageError

if TYPE_CHECKING:
    from types import TracebackType

    from rich.progress import Progress, TaskID

    from joulebench.importers.contract import ImportOptions
    from joulebench.importers.destination import Written

_FACTOR = re.compile(r"([A-Za-z_]\w*)=(?!=)(.*)", re.DOTALL)
_QUIET_S = 2.0


def import_command(
    kind: Annotated[str, typer.Argument(help="What wrote the results: energibridge.")],
    source: Annotated[Path, typer.Argument(help="Folder of the results.", metavar="SRC")],
    more: Annotated[
        list[str] | None,
        typer.Argument(metavar="[MORE]...", help="Further factors or exclusions."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the study to make; default runs/NAME-OF-SRC.")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Run table that holds the factors.")] = None,
    factors: Annotated[
        list[str] | None,
        typer.Option(help="NAME=LEVEL,LEVEL,... or, with --table, the NAME of a column."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Combinations of levels that were not run.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Read results of other tools into a study of our own form.

    Example: joulebench import energibridge experiments/llama --out runs/llama --table runs.csv

    Example: joulebench import energibridge experiments/llama --out runs/llama
    --factors generation=2,3 size=7B,8B --exclude "generation == '2' and size == '8B'"
    """
    from joulebench.importers.destination import write_study
    from joulebench.importers.registry import find_importer

    folder = out or Path("runs") / (source.resolve().name or "import")
    options = _options(folder, table, [*(factors or []), *(more or [])], exclude or [])
    imported = find_importer(kind).read(source, options)
    with _ProgressLine() as progress:
        written = write_study(imported, folder, progress.show)
    write_json(json_file, written.to_dict())
    if json_file != "-":
        _print(written)
    if written.failed:
        raise typer.Exit(1)


def _options(
    out: Path, table: Path | None, words: Sequence[str], exclude: Sequence[str]
) -> ImportOptions:
    """Sort words into factors with levels, factor columns of a table, and exclusions."""
    from joulebench.importers.contract import ImportOptions

    levels: dict[str, tuple[str, ...]] = {}
    columns: list[str] = []
    conditions = list(exclude)
    for word in words:
        factor = _FACTOR.fullmatch(word)
        if factor:
            levels[factor[1]] = _levels(factor[1], factor[2], levels)
        elif table is not None and not exclude:
            columns.append(word)
        elif exclude:
            conditions.append(word)
        else:
            raise UsageError(f"{word!r} is neither NAME=LEVEL,LEVEL,... nor follows --exclude")
    name = out.resolve().name
    return ImportOptions(name, table, tuple(columns), levels, tuple(conditions), out)


def _levels(name: str, text: str, known: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    if name in known:
        raise UsageError(f"factor {name!r} is given twice")
    levels = tuple(level.strip() for level in text.split(","))
    if not all(levels):
        raise UsageError(f"--factors {name}={text}: a level is empty; write {name}=a,b,c")
    return levels


def _print(written: Written) -> None:
    if written.unchanged:
        typer.echo(
            f"{written.folder}: {written.runs} runs, the same files as before; nothing to do"
        )
        return
    typer.echo(f"{written.folder}: {written.runs} runs imported")
    for run_id, error in written.failed.items():
        typer.echo(f"  failed: {run_id}: {error}")
    for rule, count in sorted(written.findings.items()):
        typer.echo(f"  {rule}: {count}")


class _ProgressLine:
    """A bar on a terminal, once the work has taken longer than two seconds."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> _ProgressLine:
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
        self._task = self._bar.add_task("import", total=count)
        self._bar.start()
