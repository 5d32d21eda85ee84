"""``joulebench plan``: what a study would run, take and show, without running it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joulebench.cli.json_file import JsonFile, write_json
from joulebench.cli.small_tables import small_tables
from joulebench.cli.study_options import Data, Items, Repetitions, Study, overrides
from joulebench.errors import UsageError

if TYPE_CHECKING:
    from joulebench.study_file import StudyFile

PilotFolder = Annotated[
    Path | None,
    typer.Option("--pilot", metavar="FOLDER", help="A study's folder to estimate from."),
]
All = Annotated[bool, typer.Option("--all", help="Print every trial of a long plan.")]


def plan_command(
    study: Study = "demo",
    data: Data = None,
    items: Items = None,
    repetitions: Repetitions = None,
    pilot: PilotFolder = None,
    every: All = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of study files instead.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Show a study's trials in order, what they take, and what can be shown with them.

    Example: joulebench plan my-study.yaml --pilot runs/my-pilot
    """
    from joulebench.study_file import json_schema
    from joulebench.study_plan import plan
    from joulebench.study_read import dump, load

    if schema:
        write_json(json_file or "-", json_schema())
        return
    asked = load(study, overrides(data, items, repetitions))
    plans = plan(asked)
    notes, refused = _checked(asked, plans)
    with small_tables():
        from joulebench.cli.find_study import find_study
        from joulebench.cli.plan_text import lines, wrapped
        from joulebench.study_pilot import Pilot
        from joulebench.study_prospect import prospect

        known = Pilot.read(find_study(pilot)) if pilot is not None else None
        ahead = prospect(asked, plans, known)
    content = {"study": dump(asked), "trials": plans, **ahead.to_dict(), "unchecked": notes}
    write_json(json_file, content)
    if json_file != "-":
        for line in lines(asked, plans, ahead, source=study, every=every):
            typer.echo(line)
        if notes:
            typer.echo(wrapped(f"not checked here: {'; '.join(notes)}"))
    if refused is not None:
        raise refused


def _checked(
    asked: StudyFile, plans: Sequence[Mapping[str, Any]]
) -> tuple[list[str], UsageError | None]:
    """Give what cannot be checked here, or why the study cannot be run here: its plan stands."""
    from joulebench.study_unchecked import unchecked

    try:
        return unchecked(asked, plans), None
    except UsageError as error:
        return [], error
