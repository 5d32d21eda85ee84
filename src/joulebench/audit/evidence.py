"""Everything an audit was shown: tables, and studies with their runs, as one body of evidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joulebench.audit.digest import RunDigest
from joulebench.audit.run_view import AuditRun
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding


@dataclass(eq=False)
class Unit:
    """One study: ours, or what an importer made of a foreign folder.

    Args:
        name: What findings call it.
        path: Where it is.
        kind: "study", or the kind of the importer.
        study: Content of its ``study.yaml``.
        hosts: Facts of each machine by id.
        count: Number of runs.
        view: Reads one run by its place, 0 to ``count`` - 1.
        findings: Checks on the study as a whole that did not pass when it was made.
        digests: What is kept of each run once it has been seen.
        places: The place of each of these runs; one that cannot be read has none.
        controls: What is kept of its control trials, which no rule takes for runs of a cell.
    """

    name: str
    path: Path
    kind: str
    study: Mapping[str, Any]
    hosts: Mapping[str, Any]
    count: int
    view: Callable[[int], AuditRun]
    findings: tuple[Finding, ...] = ()
    digests: list[RunDigest] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    controls: list[RunDigest] = field(default_factory=list)

    def keep(self, place: int, digest: RunDigest) -> None:
        """Keep what later rules need of the run at a place."""
        if digest.run.control:
            self.controls.append(digest)
            return
        self.digests.append(digest)
        self.places.append(place)


@dataclass(eq=False)
class Evidence:
    """One body of evidence.

    Args:
        units: Studies with runs.
        tables: Tables of figures: published ones, and one of recomputed rows a unit.
        devices: Names of accelerators that the user says everything was measured on.
        findings: What did not pass while the paths were read.
    """

    units: list[Unit] = field(default_factory=list)
    tables: list[AuditTable] = field(default_factory=list)
    devices: tuple[str, ...] = ()
    findings: list[Finding] = field(default_factory=list)

    @property
    def digests(self) -> list[RunDigest]:
        """What is kept of each run of all units."""
        return [digest for unit in self.units for digest in unit.digests]
