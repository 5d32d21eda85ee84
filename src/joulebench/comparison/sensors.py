"""What the sensors' own errors add to a ratio: what both sides share cancels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from joulebench.answer_energy import ITEMS, per_correct
from joulebench.comparison.matching import SharedCell
from joulebench.comparison.places import one_meter, place_of
from joulebench.comparison.side import Rows, Side
from joulebench.joules import Energy
from joulebench.run_row import headline_energy

Floats = NDArray[np.float64]

OF_HEADLINE = frozenset(
    {"energy_j", "energy_per_token_j", "energy_per_correct_j", "energy_per_example_j", "power_w",
     "j_per_b"}
)  # fmt: skip
"""Responses that are the energy of a run over something known: its biases, source by source."""

_Z_95 = 1.959963984540054

SMALL = 2.5e-5
"""A bias below this is less than 0.005 %, and not worth a figure."""


@dataclass(frozen=True)
class SidesBias:
    """The relative biases of one response on both sides, by source.

    Args:
        a: Source -> relative standard uncertainty of each row of A, shape (n,); ``None`` where A
            states none.
        b: The same of B.
        one: Whether the same boards measured both; ``None`` where that is unknown.
        by_source: Whether the biases are known source by source; else they are one figure a value,
            which is taken as a gain.
    """

    a: Mapping[str, Floats] | None
    b: Mapping[str, Floats] | None
    one: bool | None
    by_source: bool = True

    def left(self, cells: Sequence[SharedCell]) -> float:
        """Give the standard uncertainty of the log ratio of B to A over cells that count alike.

        Runs share each source, so that it adds linearly within a side; gain and offset of one
        board subtract between the sides, all else adds in quadrature
        (JCGM 100:2008, 5.2.2; :meth:`joulebench.joules.Energy.ratio`).
        """
        a, b = (Energy(1.0, 0.0, _mean_shares(each, [getattr(cell, letter) for cell in cells]))
                for each, letter in ((self.a, "a"), (self.b, "b")))  # fmt: skip
        return b.ratio(a).bias

    @property
    def stated(self) -> bool:
        """Whether both sides state what their sensors add."""
        return self.a is not None and self.b is not None

    def sentence(self, bias: float) -> str:
        """Say what the interval holds of the sensors.

        Args:
            bias: What is left of them in the log ratio, one standard uncertainty.
        """
        if self.a is None and self.b is None:
            return "neither source states what its sensors add"
        if any(source.startswith(ITEMS) for side in (self.a, self.b) for source in side or ()):
            return f"the sensors and which items were asked add {_percent(bias)}"
        if not self.stated:
            silent, telling = ("A", "B") if self.a is None else ("B", "A")
            return (
                f"{silent} states nothing of its sensors' errors; those of {telling} alone add "
                f"{_percent(bias)}"
            )
        if self.one:
            what = "its gain" if self.by_source else "its bias, taken as a gain,"
            rest = f"; its sensors add {_percent(bias)}" if bias >= SMALL else ""
            return f"one meter measured both, {what} cancels{rest}"
        if self.one is None:
            return (
                "whether one meter measured both is not recorded, so that the errors of both stay: "
                f"{_percent(bias)}"
            )
        return f"the sensors of two boards add {_percent(bias)}"


class BiasReader:
    """Gives the biases of two sides by response, reading the records once.

    Args:
        a: First side.
        b: Second side.
    """

    def __init__(self, a: Side, b: Side) -> None:
        self._a, self._b = a, b

    @cached_property
    def one(self) -> bool | None:
        """Whether the same boards measured both; ``None`` where that is unknown."""
        return one_meter(self._a, self._b)

    @cached_property
    def _by_source(self) -> tuple[Mapping[str, Floats] | None, Mapping[str, Floats] | None]:
        return _of_records(self._a), _of_records(self._b)

    @cached_property
    def _by_correct(self) -> tuple[Mapping[str, Floats] | None, Mapping[str, Floats] | None]:
        return _of_records(self._a, correct=True), _of_records(self._b, correct=True)

    def of(self, response: str) -> SidesBias:
        """Give the biases of a response on both sides."""
        if self._a.records and self._b.records and response in OF_HEADLINE:
            correct = response == "energy_per_correct_j"
            return SidesBias(*(self._by_correct if correct else self._by_source), self.one)
        return SidesBias(
            self._of_column(self._a, response), self._of_column(self._b, response), self.one, False
        )

    def _of_column(self, side: Side, response: str) -> Mapping[str, Floats] | None:
        """Take the bias that stands beside a column; of one meter it is taken as its gain."""
        bias = side.known(response, "bias")
        if bias is None or not np.isfinite(bias).any():
            return None
        where = "the one meter" if self.one else f"the meters of {side.letter}"
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = bias / np.abs(side.values(response))
        return {f"gain of {where}": np.where(np.isfinite(shares), shares, np.nan)}


def _of_records(side: Side, *, correct: bool = False) -> Mapping[str, Floats] | None:
    """Give the relative biases of the headline energy of each run, by source and board.

    Args:
        side: One side.
        correct: Of the energy of one correct answer, which the items asked add to.
    """
    found: dict[str, Floats] = {}
    for place, run in enumerate(side.records):
        energy = headline_energy(run)
        if energy is not None and correct:
            energy = per_correct(run, energy)
        if energy is None or energy.joules <= 0:
            continue
        for source, bias in energy.biases.items():
            name = source
            if not source.startswith(ITEMS):
                channel = source.partition(" ")[2]
                board, _ = place_of(channel, run.host, side.hosts or {}, side.letter)
                name = f"{source} at {board}"
            shares = found.setdefault(name, np.zeros(len(side)))
            shares[place] = bias / energy.joules
    return found or None


def _mean_shares(shares: Mapping[str, Floats] | None, rows: Sequence[Rows]) -> dict[str, float]:
    """Average over the rows of each cell, then over cells; rows that state none are left out."""
    means = {}
    for source, values in (shares or {}).items():
        inside = [part[np.isfinite(part)] for part in (values[group] for group in rows)]
        some = [float(part.mean()) for part in inside if part.size]
        if some:
            means[source] = sum(some) / len(some)
    return means


def _percent(bias: float) -> str:
    """Print twice a standard uncertainty, 95 %, as per cent."""
    share = 100 * _Z_95 * bias
    return f"±{share:.2g} %" if share < 100 else f"±{share:.0f} %"
