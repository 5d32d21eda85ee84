"""What a bootstrap draws: rows or whole clusters, within blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.groups import cell_codes
from joulebench.stats.model_frame import check_column, level_text
from joulebench.stats.number_check import names
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

_CHUNK = 200_000
"""Draws held at a time: 1.6 MB an array, which stays in a processor's cache."""


@dataclass(frozen=True, eq=False)
class Units:
    """The units that are drawn with replacement, and the strata within which they are drawn.

    Args:
        unit: Unit of each row, shape (n,), from 0 to K - 1.
        stratum: Stratum of each unit, shape (K,), from 0, rising.
        names: What a unit and a stratum are, for people: ("run", "task"); empty for rows and all.
    """

    unit: Codes
    stratum: Codes
    names: tuple[str, str] = ("", "")

    @property
    def count(self) -> int:
        """Number of units."""
        return len(self.stratum)

    @cached_property
    def sizes(self) -> Codes:
        """Units of each stratum."""
        return np.bincount(self.stratum)

    @property
    def text(self) -> str:
        """What is drawn, in words."""
        unit, stratum = self.names
        drawn = f"clusters of {unit}" if unit else "rows"
        return f"{drawn} within {stratum}" if stratum else drawn

    def draws(self, resamples: int, rng: np.random.Generator) -> Iterator[Codes]:
        """Give the units of each resample in turn, in chunks of shape (r, K).

        The draws do not depend on how they are cut into chunks.
        """
        size = self.sizes[self.stratum]
        first = (np.cumsum(self.sizes) - self.sizes)[self.stratum]
        step = max(1, _CHUNK // self.count)
        for start in range(0, resamples, step):
            share = rng.random((min(step, resamples - start), self.count))
            share *= size
            places = share.astype(np.intp)
            places += first
            yield places

    def weights(self, draws: Codes) -> Array:
        """Give how often each unit was drawn, shape (r, K)."""
        draws = draws + np.arange(len(draws), dtype=np.intp)[:, None] * self.count
        counts = np.bincount(draws.ravel(), minlength=draws.size)
        return counts.reshape(draws.shape).astype(np.float64)

    def rows_of(self) -> list[Codes]:
        """Give the rows of each unit."""
        order = np.argsort(self.unit, kind="stable")
        ends = np.cumsum(np.bincount(self.unit, minlength=self.count))[:-1]
        return np.split(order, ends)


def units_of(
    frame: pd.DataFrame,
    *,
    cluster: str | None = None,
    block: str | Sequence[str] | None = None,
    parts: Codes | None = None,
) -> Units:
    """Find the units of a frame and the strata within which they are drawn.

    Args:
        frame: Complete rows, at least one.
        cluster: Column whose levels are drawn whole; rows are drawn where it is ``None``.
        block: Column, or columns, within whose combinations the units are drawn, so that every
            resample has as many units of each as the data.
        parts: Further strata, part of each row, shape (n,).

    Raises:
        Refused: A name is not there, a value is missing, a unit lies in several blocks, or a
            stratum holds one unit alone, which leaves nothing to draw.
    """
    blocks = names(block, "block")
    for name in (*([cluster] if cluster else []), *blocks):
        check_column(frame, name)
        if frame[name].isna().any():
            raise Refused(f"{name!r} is missing in {int(frame[name].isna().sum())} rows: mend them")
    n = len(frame)
    unit = cell_codes(frame, [cluster])[0] if cluster else np.arange(n, dtype=np.intp)
    strata = cell_codes(frame, blocks)[0] if blocks else np.zeros(n, dtype=np.intp)
    where = strata if parts is None else _dense(strata * (int(parts.max()) + 1) + parts)
    if cluster:
        _check_nested(frame, cluster, blocks, unit, where)
    first = np.unique(unit, return_index=True)[1]
    order = np.argsort(where[first], kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    found = Units(rank[unit], where[first[order]], (cluster or "", " x ".join(blocks)))
    _check_sizes(frame, found, first[order], blocks)
    return found


def _dense(codes: Codes) -> Codes:
    return np.unique(codes, return_inverse=True)[1].astype(np.intp)


def _check_nested(
    frame: pd.DataFrame, cluster: str, blocks: list[str], unit: Codes, where: Codes
) -> None:
    pairs = np.unique(np.stack([unit, where]), axis=1)[0]
    twice = pairs[:-1][np.diff(pairs) == 0]
    if len(twice):
        level = frame[cluster].iloc[int(np.flatnonzero(unit == twice[0])[0])]
        inside = " x ".join(blocks) or "cell"
        raise Refused(
            f"{cluster} {level_text(level)!r} lies in more than one {inside}: to draw within "
            f"{inside}, each {cluster} must lie in one; leave block out"
        )


def _check_sizes(frame: pd.DataFrame, units: Units, first: Codes, blocks: list[str]) -> None:
    alone = np.flatnonzero(units.sizes[units.stratum] == 1)
    if not len(alone):
        return
    row = frame.iloc[int(first[alone[0]])]
    what = units.names[0] or "row"
    where = ", ".join(f"{name} {level_text(row[name])!r}" for name in blocks) or "a cell or sample"
    raise Refused(
        f"{where} holds one {what} alone, so that nothing can be drawn there: leave block out, "
        f"take smaller clusters, or measure more"
    )
