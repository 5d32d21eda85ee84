"""What a pilot teaches about the data that a plan would give: means, spread, layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.formula import Response, parse
from joulebench.stats.groups import cell_codes
from joulebench.stats.linear_model import LinearModel, lm
from joulebench.stats.lmm import lmm
from joulebench.stats.lmm_model import MixedModel
from joulebench.stats.model_frame import as_factor, level_text
from joulebench.stats.refused import Refused

Array = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

_BACK: dict[str, Callable[[Array], Array]] = {
    "none": lambda y: y,
    "log": np.exp,
    "log2": np.exp2,
    "log10": lambda y: np.asarray(10.0**y),
    "sqrt": np.square,
}


@dataclass(frozen=True, eq=False)
class Layout:
    """The rows of a plan.

    Args:
        frame: One row a planned value, the response left out.
        origin: Row of the pilot whose setting it has, shape (n,).
        copy: Which copy of the pilot's groups it belongs to, shape (n,).
    """

    frame: pd.DataFrame
    origin: Codes
    copy: Codes


class Pilot:
    """A pilot's model, as the truth that data are drawn from.

    Args:
        formula: ``log(energy_j) ~ generation + task``, random terms allowed.
        frame: Its rows.

    Raises:
        Refused: What :func:`~joulebench.stats.linear_model.lm` or
            :func:`~joulebench.stats.lmm.lmm` refuses, or no factor to give an effect to.
    """

    def __init__(self, formula: str, frame: pd.DataFrame) -> None:
        mixed = bool(parse(formula).random)
        self.model: LinearModel | MixedModel = lmm(formula, frame) if mixed else lm(formula, frame)
        design = self.model.design
        if not design.intercept:
            raise Refused(f"{formula!r} has no intercept: leave the 0 or -1 out")
        firsts = [term.name for term in design.terms if term.name in design.factors]
        if not firsts:
            raise Refused(
                f"{formula!r} has no factor whose effect is to be found: name one, a column of "
                "numbers as C(column)"
            )
        self.factor = firsts[0]
        self.levels = design.factors[self.factor]

    @property
    def response(self) -> Response:
        """The response, read."""
        return self.model.formula.response

    @property
    def groups(self) -> list[str]:
        """Columns that random terms group by."""
        return list(dict.fromkeys(g for term in self.model.formula.random for g in term.group))

    def layout(self, repetitions: int, copies: int = 1) -> Layout:
        """Lay out a plan: each setting of the pilot so many times, its groups so many times over.

        Args:
            repetitions: Values of each setting (combination of fixed variables and groups).
            copies: How many new groups stand for each group of the pilot.

        Raises:
            Refused: Copies of groups that are levels of fixed variables.
        """
        used = [*self.model.design.variables, *self.groups]
        columns = list(dict.fromkeys(used))
        rows = self.model.frame
        first = np.unique(cell_codes(rows, columns)[0], return_index=True)[1]
        origin = np.tile(np.repeat(np.sort(first), repetitions), copies).astype(np.intp)
        copy = np.repeat(np.arange(copies), len(first) * repetitions)
        frame = rows.loc[origin, columns].reset_index(drop=True)
        new = [name for name in self.groups if name not in self.model.design.variables]
        if copies > 1:
            self._check_copies(new)
        for name in new if copies > 1 else ():
            texts = zip(as_factor(frame[name]).astype(str), copy, strict=True)
            frame[name] = [f"{text}#{k + 1}" for text, k in texts]
        return Layout(frame, origin, copy)

    def means(self, layout: Layout, effect: Mapping[Any, float]) -> Array:
        """Give the mean of each planned row: the pilot's, its factor averaged out, and the effect.

        Args:
            layout: The plan.
            effect: Shift of each level of the factor, in the unit of the response as modelled;
                0 for those not named.

        Raises:
            Refused: No effect, or of a level that the factor does not have.
        """
        shifts = self._shifts(effect)
        grid = self.model.frame.loc[layout.origin].reset_index(drop=True)
        level = as_factor(grid[self.factor]).astype(str)
        base = np.zeros(len(grid))
        for name in self.levels:
            rows = self.model.design.rows(grid.assign(**{self.factor: name}))
            base += rows @ self.model.beta / len(self.levels)
        return base + level.map(shifts).to_numpy(dtype=np.float64)

    def draw(self, means: Array, layout: Layout, rng: np.random.Generator) -> Array:
        """Draw the response of each planned row, in the unit of the response as modelled.

        Random effects are normal with the pilot's variances; residuals are the pilot's own, drawn
        with replacement, scaled to its residual standard deviation.
        """
        drawn = means + rng.choice(self._residuals(), len(means))
        if isinstance(self.model, MixedModel):
            fit = self.model.fit
            for block, factor in zip(fit.blocks, fit.factors, strict=True):
                codes = block.codes[layout.origin] + layout.copy * len(block.levels)
                count = (int(layout.copy.max()) + 1) * len(block.levels)
                effects = rng.standard_normal((count, block.k)) @ (fit.sigma * factor).T
                values = block.values[layout.origin]  # noqa: PD011 - not a frame
                drawn += np.einsum("nk,nk->n", values, effects[codes])
        return np.asarray(drawn)

    def frame_of(self, layout: Layout, drawn: Array) -> pd.DataFrame:
        """Give planned rows with a drawn response in its own column and unit."""
        back = _BACK[self.response.transform]
        return layout.frame.assign(**{self.response.column: back(drawn)})

    def _check_copies(self, new: list[str]) -> None:
        for term in self.model.formula.random:
            if not set(term.group) & set(new):
                raise Refused(
                    f"{term.name} is named by fixed variables and cannot have copies: raise "
                    "repetitions, or name its groups by a column of their own"
                )
        if not new:
            raise Refused("copies are of groups of random terms, and there are none: leave it at 1")

    def _residuals(self) -> Array:
        residuals = self.model.residuals - self.model.residuals.mean()
        spread = float(np.sqrt(np.mean(residuals**2)))
        if spread == 0:
            raise Refused("the pilot's residuals are all 0: nothing is known of the noise")
        return np.asarray(residuals * (self.model.sigma / spread))

    def _shifts(self, effect: Mapping[Any, float]) -> dict[str, float]:
        if not isinstance(effect, Mapping) or not effect:
            raise Refused(f"effect must map levels of {self.factor} to their shifts")
        asked = {level_text(level): shift for level, shift in effect.items()}
        strange = [level for level in asked if level not in self.levels]
        if strange:
            raise Refused(
                f"{self.factor} has no level {strange[0]!r} (levels: {', '.join(self.levels[:8])})"
            )
        shifts = {level: float(asked.get(level, 0.0)) for level in self.levels}
        if not np.isfinite(list(shifts.values())).all():
            raise Refused(f"shifts of {self.factor} must be finite numbers")
        return shifts
