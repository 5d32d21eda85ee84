"""Arrays in, estimates out: nothing here knows what energy is."""

from __future__ import annotations

from joulebench.stats.accuracy import wilson_interval
from joulebench.stats.bland_altman import BlandAltman, bland_altman
from joulebench.stats.estimate import Estimate
from joulebench.stats.mean import expanded_uncertainty, mean_estimate
from joulebench.stats.quotient import quotient
from joulebench.stats.ratio import (
    geometric_mean,
    log_ratio,
    paired_ratio,
    ratio_of_sums,
)
from joulebench.stats.trend import within_group_slope

__all__ = [
    "BlandAltman",
    "Estimate",
    "bland_altman",
    "expanded_uncertainty",
    "geometric_mean",
    "log_ratio",
    "mean_estimate",
    "paired_ratio",
    "quotient",
    "ratio_of_sums",
    "wilson_interval",
    "within_group_slope",
]
