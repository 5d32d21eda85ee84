"""Estimated marginal means of a fitted model, and contrasts between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.coefficients import check_confidence
from joulebench.stats.emmeans_adjust import Family, family, judge
from joulebench.stats.emmeans_contrasts import Weights, contrast_set
from joulebench.stats.emmeans_grid import (
    At,
    Marginal,
    Settings,
    check_names,
    marginal,
    settings_of,
)
from joulebench.stats.emmeans_linear import contrasted, estimates, notes
from joulebench.stats.emmeans_scale import BackTransform, back_transform, check_scale
from joulebench.stats.fitted_model import FittedModel, check_model
from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.model_frame import level_text
from joulebench.stats.model_summary import in_columns
from joulebench.stats.number_check import names as known_names
from joulebench.stats.number_check import shown
from joulebench.stats.refused import Refused
from joulebench.stats.rows import ordered

Array = npt.NDArray[np.float64]

_LARGEST = 100_000
"""Figures of a grid that is kept for the next response."""

_OWN_COLUMNS = (
    "contrast", "estimate", "se", "statistic", "value", "df1", "p", "p_adjusted", "adjust",
    "effect_size", "effect", "ci_low", "ci_high", "confidence", "n", "family_size", "ci_adjust",
    "note",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Means:
    """Estimated marginal means, and what contrasts of them need.

    Args:
        model: The fitted model.
        of: The means as linear functions of its coefficients.
        ddf: How degrees of freedom are found, for a mixed model.
        confidence: Coverage of the intervals.
        scale: Of the estimates: "model", or "response" for the response before its logarithm or
            root.
        back: The way from the one scale to the other.
    """

    model: FittedModel
    of: Marginal
    ddf: str | None
    confidence: float
    scale: str
    back: BackTransform

    def frame(self) -> pd.DataFrame:
        """Give one row a mean: its levels, ``estimate, se, df1``, interval, ``n`` and ``note``.

        Intervals are not adjusted for their number. On the scale of the response the standard
        error is that of the delta method, and the ends of the interval are brought back from the
        scale of the model. ``n`` counts the rows of the data behind the mean. A mean that the data
        do not determine is NaN, and its note names the combinations without data.
        """
        found = estimates(self.model, self.of.functions, self.ddf)
        alone = family([np.arange(len(found.df))], "none", "two-sided", means=1, pairwise=False)
        judged = judge(found, alone, self.confidence, 0.0, "two-sided")
        columns = {
            "estimate": found.estimate,
            "se": found.se,
            "df1": found.df,
            "ci_low": judged.low,
            "ci_high": judged.high,
            "confidence": self.confidence,
            "n": self.of.n,
            "note": notes(self.model, self.of, found),
        }
        moved = self.back.of_columns(columns) if self.scale == "response" else columns
        return _table(self.of.levels, moved, [*self.of.specs, *self.of.by])

    def __repr__(self) -> str:
        """Give the means as a table; contrasts of them come from :meth:`contrasts`."""
        scale = "the response" if self.scale == "response" else self.model.formula.response.text
        table = self.frame().drop(columns="confidence")
        columns = [name for name in table if name != "note" or table[name].any()]
        title = f"Marginal means of {scale}, {100 * self.confidence:g} % intervals"
        return f"{title}:\n{in_columns(table[columns])}"

    def contrasts(
        self,
        kind: str | Weights = "pairwise",
        adjust: str = "BH",
        families: str = "by",
        *,
        scale: str | None = None,
        null: float = 0.0,
        alternative: str = "two-sided",
        reverse: bool = False,
        max_degree: int | None = None,
    ) -> pd.DataFrame:
        """Give one row a contrast between the means, within each by-group.

        Differences of means of a logarithm become ratios on the scale of the response (``effect``,
        with ``effect_size`` "ratio"); contrasts of a root, and weights that do not sum to 0, stay
        on the scale of the model and say so. ``value`` is t, or z where degrees of freedom are
        infinite; it, ``p`` and the interval belong to the scale of the model, from which the
        interval is brought back. A contrast may be estimable where its means are not, and counts
        in its family where it is not. ``family_size`` is how many contrasts were adjusted together,
        ``ci_adjust`` how their intervals were: as emmeans does, Bonferroni where the adjustment of
        the p values (BH, BY, Holm, Hochberg) has no intervals of its own.

        Args:
            kind: "pairwise" (first minus second), "consecutive" (later minus earlier),
                "polynomial", "trt.vs.ctrl" (each minus the first level), "eff" (each minus the mean
                of all), "del.eff" (each minus the mean of the others), or the weights of contrasts
                by name, one a level.
            adjust: "BH", "BY", "holm", "hochberg", "bonferroni", "sidak", "tukey" (all pairs of
                one set of means; "sidak" takes its place elsewhere), "dunnettx" (emmeans'
                approximation for comparisons with one level) or "none".
            families: What is adjusted together: the contrasts of each by-group ("by", as emmeans
                does unasked) or all of them ("all").
            scale: "model" or "response"; that of the means if not given.
            null: Value of a contrast that is tested, on the scale of the model.
            alternative: "two-sided", "less" or "greater".
            reverse: Turn the signs: second minus first, earlier minus later.
            max_degree: Highest degree of polynomials.

        Raises:
            Refused: An unknown word, weights that do not fit the levels, or a single level.
        """
        printed = self.scale if scale is None else scale
        check_scale(printed)
        if not np.isfinite(null):
            raise Refused(f"null must be a finite number, got {shown(null)}")
        chosen = contrast_set(kind, self._labels(), reverse=reverse, max_degree=max_degree)
        of = contrasted(self.of, chosen.weights)
        together = self._family(of, families, adjust, alternative, pairwise=chosen.pairwise)
        found = estimates(self.model, of.functions, self.ddf)
        judged = judge(found, together, self.confidence, null, alternative)
        ratios = printed == "response" and self.back.of_ratios and chosen.compares
        names = [name.replace(" - ", " / ") if ratios else name for name in chosen.names]
        stays = printed == "response" and not ratios and self.back.name != "none"
        still = f"still on the {self.back.name} scale" if stays else ""
        columns: dict[str, Any] = {
            "contrast": names * (len(of.levels) // of.block),
            "estimate": found.estimate,
            "se": found.se,
            "statistic": np.where(np.isinf(found.df), "z", "t"),
            "value": judged.t,
            "df1": found.df,
            "p": judged.p,
            "p_adjusted": judged.p_adjusted,
            "adjust": together.p_method,
            "ci_low": judged.low,
            "ci_high": judged.high,
            "confidence": self.confidence,
            "n": of.n,
            "family_size": together.size,
            "ci_adjust": together.ci_method,
            "note": notes(self.model, of, found, together.note, still),
        }
        if ratios:
            columns = self.back.of_columns(columns)
            columns |= {"effect_size": "ratio", "effect": columns["estimate"]}
        return _table(of.levels, columns, self.of.by)

    def _labels(self) -> list[str]:
        """Give the labels of the levels that are compared: of several specs, put together."""
        of = [self.of.levels[name].tolist()[: self.of.block] for name in self.of.specs]
        return [" ".join(map(level_text, row)) for row in zip(*of, strict=True)]

    def _family(
        self, of: Marginal, families: str, adjust: str, alternative: str, *, pairwise: bool
    ) -> Family:
        if families not in ("by", "all"):
            raise Refused(f"families must be 'by' (each by-group) or 'all', got {shown(families)}")
        rows = np.arange(len(of.levels))
        groups = [rows] if families == "all" else list(rows.reshape(-1, of.block))
        one_set = pairwise and (families == "by" or len(rows) == of.block)
        return family(groups, adjust, alternative, means=self.of.block, pairwise=one_set)


def emmeans(
    model: FittedModel,
    specs: str | Sequence[str],
    by: str | Sequence[str] | None = None,
    ddf: str | None = None,
    at: At | None = None,
    weights: str = "equal",
    confidence: float = 0.95,
    scale: str = "model",
) -> Means:
    """Estimate the marginal means of a fitted model: its predictions over a balanced grid.

    Least-squares means (Searle, Speed & Milliken 1980, Am. Stat. 34, 216): predictions at every
    combination of the factors' levels, numbers at their mean (a number of two values at both),
    averaged over what is neither in ``specs`` nor in ``by``. R's ``emmeans(model, ~ specs | by)``.

    Args:
        model: A fitted linear or mixed model.
        specs: Variables whose levels are compared, one or several; "1" for the mean of all.
        by: Variables whose levels are kept apart.
        ddf: For a mixed model, "satterthwaite", "kenward-roger" or "asymptotic".
        at: Settings other than these, by variable: numbers, or levels of a factor.
        weights: Of the combinations averaged over: "equal", or by the rows of the data:
            "proportional", "outer", "cells", "flat".
        confidence: Coverage of the intervals.
        scale: "model", or "response" to bring a logarithm or root back.

    Raises:
        Refused: A name that is not in the fixed part, the same name in specs and by, a level that
            is not there, an unknown word, or a grid too large to evaluate.
    """
    check_confidence(confidence)
    check_scale(scale)
    check_model(model)
    compared, apart = listed(specs), listed(by)
    check_roles(model, compared, apart)
    settings = settings_of(model.design, at)
    of = _marginal(model.design, settings, compared, apart, weights)
    back = back_transform(model.formula.response.transform)
    return Means(model, of, ddf, confidence, scale, back)


def _marginal(
    design: FixedDesign, settings: Settings, specs: list[str], by: list[str], weights: str
) -> Marginal:
    """Average over a grid, once for all responses where it is small."""
    size = prod(map(len, settings.values())) * len(design.all_columns)
    if size > _LARGEST:
        return marginal(design, settings, specs, by, weights)
    what = "marginal", repr(settings), tuple(specs), tuple(by), repr(weights)
    kept: Marginal = design.once(what, lambda: marginal(design, settings, specs, by, weights))
    return kept


def listed(names: str | Sequence[str] | None) -> list[str]:
    """Give names as a list; "1" and nothing are none."""
    return [name for name in known_names(names, "specs and by") if name != "1"]


def check_roles(model: FittedModel, specs: Sequence[str], by: Sequence[str]) -> None:
    """Refuse variables that cannot be kept apart.

    Raises:
        Refused: A name that is not in the fixed part, twice the same name, or one that a column
            of the results has.
    """
    check_names(model.design, specs, "specs")
    check_names(model.design, by, "by")
    names = [*specs, *by]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise Refused(f"{twice!r} is named twice in specs and by: name it once")
    own = next((name for name in names if name in _OWN_COLUMNS), None)
    if own:
        raise Refused(f"{own!r} is a column of the results: rename the column of the data")


def _table(levels: pd.DataFrame, columns: dict[str, Any], names: Sequence[str]) -> pd.DataFrame:
    cells = {str(name): levels[name].to_numpy() for name in levels.columns} | columns
    return pd.DataFrame({n: cells[n] for n in ordered(cells, names)}, index=levels.index)
