"""The aligned rank transform: factorial designs by ranks, interactions included."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from joulebench.stats.anova_effect_sizes import main_effect
from joulebench.stats.art_align import Aligned, align, proportional
from joulebench.stats.art_contrasts import art_contrasts
from joulebench.stats.art_design import ArtDesign, art_design
from joulebench.stats.emmeans_contrasts import Weights
from joulebench.stats.fitted_model import FittedModel, JointTest
from joulebench.stats.lmm_hypotheses import hypotheses
from joulebench.stats.model_frame import Missing
from joulebench.stats.noncentral import Alternative
from joulebench.stats.rows import tidy

Floats = NDArray[np.float64]

_LEFT = 0.01
"""F of another term in an aligned response that is worth a word."""

_OUT_OF_PROPORTION = (
    "cells hold unequal numbers of rows: alignment for a term leaves part of others in it; see "
    "diagnostics()"
)


@dataclass(frozen=True, eq=False)
class Art:
    """A response aligned and ranked for every term of a factorial design.

    Args:
        design: The checked design.
    """

    design: ArtDesign

    @cached_property
    def terms(self) -> tuple[Aligned, ...]:
        """The aligned response and its ranks, one a term, main effects first."""
        design = self.design
        return tuple(align(design.response, design.frame, design.factors))

    def anova(
        self,
        ddf: str | None = None,
        confidence: float = 0.95,
        alternative: Alternative = "greater",
    ) -> pd.DataFrame:
        """Test every term on the ranks aligned for it, one row a term.

        The whole model is fitted to the ranks of each term, and the F of type III of that term
        alone is taken from it (Wobbrock, Findlater, Gergle and Higgins 2011, CHI '11, 143). Equals
        R's ``anova(ARTool::art(...))``.

        Args:
            ddf: For a mixed model "kenward-roger" (if not given), "satterthwaite" or "asymptotic".
            confidence: Coverage of the interval of partial eta squared.
            alternative: Of that interval: "greater" gives a lower bound, "two-sided" both ends.

        Raises:
            Refused: The model cannot be fitted to the ranks.
        """
        return tidy(self._row(one, ddf, confidence, alternative) for one in self.terms)

    def contrasts(
        self,
        term: str,
        kind: str | Weights = "pairwise",
        adjust: str = "BH",
        ddf: str | None = None,
        confidence: float = 0.95,
    ) -> pd.DataFrame:
        """Compare levels of a factor, or cells of several factors, by ART-C, one row a contrast.

        See :func:`joulebench.stats.art_contrasts.art_contrasts`; equals R's ``ARTool::art.con``.

        Args:
            term: ``generation``, or ``generation:task`` for cells.
            kind: "pairwise" (first minus second), "consecutive" (later minus earlier), or another
                kind of :meth:`joulebench.stats.emmeans.Means.contrasts`.
            adjust: How p is adjusted for the number of contrasts.
            ddf: For a mixed model "kenward-roger" (if not given), "satterthwaite" or "asymptotic".
            confidence: Coverage of the intervals.

        Raises:
            Refused: A term that names no factors of the design, or an unknown word.
        """
        chosen = self._ddf(ddf)
        return art_contrasts(self.design, term, kind, adjust, chosen, confidence)

    def diagnostics(self) -> pd.DataFrame:
        """Say whether alignment has left one effect alone in each aligned response.

        ``column_sum`` of the aligned response should be about 0, and so should the F of every other
        term in the model fitted to it before ranking: ``largest_other`` is the largest of them, of
        the term ``other``. They are not where cells hold unequal numbers of rows.

        Raises:
            Refused: The model cannot be fitted to an aligned response.
        """
        return tidy(self._diagnosis(one) for one in self.terms)

    def _row(
        self, one: Aligned, ddf: str | None, confidence: float, alternative: Alternative
    ) -> dict[str, Any]:
        model = self.design.fit(one.ranks)
        chosen = self._ddf(ddf)
        joint = _joint(model, one.name, chosen)
        name = f"mixed, {chosen}" if chosen else "type III"
        return {
            "test": f"aligned rank transform, {name}",
            "term": one.name,
            **_f_columns(joint),
            **_effect(joint, confidence, alternative),
            "n": len(one.ranks),
            "note": "; ".join(filter(None, [model.note, self._warning])),
        }

    def _diagnosis(self, one: Aligned) -> dict[str, Any]:
        model = self.design.fit(one.values)
        others = {
            other.name: _joint(model, other.name, self._ddf("satterthwaite")).F
            for other in self.terms
            if other.name != one.name
        }
        largest = max(others, key=lambda name: others[name], default="")
        left = others.get(largest, 0.0)
        return {
            "term": one.name,
            "n": len(one.values),
            "column_sum": float(np.sum(one.values)),
            "largest_other": left,
            "other": largest,
            "note": f"part of {largest} is left in it" if left > _LEFT else "",
        }

    def _ddf(self, asked: str | None) -> str | None:
        if not self.design.mixed:
            return None
        return "kenward-roger" if asked is None else asked

    @cached_property
    def _warning(self) -> str:
        balanced = proportional(self.design.frame, self.design.factors)
        return "" if balanced else _OUT_OF_PROPORTION


def art(formula: str, frame: pd.DataFrame, missing: Missing = "refuse") -> Art:
    """Align and rank a response for every term of a factorial design.

    For each main effect and interaction the response is stripped of all other effects and ranked,
    so that an analysis of variance of the ranks tests that effect without the bias that plain ranks
    have for interactions (Wobbrock, Findlater, Gergle and Higgins 2011, CHI '11, 143). R's
    ``ARTool::art``.

    Args:
        formula: ``energy_j ~ generation * task``, all interactions of its factors included, with
            random terms for designs with repetitions: ``... + (1 | run)``. Columns on the right
            are factors, numbers too.
        frame: One row an observation.
        missing: What to do about rows that lack a value.

    Raises:
        Refused: The fixed part is not a full factorial of factors, a cell is empty, all cells hold
            one row, the response does not vary, a name is not there, or a value is missing.
    """
    return Art(art_design(formula, frame, missing))


def _joint(model: FittedModel, term: str, ddf: str | None) -> JointTest:
    return model.joint_test(hypotheses(model.design, 3)[term], ddf)


def _f_columns(joint: JointTest) -> dict[str, Any]:
    figures = {"value": joint.F, "df1": joint.df1, "df2": joint.df2, "p": joint.p}
    return {"statistic": "F", **figures}


def _effect(joint: JointTest, confidence: float, alternative: Alternative) -> dict[str, Any]:
    if np.isinf(joint.df2):
        return {}
    share = joint.F * joint.df1 / (joint.F * joint.df1 + joint.df2)
    found = main_effect(share, joint.df1, joint.df2, confidence, alternative)
    return {**found, "confidence": confidence}
