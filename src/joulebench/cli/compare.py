"""``joulebench compare``: what one study or table uses against another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joulebench.cli.analyze import listed, place_of
from joulebench.cli.json_file import JsonFile, check_place, write_json
from joulebench.errors import UsageError

if TYPE_CHECKING:
    from joulebench.comparison.comparison import Comparison

_FINDINGS_STATUS = 1


def compare_command(
    a: Annotated[Path, typer.Argument(metavar="A", help="A study's folder, or a table of runs.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="What is held against it.")],
    response: Annotated[
        list[str] | None, typer.Option(metavar="NAME,...", help="What was measured: energy_j.")
    ] = None,
    margin: Annotated[
        str, typer.Option(metavar="SHARE", help="Largest difference that counts as none: 5%.")
    ] = "",
    match: Annotated[
        list[str] | None, typer.Option(metavar="NAME,...", help="Factors to match, of all.")
    ] = None,
    map_levels: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="A=B", help="Levels of A and B that correspond."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder for the table and the figures.")
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """Say how much more or less B uses than A, how sure that is, and why.

    Example: joulebench compare runs/before runs/after --margin 5%
    """
    from joulebench.comparison.compare import compare_studies
    from joulebench.comparison.output import write_comparison
    from joulebench.stats.refused import Refused

    check_place(json_file)
    try:
        found = compare_studies(
            place_of(a),
            place_of(b),
            response=listed(response, "--response"),
            margin=margin,
            match_by=listed(match, "--match"),
            map_levels=listed(map_levels, "--map"),
        )
    except Refused as error:
        raise UsageError(f"{a}, {b}: {error}") from error
    files = [] if out is None else write_comparison(found, out)
    write_json(json_file, found.to_dict() | {"files": [str(path) for path in files]})
    if json_file != "-":
        _print(found, files)
    if found.wrong:
        raise typer.Exit(_FINDINGS_STATUS)


def _print(found: Comparison, files: list[Path]) -> None:
    from rich.console import Console

    from joulebench.cli.compare_text import printed

    console = Console(file=sys.stdout, emoji=False, width=None if sys.stdout.isatty() else 100)
    for part in printed(found, console):
        console.print(part, highlight=False)
    if files:
        console.print(f"\n{len(files)} files in {files[0].parent}", highlight=False, markup=False)
