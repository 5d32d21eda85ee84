"""Who is told how a study goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from joulebench.record import Run, RunTable

Plan = Mapping[str, Any]


class Listener(Protocol):
    """Is told how a study goes on, from one thread."""

    def begins(self, plans: Sequence[Plan], table: RunTable) -> None:
        """The study begins; ``plans`` are those of all its trials, done ones included."""

    def trial_begins(self, plan: Plan, testbed: str = "") -> None:
        """A trial begins on a testbed; an empty name where there is only this machine."""

    def told(self, message: Mapping[str, Any]) -> None:
        """``{"event": "phase", "phase": name}``, ``{"event": "watts", "watts": power}``.

        ``{"event": "note", "note": text}`` is for people. Where there are several testbeds a
        message has the key ``testbed``.
        """

    def trial_ends(self, run: Run) -> None:
        """A trial has ended and its record is on disk."""


class Silent:
    """A listener that says nothing."""

    def begins(self, plans: Sequence[Plan], table: RunTable) -> None:
        """Say nothing."""

    def trial_begins(self, plan: Plan, testbed: str = "") -> None:
        """Say nothing."""

    def told(self, message: Mapping[str, Any]) -> None:
        """Say nothing."""

    def trial_ends(self, run: Run) -> None:
        """Say nothing."""
