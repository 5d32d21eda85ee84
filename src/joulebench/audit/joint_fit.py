"""A published column beside what we integrate from the traces of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from joulebench.audit.columns import Meaning
from joulebench.audit.joint_divisors import Divisor
from joulebench.audit.joint_rows import Joined
from joulebench.audit.joint_space import Hypothesis
from joulebench.audit.table import Floats
from joulebench.energy_ratio import Z_95

EXACT = 1e-9
"""Relative difference that is rounding of the arithmetic alone."""

FITTED = 0.9
"""Share of the rows that must lie within the uncertainty for a column to agree."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Fit:
    """How a published column was made, as far as the traces tell.

    Args:
        joined: Rows with their runs.
        column: The column.
        published: Its figures in SI units; shape (n,), as all that follow.
        ours: What is meant by it, recomputed; NaN where that is not known.
        claimed: What the way that explains it gives; equal to ``ours`` where none does.
        doubt: Half the width of the 95 % interval of ``ours`` without the gain, which all who read
            the trace share, and half of the last place that the column is written to.
        stated: Standard uncertainty of ``ours`` with everything in it.
        meant: The sound way.
        right: What it should be divided by.
        hypothesis: The way that explains it; ``None`` where none does.
        divisor: What it was divided by then.
        scale: Factor by which the unit is off; 1 where it is not.
        exact: Whether the way gives the figures to their last digit.
    """

    joined: Joined
    column: str
    published: Floats
    ours: Floats
    claimed: Floats
    doubt: Floats
    stated: Floats
    meant: Hypothesis
    right: Divisor
    hypothesis: Hypothesis | None = None
    divisor: Divisor | None = None
    scale: float = 1.0
    exact: bool = False

    @property
    def meaning(self) -> Meaning:
        """What the column measures."""
        found = self.joined.table.meaning(self.column)
        assert found is not None, "only columns that measure something are fitted"
        return found

    @property
    def present(self) -> Bools:
        """Rows that have both a published and a recomputed figure."""
        found: Bools = np.isfinite(self.published) & np.isfinite(self.ours) & (self.ours != 0)
        return found

    @property
    def inflation(self) -> Floats:
        """Published over recomputed, less one; NaN where there are not both."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.present, self.published / self.ours - 1.0, np.nan)

    @property
    def outside(self) -> Bools:
        """Rows whose published figure differs from ours by more than the uncertainty."""
        found: Bools = self.present & (np.abs(self.published - self.ours) > self.doubt)
        return found

    @property
    def strays(self) -> Bools:
        """Rows that the way does not explain either, though it explains nearly all."""
        reach = np.maximum(self.doubt * abs(self.scale), EXACT * np.abs(self.published))
        found: Bools = self.present & (np.abs(self.published - self.claimed) > reach)
        return found

    @property
    def agrees(self) -> bool:
        """Whether nearly all published figures lie within the uncertainty of ours."""
        return bool(self.outside.sum() <= (1 - FITTED) * self.present.sum())


def deviation(fit: Fit) -> float:
    """Give the median size of the difference, as a share of ours; infinite where there is none."""
    seen = np.abs(fit.inflation[fit.present])
    return float(np.median(seen)) if seen.size else float("inf")


def target_parts(joined: Joined, meaning: Meaning) -> dict[str, int]:
    """Give the parts that a column means; empty where it names one that no trace is of."""
    if meaning.part in ("", "total", "node") and meaning.part not in joined.parts:
        return dict.fromkeys(joined.headline, 1)
    return {meaning.part: 1} if meaning.part in joined.parts else {}


def phase_joules(joined: Joined, parts: Mapping[str, int], phase: str) -> Floats | None:
    """Give our energy over the windows of a phase; ``None`` where the runs keep no such window."""
    each = [joined.of_phase(part, phase) for part in parts] if phase else []
    known = [joules for joules in each if joules is not None]
    return np.sum(known, axis=0) if known and len(known) == len(each) else None


def plain_fit(joined: Joined, column: str, meant: Hypothesis, divisor: Divisor) -> Fit:
    """Put a column beside the sound way to what it means."""
    meaning = joined.table.meaning(column)
    of_phase = phase_joules(joined, dict(meant.weights), meaning.phase if meaning else "")
    joules = meant.joules(joined) if of_phase is None else of_phase
    with np.errstate(divide="ignore", invalid="ignore"):
        ours = joules / divisor.by
        ours = np.where(np.isfinite(ours), ours, np.nan)
        share = np.hypot(Z_95 * joined.apart_j(meant.parts) / np.abs(joules), divisor.doubt)
        stated = joined.stated_j(meant.parts) / divisor.by
    doubt = share * np.abs(ours) + joined.rounding(column)
    published = joined.si(column)
    return Fit(joined, column, published, ours, ours, doubt, stated, meant, divisor)


def to_last_digit(fit: Fit) -> bool:
    """Say whether what was published is ours, rounded as it is written."""
    close = np.abs(fit.published - fit.ours) <= rounding(fit)
    return bool(close[fit.present].all())


def rounding(fit: Fit) -> Floats:
    """Give how far two figures may be apart that are one number, rounded."""
    return fit.joined.rounding(fit.column) * (1 + 1e-6) + EXACT * np.abs(fit.published)
