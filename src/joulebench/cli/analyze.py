"""``joulebench analyze``: what the runs of a study say, and what its design lets them say."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joulebench.cli.json_file import JsonFile, check_place, write_json
from joulebench.cli.runs_bar import RunsBar
from joulebench.cli.small_tables import small_tables
from joulebench.errors import UsageError

if TYPE_CHECKING:
    from joulebench.analysis.analyse import Analysis


@small_tables()
def analyze_command(  # noqa: PLR0913, PLR0917 - the words that a user can say
    source: Annotated[
        Path, typer.Argument(metavar="SOURCE", help="A table of runs, or a study's folder.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder for the tables and plots.")],
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="Questions known by name: llama-generations.")
    ] = "",
    response: Annotated[
        list[str] | None, typer.Option(metavar="NAME,...", help="What was measured: energy_j.")
    ] = None,
    factors: Annotated[
        list[str] | None, typer.Option(metavar="NAME,...", help="What was varied.")
    ] = None,
    run: Annotated[
        str, typer.Option(metavar="NAME", help="Column of the run that repetitions belong to.")
    ] = "",
    repetition: Annotated[
        str, typer.Option(metavar="NAME", help="Column that counts the repetitions of a run.")
    ] = "",
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="EXPR", help="Rows to leave out, by their levels.")
    ] = None,
    no_plots: Annotated[bool, typer.Option("--no-plots", help="Draw no figures.")] = False,
    json_file: JsonFile = None,
) -> None:
    """Analyse the runs of a study or of any table, and say what its design lets anyone claim.

    Example: joulebench analyze run_table.csv --response energy_j --factors model,task --out out
    """
    from joulebench.analysis.analyse import analyse
    from joulebench.analysis.read import Choices
    from joulebench.stats.refused import Refused

    check_place(json_file)
    choices = Choices(
        listed(response, "--response"), listed(factors, "--factors"), run, repetition,
        tuple(exclude or ()),
    )  # fmt: skip
    try:
        with RunsBar("analyze") as bar:
            found = analyse(
                place_of(source), out, choices, preset=preset, plots=not no_plots, progress=bar.show
            )
    except Refused as error:
        raise UsageError(f"{source}: {error}") from error
    write_json(json_file, found.to_dict())
    if json_file != "-":
        _print(found)


def listed(words: Sequence[str] | None, option: str) -> tuple[str, ...]:
    """Give the names in the words of an option, which commas may join.

    Raises:
        UsageError: The option is given without a name.
    """
    names = tuple(name.strip() for word in words or () for name in word.split(",") if name.strip())
    if words and not names:
        raise UsageError(f"{option}: names no column; write for example {option} energy_j")
    return names


def place_of(source: Path) -> Path:
    """Give the path of a table or a study, which may be the name of one under ``runs/``."""
    named = Path("runs") / source
    return named if not source.exists() and (named / "study.yaml").is_file() else source


def _wrapped(line: str, width: int) -> str:
    """Wrap a line to the terminal's width; names and paths stay in one piece."""
    return textwrap.fill(
        line, width, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
    )


def _print(found: Analysis) -> None:
    """Print verdicts first, then what the design can carry, then where the files are."""
    from joulebench.analysis.report_lines import (
        design_lines,
        is_brief,
        legend_line,
        shared_doubts,
        source_lines,
        verdict_lines,
    )

    width = shutil.get_terminal_size((100, 24)).columns
    lines, known = [*source_lines(found), ""], shared_doubts(found)
    for verdict in found.verdicts:
        lines += [*verdict_lines(verdict, known, brief=is_brief(found, verdict)), ""]
    design = (f"  - {line}" for line in design_lines(found, brief=True))
    lines += ["what the design can carry", *design, "", legend_line(found), ""]
    lines.append(f"verdicts: {found.folder / 'verdicts.md'}")
    lines.append(f"{len(found.statistics)} figures: {found.folder / 'tables/statistics.csv'}")
    for line in lines:
        typer.echo(_wrapped(line, width))
