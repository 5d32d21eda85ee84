"""Every public function of the statistics with a call that answers, and how answers are judged."""

from __future__ import annotations

import inspect
import warnings
from typing import Any

import numpy as np
import pandas as pd

from joulebench import stats
from joulebench.stats.refused import Refused

X = [3.1, 4.7, 2.2, 5.9, 4.4, 6.1, 3.8, 5.2]
Y = [2.9, 4.1, 2.8, 5.0, 4.9, 5.5, 3.1, 4.0]
N = 24


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def table() -> pd.DataFrame:
    draw = np.random.default_rng(3)
    return pd.DataFrame(
        {
            "y": np.round(draw.gamma(9, 1, N) + 1, 3),
            "g": np.repeat(list("abc"), 8),
            "h": np.tile(list("uv"), 12),
            "x": np.round(draw.uniform(1, 5, N), 2),
            "run": np.tile(list("01234567"), 3),
        }
    )


FRAME = table()
LINEAR = stats.lm("y ~ g + x", FRAME)
MIXED = stats.lmm("y ~ g + x + (1 | run)", FRAME)
GAPS = FRAME[(FRAME["g"] != "a") | (FRAME["h"] != "u")]
PLAN = {"rng": rng(), "resamples": 99}
ESTIMATE = stats.mean_estimate(X)

ONE_WAY = (
    "anova", "art", "assumptions", "bartlett", "dunn", "fligner", "games_howell", "kruskal",
    "levene", "lm", "normality_of_residuals", "pairwise_cliffs_delta", "pairwise_hedges_g",
    "pairwise_t", "pairwise_wilcoxon", "permutation_anova", "permutation_contrasts",
    "planned_contrasts", "polynomial_trend", "recommended_test", "transformation_advice",
    "welch_anova",
)  # fmt: skip
OF_TWO = (
    "bland_altman", "cliffs_delta", "cohens_d", "equivalence", "glass_delta", "hedges_g",
    "kendall", "non_inferiority", "paired_ratio", "pearson", "permutation_test", "rank_biserial",
    "ratio_of_sums", "spearman", "t_test", "vargha_delaney", "wilcoxon_rank_sum",
    "wilcoxon_signed_rank",
)  # fmt: skip
OF_ONE = ("confidence_sequence", "geometric_mean", "mean_estimate", "shapiro")
GIVEN: dict[str, dict[str, Any]] = {
    **{name: {"formula": "y ~ g", "frame": FRAME} for name in ONE_WAY},
    **{name: dict(zip(inspect.signature(getattr(stats, name)).parameters, (X, Y), strict=False))
       for name in OF_TWO},
    **{name: {"values": X} for name in OF_ONE},
    "adjusted": {"p": [0.1, 0.2], "method": "BH"},
    "bootstrap": {"frame": FRAME, "statistic": lambda d: float(d["y"].median()), **PLAN},
    "bootstrap_contrast": {
        "formula": "y ~ g", "frame": FRAME, "weights": {"b - a": {"b": 1, "a": -1}}, **PLAN
    },
    "emmeans": {"model": LINEAR, "specs": "g"},
    "expanded_uncertainty": {"noise": 1.0, "dof": 5.0, "bias": 0.1},
    "fitted_instead": {"formula": "y ~ g * h", "frame": GAPS},
    "friedman": {"formula": "y ~ g | run", "frame": FRAME},
    "joint_tests": {"model": LINEAR},
    "lmm": {"formula": "y ~ g + (1 | run)", "frame": FRAME},
    "log_ratio": {"numerator": [np.array(X)], "denominator": [np.array(Y)]},
    "cohens_kappa": {"grades_a": [0, 1, 1, 0], "grades_b": [0, 1, 0, 0]},
    "mcnemar": {"x": [0, 1, 1], "y": [1, 1, 0]},
    "noncentral_chi2_interval": {"chi2": 3.0, "df": 2.0},
    "noncentral_f_interval": {"f": 3.0, "df1": 2.0, "df2": 9.0},
    "noncentral_t_interval": {"t": 2.0, "df": 9.0},
    "polynomial_weights": {"scores": [1, 2, 4]},
    "power_anova": {"groups": 3, "n": 5, "f": 0.4},
    "power_by_simulation": {
        "pilot": stats.Pilot("y ~ g", FRAME), "effect": {"b": 1.1}, "repetitions": 2,
        "rng": rng(), "simulations": 20,
    },
    "power_t_test": {"n": 5, "d": 0.4},
    "quade": {"formula": "y ~ g | run", "frame": FRAME},
    "quotient": {"numerator": ESTIMATE, "denominator": ESTIMATE},
    "random_tests": {"model": MIXED},
    "sample_size": {"d": 0.5},
    "smallest_detectable": {"n": 5},
    "smallest_detectable_ratio": {"cv_between_repeats": 0.1, "repetitions": 5},
    "spearman_by": {"frame": FRAME, "x": "y", "y": "x", "group": "g"},
    "spending_boundaries": {"looks": 3},
    "studentised_range_isf": {"p": 0.05, "means": 3, "df": 9},
    "studentised_range_sf": {"q": 2.0, "means": 3, "df": 9},
    "trends": {"model": LINEAR, "covariate": "x"},
    "two_proportions": {"correct_x": 1, "n_x": 4, "correct_y": 2, "n_y": 5},
    "wilson_interval": {"correct": 3, "n": 10},
    "within_group_slope": {"y": Y, "x": X, "groups": list("aabbccdd")},
}  # fmt: skip
for name in ("equivalence", "non_inferiority"):
    GIVEN[name]["margin"] = 1.0
for name in ("permutation_anova", "permutation_contrasts", "permutation_test"):
    GIVEN[name] |= PLAN


def run(name: str, **changed: Any) -> Any:
    """Call a function, warnings being errors and random numbers the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fresh = {"rng": rng()} if "rng" in GIVEN[name] else {}
        return getattr(stats, name)(**{**GIVEN[name], **fresh, **changed})


def check(name: str, **changed: Any) -> bool:
    """Say whether it is refused; else its answer must not be silent about what it lacks."""
    said = ""
    try:
        tell_tale(run(name, **changed))
    except Refused as refused:
        said = str(refused)
    assert "\n" not in said
    assert not 0 < len(said) < 20
    return bool(said)


def tell_tale(found: Any) -> None:
    if not isinstance(found, pd.DataFrame):
        return
    assert len(found)
    said = found.get("note", pd.Series([""] * len(found))) != ""
    said |= found.get("term", pd.Series([""] * len(found))) == "Residuals"
    for column in {"estimate", "se", "value", "p", "effect"} & set(found.columns):
        assert (said | found[column].notna()).all(), column


def pairs(*wanted: str) -> list[tuple[str, str]]:
    """Give each function with each of its parameters of some names."""
    return [
        (name, parameter)
        for name in GIVEN
        for parameter in inspect.signature(getattr(stats, name)).parameters
        if parameter in wanted and name != "quotient"
    ]
