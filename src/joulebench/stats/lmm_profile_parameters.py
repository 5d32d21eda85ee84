"""Profiles of the parameters of a mixed model, each in units of the data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from joulebench.stats.lmm_problem import Problem
from joulebench.stats.lmm_profile import Goal, Profile
from joulebench.stats.lmm_surface import Height, Surface

if TYPE_CHECKING:
    from joulebench.stats.lmm_fit import MixedFit

Floats = NDArray[np.float64]


def profiles(fit: MixedFit, names: Sequence[str]) -> list[Profile]:
    """Give a profile of each parameter of a fit: deviations, correlations, sigma, fixed effects.

    Likelihood is the full one even where the fit is by restricted likelihood, as in lme4: only it
    compares values of fixed effects.

    Args:
        fit: A mixed model.
        names: Of its fixed effects, shape (p,).
    """
    maker = _Maker.of(fit)
    made = [*maker.deviations(), maker.residual()]
    made += [maker.fixed(j, name) for j, name in enumerate(names)]
    return [maker.levelled(one) for one in made]


def share_profile(fit: MixedFit) -> Profile:
    """Give a profile of the random variance of a row over the residual variance."""
    maker = _Maker.of(fit)
    return maker.levelled(maker.share())


@dataclass(frozen=True, eq=False)
class _Maker:
    """Makes profiles around the fit by maximum likelihood."""

    best: MixedFit
    surface: Surface

    @classmethod
    def of(cls, fit: MixedFit) -> _Maker:
        best = fit.refit(reml=False)
        return cls(best, Surface.of(best.problem))

    @cached_property
    def at(self) -> Floats:
        return self.surface.coordinates(self.best.factors)

    @cached_property
    def height(self) -> Height:
        return self.surface.height(self.at)

    def levelled(self, made: Profile) -> Profile:
        """Find the level that a profile rises from."""
        made.least = min(made.lowest(made.estimate), self.height.value)
        return made

    def units(self, surface: Surface) -> Floats:
        """Give about one standard error of each coordinate."""
        at = surface.coordinates(self.best.factors)
        made: list[float] = []
        for block, start in zip(surface.problem.blocks, surface.starts(), strict=False):
            few = math.sqrt(2 * len(block.levels))
            floor = math.sqrt(len(block.levels) / self.best.n)
            made += [max(float(r), floor) / few for r in at[start : start + block.k]]
            made += [1 / few] * (block.parameters - block.k)
        return np.array(made)

    def mirrors(self, surface: Surface) -> Floats:
        """Say where each coordinate mirrors itself: deviations at 0, angles at multiples of pi."""
        made: list[float] = []
        for block in surface.problem.blocks:
            made += [math.inf] * block.k
            made += [math.pi] * (block.parameters - block.k)
        return np.array(made)

    def deviations(self) -> list[Profile]:
        """Of each term the standard deviations, then the correlations."""
        made = []
        for b, block in enumerate(self.best.blocks):
            made += [self._deviation(b, e) for e in range(block.k)]
            made += [
                self._correlation(b, r, c) for c in range(block.k) for r in range(c + 1, block.k)
            ]
        return made

    def _deviation(self, b: int, effect: int) -> Profile:
        block, surface, at = self.best.blocks[b], self.surface, self.at
        place = surface.starts()[b] + effect
        spread = surface.problem.scaling.spread
        to_inner = float(surface.scale(b)[effect]) / spread

        def fixed(value: float) -> Goal:
            def goal(rest: Floats) -> tuple[float, Floats]:
                log_s2 = float(rest[-1])
                own = value * to_inner * math.exp(-log_s2 / 2)
                found = surface.height(np.insert(rest[:-1], place, own), log_s2)
                change = found.slope_log_variance - own * found.slope[place] / 2
                return found.value, np.append(np.delete(found.slope, place), change)

            return goal

        log_s2 = math.log(self.height.variance)
        estimate = float(np.sqrt(self.best.covariances[b][effect, effect]))
        units, few = self.units(surface), math.sqrt(2 / self.best.n)
        return Profile(
            f"sd_{block.effects[effect]}|{block.group}",
            estimate,
            2 * float(units[place]) / to_inner * math.exp(log_s2 / 2),
            (0.0, math.inf),
            fixed,
            np.append(np.delete(at, place), log_s2),
            np.append(np.delete(units, place), few),
            np.append(np.delete(self.mirrors(surface), place), 0.0),
            np.zeros(len(at), dtype=np.bool_),
        )

    def _correlation(self, b: int, row: int, column: int) -> Profile:
        surface = self.surface.first(b, column, row)
        block = self.best.blocks[b]
        place = surface.starts()[b] + block.k
        at, mirrors = surface.coordinates(self.best.factors), self.mirrors(surface)
        # With their angle held, a turned sign of one of the two deviations turns the correlation.
        signed = np.zeros(len(at), dtype=np.bool_)
        signed[surface.starts()[b] : surface.starts()[b] + 2] = True
        mirrors[signed] = 0.0

        def fixed(value: float) -> Goal:
            angle = math.acos(min(1.0, max(-1.0, value)))

            def goal(rest: Floats) -> tuple[float, Floats]:
                found = surface.height(np.insert(rest, place, angle))
                return found.value, np.delete(found.slope, place)

            return goal

        return Profile(
            f"cor_{block.effects[row]}.{block.effects[column]}|{block.group}",
            math.cos(at[place]),
            0.2,
            (-1.0, 1.0),
            fixed,
            np.delete(at, place),
            np.delete(self.units(surface), place),
            np.delete(mirrors, place),
            np.delete(signed, place),
        )

    def residual(self) -> Profile:
        """Of the residual standard deviation."""
        surface, spread = self.surface, self.surface.problem.scaling.spread

        def fixed(value: float) -> Goal:
            def goal(rest: Floats) -> tuple[float, Floats]:
                found = surface.height(rest, 2 * math.log(value / spread))
                return found.value, found.slope

            return goal

        step = 2 * self.best.sigma / math.sqrt(2 * self.best.n)
        return Profile("sigma", self.best.sigma, step, (1e-9 * self.best.sigma, math.inf), fixed,
                       self.at, self.units(surface), *self._free(surface))  # fmt: skip

    def fixed(self, j: int, name: str) -> Profile:
        """Of a fixed effect."""
        best, column = self.best, self.best.x[:, j]
        rest_of_x = np.delete(best.x, j, axis=1)
        beta, se = float(best.beta[j]), float(np.sqrt(best.covariance[j, j]))
        problem = Problem.of(best.y - beta * column, rest_of_x, best.blocks)

        def fixed(value: float) -> Goal:
            surface = Surface.of(problem.with_response(best.y - value * column))

            def goal(rest: Floats) -> tuple[float, Floats]:
                found = surface.height(rest)
                return found.value, found.slope

            return goal

        surface = Surface.of(problem)
        return Profile(name, beta, 2 * se, (-math.inf, math.inf), fixed, self.at,
                       self.units(surface), *self._free(surface))  # fmt: skip

    def share(self) -> Profile:
        """Of the random variance over the residual one: the directions are free, the size fixed."""
        surface = self.surface
        estimate = surface.share(self.at)[0]
        sizes = self._sizes()

        def fixed(value: float) -> Goal:
            def goal(rest: Floats) -> tuple[float, Floats]:
                total, rise = surface.share(rest)
                factor = math.sqrt(value / total) if total > 0 else 0.0
                at = np.where(sizes, factor * rest, rest)
                found = surface.height(at)
                slope = np.where(sizes, factor * found.slope, found.slope)
                along = float(found.slope[sizes] @ rest[sizes]) * factor
                return found.value, slope - along * rise / (2 * total if total > 0 else 1.0)

            return goal

        units = self.units(surface)
        start = np.where(sizes, np.maximum(self.at, units), self.at)
        step = 2 * max(estimate, 0.1) / math.sqrt(len(self.best.blocks[0].levels))
        return Profile("share", estimate, step, (0.0, math.inf), fixed, start, units,
                       *self._free(surface))  # fmt: skip

    def _free(self, surface: Surface) -> tuple[Floats, NDArray[np.bool_]]:
        """Give the mirrors of all coordinates, none of them held to a sign."""
        mirrors = self.mirrors(surface)
        return mirrors, np.zeros(len(mirrors), dtype=np.bool_)

    def _sizes(self) -> NDArray[np.bool_]:
        kinds = [np.arange(b.parameters) < b.k for b in self.best.blocks]
        return np.concatenate(kinds)
