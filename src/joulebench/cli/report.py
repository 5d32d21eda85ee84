"""``joulebench report``: tables, figures and one page out of a study's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from joulebench.cli.find_study import find_study
from joulebench.cli.json_file import JsonFile, write_json
from joulebench.errors import UsageError


def report_command(
    study: Annotated[
        Path, typer.Argument(metavar="STUDY", help="A study's folder, or its name under runs/.")
    ],
    json_file: JsonFile = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Write report/ into a study's folder and print where the page is.

    Example: joulebench report runs/demo
    """
    from joulebench.report.build import write_report
    from joulebench.report.content import content
    from joulebench.report.evidence import Evidence

    study = find_study(study)
    found = content(Evidence.of(study))
    try:
        page = write_report(found)
    except OSError as error:
        raise UsageError(
            f"{study / 'report'} cannot be written: {error.strerror}; make room or permission, "
            "then type the same again"
        ) from error
    write_json(json_file, {**found.to_dict(), "report": str(page)})
    if json_file != "-":
        typer.echo(f"{found.headline}\n{page}")
    if show:
        typer.launch(page.resolve().as_uri())
