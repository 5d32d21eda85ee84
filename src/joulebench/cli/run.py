"""``joulebench run``: run a study, or go on with it, up to its report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joulebench.cli.json_file import JsonFile, check_place, write_json
from joulebench.cli.study_options import (
    Data,
    Items,
    Out,
    Repetitions,
    Study,
    Testbeds,
    folder_of,
    overrides,
    places,
)

if TYPE_CHECKING:
    from joulebench.study import Outcome, Stopped


def run_command(
    study: Study,
    out: Out = None,
    data: Data = None,
    items: Items = None,
    repetitions: Repetitions = None,
    testbeds: Testbeds = None,
    no_report: Annotated[bool, typer.Option("--no-report", help="Leave the report out.")] = False,
    json_file: JsonFile = None,
) -> None:
    """Run a study's trials and write its table and report; running it again goes on with it.

    Example: joulebench run demo --out runs/first-try
    """
    from joulebench.cli.progress import listener_for
    from joulebench.study import Stopped, load, run

    check_place(json_file)
    asked = load(study, overrides(data, items, repetitions) | places(testbeds))
    stream = sys.stderr if json_file == "-" else sys.stdout
    try:
        with listener_for(stream) as listener:
            outcome = run(asked, folder_of(study, out), listener=listener, report=not no_report)
    except Stopped as stopped:
        typer.echo(_stopped(stopped), err=True)
        raise typer.Exit(130) from stopped
    write_json(json_file, _result(outcome))
    if json_file != "-":
        _print(outcome)
    if outcome.failed or outcome.report_error or _doubtful(outcome):
        raise typer.Exit(1)


def _doubtful(outcome: Outcome) -> list[str]:
    """Name the runs that a finding says cannot be used."""
    return [entry.run_id for entry in outcome.table.entries if entry.doubtful]


def _stopped(stopped: Stopped) -> str:
    folder = stopped.table.folder
    return (
        f"joulebench: stopped; {stopped} and stay in {folder}; go on with: "
        f"joulebench run {shlex.quote(str(folder))}"
    )


def _result(outcome: Outcome) -> dict[str, Any]:
    from joulebench.cli.status import status

    state = status(outcome.table) | {"ran": outcome.ran}
    if outcome.report is not None:
        state["report"] = str(outcome.report)
    if outcome.report_error:
        state["report_error"] = outcome.report_error
    return state


def _print(outcome: Outcome) -> None:
    from joulebench.cli.summary import print_cells

    print_cells(outcome.table)
    folder = outcome.table.folder
    typer.echo(f"Table:  {folder / 'run_table.csv'}")
    if outcome.report is not None:
        typer.echo(f"Report: {_shown(outcome.report)}")
    if outcome.report_error:
        typer.echo(
            f"joulebench: the report was not written ({outcome.report_error}); all records are "
            f"kept; try again with: joulebench report {shlex.quote(str(folder))}",
            err=True,
        )
    for run_id in _doubtful(outcome):
        typer.echo(f"Cannot be used: {run_id}; see its findings in the report", err=True)
    for run_id in outcome.failed:
        typer.echo(
            f"Failed {_times(outcome.table.failures(run_id))}: {run_id}; see "
            f"{folder / 'logs' / f'{run_id}.txt'}; to try it again raise protocol.attempts in "
            f"{folder / 'study.yaml'} and run it again",
            err=True,
        )


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _shown(report: Path) -> str:
    try:
        return str(report.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(report)
