"""The mapping file of logs of nvidia-smi: what the logs themselves do not say."""

from __future__ import annotations

from pydantic import Field, field_validator

from joulebench.strict_yaml import Strict


class LogNotes(Strict):
    """What is known of one log."""

    windows: dict[str, list[str]] = Field(default_factory=dict)
    """Named stretches: start and end as stamps of the log."""
    factors: dict[str, str] = Field(default_factory=dict)
    """Level of each factor."""

    @field_validator("windows")
    @classmethod
    def _two(cls, windows: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, edges in windows.items():
            if len(edges) != 2:
                raise ValueError(f"{name} must be a start and an end, as in [START, END]")
        return windows


class SmiMap(LogNotes):
    """What is known of the logs of one import."""

    query: str = ""
    """Columns of logs without a header, as ``--query-gpu`` was given: timestamp,index,power.draw"""
    runs: dict[str, LogNotes] = Field(default_factory=dict)
    """By run id, where there are several logs."""
