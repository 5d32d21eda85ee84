"""``joulebench testbed``: this machine as a testbed for orchestrators elsewhere."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from joulebench.cli.lazy_group import LazyGroup, group_app
from joulebench.errors import Unavailable, UsageError

if TYPE_CHECKING:
    from joulebench.testbed.service_settings import ServiceSettings

_PORT = 8020
_MEBIBYTE = 1 << 20


class TestbedGroup(LazyGroup):
    """The commands of a testbed."""

    __test__ = False

    places: ClassVar = {
        "serve": ("testbed:serve_command", "Run trials that orchestrators ask for over HTTP."),
        "init": ("testbed_init:init_command", "Set a machine up as a testbed."),
    }
    kind = "testbed: command"


testbed_group = group_app("testbed", TestbedGroup)


@testbed_group.callback()
def _testbed() -> None:
    """Run trials on this machine for orchestrators elsewhere.

    Example: joulebench testbed serve
    """


def serve_command(  # noqa: PLR0913, PLR0917 - the options of the command line
    host: Annotated[
        str, typer.Option("--host", metavar="HOST", help="Address to listen on; 0.0.0.0: all.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="0: any free one.", min=0, max=65_535)
    ] = _PORT,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            metavar="FILE",
            help="Holds the token that requests must carry; needed unless HOST is this machine's "
            "own address.",
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state",
            metavar="DIR",
            help="Keeps trials, records and files; default ~/.local/state/joulebench/testbed.",
        ),
    ] = None,
    name: Annotated[
        str, typer.Option("--name", metavar="NAME", help="What records call it; default its host.")
    ] = "",
    tls_cert: Annotated[
        Path | None, typer.Option("--tls-cert", metavar="FILE", help="Certificate, PEM.")
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option("--tls-key", metavar="FILE", help="Its key, PEM.")
    ] = None,
    allow_command: Annotated[
        bool,
        typer.Option(
            "--allow-command", help="Run the workload command: any program, as this user."
        ),
    ] = False,
    data: Annotated[
        list[Path] | None,
        typer.Option(
            "--data", metavar="DIR", help="Items may be named by path in it; may be given again."
        ),
    ] = None,
    models: Annotated[
        list[Path] | None,
        typer.Option(
            "--models", metavar="DIR", help="Models may be named by path in it; may be given again."
        ),
    ] = None,
    allow_meter: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-meter",
            metavar="KIND",
            help="Meter that may be given hosts, programs and environment variables; may be given "
            "again.",
        ),
    ] = None,
    allow_callback: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-callback",
            metavar="HOST[:PORT]",
            help="Where callbacks may go; may be given again.",
        ),
    ] = None,
    max_body: Annotated[
        int,
        typer.Option("--max-body", metavar="BYTES", help="Longest body of a request.", min=1024),
    ] = _MEBIBYTE,
    keep_days: Annotated[
        float,
        typer.Option(
            "--keep-days",
            metavar="DAYS",
            help="Forget trials that ended longer ago; 0: never.",
            min=0.0,
        ),
    ] = 0.0,
) -> None:
    """Run trials that orchestrators ask for over HTTP, one at a time, and keep what they gave.

    Example: joulebench testbed serve --host 0.0.0.0 --token-file token
    """
    from joulebench.testbed.service_settings import (
        ServiceSettings,
        default_state,
        folders,
        read_token,
    )

    serving = _serving()
    token = read_token(token_file.expanduser()) if token_file is not None else ""
    loopback = serving.is_loopback(host)
    if not (loopback or token):
        raise UsageError(
            f"--host {host}: others can reach it, so it needs a token: --token-file FILE; make one "
            "with: (umask 077; openssl rand -hex 32 > FILE)"
        )
    settings = ServiceSettings(
        state=(state or default_state()).expanduser().resolve(),
        name=_checked_name(name),
        token=token,
        loopback=loopback,
        allow_command=allow_command,
        data=folders("--data", data),
        models=folders("--models", models),
        meters=tuple(allow_meter or ()),
        callbacks=tuple(allow_callback or ()),
        most_body=max_body,
        keep_days=keep_days,
    )
    _serve(serving, settings, (host, port), (tls_cert, tls_key))


def _checked_name(name: str) -> str:
    if name and not (name.isprintable() and len(name) <= 100 and name.strip() == name):
        raise UsageError("--name: give at most 100 printable characters")
    return name


def _serve(
    serving: Any,
    settings: ServiceSettings,
    address: tuple[str, int],
    tls: tuple[Path | None, Path | None],
) -> None:
    _log_to_stderr()
    cert, key = (path.expanduser().resolve() if path is not None else None for path in tls)
    encrypted = serving.check_tls(cert, key)
    if not (settings.loopback or encrypted):
        typer.echo(
            "joulebench: without --tls-cert the token and all data cross the network readable; "
            "use it on networks that you trust, or over ssh -L",
            err=True,
        )
    listening = serving.listen(*address)
    serving.in_own_folder(settings)
    serving.serve(settings, listening, _say, cert, key)
    typer.echo("joulebench: stopped; what is recorded stays in " + str(settings.state), err=True)


def _say(line: str) -> None:
    typer.echo(line)


def _serving() -> Any:
    """Import the server.

    Raises:
        Unavailable: Its packages are not installed.
    """
    try:
        return import_module("joulebench.testbed.service_serve")
    except ImportError as error:
        if (error.name or "").partition(".")[0] == "joulebench":
            raise
        raise Unavailable(
            f"joulebench testbed serve needs {error.name}, which is not installed.",
            "Type: pip install 'joulebench[testbed]'",
        ) from error


def _log_to_stderr() -> None:
    import logging

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    for noisy in ("uvicorn", "httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
