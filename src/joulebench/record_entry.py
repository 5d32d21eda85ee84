"""What the index of a study knows of one run: one line, taken apart only as far as it is asked."""

from __future__ import annotations

import json
import math
import struct
import sys
from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from joulebench.errors import EnergyError
from joulebench.joules import Energy, total

if TYPE_CHECKING:
    from joulebench.record import Run

COLUMNS = (
    "run_id", "status", "origin", "doubtful", "order", "block", "repetition", "testbed", "host",
    "started_at", "wall_s", "error", "offset", "length", "records_crc", "changed_ns", "energy_of",
    "energy", "crc",
)  # fmt: skip
"""Of a line: who, how it ended, where its record lies, the state of the records with it; of its
energy the kind (method, scope, whether it is below resolution, the sources of its biases) and its
figures (joules, noise, the biases, J: doubles, the low byte first, in hexadecimal, since a million
of them are summed); and the checksum of the index up to there."""

PART = b",\t"
"""Between two columns: within JSON text a tab is escaped, so that a line can be split unparsed."""

_AT_ONCE = 4
"""So many of the first columns are read when a line is."""

_WORDS = {f'"{word}"'.encode(): word for word in ("done", "failed", "live", "imported")}
"""The usual values of status and origin."""


class Entry:
    """One run, from its last record.

    Args:
        line: Of the index.
    """

    __slots__ = ("doubtful", "line", "origin", "run_id", "status")

    def __init__(self, line: bytes) -> None:
        run_id, status, origin, doubtful, _ = line.split(PART, _AT_ONCE)
        self.run_id = _text(run_id[1:])
        """Unique in its study."""
        self.status = _WORDS.get(status) or _text(status)
        """``"done"`` or ``"failed"``."""
        self.origin = _WORDS.get(origin) or _text(origin)
        """``"live"`` or ``"imported"``."""
        self.doubtful = doubtful == b"true"
        """Whether a finding says that it cannot be used."""
        self.line = line
        """Of the index."""

    @property
    def order(self) -> int | None:
        """Its place in the order of execution."""
        order: int | None = self._column("order")
        return order

    @property
    def block(self) -> int | None:
        """The block that it belongs to."""
        block: int | None = self._column("block")
        return block

    @property
    def repetition(self) -> int | None:
        """The repetition of its cell."""
        repetition: int | None = self._column("repetition")
        return repetition

    @property
    def testbed(self) -> str:
        """Where it ran."""
        return str(self._column("testbed"))

    @property
    def host(self) -> str:
        """Key of its machine."""
        return str(self._column("host"))

    @property
    def started_at(self) -> str:
        """UTC time of its start, ISO 8601; empty if unknown."""
        return str(self._column("started_at"))

    @property
    def wall_s(self) -> float | None:
        """How long it took, s; ``None`` if unknown."""
        wall_s: float | None = self._column("wall_s")
        return wall_s

    @property
    def error(self) -> str | None:
        """Why it failed; ``None`` if it did not."""
        error: str | None = self._column("error")
        return error

    @property
    def offset(self) -> int:
        """Where its record begins in ``runs.jsonl``, bytes."""
        return int(self._column("offset"))

    @property
    def length(self) -> int:
        """Length of its record, newline included, bytes."""
        return int(self._column("length"))

    @property
    def energy(self) -> dict[str, Any] | None:
        """Energy of its measured windows as ``Energy.to_dict`` has it; ``None`` without one."""
        headline = self.headline
        return None if headline is None else headline.to_dict()

    @property
    def headline(self) -> Energy | None:
        """Energy of its measured windows, summed over channels that are not nested."""
        return total_energy([self])

    def _column(self, name: str) -> Any:
        place = COLUMNS.index(name)
        return json.loads(self.line[1:].split(PART, place + 1)[place])


def _text(part: bytes) -> str:
    if part.startswith(b'"') and b"\\" not in part:
        return part[1:-1].decode()
    text: str = json.loads(part)
    return text


def columns_of(run: Run) -> list[Any]:
    """Give the columns of a run that come from its record alone."""
    doubtful = any(finding.severity == "error" for finding in run.findings)
    trial = (run.trial.get(key) for key in ("order", "block", "repetition"))
    return [
        run.run_id,
        run.status,
        run.origin,
        doubtful,
        *trial,
        run.testbed,
        run.host,
        run.started_at,
        run.facts.get("wall_s"),
        run.error,
    ]


def energy_columns(run: Run) -> tuple[list[Any] | None, str | None]:
    """Give the kind and the figures of a run's headline energy; neither where it has none."""
    from joulebench.run_row import headline_energy

    try:
        energy = headline_energy(run)
        if energy is None:
            return None, None
        figures = (energy.joules, energy.noise, *energy.biases.values())
        packed = struct.pack(f"<{len(figures)}d", *figures).hex()
    except (EnergyError, AttributeError, KeyError, TypeError, ValueError, struct.error):
        return None, None  # whoever makes the table of it says what is wrong
    kind = [energy.method, energy.scope, energy.below_resolution, list(energy.biases)]
    return kind, packed


def energy_so_far(entries: Iterable[Entry]) -> Energy | None:
    """Add up the energies of the runs that are done; ``None`` where none has one."""
    return total_energy(entry for entry in entries if entry.status == "done")


def total_energy(entries: Iterable[Entry]) -> Energy | None:
    """Add up energies as :func:`joulebench.joules.total` does, of 100,000 runs in a moment."""
    figures: dict[bytes, list[bytes]] = {}
    for entry in entries:
        _, kind, energy, _ = entry.line.rsplit(PART, 3)
        if kind != b"null":
            figures.setdefault(kind, []).append(energy[1:-1])
    sums = [_summed(json.loads(kind), each) for kind, each in figures.items()]
    return total(sums) if sums else None


def _summed(kind: list[Any], energies: list[bytes]) -> Energy:
    """Add up energies of one kind: noise in quadrature, biases linearly."""
    method, scope, below_resolution, sources = kind
    width = 2 + len(sources)
    values = array("d", bytes.fromhex(b"".join(energies).decode()))
    if sys.byteorder == "big":
        values.byteswap()
    return Energy(
        math.fsum(values[::width]),
        math.hypot(*values[1::width]),
        {source: math.fsum(values[2 + n :: width]) for n, source in enumerate(sources)},
        method,
        scope,
        below_resolution,
    )
