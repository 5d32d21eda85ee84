"""Finds the folder of a study that a verb is asked for."""

from __future__ import annotations

from pathlib import Path

from joulebench.errors import UsageError


def find_study(asked: Path) -> Path:
    """Give a study's folder: the path itself, or its name under ``runs/``.

    Raises:
        UsageError: Neither holds a study.
    """
    for folder in (asked, Path("runs") / asked):
        if (folder / "study.yaml").is_file():
            return folder
    raise UsageError(
        f"{asked} is not a study's folder; run one with 'joulebench run demo', or name its folder"
    )
