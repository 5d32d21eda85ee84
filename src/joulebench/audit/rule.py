"""What a rule of the audit is: a name and a check that yields findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulebench.finding import Finding

if TYPE_CHECKING:
    from joulebench.audit.evidence import Evidence
    from joulebench.audit.run_view import AuditRun
    from joulebench.audit.table import AuditTable

GROUPS = ("energy", "compute", "design", "data", "serving")
"""What the rules are about, in the order in which they are documented."""

TableCheck = Callable[["AuditTable"], Iterator[Finding]]
RunCheck = Callable[["AuditRun"], Iterator[Finding]]
EvidenceCheck = Callable[["Evidence"], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Args:
        name: In kebab-case; the findings that its checks yield bear it.
        group: One of :data:`GROUPS`.
        table: Looks at one table: a published one, or one of recomputed runs.
        run: Looks at one run with its traces and responses.
        evidence: Looks at everything together, after all runs have been seen.

    Raises:
        ValueError: A group that does not exist, or no check at all.
    """

    name: str
    group: str
    table: TableCheck | None = None
    run: RunCheck | None = None
    evidence: EvidenceCheck | None = None

    def __post_init__(self) -> None:
        if self.group not in GROUPS:
            raise ValueError(f"rule {self.name!r}: group {self.group!r} is not one of {GROUPS}")
        if not (self.table or self.run or self.evidence):
            raise ValueError(f"rule {self.name!r} checks nothing")
