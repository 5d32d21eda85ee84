"""Where an analysis puts its files: tables and plots, by what they are and by question."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulebench.analysis.statistics_table import as_csv, records
from joulebench.errors import UsageError
from joulebench.record import write_whole

if TYPE_CHECKING:
    import pandas as pd

DESCRIPTIVE, ASSUMPTIONS, TESTS = (
    "Descriptive_Data_Exploration", "Assumptions_Verification", "Statistical_Tests",
)  # fmt: skip
STAGES = (DESCRIPTIVE, ASSUMPTIONS, TESTS)
"""Folders of ``tables/`` and of ``plots/``, in the order of an analysis."""

ENDINGS = {
    "desc": DESCRIPTIVE,
    "assumption_summary": ASSUMPTIONS,
    "omnibus": TESTS,
    "consec": TESTS,
    "pairwise": TESTS,
}
"""Ends of the names of tables, with the folder that each belongs to."""

MANIFEST = "analysis.json"
"""What an analysis wrote, and from what; the next one in the same folder clears it first."""

_DIGITS = 6
"""Digits of figures in tables for people; ``tables/statistics.csv`` has them all."""


@dataclass
class OutputTree:
    """The folder of an analysis.

    Args:
        root: Where; made if absent.
        questions: Folders of each stage: ids of questions, or responses.
        written: Files so far, relative to ``root``.
    """

    root: Path
    questions: tuple[str, ...]
    written: list[str] = field(default_factory=list)

    @classmethod
    def create(cls, root: Path, questions: tuple[str, ...], *, plots: bool = True) -> OutputTree:
        """Make the folders, and remove the files that an earlier analysis wrote here.

        Raises:
            UsageError: The folder is a file, or cannot be written.
        """
        if root.exists() and not root.is_dir():
            raise UsageError(f"--out {root} is a file; name a folder")
        tree = cls(root, questions)
        try:
            tree._clear()
            for kind in ("tables", *(["plots"] if plots else [])):
                for folder in tree._folders(kind):
                    folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(
                f"--out {root} cannot be written: {error.strerror}; name another folder"
            ) from error
        return tree

    def table(
        self, found: pd.DataFrame, ending: str, question: str, stem: str = "", *, digits: int = 0
    ) -> Path:
        """Write a table for people, its figures rounded.

        Args:
            found: The figures.
            ending: One of :data:`ENDINGS`, which also says the folder.
            question: Its folder; begins the name of the file.
            stem: What the file's name has between question and ending.
            digits: Significant digits; the usual ones if 0.
        """
        columns = [str(column) for column in found.columns]
        return self.rows(records(found), columns, ending, question, stem, digits=digits)

    def rows(
        self,
        found: Iterable[Mapping[str, Any]],
        columns: Sequence[str],
        ending: str,
        question: str,
        stem: str = "",
        *,
        digits: int = 0,
    ) -> Path:
        """Write rows as a table for people, as :meth:`table` does.

        Args:
            found: The rows.
            columns: Those that are written, in order.
            ending: One of :data:`ENDINGS`, which also says the folder.
            question: Its folder; begins the name of the file.
            stem: What the file's name has between question and ending.
            digits: Significant digits; the usual ones if 0.
        """
        name = "_".join(part for part in (question, stem, ending) if part)
        place = Path("tables", ENDINGS[ending], question, f"{file_name(name)}.csv")
        rounded = (
            {key: _rounded(value, digits or _DIGITS) for key, value in row.items()} for row in found
        )
        return self.write(place, as_csv(rounded, columns))

    def plot_place(self, stage: str, question: str, name: str, suffix: str) -> Path:
        """Give the path of a figure, and note it as written."""
        place = Path("plots", stage, question, f"{file_name(name)}.{suffix}")
        self.written.append(place.as_posix())
        return self.root / place

    def write(self, place: Path, text: str) -> Path:
        """Write a text file below the root, whole or not at all."""
        self.written.append(place.as_posix())
        path = self.root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        # Whole or not at all, as records are, but not synced: it can be made again.
        draft = path.with_name(f".{path.name}.part")
        draft.write_text(text, encoding="utf-8", newline="")
        draft.replace(path)
        return path

    def finish(self, content: dict[str, Any]) -> Path:
        """Write the manifest: what was found, and the files that were written."""
        record = {**content, "files": sorted(set(self.written))}
        text = json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        write_whole(self.root / MANIFEST, text)
        return self.root / MANIFEST

    def _folders(self, kind: str) -> Iterator[Path]:
        for stage in STAGES:
            for question in self.questions:
                yield self.root / kind / stage / question

    def _clear(self) -> None:
        """Remove what the manifest names, inside this folder alone; nothing else is touched."""
        try:
            names = json.loads((self.root / MANIFEST).read_text(encoding="utf-8"))["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return
        root = self.root.resolve()
        for name in names if isinstance(names, list) else []:
            path = Path(os.path.normpath(root / str(name)))
            if path.is_relative_to(root / "tables") or path.is_relative_to(root / "plots"):
                path.unlink(missing_ok=True)
                with suppress(OSError):  # others may have put something there
                    path.parent.rmdir()
        (self.root / MANIFEST).unlink(missing_ok=True)


def file_name(name: str) -> str:
    """Give a name that all file systems take."""
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)


def _rounded(value: Any, digits: int) -> Any:
    if not isinstance(value, float) or not math.isfinite(value) or value == 0.0:
        return value
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
