"""``joulebench status``: how far a study is, and what runs now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joulebench.cli.find_study import find_study
from joulebench.cli.json_file import JsonFile, write_json
from joulebench.errors import UsageError

if TYPE_CHECKING:
    from joulebench.record import RunTable


def status_command(
    folder: Annotated[
        Path, typer.Argument(metavar="STUDY", help="A study's folder, or its name under runs/.")
    ] = Path("runs/demo"),
    watch: Annotated[
        bool, typer.Option("--watch", help="Show it anew each second until the study is complete.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Say what is done, failed and pending, what runs where, energy so far and time left.

    Example: joulebench status runs/demo --watch
    """
    from joulebench.record import RunTable

    if watch and json_file is not None:
        raise UsageError("status: --watch shows the study to people; leave --json out, or --watch")
    table = RunTable.open(find_study(folder))
    if watch:
        from joulebench.cli.status_watch import watch_study

        watch_study(table)
        return
    found = status(table)
    write_json(json_file, found)
    if json_file != "-":
        from joulebench.cli.status_text import lines_of

        for line in lines_of(found):
            typer.echo(line)


def status(table: RunTable) -> dict[str, Any]:
    """Give the state of a study: counts, energy so far (J), time left (s), failures, testbeds."""
    from joulebench.record_entry import energy_so_far
    from joulebench.study_course_state import read_course

    entries = table.entries
    failed = [entry for entry in entries if entry.status == "failed"]
    planned, done = _planned(table), len(table.done_ids)
    attempts = int(table.study.get("protocol", {}).get("attempts", 2))
    state: dict[str, Any] = {
        "study": table.name,
        "folder": str(table.folder),
        "planned": planned,
        "done": done,
        "failed": {entry.run_id: entry.error or "" for entry in failed},
        "given_up": [e.run_id for e in failed if table.failures(e.run_id) >= attempts],
        "pending": planned - done,
    }
    course = read_course(table.folder)
    energy = energy_so_far(entries)
    return {
        **state,
        **_time_left(table, state, course),
        **({"energy": energy.to_dict()} if energy is not None else {}),
        **({"running": course} if course is not None else {}),
    }


def _planned(table: RunTable) -> int:
    """Count the trials of a study; those of an imported one are its runs."""
    from joulebench.study_plan import design_of
    from joulebench.study_read import parse

    entries = table.entries
    if entries and entries[0].origin == "imported":
        return len(entries)
    return len(design_of(parse(table.study, str(table.folder / "study.yaml"))))


def _time_left(
    table: RunTable, state: dict[str, Any], course: dict[str, Any] | None
) -> dict[str, float]:
    """Give the time left, s; nothing where none is left or nothing is known."""
    from joulebench.cli.time_left import cool_down_s, latest_lengths, left_s, typical_trial_s

    trials = state["pending"] - len(state["given_up"])
    trial_s = typical_trial_s(latest_lengths(table.entries))
    if trials <= 0 or trial_s is None:
        return {}
    at_work = [bed for bed in (course or {}).get("testbeds", []) if bed["state"] != "lost"]
    testbeds = len(at_work) or len(table.study.get("testbeds", [])) or 1
    return {"time_left_s": left_s(trials, trial_s, cool_down_s(table.study["protocol"]), testbeds)}
