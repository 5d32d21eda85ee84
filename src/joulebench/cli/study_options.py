"""The options that choose a study and change it, shared by plan, run and status."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from joulebench.errors import UsageError

Study = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="A preset (demo), a study file, or a study's folder to go on with."
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Its folder; default runs/NAME.")
]
Data = Annotated[
    str | None,
    typer.Option("--data", metavar="DIR", help="Items: a folder of TASK.jsonl, demo, or hub."),
]
Items = Annotated[int | None, typer.Option("--items", metavar="N", help="Items of each task.")]
Repetitions = Annotated[
    int | None, typer.Option("--repetitions", metavar="N", help="Runs of each cell.")
]

Testbeds = Annotated[
    list[str] | None,
    typer.Option(
        "--testbed",
        metavar="URL",
        help="Run there instead of where the study says; several share its blocks.",
    ),
]


def places(testbeds: list[str] | None) -> dict[str, Any]:
    """Give where the command line wants trials to be run, by dotted key; nothing if it is silent.

    Raises:
        UsageError: A URL with a password in it: it would be written into the study's folder.
    """
    for url in testbeds or []:
        if "@" in url.partition("//")[2].partition("/")[0]:
            raise UsageError(
                "--testbed: a URL must hold no user or password; put the testbed's token into the "
                "environment variable JOULEBENCH_TOKEN"
            )
    return {"testbeds": [{"url": url} for url in testbeds]} if testbeds else {}


def overrides(data: str | None, items: int | None, repetitions: int | None) -> dict[str, Any]:
    """Give what the command line changes in a study, by dotted key.

    Raises:
        UsageError: The folder of items does not exist.
    """
    if data not in (None, "demo", "hub"):
        folder = Path(str(data)).expanduser()
        if not folder.is_dir():
            raise UsageError(f"--data {data}: no such folder; give one that holds TASK.jsonl files")
        data = str(folder.resolve())
    given = {"tasks.data": data, "tasks.items": items, "repetitions": repetitions}
    return {key: value for key, value in given.items() if value is not None}


def folder_of(study: str, out: Path | None) -> Path | None:
    """Give the folder that a command line means; ``None`` for the study's default."""
    if out is None and (Path(study) / "study.yaml").is_file():
        return Path(study)
    return out
