"""Effect sizes of an analysis of variance, against R's effectsize and exact inversion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from anova_oracles import by_term, data_of, deviation, model_of, oracle

from joulebench.stats.anova import anova, anova_of
from joulebench.stats.anova_effect_sizes import share_interval

COLUMNS = {
    "partial_eta": ("effect", "ci_low", "ci_high"),
    "eta": ("eta_sq", "eta_sq_low", "eta_sq_high"),
    "omega": ("omega_sq", "omega_sq_low", "omega_sq_high"),
    "partial_omega": ("partial_omega_sq", "partial_omega_sq_low", "partial_omega_sq_high"),
    "epsilon": ("epsilon_sq", "epsilon_sq_low", "epsilon_sq_high"),
    "partial_epsilon": ("partial_epsilon_sq", "partial_epsilon_sq_low", "partial_epsilon_sq_high"),
}
EXACT = 5e-9
"""Of R's noncentral F, which holds 1e-9."""
SIMPLEX = 5e-7
"""Of effectsize's simplex."""

NAMES = ("ToothGrowth_unbalanced", "warpbreaks", "npk", "three_way_covariate", "tiny", "many_rows")
CASES = [
    pytest.param(
        name, case["formula"], type_, case[f"type{type_}"], id=f"{case['formula']}-{type_}"
    )
    for name in NAMES
    for case in oracle()[name]["cases"]
    for type_ in (1, 2, 3)
    if "sizes" in case[f"type{type_}"]
]


@pytest.mark.parametrize(("name", "formula", "type_", "found"), CASES)
def test_sizes_and_intervals_are_those_of_r(
    name: str, formula: str, type_: int, found: dict[str, Any]
) -> None:
    terms = [term for term in found["table"]["row"] if term != "Residuals"]
    lower = by_term(anova_of(model_of(name, formula), type_)).loc[terms]
    both = by_term(anova_of(model_of(name, formula), type_, alternative="two-sided")).loc[terms]
    for size, (value, low, high) in COLUMNS.items():
        theirs = found["sizes"][size]
        assert deviation(lower[value], theirs["value"]) < 1e-11
        assert np.abs(lower[low] - theirs["greater"]).max() < EXACT
        assert np.abs(lower[low] - theirs["effectsize_low"]).max() < SIMPLEX
        assert (lower[high] == 1.0).all()
        assert np.abs(both[low] - theirs["low"]).max() < EXACT
        assert np.abs(both[high] - theirs["high"]).max() < EXACT
    assert deviation(lower["cohens_f"], found["sizes"]["f"]) < 1e-11
    two_sided = found["sizes"]["two_sided"]
    # Where both ends are sought at once, the simplex may stop some thousandths away.
    assert np.abs(both["ci_high"] - two_sided["CI_high"]).max() < 3e-3


def test_less_leaves_the_lower_end_open() -> None:
    frame = data_of("warpbreaks")
    less = anova("breaks ~ tension", frame, alternative="less").iloc[0]
    both = anova("breaks ~ tension", frame, alternative="two-sided", confidence=0.9).iloc[0]
    assert less["ci_low"] == 0.0
    assert less["ci_high"] == pytest.approx(both["ci_high"], rel=1e-12)
    assert less["cohens_f_low"] == 0.0


def test_one_way_shares_are_partial_shares() -> None:
    row = anova("breaks ~ tension", data_of("warpbreaks")).iloc[0]
    assert row["effect_size"] == "partial eta squared"
    assert row["effect"] == row["eta_sq"]
    assert row["partial_omega_sq"] == pytest.approx(row["omega_sq"], rel=1e-12)


def test_an_effect_smaller_than_noise_is_zero_and_no_less() -> None:
    row = anova("y ~ g", data_of("far_from_zero").assign(g=["i", "j"] * 10)).iloc[0]
    assert row["value"] < 1
    assert (row["omega_sq"], row["omega_sq_low"], row["ci_low"]) == (0.0, 0.0, 0.0)


def test_a_share_of_one_has_no_interval_to_invert() -> None:
    assert share_interval(1.0, 2, 5, 0.95, "two-sided") == (1.0, 1.0)
    assert share_interval(1.0, 2, 5, 0.95, "less") == (0.0, 1.0)


def test_wide_confidence_is_wider() -> None:
    narrow = share_interval(0.5, 2, 30, 0.8, "two-sided")
    wide = share_interval(0.5, 2, 30, 0.99, "two-sided")
    assert wide[0] < narrow[0] < 0.5 < narrow[1] < wide[1]
