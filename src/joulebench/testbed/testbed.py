"""What the orchestrator asks of a place where trials are run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from joulebench.errors import UsageError
from joulebench.record import Run

Message = Mapping[str, Any]
Tell = Callable[[dict[str, Any]], None]
Plan = Mapping[str, Any]


NO_ANSWER = "no answer"
"""Begins the phase of a trial whose testbed is out of reach; its watts are old then."""


class TestbedLost(UsageError):
    """A testbed has been out of reach for longer than its patience; its trial is not recorded."""

    __test__ = False


class Testbed(Protocol):
    """Runs trials one at a time: this machine, one reached over HTTP, or a cluster's job."""

    name: str
    """What records call it."""

    def prepare(self, plans: Sequence[Plan]) -> Mapping[str, Mapping[str, Any]]:
        """Check that plans can be run there, import what they need, and give its hosts' facts.

        Args:
            plans: One of each cell.

        Raises:
            UsageError: A plan that cannot be run there, or nobody answers.
        """

    def adopt(self, plans: Sequence[Plan]) -> Sequence[Plan]:
        """Name those of the plans that it runs, or has run and nobody has recorded; they go first.

        Args:
            plans: That are to be run.
        """

    def run(self, plan: Plan, attempt: int, tell: Tell) -> Run:
        """Run one trial, or go on with it where it was begun; its files are in the study's folder.

        Args:
            plan: Of the trial.
            attempt: From 1; the same attempt is never run twice.
            tell: Is told of phases and watts, and of a host that :meth:`prepare` did not know:
                ``{"event": "host", "id": ..., "facts": {...}}``.

        Raises:
            TestbedLost: It has been out of reach for too long.
        """

    def cool_down(self, plan: Plan, tell: Tell) -> None:
        """Wait before the next trial as its protocol says, unless the testbed does so itself."""

    def stop(self) -> None:
        """Stop the trial under way; may be called from another thread than :meth:`run`."""

    def close(self) -> None:
        """Let everything go."""
