"""``joulebench import``: read other people's results into a study."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joulebench.cli.json_file import JsonFile, write_json
from joulebench.cli.runs_bar import RunsBar
from joulebench.errors import UsageError

if TYPE_CHECKING:
    from joulebench.importers.contract import ImportOptions
    from joulebench.importers.destination import Written

_FACTOR = re.compile(r"([A-Za-z_]\w*)=(?!=)(.*)", re.DOTALL)


def _kinds() -> str:
    """Name the kinds that are installed, those of other packages too."""
    from joulebench.importers.registry import importer_kinds

    return ", ".join(importer_kinds())


def import_command(  # noqa: PLR0913, PLR0917 - the words that a user can say
    kind: Annotated[str, typer.Argument(help=f"What wrote the results: {_kinds()}, or auto.")],
    source: Annotated[Path, typer.Argument(help="Folder or file of the results.", metavar="SRC")],
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
    mapping: Annotated[
        Path | None,
        typer.Option(
            "--map", help="File that says what columns are (csv) or windows (nvidia-smi)."
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Read results of other tools into a study of our own form.

    Example: joulebench import energibridge experiments/llama --out runs/llama --table runs.csv

    Example: joulebench import energibridge experiments/llama --out runs/llama
    --factors generation=2,3 size=7B,8B --exclude "generation == '2' and size == '8B'"

    Example: joulebench import csv results.csv --map columns.yaml --out runs/results
    """
    from joulebench.importers.destination import write_study
    from joulebench.importers.recognise import AUTO
    from joulebench.importers.registry import find_importer

    folder = out or Path("runs") / _study_name(source)
    words = [*(factors or []), *(more or [])]
    options = _options(folder, table, words, exclude or [], sole=source.is_file())
    options = replace(options, mapping=mapping)
    found = _recognised(source, quiet=json_file == "-") if kind == AUTO else kind
    imported = find_importer(found).read(source, options)
    with RunsBar("import") as bar:
        written = write_study(imported, folder, bar.show)
    write_json(json_file, written.to_dict())
    if json_file != "-":
        _print(written)
    if written.failed:
        raise typer.Exit(1)


def _study_name(source: Path) -> str:
    """Name a study after the folder, or the file without its ending, that it is read from."""
    real = source.resolve()
    return (real.stem if real.is_file() else real.name) or "import"


def _recognised(source: Path, *, quiet: bool) -> str:
    """Give the kind that a source is of, and say why."""
    from joulebench.importers.recognise import choose_kind

    sighting = choose_kind(source)
    if not quiet:
        typer.echo(f"{source} is {sighting.kind}: {sighting.seen}")
    return sighting.kind


def _options(
    out: Path, table: Path | None, words: Sequence[str], exclude: Sequence[str], *, sole: bool
) -> ImportOptions:
    """Sort words into factors with levels, factor columns of a table, and exclusions.

    Args:
        out: Folder of the study.
        table: Run table, if one was named.
        words: What follows ``--factors``.
        exclude: Combinations that were not run.
        sole: Whether what is imported is a table itself.
    """
    from joulebench.importers.contract import ImportOptions

    levels: dict[str, tuple[str, ...]] = {}
    columns: list[str] = []
    conditions = list(exclude)
    for word in words:
        factor = _FACTOR.fullmatch(word)
        if factor:
            levels[factor[1]] = _levels(factor[1], factor[2], levels)
        elif (sole or table is not None) and not exclude:
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
