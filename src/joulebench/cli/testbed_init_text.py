"""What ``joulebench testbed init`` says of its steps, and of where things are in the end."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from joulebench.bootstrap.choices import Choices
    from joulebench.bootstrap.hub_token import HubToken
    from joulebench.bootstrap.step import Result, Step
    from joulebench.bootstrap.surroundings import Surroundings


def quiet(_: object) -> None:
    """Say nothing."""


def output(line: str) -> None:
    """Show a line that a command printed."""
    typer.secho(f"  | {line}", dim=True)


def begins(step: Step) -> None:
    """Say that a step's lines are about to be run."""
    typer.echo(f"{step.name}: ...")


def ended(result: Result) -> None:
    """Say what became of a step, and what to do about it."""
    colours = {"done": "green", "failed": "red", "needs root": "yellow", "not tried": "yellow"}
    state = typer.style(result.state, fg=colours.get(result.state))
    typer.echo(f"{result.name}: {state}" + (f": {result.why}" if result.why else ""))
    for line in result.output:
        typer.echo(f"  | {line}")
    for line in result.typed:
        typer.echo(line)
    if result.remedy:
        typer.echo(f"  do: {result.remedy}")


def say_notes(choices: Choices, around: Surroundings, token: HubToken) -> None:
    """Say what the user should know before anything is done."""
    if token.source:
        typer.echo(f"Hub token: from {token.source}; it goes to the hub's tool alone")
    elif choices.models:
        typer.echo("Hub token: none; models whose licence has to be accepted need one")
    for note in token.notes:
        typer.echo(f"Hub token: {note}")
    if around.root and choices.service.scope == "system" and not around.where:
        typer.echo(
            "Service: it runs as root, without root's capabilities; set it up as a user that may "
            "use sudo to run it as that user"
        )


def where(choices: Choices, around: Surroundings) -> dict[str, Any]:
    """Give where everything is, JSON-ready."""
    from joulebench.bootstrap.service_steps import by_hand

    return {
        "venv": str(choices.places.venv),
        "models_folder": str(choices.places.cache),
        "token_file": str(choices.places.token_file),
        "state_folder": str(choices.places.state),
        "start": by_hand(choices, around),
    }


def say_where(choices: Choices) -> None:
    """Say where the token is and how studies reach the testbed."""
    scheme = "https" if "--tls-cert" in " ".join(choices.service.options) else "http"
    address = f"{scheme}://{socket.gethostname()}:{choices.service.port}"
    typer.echo(f"Token of the testbed: {choices.places.token_file} (never printed; copy the file)")
    typer.echo(
        "Where the study is: JOULEBENCH_TOKEN=$(cat testbed.token) joulebench run STUDY --testbed "
        + address
    )
