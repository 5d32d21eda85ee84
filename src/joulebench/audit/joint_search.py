"""Which way of putting energies together gives what was published.

A published column that is ours to the last digit is left alone. Otherwise the way is sought that
gives it: to its last digit, which chance cannot do, or, where it differs by more than the
uncertainty, to within that in nearly all rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from joulebench.audit.joint_divisors import Divisor, divisors, sound_divisors
from joulebench.audit.joint_fit import (
    FITTED,
    Fit,
    deviation,
    phase_joules,
    plain_fit,
    rounding,
    target_parts,
    to_last_digit,
)
from joulebench.audit.joint_rows import Joined
from joulebench.audit.joint_space import Hypothesis, Space
from joulebench.audit.table import Floats
from joulebench.audit.variants import WAYS
from joulebench.energy_ratio import Z_95

SCALES = (1e3, 1e6, 1e9, 3600.0, 3.6e6, 3.6, 60.0)
"""Factors between units that are mistaken for each other: milli, micro, nano, Wh, kWh, mWh."""

_MATCHED = 0.8
_NEAR = 0.005
_CHANCE = -1.5
_SCALE_FROM = float(np.log(3.0))
_SCALE_SLACK = 0.3
_FEWEST = 3
_BETTER = 0.25


def fit_energy(joined: Joined, column: str, space: Space) -> Fit | None:
    """Explain a column of energies, of energies per something, or of powers.

    Args:
        joined: Rows with their runs.
        column: The column.
        space: Hypotheses on these rows, or on some of them.

    Returns:
        ``None`` where the traces cannot say anything of it.
    """
    meaning = joined.table.meaning(column)
    if meaning is None or not joined.is_judged(meaning):
        return None
    target = target_parts(joined, meaning)
    sound = sound_divisors(joined, column, meaning)
    if not target or not sound:
        return None
    plain = Hypothesis(tuple(target.items()), tuple(joined.plain_key(part) for part in target))
    fit = min((plain_fit(joined, column, plain, each) for each in sound), key=deviation)
    if not fit.present.any():
        return None
    if to_last_digit(fit) or phase_joules(joined, target, meaning.phase) is not None:
        return fit
    return _Search(fit, space).found() or fit


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A hypothesis that gives a column: which, divided by what, off by which factor."""

    place: int
    divisor: Divisor
    scale: float
    matched: int
    residual: float


class _Search:
    """Looks for the way that gives a column.

    Args:
        plain: The column beside what is meant by it.
        space: Hypotheses on its rows, or on some of them.
    """

    def __init__(self, plain: Fit, space: Space) -> None:
        self.plain = plain
        self.space = space
        places = np.searchsorted(plain.joined.rows, space.joined.rows)
        with np.errstate(divide="ignore", invalid="ignore"):
            usable = plain.present[places] & (plain.published[places] != 0)
        self.kept = np.flatnonzero(usable)
        self.rows = places[usable]

    def found(self) -> Fit | None:
        """Give the fit with the way that explains it; ``None`` where the plain one is the best."""
        if not self.rows.size:
            return None
        best = self._exact()
        if best is not None:
            return self._fit(best, exact=True)
        if self.plain.agrees or self.rows.size < _FEWEST:
            return None
        near = self._near()
        return None if near is None else self._fit(near, exact=False)

    def _divisors(self) -> list[Divisor]:
        return divisors(self.plain.joined, self.plain.column, self.plain.meaning)

    def _residuals(self, divisor: Divisor) -> tuple[Floats, Floats]:
        """Give how far the logarithms are apart, and the logarithm of the scale left out."""
        with np.errstate(divide="ignore", invalid="ignore"):
            said = self.plain.published[self.rows] * divisor.by[self.rows]
            apart = np.log(np.abs(said)) - self.space.log_joules[:, self.kept]
            opposite = np.sign(said) * np.sign(self.space.joules[:, self.kept]) < 0
        apart = np.where(opposite | ~np.isfinite(apart), np.inf, apart)
        scale = _log_scales(np.median(apart, axis=1))
        with np.errstate(invalid="ignore"):
            return np.abs(apart - scale[:, None]), scale

    def _exact(self) -> _Candidate | None:
        """Find the simplest of those that give the most rows to their last digit."""
        figures = np.abs(self.plain.published[self.rows])
        allowed = np.log1p(rounding(self.plain)[self.rows] / figures)
        found: list[_Candidate] = []
        for divisor in self._divisors():
            apart, scale = self._residuals(divisor)
            hits = apart <= allowed
            matched = hits.sum(axis=1)
            enough = np.flatnonzero(matched >= max(_MATCHED * self.rows.size, 1))
            found += [
                _Candidate(int(i), divisor, float(np.exp(scale[i])), int(matched[i]), 0.0)
                for i in enough
                if self._beyond_chance(allowed[hits[i]])
            ]
        return min(found, key=lambda c: (-c.matched, self._cost(c)), default=None)

    def _beyond_chance(self, allowed: Floats) -> bool:
        """Say whether so many digits cannot agree by chance, whatever number of ways was tried.

        Ways lie about as close as half a percent, so that one agrees with a figure known to a share
        t of itself with a chance of about 2 t / 0.005, and all rows must.
        """
        chance = np.minimum(2 * allowed / _NEAR, 1.0)
        tries = len(self.space.hypotheses)
        return float(np.log10(np.maximum(chance, 1e-12)).sum() + np.log10(tries)) < _CHANCE

    def _near(self) -> _Candidate | None:
        """Find the simplest of those that lie within the uncertainty in nearly all rows."""
        share = self.plain.doubt[self.rows] / np.abs(self.plain.ours[self.rows])
        found = []
        for divisor in self._divisors():
            apart, scale = self._residuals(divisor)
            inside = (apart <= share).mean(axis=1)
            residual = np.median(apart, axis=1)
            found += [
                _Candidate(int(i), divisor, float(np.exp(scale[i])), 0, float(residual[i]))
                for i in np.flatnonzero(inside >= FITTED)
            ]
        if not found:
            return None
        least = min(candidate.residual for candidate in found)
        if least > _BETTER * deviation(self.plain):
            return None
        band = max(2 * least, float(np.median(share)) / Z_95)
        alike = [candidate for candidate in found if candidate.residual <= band]
        return min(alike, key=lambda c: (self._cost(c), c.residual))

    def _cost(self, candidate: _Candidate) -> float:
        """Count how many things a candidate says that somebody did wrong."""
        hypothesis = self.space.hypotheses[candidate.place]
        target = dict(self.plain.meant.weights)
        weights = dict(hypothesis.weights)
        loose = not self.plain.meaning.part
        cost = 0.0
        for part in {*target, *weights}:
            apart = weights.get(part, 0) - target.get(part, 0)
            cost += 0.5 if loose and apart == -1 else abs(apart)
        ways = [WAYS[key] for key in dict.fromkeys(hypothesis.keys)]
        cost += sum(1.0 + 0.1 * len(way.faults) for way in ways if way.faults)
        cost += sum(key not in self.plain.meant.keys for key in hypothesis.keys) * 0.01
        return cost + bool(candidate.divisor.fault) + 1.5 * (candidate.scale != 1.0)

    def _fit(self, candidate: _Candidate, *, exact: bool) -> Fit:
        plain, joined = self.plain, self.plain.joined
        hypothesis = self.space.hypotheses[candidate.place]
        meant = hypothesis.mended(self._meant(hypothesis), joined)
        right = plain.right if candidate.divisor.fault else candidate.divisor
        sound = plain_fit(joined, plain.column, meant, right)
        with np.errstate(divide="ignore", invalid="ignore"):
            claimed = hypothesis.joules(joined) / candidate.divisor.by * candidate.scale
        claimed = np.where(np.isfinite(claimed), claimed, np.nan)
        return replace(
            sound,
            claimed=claimed,
            hypothesis=hypothesis,
            divisor=candidate.divisor,
            scale=candidate.scale,
            exact=exact,
        )

    def _meant(self, hypothesis: Hypothesis) -> dict[str, int]:
        """Give the parts that are meant: where the column names none, those that were counted."""
        if self.plain.meaning.part:
            return dict(self.plain.meant.weights)
        counted = [part for part in hypothesis.parts if part in self.plain.joined.headline]
        return dict.fromkeys(counted or hypothesis.parts[:1], 1)


def _log_scales(typical: Floats) -> Floats:
    """Give the logarithm of the factor between units that each typical ratio is nearest to."""
    known = np.log(np.array([*SCALES, *(1 / scale for scale in SCALES)]))
    apart = np.abs(np.where(np.isfinite(typical), typical, 0.0)[:, None] - known)
    nearest = apart.argmin(axis=1)
    off = (np.abs(typical) > _SCALE_FROM) & (apart.min(axis=1) < _SCALE_SLACK)
    return np.where(off, known[nearest], 0.0)


def fits(joined: Joined, space: Space) -> Iterator[Fit]:
    """Explain every column of energies and powers of a published table."""
    columns = [
        *joined.table.measures("energy"),
        *joined.table.measures("power"),
    ]
    for column in columns:
        fit = fit_energy(joined, column, space)
        if fit is not None:
            yield fit
