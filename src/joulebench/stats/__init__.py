"""Arrays and frames in, estimates out: nothing here knows what energy is.

Names are imported when they are first used. ``docs/statistics.md`` lists them with what they equal
in R.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joulebench.stats.accuracy import wilson_interval
    from joulebench.stats.adjust import adjusted
    from joulebench.stats.alpha_spending import spending_boundaries
    from joulebench.stats.anova import anova
    from joulebench.stats.art import Art, art
    from joulebench.stats.assumptions import assumptions, normality_of_residuals
    from joulebench.stats.bland_altman import BlandAltman, bland_altman
    from joulebench.stats.bootstrap import bootstrap
    from joulebench.stats.bootstrap_contrast import bootstrap_contrast
    from joulebench.stats.cliffs_delta import cliffs_delta, vargha_delaney
    from joulebench.stats.confidence_sequence import ConfidenceSequence, confidence_sequence
    from joulebench.stats.correlation import kendall, pearson, spearman
    from joulebench.stats.correlation_by import spearman_by
    from joulebench.stats.dunn import dunn
    from joulebench.stats.emmeans import Means, emmeans
    from joulebench.stats.emmeans_contrasts import polynomial_weights
    from joulebench.stats.emmeans_joint import joint_tests
    from joulebench.stats.emmeans_trends import trends
    from joulebench.stats.estimate import Estimate
    from joulebench.stats.fitted_instead import Offer, fitted_instead
    from joulebench.stats.friedman import friedman, quade
    from joulebench.stats.games_howell import games_howell
    from joulebench.stats.kappa import cohens_kappa
    from joulebench.stats.kruskal import kruskal
    from joulebench.stats.linear_model import LinearModel, lm
    from joulebench.stats.lmm import lmm
    from joulebench.stats.lmm_compare import compare
    from joulebench.stats.lmm_model import MixedModel
    from joulebench.stats.lmm_random_tests import random_tests
    from joulebench.stats.mean import expanded_uncertainty, mean_estimate
    from joulebench.stats.noncentral import (
        noncentral_chi2_interval,
        noncentral_f_interval,
        noncentral_t_interval,
    )
    from joulebench.stats.pairwise_differences import (
        pairwise_cliffs_delta,
        pairwise_hedges_g,
        pairwise_t,
    )
    from joulebench.stats.pairwise_ranks import pairwise_wilcoxon
    from joulebench.stats.permutation import permutation_test
    from joulebench.stats.permutation_anova import permutation_anova
    from joulebench.stats.permutation_contrasts import permutation_contrasts
    from joulebench.stats.pilot import Pilot
    from joulebench.stats.planned_contrasts import planned_contrasts
    from joulebench.stats.polynomial_trend import polynomial_trend
    from joulebench.stats.power import sample_size, smallest_detectable
    from joulebench.stats.power_anova import power_anova
    from joulebench.stats.power_ratio import smallest_detectable_ratio
    from joulebench.stats.power_simulation import power_by_simulation
    from joulebench.stats.power_t import power_t_test
    from joulebench.stats.proportions import mcnemar, two_proportions
    from joulebench.stats.quotient import quotient
    from joulebench.stats.rank_biserial import rank_biserial
    from joulebench.stats.ratio import geometric_mean, log_ratio, paired_ratio, ratio_of_sums
    from joulebench.stats.recommendation import recommended_test
    from joulebench.stats.refused import Refused
    from joulebench.stats.sequential import Goal, StoppingRule
    from joulebench.stats.shapiro import shapiro
    from joulebench.stats.signed_rank import wilcoxon_signed_rank
    from joulebench.stats.spending_plan import SpendingPlan
    from joulebench.stats.standardised_difference import cohens_d, glass_delta, hedges_g
    from joulebench.stats.t_test import t_test
    from joulebench.stats.tost import equivalence, non_inferiority
    from joulebench.stats.transformation import transformation_advice
    from joulebench.stats.trend import within_group_slope
    from joulebench.stats.tukey import studentised_range_isf, studentised_range_sf
    from joulebench.stats.variances import bartlett, fligner, levene
    from joulebench.stats.welch import welch_anova
    from joulebench.stats.wilcoxon import wilcoxon_rank_sum

_HOMES = {
    "adjusted": "adjust",
    "anova": "anova",
    "art": "art",
    "Art": "art",
    "assumptions": "assumptions",
    "bartlett": "variances",
    "bland_altman": "bland_altman",
    "BlandAltman": "bland_altman",
    "bootstrap": "bootstrap",
    "bootstrap_contrast": "bootstrap_contrast",
    "cliffs_delta": "cliffs_delta",
    "cohens_d": "standardised_difference",
    "cohens_kappa": "kappa",
    "compare": "lmm_compare",
    "confidence_sequence": "confidence_sequence",
    "ConfidenceSequence": "confidence_sequence",
    "dunn": "dunn",
    "emmeans": "emmeans",
    "equivalence": "tost",
    "Estimate": "estimate",
    "expanded_uncertainty": "mean",
    "fitted_instead": "fitted_instead",
    "fligner": "variances",
    "friedman": "friedman",
    "games_howell": "games_howell",
    "geometric_mean": "ratio",
    "glass_delta": "standardised_difference",
    "Goal": "sequential",
    "hedges_g": "standardised_difference",
    "joint_tests": "emmeans_joint",
    "kendall": "correlation",
    "kruskal": "kruskal",
    "levene": "variances",
    "LinearModel": "linear_model",
    "lm": "linear_model",
    "lmm": "lmm",
    "log_ratio": "ratio",
    "mcnemar": "proportions",
    "mean_estimate": "mean",
    "Means": "emmeans",
    "MixedModel": "lmm_model",
    "non_inferiority": "tost",
    "noncentral_chi2_interval": "noncentral",
    "noncentral_f_interval": "noncentral",
    "noncentral_t_interval": "noncentral",
    "normality_of_residuals": "assumptions",
    "Offer": "fitted_instead",
    "paired_ratio": "ratio",
    "pairwise_cliffs_delta": "pairwise_differences",
    "pairwise_hedges_g": "pairwise_differences",
    "pairwise_t": "pairwise_differences",
    "pairwise_wilcoxon": "pairwise_ranks",
    "pearson": "correlation",
    "permutation_anova": "permutation_anova",
    "permutation_contrasts": "permutation_contrasts",
    "permutation_test": "permutation",
    "Pilot": "pilot",
    "planned_contrasts": "planned_contrasts",
    "polynomial_trend": "polynomial_trend",
    "polynomial_weights": "emmeans_contrasts",
    "power_anova": "power_anova",
    "power_by_simulation": "power_simulation",
    "power_t_test": "power_t",
    "quade": "friedman",
    "quotient": "quotient",
    "random_tests": "lmm_random_tests",
    "rank_biserial": "rank_biserial",
    "ratio_of_sums": "ratio",
    "recommended_test": "recommendation",
    "Refused": "refused",
    "sample_size": "power",
    "shapiro": "shapiro",
    "smallest_detectable": "power",
    "smallest_detectable_ratio": "power_ratio",
    "spearman": "correlation",
    "spearman_by": "correlation_by",
    "spending_boundaries": "alpha_spending",
    "SpendingPlan": "spending_plan",
    "StoppingRule": "sequential",
    "studentised_range_isf": "tukey",
    "studentised_range_sf": "tukey",
    "t_test": "t_test",
    "transformation_advice": "transformation",
    "trends": "emmeans_trends",
    "two_proportions": "proportions",
    "vargha_delaney": "cliffs_delta",
    "welch_anova": "welch",
    "wilcoxon_rank_sum": "wilcoxon",
    "wilcoxon_signed_rank": "signed_rank",
    "wilson_interval": "accuracy",
    "within_group_slope": "trend",
}

__all__ = [
    "Art",
    "BlandAltman",
    "ConfidenceSequence",
    "Estimate",
    "Goal",
    "LinearModel",
    "Means",
    "MixedModel",
    "Offer",
    "Pilot",
    "Refused",
    "SpendingPlan",
    "StoppingRule",
    "adjusted",
    "anova",
    "art",
    "assumptions",
    "bartlett",
    "bland_altman",
    "bootstrap",
    "bootstrap_contrast",
    "cliffs_delta",
    "cohens_d",
    "cohens_kappa",
    "compare",
    "confidence_sequence",
    "dunn",
    "emmeans",
    "equivalence",
    "expanded_uncertainty",
    "fitted_instead",
    "fligner",
    "friedman",
    "games_howell",
    "geometric_mean",
    "glass_delta",
    "hedges_g",
    "joint_tests",
    "kendall",
    "kruskal",
    "levene",
    "lm",
    "lmm",
    "log_ratio",
    "mcnemar",
    "mean_estimate",
    "non_inferiority",
    "noncentral_chi2_interval",
    "noncentral_f_interval",
    "noncentral_t_interval",
    "normality_of_residuals",
    "paired_ratio",
    "pairwise_cliffs_delta",
    "pairwise_hedges_g",
    "pairwise_t",
    "pairwise_wilcoxon",
    "pearson",
    "permutation_anova",
    "permutation_contrasts",
    "permutation_test",
    "planned_contrasts",
    "polynomial_trend",
    "polynomial_weights",
    "power_anova",
    "power_by_simulation",
    "power_t_test",
    "quade",
    "quotient",
    "random_tests",
    "rank_biserial",
    "ratio_of_sums",
    "recommended_test",
    "sample_size",
    "shapiro",
    "smallest_detectable",
    "smallest_detectable_ratio",
    "spearman",
    "spearman_by",
    "spending_boundaries",
    "studentised_range_isf",
    "studentised_range_sf",
    "t_test",
    "transformation_advice",
    "trends",
    "two_proportions",
    "vargha_delaney",
    "welch_anova",
    "wilcoxon_rank_sum",
    "wilcoxon_signed_rank",
    "wilson_interval",
    "within_group_slope",
]


class _Package(ModuleType):
    """A package whose functions keep their names from the files of the same names.

    Importing ``joulebench.stats.anova`` would otherwise put that module in the place of the
    function ``anova``.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, but no module in the place of a public name."""
        if not (name in _HOMES and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, also those that were not used yet."""
    return sorted({*globals(), *__all__})
