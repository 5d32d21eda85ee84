"""A check that did not pass, with its remedy."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

SEVERITIES = ("error", "warning", "note")
"""The number is wrong; the claim does not follow; worth knowing."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check that did not pass.

    Args:
        rule: Name of the check, in kebab-case.
        severity: One of :data:`SEVERITIES`.
        where: Run, channel, window, file or column it is about.
        message: One plain sentence: what was seen.
        remedy: One plain sentence: what to do next.
        seen: The value seen, printable; empty if there is none.
        possible: What is physically or statistically possible; empty if there is none.

    Raises:
        ValueError: A severity that does not exist.
    """

    rule: str
    severity: str
    where: str
    message: str
    remedy: str
    seen: str = ""
    possible: str = ""

    def __post_init__(self) -> None:
        if self.severity not in SEVERITIES:
            raise ValueError(
                f"finding {self.rule!r}: severity {self.severity!r} is not one of "
                f"{', '.join(SEVERITIES)}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Give the finding as a JSON-ready dict."""
        return {part.name: getattr(self, part.name) for part in fields(self)}

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Finding:
        """Build a finding from :meth:`to_dict`'s form."""
        return cls(**record)
