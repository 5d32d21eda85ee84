"""Steps of a set-up, and what became of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from joulebench.bootstrap.line import Line

State = Literal["done", "skipped", "failed", "needs root", "not tried"]

OPEN: tuple[State, ...] = ("failed", "needs root", "not tried")
"""States after which something is still to be done."""


def _never() -> str:
    return ""


def _no_hint(_: str) -> str:
    return ""


@dataclass(frozen=True)
class Step:
    """One thing to set up.

    Args:
        name: A word or two.
        lines: What is typed; each only if the one before it succeeded.
        done: Says from files alone why nothing has to be done; empty if it has. Asked again at the
            end.
        needs: Names of steps without which this one is not tried.
        skip: Why nothing is done here, whatever is there; empty if something may be.
        hinder: Says what stands in the way, found out just before the lines; empty if nothing does.
        probe: A line that succeeds only if what ``done`` found also works; not run by a dry run.
        hint: Turns the end of a failed line's output into what to do about it.
        advice: What to do if it fails and there is no hint.
    """

    name: str
    lines: tuple[Line, ...] = ()
    done: Callable[[], str] = _never
    needs: tuple[str, ...] = ()
    skip: str = ""
    hinder: Callable[[], str] = _never
    probe: Line | None = None
    hint: Callable[[str], str] = _no_hint
    advice: str = "mend that and type the same again"

    @property
    def root(self) -> bool:
        """Whether a line of it needs root."""
        return any(line.root for line in self.lines)


@dataclass(frozen=True)
class Result:
    """What became of a step.

    Args:
        name: Of the step.
        state: What became of it.
        why: Why it was skipped, or what failed; empty where it was done.
        remedy: What to do; empty where there is nothing to do.
        output: The end of what a failed line printed.
        typed: Lines that are left to somebody with root.
    """

    name: str
    state: State
    why: str = ""
    remedy: str = ""
    output: tuple[str, ...] = ()
    typed: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Give it as a JSON-ready dict; what is empty is left out."""
        parts: dict[str, Any] = {
            "why": self.why,
            "remedy": self.remedy,
            "output": list(self.output),
            "typed": list(self.typed),
        }
        kept = {key: value for key, value in parts.items() if value}
        return {"name": self.name, "state": self.state, **kept}
