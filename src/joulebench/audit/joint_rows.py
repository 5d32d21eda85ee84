"""Published rows beside the runs whose traces they are of."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.columns import Meaning
from joulebench.audit.digest import PartFigures, Recomputed, RunDigest
from joulebench.audit.evidence import Evidence
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.variants import WAYS
from joulebench.energy_ratio import Z_95

_WINDOWS = {
    "training": ("train", "training"),
    "evaluation": ("eval", "evaluation"),
    "inference": ("inference", "eval"),
    "idle": ("idle", "idle_after"),
}
"""Windows that a phase named by a column may be kept as, where their names differ."""

_MOST_LEVELS = 12
_ROWS_OF_LEVEL = 3

_ABSENT_PHASES = ("idle", "load", "warmup", "forward", "backward", "prefill", "decode")
"""Phases that are a part of the work: where a run has no such window its whole is not meant."""


@dataclass(eq=False)
class Joined:
    """The rows of a published table whose runs left traces.

    Args:
        table: The published table.
        rows: Number of each row, from 0; shape (n,).
        digests: What is kept of each row's run.
    """

    table: AuditTable
    rows: NDArray[np.intp]
    digests: Sequence[RunDigest]

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.rows)

    @cached_property
    def recomputed(self) -> list[Recomputed]:
        """What the traces of each row's run say."""
        return [each.recomputed for each in self.digests if each.recomputed is not None]

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """Parts of the machine that all runs have."""
        first = self.recomputed[0].parts
        return tuple(part for part in first if all(part in each.parts for each in self.recomputed))

    @cached_property
    def headline(self) -> tuple[str, ...]:
        """Parts that the total is the sum of; those that all runs have."""
        return tuple(part for part in self.recomputed[0].headline if part in self.parts)

    @cached_property
    def windows_unknown(self) -> bool:
        """Whether nothing says when the work ran, so that ours are figures of whole logs."""
        rules = [{finding.rule for finding in each.run.findings} for each in self.digests]
        return any("window-unknown" in each for each in rules)

    def figures(self, part: str) -> list[PartFigures]:
        """Give what is kept of one part of each run."""
        return [each.parts[part] for each in self.recomputed]

    def keys(self, part: str) -> list[str]:
        """Give the ways in which the energy of a part is known of at least one run."""
        known = {key for figures in self.figures(part) for key in figures.joules}
        return [key for key in WAYS if key in known]

    def joules(self, part: str, key: str) -> Floats:
        """Give the energy of a part by one way, J; NaN for runs that have none; shape (n,)."""
        return np.array([figures.joules.get(key, np.nan) for figures in self.figures(part)])

    def plain_key(self, part: str) -> str:
        """Give the sound way for a part: of its counter or of its power."""
        return self.figures(part)[0].key

    def of_phase(self, part: str, phase: str) -> Floats | None:
        """Give our energy of a part over the windows of a phase, J; ``None`` where none is kept."""
        names = _WINDOWS.get(phase, (phase,))
        found = np.array(
            [
                sum((f.by_window[name] for name in names if name in f.by_window), 0.0) or np.nan
                for f in self.figures(part)
            ]
        )
        return found if np.isfinite(found).any() else None

    def is_judged(self, meaning: Meaning) -> bool:
        """Say whether the traces can tell anything of a column with that meaning."""
        if meaning.part in ("disk", "core", "uncore") and meaning.part not in self.parts:
            return False
        if meaning.part in ("node", "wall", "platform") and meaning.part not in self.parts:
            return False
        return meaning.phase not in _ABSENT_PHASES or any(
            self.of_phase(part, meaning.phase) is not None for part in self.parts
        )

    def apart_j(self, parts: Iterable[str]) -> Floats:
        """Give the standard uncertainty of the sum of parts, what all who read them share aside."""
        squares = [[f.apart_j**2 for f in self.figures(part)] for part in parts]
        return np.sqrt(np.sum(squares, axis=0)) if squares else np.zeros(len(self))

    def stated_j(self, parts: Iterable[str]) -> Floats:
        """Give the standard uncertainty of the sum of parts with everything in it, J."""
        squares = [[f.stated_j**2 for f in self.figures(part)] for part in parts]
        return np.sqrt(np.sum(squares, axis=0)) if squares else np.zeros(len(self))

    def wraps_j(self, part: str) -> Floats:
        """Give the range of the counter of a part, J; NaN where it has none."""
        return np.array([figures.wrap_j or np.nan for figures in self.figures(part)])

    def duration_s(self, which: str = "window") -> Floats:
        """Give a length of each run, s; NaN where it is not known."""
        return np.array([each.durations_s.get(which, np.nan) for each in self.recomputed])

    @cached_property
    def duration_doubt_s(self) -> Floats:
        """Half the width of the 95 % interval of each run's length, s."""
        edges = [Z_95 * math.sqrt(2.0) * each.edge_s for each in self.recomputed]
        return np.array(edges)

    def count(self, name: str) -> Floats:
        """Give a count of each run: tokens, requests, ...; NaN where it is not known."""
        return np.array([each.counts.get(name, np.nan) for each in self.recomputed])

    def si(self, column: str) -> Floats:
        """Give the published figures of a column in SI units; NaN where there is none that counts.

        What is not finite says nothing of a run, and is another rule's affair; shape (n,).
        """
        figures = self.table.si(column)[self.rows]
        return np.where(np.isfinite(figures), figures, np.nan)

    def texts(self, column: str) -> list[str]:
        """Give the cells of a column as they are written."""
        return [str(text) for text in self.table.texts(column)[self.rows]]

    def rounding(self, column: str) -> Floats:
        """Give half of the last place that each figure of a column is written to, in SI units."""
        meaning = self.table.meaning(column)
        size = meaning.to_si if meaning else 1.0
        return np.array([0.5 * last_place(text) * size for text in self.texts(column)])

    @cached_property
    def levels(self) -> dict[str, list[str]]:
        """The settings that differ between the rows, with their levels alike for 3 and 3.0.

        Those with few levels beside the number of rows: of a number of each run nothing is told.
        """
        names = dict.fromkeys(name for each in self.digests for name in each.run.levels)
        given = {
            name: [str(each.run.levels.get(name, "")) for each in self.digests] for name in names
        } or {name: self.texts(name) for name in self.table.varied}
        alike = {name: [plain_label(text) for text in texts] for name, texts in given.items()}
        most = min(_MOST_LEVELS, len(self) // _ROWS_OF_LEVEL)
        return {name: texts for name, texts in alike.items() if 1 < len(set(texts)) <= most}


def join(evidence: Evidence) -> list[Joined]:
    """Find the runs that the rows of published tables are of, as far as they left traces.

    A row is of the run that it names, or of the one whose importer took it from that line.
    """
    digests = [each for each in evidence.digests if each.recomputed is not None]
    if not digests:
        return []
    by_id: dict[str, list[RunDigest]] = {}
    for each in digests:
        by_id.setdefault(each.run.run_id, []).append(each)
    found = (
        _joined(table, by_id) or _by_line(table, digests)
        for table in evidence.tables
        if not table.recomputed
    )
    return [joined for joined in found if joined is not None]


def _joined(table: AuditTable, by_id: dict[str, list[RunDigest]]) -> Joined | None:
    pairs = [
        (row, _one(table, by_id[run_id]))
        for row, run_id in enumerate(table.run_ids)
        if run_id in by_id
    ]
    return _of_pairs(table, [(row, each) for row, each in pairs if each is not None])


def _of_pairs(table: AuditTable, pairs: Sequence[tuple[int, RunDigest]]) -> Joined | None:
    pairs = _measured_alike(pairs)
    if not pairs:
        return None
    rows, digests = zip(*pairs, strict=True)
    joined = Joined(table, np.array(rows, dtype=np.intp), digests)
    return joined if joined.parts else None


def _measured_alike(pairs: Sequence[tuple[int, RunDigest]]) -> list[tuple[int, RunDigest]]:
    """Leave out runs that lack a part which most runs add up: they tell nothing of a total."""
    counted = Counter(each.recomputed.headline for _, each in pairs if each.recomputed is not None)
    if not counted:
        return []
    usual = set(counted.most_common(1)[0][0])
    return [
        (row, each)
        for row, each in pairs
        if each.recomputed is not None and usual <= set(each.recomputed.parts)
    ]


def _by_line(table: AuditTable, digests: Sequence[RunDigest]) -> Joined | None:
    """Join the rows of a file to the runs whose importer says that it took them from there."""
    if table.path is None or not len(table.lines):
        return None
    row_of_line = {line: row for row, line in enumerate(table.lines)}
    place = f"/{table.path.absolute().as_posix()}"
    pairs = {}
    for each in digests:
        published = each.run.facts.get("published", {})
        source = str(published.get("path", ""))
        row = row_of_line.get(published.get("line"))
        if source and row is not None and place.endswith(f"/{source}"):
            pairs[row] = each
    return _of_pairs(table, sorted(pairs.items(), key=lambda pair: pair[0]))


def _one(table: AuditTable, candidates: Sequence[RunDigest]) -> RunDigest | None:
    """Choose among runs of one name in several studies; ``None`` where nothing tells which."""
    if len(candidates) == 1:
        return candidates[0]
    own = [each for each in candidates if table.name.startswith(f"{each.unit}: published")]
    alike = {repr(each.run.energy) for each in own or candidates}
    return (own or list(candidates))[0] if len(alike) == 1 else None


def last_place(text: str) -> float:
    """Give the size of the last place that a number is written to: 0.01 for ``3.14``."""
    mantissa, _, exponent = text.lower().replace(",", ".").partition("e")
    places = len(mantissa.partition(".")[2])
    try:
        return float(10.0 ** (int(exponent or 0) - places))
    except (ValueError, OverflowError):
        return 0.0


def plain_label(text: str) -> str:
    """Write a label that is a number in one way: ``3`` for ``3.0``."""
    try:
        return f"{float(text):.15g}"
    except ValueError:
        return text
