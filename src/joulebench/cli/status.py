"""``joulebench status``: how far a study is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joulebench.cli.find_study import find_study
from joulebench.cli.json_file import JsonFile, write_json

if TYPE_CHECKING:
    from joulebench.record import RunTable


def status_command(
    folder: Annotated[
        Path, typer.Argument(metavar="STUDY", help="A study's folder, or its name under runs/.")
    ] = Path("runs/demo"),
    json_file: JsonFile = None,
) -> None:
    """Say what is done, failed and pending, the energy so far and the time left.

    Example: joulebench status runs/demo
    """
    from joulebench.record import RunTable

    table = RunTable.load(find_study(folder))
    found = status(table)
    write_json(json_file, found)
    if json_file != "-":
        _print(found)


def status(table: RunTable) -> dict[str, Any]:
    """Give the state of a study: counts, energy so far (J), time left (s), failures."""
    from joulebench.cli.time_left import cool_down_s, typical_trial_s

    planned = _planned(table)
    done = table.done_ids
    failed = {run.run_id: run.error or "" for run in table.runs if run.status == "failed"}
    trial_s = typical_trial_s(table.runs)
    pending = [run_id for run_id in planned if run_id not in done]
    state: dict[str, Any] = {
        "study": table.name,
        "folder": str(table.folder),
        "planned": len(planned),
        "done": len(done),
        "failed": failed,
        "pending": len(pending),
    }
    if pending and trial_s is not None:
        wait_s = cool_down_s(table.study["protocol"])
        state["time_left_s"] = (trial_s + wait_s) * len(pending) - wait_s
    return state | _energy(table)


def _planned(table: RunTable) -> list[str]:
    """Name the trials of a study; those of an imported one are its runs."""
    from joulebench.study_plan import plan
    from joulebench.study_read import parse

    if any(run.origin == "imported" for run in table.runs):
        return [run.run_id for run in table.runs]
    study = parse(table.study, str(table.folder / "study.yaml"))
    return [trial["run_id"] for trial in plan(study)]


def _energy(table: RunTable) -> dict[str, Any]:
    """Give the energy of the measured windows so far; nothing where there is none."""
    from joulebench.energy import total
    from joulebench.run_row import headline_energy

    found = [headline_energy(run) for run in table.runs if run.status == "done"]
    known = [energy for energy in found if energy is not None]
    return {"energy": total(known).to_dict()} if known else {}


def _print(state: dict[str, Any]) -> None:
    from joulebench.cli.time_left import in_words
    from joulebench.energy import Energy

    typer.echo(f"{state['study']} in {state['folder']}")
    typer.echo(
        f"  {state['done']} of {state['planned']} trials done, {len(state['failed'])} failed, "
        f"{state['pending']} to run"
    )
    if "energy" in state:
        energy = Energy.from_dict(state["energy"])
        typer.echo(f"  measured windows so far: {energy} ({energy.method}, {energy.scope})")
    if "time_left_s" in state:
        typer.echo(f"  time left: about {in_words(state['time_left_s'])}")
    for run_id, error in state["failed"].items():
        typer.echo(f"  failed: {run_id}: {error}")
    if state["pending"]:
        typer.echo(f"  go on with: joulebench run {state['folder']}")
