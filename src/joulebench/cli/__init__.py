"""The ``joulebench`` command: one file a verb, imported when it is asked for."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from joulebench import __version__
from joulebench.errors import EnergyError, UsageError

VERBS = {
    "doctor": ("doctor:doctor_command", "List the sensors here, and what mends those missing."),
    "measure": ("measure:measure_command", "Run a command and print what it cost."),
    "plan": ("plan:plan_command", "Show the trials of a study and check them."),
    "run": ("run:run_command", "Run a study, or go on with it, up to its report."),
    "status": ("status:status_command", "Say how far a study is."),
    "testbed": ("testbed:testbed_group", "Serve this machine to orchestrators, or set it up."),
    "import": ("import_:import_command", "Read other tools' results into a study."),
    "audit": ("audit:audit_command", "Check results, ours or anybody's, and say what is wrong."),
    "analyze": ("analyze:analyze_command", "Test what runs show, and say what they can carry."),
    "compare": ("compare:compare_command", "Hold one study or table against another."),
    "report": ("report:report_command", "Write tables, figures and the page of a study."),
}
"""Each verb's file and function, and what it does in a few words."""

_WORDS_OF_ANOTHER = {"measure"}
"""Verbs whose first word begins a command of the user's, whose options are not ours."""

_HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}

_USAGE_STATUS = 2
_STOPPED_STATUS = 130

_ASCII = {"±": "+/-", "–": "-", "×": "x", "µ": "u", "…": "..."}

# The command-line parser's own errors; typer shows no public name for their class.
_ParserError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


class VerbGroup(TyperGroup):
    """Finds a verb in its own file."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """Name the verbs in the order in which they are used."""
        return list(VERBS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Import a verb; ``None`` where there is no such verb."""
        return verb(cmd_name) if cmd_name in VERBS else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the verb that the first word names.

        Raises:
            UsageError: There is none; names the nearest.
        """
        from joulebench.errors import unknown

        if args and args[0] not in VERBS and not args[0].startswith("-"):
            raise unknown("verb", args[0], VERBS)
        return super().resolve_command(ctx, args)


def verb(name: str) -> Any:
    """Build the command of a verb, or of a command in a group: ``"testbed serve"``."""
    first, _, second = name.partition(" ")
    place, short = VERBS[first]
    module, _, function = place.partition(":")
    found = getattr(import_module(f"joulebench.cli.{module}"), function)
    if isinstance(found, typer.Typer):  # a group, which finds its own commands
        group = typer.main.get_command(found)
        return group.get_command(None, second) if second else group  # type: ignore[attr-defined]
    single = typer.Typer(add_completion=False, rich_markup_mode=None)
    settings = _HELP | ({"allow_interspersed_args": False} if first in _WORDS_OF_ANOTHER else {})
    single.command(first, short_help=short, context_settings=settings)(found)
    return typer.main.get_command(single)


def commands() -> list[str]:
    """Name all commands: verbs, and those in groups after the group's name."""
    found = []
    for name in VERBS:
        built: Any = verb(name)
        inner = built.list_commands(None) if hasattr(built, "list_commands") else []
        found += [f"{name} {each}" for each in inner] or [name]
    return found


app = typer.Typer(
    name="joulebench",
    cls=VerbGroup,
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings=_HELP,
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"joulebench {__version__}")
        raise typer.Exit


@app.callback()
def joulebench(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Measure the energy of language models, every joule with its uncertainty.

    Example: joulebench run demo
    """


def invoke(words: Sequence[str]) -> int:
    """Do what the words of a command line say; gives the exit status."""
    try:
        status = typer.main.get_command(app).main(
            list(words), prog_name="joulebench", standalone_mode=False
        )
    except (UsageError, EnergyError) as error:
        return _refuse(" ".join(str(error).split()))
    except _ParserError as error:
        if not words or type(error).__name__ == "NoArgsIsHelpError":  # a group without a command
            invoke([*words, "--help"])
            return _USAGE_STATUS
        return _refuse(_parser_message(error))
    except OSError as error:
        return _refuse(_system_message(error))
    except (KeyboardInterrupt, typer.Abort):
        return _STOPPED_STATUS
    return status if isinstance(status, int) else 0


def main() -> None:
    """Entry point of the ``joulebench`` script."""
    codecs.register_error("joulebench", _in_ascii)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="joulebench")
    sys.exit(invoke(sys.argv[1:]))


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Stand in for what a terminal cannot show, so that no number is lost with it."""
    assert isinstance(error, UnicodeEncodeError)
    found = error.object[error.start : error.end]
    return "".join(_ASCII.get(character, "?") for character in found), error.end


def _system_message(error: OSError) -> str:
    """Say what the system refused; what is recorded is on disk already."""
    place = f"{os.fspath(error.filename)}: " if isinstance(error.filename, str) else ""
    return f"{place}{error.strerror or error}; mend that and type the same again"


def _parser_message(error: Any) -> str:
    message = " ".join(str(error.format_message()).split()).rstrip(".")
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "joulebench"
    return f"{message}; see {path} --help"


def _refuse(message: str) -> int:
    sys.stderr.write(f"joulebench: {message}\n")
    return _USAGE_STATUS
