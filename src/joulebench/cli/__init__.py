"""The ``joulebench`` command: one file a verb, imported when it is asked for."""

from __future__ import annotations

import codecs
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from joulebench import __version__
from joulebench.cli.lazy_group import LazyGroup, group_app
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

_USAGE_STATUS = 2
_STOPPED_STATUS = 130

_ASCII = {"±": "+/-", "–": "-", "×": "x", "µ": "u", "…": "..."}

# The command-line parser's own errors; typer shows no public name for their class.
_ParserError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


class VerbGroup(LazyGroup):
    """The verbs."""

    places = VERBS
    kind = "verb"
    words_of_another = frozenset({"measure"})


def verb(name: str) -> Any:
    """Build the command of a verb, or of a command in a group: ``"testbed serve"``."""
    first, _, second = name.partition(" ")
    built = VerbGroup.built(first)
    return built.get_command(None, second) if second else built


def commands() -> list[str]:
    """Name all commands: verbs, and those in groups after the group's name."""
    found = []
    for name in VERBS:
        built: Any = verb(name)
        inner = built.list_commands(None) if hasattr(built, "list_commands") else []
        found += [f"{name} {each}" for each in inner] or [name]
    return found


app = group_app("joulebench", VerbGroup)


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
