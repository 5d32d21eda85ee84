"""``joulebench testbed init``: set up a machine that runs trials."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from joulebench.cli.json_file import JsonFile, check_place, write_json
from joulebench.cli.testbed_init_text import (
    begins,
    ended,
    output,
    quiet,
    say_notes,
    say_where,
    where,
)
from joulebench.errors import UsageError, unknown

if TYPE_CHECKING:
    from joulebench.bootstrap.choices import Choices, Model, Scope
    from joulebench.bootstrap.hub_token import HubToken
    from joulebench.bootstrap.surroundings import Surroundings


def init_command(  # noqa: PLR0913, PLR0917 - the words that a user can say
    serve_options: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- OPTION OF serve]...", help="Given to joulebench testbed serve as they are."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the shell lines and files; run nothing.")
    ] = False,
    venv: Annotated[
        Path | None,
        typer.Option("--venv", metavar="DIR", help="Python environment to make or complete."),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="SPEC", help="What pip installs: joulebench==V, a wheel, git+URL."
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--models", metavar="NAME,...", help="Models of the hub, NAME or NAME@REVISION."
        ),
    ] = None,
    study: Annotated[
        str | None, typer.Option("--study", metavar="FILE", help="Download the models it names.")
    ] = None,
    engine: Annotated[
        str, typer.Option("--engine", metavar="ENGINE", help="vllm, transformers or none.")
    ] = "vllm",
    vllm_version: Annotated[
        str | None, typer.Option("--vllm-version", metavar="V", help="Another version of vLLM.")
    ] = None,
    env_file: Annotated[
        Path | None,
        typer.Option("--env-file", metavar="FILE", help="Has a line HF_TOKEN=...; default .env."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="Bearer token of the testbed."),
    ] = None,
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address the testbed listens on.")
    ] = "0.0.0.0",  # noqa: S104 - other machines give it work; the token says which may
    port: Annotated[
        int, typer.Option("--port", metavar="P", help="Port it listens on.", min=1, max=65535)
    ] = 8020,
    service: Annotated[
        bool | None,
        typer.Option("--service/--no-service", help="Start it by systemd; default where it runs."),
    ] = None,
    user: Annotated[
        bool | None,
        typer.Option("--user/--system", help="Whose systemd; default the system's for root."),
    ] = None,
    container: Annotated[
        bool, typer.Option("--container", help="This is a container, though it looks like none.")
    ] = False,
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Slurm decides what runs here; print a line for it.")
    ] = False,
    energibridge: Annotated[
        bool | None,
        typer.Option("--energibridge/--no-energibridge", help="Build EnergiBridge; needs Rust."),
    ] = None,
    sensors: Annotated[
        bool, typer.Option("--sensors/--no-sensors", help="Let users read energy counters.")
    ] = True,
    ipmi: Annotated[
        bool, typer.Option("--ipmi/--no-ipmi", help="Let this user ask the service processor.")
    ] = False,
    json_file: JsonFile = None,
) -> None:
    """Set this machine up to run trials; what is there already is left, so type it again freely.

    Example: joulebench testbed init --models meta-llama/Llama-3.2-1B-Instruct --dry-run

    Example: joulebench testbed init --study study.yaml -- --tls-cert cert.pem --tls-key key.pem
    """
    from joulebench.bootstrap.choices import (
        VLLM_VERSION,
        Choices,
        Engine,
        Service,
        check_version,
        default_places,
    )
    from joulebench.bootstrap.source import own_source, source_named
    from joulebench.bootstrap.surroundings import find_surroundings

    check_place(json_file)
    if engine not in get_args(Engine):
        raise unknown("--engine", engine, get_args(Engine))
    around = find_surroundings(os.environ, container=container, slurm=slurm)
    choices = Choices(
        places=default_places(
            os.environ, around.home, root=around.root, venv=venv, token_file=token_file
        ),
        source=source_named(source) if source else own_source(),
        engine=engine,  # type: ignore[arg-type]  # checked above
        vllm_version=check_version(vllm_version or VLLM_VERSION),
        models=_models(models or [], study),
        service=Service(
            _address(host), port, _scope(user, around), service, _checked(serve_options or [])
        ),
        energibridge=energibridge,
        sensors=sensors,
        ipmi=ipmi,
    )
    if dry_run:
        _show(choices, around, json_file)
    else:
        _perform(choices, around, env_file, json_file)


def _scope(user: bool | None, around: Surroundings) -> Scope:
    return "system" if user is False or (user is None and around.root) else "user"


_OURS = ("--host", "--port", "--token-file", "--state", "--help", "-h")
"""Options of serve that are set by those of init, or that serve nothing."""


def _checked(options: Sequence[str]) -> tuple[str, ...]:
    """Give the options of serve back.

    Raises:
        UsageError: One that serve does not know, or that init sets itself.
    """
    from joulebench.cli import verb

    ours = next((word for word in options if word.partition("=")[0] in _OURS), "")
    if ours:
        raise UsageError(f"-- {ours}: is no option to hand on to serve; give it before the --")
    verb("testbed serve").make_context("joulebench testbed serve", list(options))
    return tuple(options)


def _address(host: str) -> str:
    try:
        socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        raise UsageError(f"--host {host!r}: is no address of a machine; try 0.0.0.0") from None
    return host


def _models(named: Sequence[str], study: str | None) -> tuple[Model, ...]:
    from joulebench.bootstrap.choices import models_named

    return models_named([*named, *(_models_of(study) if study else [])])


def _models_of(name: str) -> list[str]:
    """Give the models of a study that a hub has; folders, shapes and tiny ones need no hub."""
    from joulebench.engines.shapes import shape_name
    from joulebench.engines.tiny import RECIPES
    from joulebench.study import load, plan

    plans = plan(load(name, {}))
    models = dict.fromkeys(each["model"] for each in plans if "model" in each)
    named = [m for m in models if m not in RECIPES and shape_name(m) is None]
    return [m for m in named if not Path(m).expanduser().is_dir()]


def _show(choices: Choices, around: Surroundings, json_file: str | None) -> None:
    """Print what would be done, as a script."""
    from joulebench.bootstrap.redaction import redact
    from joulebench.bootstrap.steps import all_steps, script

    steps = all_steps(choices, around)
    text = redact(script(steps, sudo=not around.root))
    write_json(json_file, {"dry_run": True, "script": text, **where(choices, around)})
    if json_file != "-":
        typer.echo(text)


def _perform(
    choices: Choices, around: Surroundings, env_file: Path | None, json_file: str | None
) -> None:
    from joulebench.bootstrap.hub_token import login_secret
    from joulebench.bootstrap.perform import Shell, perform
    from joulebench.bootstrap.step import OPEN
    from joulebench.bootstrap.steps import all_steps

    token = _token(choices, env_file)
    secrets = (login_secret(os.environ, choices.places.hub),)
    shell = Shell(os.environ, token.value, secrets, root=around.root)
    aloud = json_file != "-"
    if aloud:
        shell.told = output if sys.stdout.isatty() else quiet
        say_notes(choices, around, token)
    results = perform(
        all_steps(choices, around),
        shell,
        begins if aloud else quiet,
        ended if aloud else quiet,
    )
    steps = [result.to_dict() for result in results]
    write_json(json_file, {"dry_run": False, "steps": steps, **where(choices, around)})
    if aloud:
        say_where(choices)
    if any(result.state in OPEN for result in results):
        raise typer.Exit(1)


def _token(choices: Choices, env_file: Path | None) -> HubToken:
    from joulebench.bootstrap.hub_token import HubToken, find_token

    if not choices.models:
        return HubToken("", "")
    default = Path(".env") if Path(".env").is_file() else None
    if env_file is None and default is not None:
        return _token_if_any(choices, default)
    return find_token(os.environ, env_file, choices.places.hub)


def _token_if_any(choices: Choices, default: Path) -> HubToken:
    """Look into a file that nobody named; it may be there for something else."""
    from joulebench.bootstrap.hub_token import find_token

    try:
        return find_token(os.environ, default, choices.places.hub)
    except UsageError as error:
        if "has no line" not in str(error):
            raise
        return find_token(os.environ, None, choices.places.hub)
