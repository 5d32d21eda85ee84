"""``joulebench plan``: what a study would run, without running it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joulebench.cli.json_file import JsonFile, write_json
from joulebench.cli.study_options import Data, Items, Repetitions, Study, overrides

if TYPE_CHECKING:
    from joulebench.study_file import StudyFile


def plan_command(
    study: Study = "demo",
    data: Data = None,
    items: Items = None,
    repetitions: Repetitions = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of study files instead.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Show the trials of a study in the order in which they would be run, and check them.

    Example: joulebench plan my-study.yaml
    """
    from joulebench.study_check import check_here
    from joulebench.study_file import json_schema
    from joulebench.study_plan import plan
    from joulebench.study_read import dump, load

    if schema:
        write_json(json_file or "-", json_schema())
        return
    asked = load(study, overrides(data, items, repetitions))
    plans = plan(asked)
    write_json(json_file, {"study": dump(asked), "trials": plans})
    if json_file != "-":
        _print(asked, plans)
    check_here(asked, plans)


def _print(asked: StudyFile, plans: Sequence[dict[str, Any]]) -> None:
    from joulebench.study_plan import design_of

    design = design_of(asked)
    left_out = len(design.all_cells) - len(design.cells)
    typer.echo(
        f"{asked.study}: {len(design.cells)} cells"
        + (f" ({left_out} left out)" if left_out else "")
        + f" x {asked.repetitions} repetitions = {len(plans)} trials, order {asked.order.kind}, "
        f"seed {asked.order.seed}"
    )
    _print_trials(plans)
    waiting_s = len(plans) * _waiting_s(plans[0]["protocol"])
    typer.echo(f"idle, cool-down: {waiting_s / 60:.1f} min in all; the work comes on top")


def _print_trials(plans: Sequence[dict[str, Any]]) -> None:
    width = max(len(plan["run_id"]) for plan in plans)
    for plan in plans:
        trial = plan["trial"]
        what = plan.get("model") or " ".join(plan.get("command", []))
        typer.echo(
            f"{trial['order']:>5}  block {trial['block']}  {plan['run_id']:<{width}}  {what}"
        )


def _waiting_s(protocol: dict[str, Any]) -> float:
    waits = (protocol["idle_s"], protocol["idle_after_s"], protocol["cooldown"]["fixed_s"])
    return float(sum(waits))
