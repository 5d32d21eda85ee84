"""Runs in the form that every analysis reads: one row a repetition, tidy names, SI units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulebench.analysis.response_columns import Response
from joulebench.errors import unknown

if TYPE_CHECKING:
    import pandas as pd

    Table = pd.DataFrame

RUN, REPETITION, BLOCK = "run", "repetition", "block"
SIZE = "size_b"
"""Column of the number of parameters, billions, where it can be read."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows that were left out, or values that are missing.

    Args:
        rows: How many.
        reason: Why, in words.
        example: Where the first of them stands.
    """

    rows: int
    reason: str
    example: str = ""

    @property
    def sentence(self) -> str:
        """What was left out, in one line."""
        plural = "" if self.rows == 1 else "s"
        place = f" (the first: {self.example})" if self.example else ""
        return f"{self.rows} row{plural} left out: {self.reason}{place}"


@dataclass(frozen=True, eq=False)
class AnalysisFrame:
    """What an analysis is made from.

    The frame has, in this order: ``run`` (label of the cell of all factors, or the user's own),
    ``repetition``, ``block``, ``testbed``, ``host``, ``run_id`` where the source has them; the
    factors as ordered categories; the units that several factors make up, such as ``model``;
    ``size_b`` where a model size can be read; the responses in SI
    units; ``*_noise_*`` and ``*_bias_*``, one standard uncertainty each, of responses that have
    them; ``line`` of the source.

    Args:
        name: Of the study, or of the file.
        path: Folder or file that was read.
        frame: One row a repetition; one row a run after ``run_means``.
        factors: Names of the factors.
        responses: The responses, with where each comes from.
        units: Column of a unit -> the factors that make it up: ``{"model": ("generation",
            "model_size")}``; its levels are the combinations that were run, as ``3.1-8B``.
        columns: Tidy name of a factor, run or repetition -> column of the source.
        dropped: What was left out, and why.
        notes: What else a reader must know: choices made, columns that go together.
        audit: One line where the audit finds an error in a response; empty otherwise.
        level: ``"repetition"`` or ``"run"``.
    """

    name: str
    path: Path
    frame: Table
    factors: tuple[str, ...]
    responses: tuple[Response, ...]
    columns: dict[str, str]
    units: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dropped: tuple[Dropped, ...] = ()
    notes: tuple[str, ...] = ()
    audit: str = ""
    level: str = "repetition"

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.frame)

    def levels(self, factor: str) -> list[str]:
        """Give the levels of a factor or a unit in their order.

        Raises:
            UsageError: There is no such factor.
        """
        if factor not in (*self.factors, *self.units):
            raise unknown("factor", factor, (*self.factors, *self.units))
        return [str(level) for level in self.frame[factor].cat.categories]

    def response(self, name: str) -> Response:
        """Give a response by its tidy name.

        Raises:
            UsageError: There is no such response.
        """
        found = next((each for each in self.responses if each.name == name), None)
        if found is None:
            raise unknown("response", name, [each.name for each in self.responses])
        return found

    def has(self, *names: str) -> bool:
        """Say whether all of these columns are there."""
        return all(name in self.frame.columns for name in names)

    @property
    def varying(self) -> list[str]:
        """Names of the responses that are not the same in every row."""
        seen = {each.name: self.frame[each.name] for each in self.responses}
        return [name for name, values in seen.items() if values.min() < values.max()]

    @property
    def runs(self) -> int:
        """Number of runs: cells of all factors that hold a row."""
        return int(self.frame[RUN].nunique())

    def to_dict(self) -> dict[str, Any]:
        """Give what was read as a JSON-ready dict, without the rows."""
        return {
            "name": self.name,
            "source": str(self.path),
            "rows": len(self),
            "runs": self.runs,
            "factors": {factor: self.levels(factor) for factor in self.factors},
            "units": {name: list(parts) for name, parts in self.units.items()},
            "responses": [each.to_dict() for each in self.responses],
            "columns": dict(self.columns),
            "dropped": [each.sentence for each in self.dropped],
            "notes": list(self.notes),
            "audit": self.audit,
        }


def names_of(responses: Sequence[Response]) -> list[str]:
    """Give the tidy names of responses."""
    return [each.name for each in responses]
