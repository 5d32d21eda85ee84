"""What an importer is, and what it gives: one class makes a new kind of import."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from joulebench.finding import Finding
from joulebench.record import Run

if TYPE_CHECKING:
    # Loading numpy costs more than finding out that an import has nothing to do.
    from joulebench.energy import Trace


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What the user says about results that do not say it themselves.

    Args:
        study: Name of the study to make.
        table: Run table to take the factors from.
        columns: Columns of that table that are factors; found by their pattern if empty.
        levels: Levels of each factor, in the order in which the runs were numbered.
        exclude: Combinations of levels that were not run.
        out: Folder of the study as the user gave it.
        mapping: File that says what the columns of a table are, for kinds that need one.
    """

    study: str
    table: Path | None = None
    columns: tuple[str, ...] = ()
    levels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    out: Path | None = None
    mapping: Path | None = None

    def source(self, kind: str, path: Path) -> dict[str, Any]:
        """Give what ``study.yaml`` keeps of an import, in the user's words, to do it again.

        Args:
            kind: Of the importer.
            path: Of the results, as the user gave it.
        """
        factors = {name: list(levels) for name, levels in self.levels.items()}
        told = {
            "table": None if self.table is None else str(self.table),
            "factors": factors or list(self.columns),
            "exclude": list(self.exclude),
            "out": None if self.out is None else str(self.out),
            "map": None if self.mapping is None else str(self.mapping),
        }
        given = {name: words for name, words in told.items() if words}
        return {"kind": kind, "path": str(path), **given}


@dataclass(frozen=True, slots=True)
class Sighting:
    """What an importer recognised in a folder or file without reading it whole.

    Args:
        kind: Of the importer.
        seen: What it is, for a person: ``"63 folders run_R_repetition_P with energibridge.csv"``.
        weak: Whether anything would look like it: a plain table. Gives way to any that is not.
    """

    kind: str
    seen: str
    weak: bool = False


@dataclass(frozen=True, slots=True)
class ImportedRun:
    """One run as another tool left it: its record, its traces, one dict a response."""

    run: Run
    traces: Sequence[Trace] = ()
    responses: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Imported:
    """Results as an importer gives them.

    Args:
        study: Content of ``study.yaml``.
        hosts: Facts of each machine by id.
        fingerprint: Changes when a file that is read changes.
        count: Number of runs.
        run: Reads one run by its place, 0 to ``count`` - 1, in the order in which they started.
        findings: Checks on the study as a whole that did not pass.
        tables: Tables of published figures that stand beside the runs; an audit reads them too.
    """

    study: Mapping[str, Any]
    hosts: Mapping[str, Any]
    fingerprint: str
    count: int
    run: Callable[[int], ImportedRun]
    findings: tuple[Finding, ...] = ()
    tables: tuple[Path, ...] = ()


class Importer(Protocol):
    """Reads results of one kind; registered in the entry-point group ``joulebench.importers``.

    A figure that the source published for a run is kept in the run's fact ``"published"``:
    ``{"table": name of the file, "line": its line, "values": {column: number or text}}``, so that
    an audit can hold it against what the traces say.
    """

    kind: str

    def recognise(self, source: Path) -> Sighting | None:
        """Say what of this kind is in a folder or file, looking at names and first lines only.

        Never raises for what the files hold; ``None`` where nothing is of this kind.
        """

    def read(self, source: Path, options: ImportOptions) -> Imported:
        """Look over a folder or file and give its runs, read when they are asked for.

        Raises:
            UsageError: It is not of this kind or is damaged; names the file and the line. May also
                be raised while the runs are read.
        """
