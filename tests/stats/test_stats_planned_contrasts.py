"""Planned contrasts between levels and between cells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anova_oracles import data_of, deviation, oracle, published, published_runs

from joulebench.stats.linear_model import lm
from joulebench.stats.planned_contrasts import planned_contrasts
from joulebench.stats.refused import Refused

FRAME = data_of("warpbreaks")


def test_successive_levels_are_coefficients_against_the_level_before() -> None:
    table = planned_contrasts("breaks ~ tension", FRAME)
    assert list(table["contrast"]) == ["L - H", "M - L"]
    first = lm("breaks ~ tension", FRAME).coefficients().iloc[1]
    columns = ["estimate", "se", "value", "df1", "p", "ci_low", "ci_high"]
    assert deviation(table.iloc[0][columns], first[columns]) < 1e-11
    assert set(table["n"]) == {54}
    assert set(table["adjust"]) == {"BH"}


def test_weights_of_a_contrast_by_hand() -> None:
    table = planned_contrasts(
        "breaks ~ tension", FRAME, {"H against rest": {"H": 1, "L": -0.5, "M": -0.5}}
    )
    mean = FRAME.groupby("tension")["breaks"].mean()
    residual = (FRAME["breaks"] - FRAME["tension"].map(mean)).to_numpy(dtype=float)
    se = np.sqrt(float(residual @ residual) / 51 * (1 + 0.5) / 18)
    row = table.iloc[0]
    assert row["estimate"] == pytest.approx(mean["H"] - (mean["L"] + mean["M"]) / 2, rel=1e-12)
    assert row["se"] == pytest.approx(se, rel=1e-12)
    assert row["p_adjusted"] == row["p"]


def test_other_factors_are_averaged_equally_and_covariates_cancel() -> None:
    frame = data_of("three_way_covariate")
    table = planned_contrasts("y ~ a * b + c + x", frame, {"q - p": {"q": 1, "p": -1}}, of="a")
    model = lm("y ~ a * b + c + x", frame)
    beta = dict(zip(model.design.columns, model.beta, strict=True))
    expected = beta["a[q]"] + beta["a[q]:b[v]"] / 2
    assert table["estimate"][0] == pytest.approx(expected, rel=1e-11)
    whole = planned_contrasts("y ~ a * b + c + x", frame, {"qu - pu": {"q:u": 1, "p:u": -1}})
    assert whole["estimate"][0] == pytest.approx(beta["a[q]"], rel=1e-11)


def test_unequal_variances_agree_with_r() -> None:
    found = oracle()["unequal_contrast"]
    weights = {"w": dict(zip("abcde", found["weights"], strict=True))}
    row = planned_contrasts("y ~ g", data_of("many_rows"), weights, variances="unequal").iloc[0]
    ours = [row[column] for column in ("estimate", "se", "df1")]
    assert deviation(ours, [found[key] for key in ("estimate", "se", "df")]) < 1e-11
    assert "unequal" in row["test"]


def test_unequal_variances_of_two_levels_are_welch_s_t() -> None:
    from joulebench.stats.welch import welch_anova

    row = planned_contrasts("breaks ~ wool", FRAME, variances="unequal").iloc[0]
    welch = welch_anova("breaks ~ wool", FRAME).iloc[0]
    assert (
        deviation([row["value"] ** 2, row["df1"], row["p"]], welch[["value", "df2", "p"]]) < 1e-11
    )


def test_numbers_are_levels_and_may_name_themselves() -> None:
    frame = data_of("ToothGrowth_unbalanced").assign(dose=lambda d: d["dose"].astype(float))
    by_number = planned_contrasts("len ~ dose + supp", frame, {"c": {2.0: 1, 0.5: -1}})
    by_text = planned_contrasts("len ~ dose + supp", frame, {"c": {"2": 1, "0.5": -1}})
    pd.testing.assert_frame_equal(by_number, by_text)
    assert list(planned_contrasts("len ~ dose", frame)["contrast"]) == ["1 - 0.5", "2 - 1"]


def test_values_far_from_zero_keep_their_digits() -> None:
    frame = data_of("far_from_zero")
    near = frame.assign(y=frame["y"] - 1e9)
    for variances, formula in (("equal", "y ~ g + h"), ("unequal", "y ~ g")):
        ours, theirs = (
            planned_contrasts(formula, table, variances=variances)  # type: ignore[arg-type]
            for table in (frame, near)
        )
        assert deviation(ours["estimate"], theirs["estimate"]) < 1e-11


def test_adjustment_leaves_intervals_alone() -> None:
    plain, strict = (
        planned_contrasts("breaks ~ tension", FRAME, adjust=a) for a in ("none", "holm")
    )
    assert (strict["p_adjusted"] >= plain["p_adjusted"]).all()
    assert (plain["p_adjusted"] == plain["p"]).all()
    assert (strict["ci_low"] == plain["ci_low"]).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"contrasts": {"a": {"L": 1, "M": -0.5}}}, "add up to 0.5"),
        ({"contrasts": {"a": {"L": 0}}}, "not all be 0"),
        ({"contrasts": {"a": {"l": 1, "M": -1}}}, "no level 'l'"),
        ({"contrasts": {}}, "no contrast"),
        ({"contrasts": "poly"}, "'successive'"),
        ({"contrasts": {"a": 3}}, "mapping"),
        ({"contrasts": {"a": {"L": "x"}}}, "finite numbers"),
        ({"contrasts": {"a": {"L": np.nan, "M": 1}}}, "finite numbers"),
        ({"adjust": "tukey"}, "no adjustment"),
        ({"variances": "other"}, "'equal' or 'unequal'"),
        ({"of": "wool"}, "no factor of"),
        ({"of": "wol"}, "did you mean 'wool'"),
        ({"confidence": 0}, "between 0 and 1"),
    ],
)
def test_what_is_not_a_contrast_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        planned_contrasts("breaks ~ tension", FRAME, **options)
    assert "\n" not in str(caught.value)


def test_what_the_data_cannot_tell_is_refused() -> None:
    frame = pd.DataFrame(
        {"a": list("ppqqrr"), "b": list("uuvvvv"), "y": [1.0, 2.0, 4.0, 3.0, 7.0, 9.0]}
    )
    with pytest.raises(Refused, match="'q - p' cannot be told"):
        planned_contrasts("y ~ a + b", frame)
    told = planned_contrasts("y ~ a + b", frame, {"r - q": {"r": 1, "q": -1}})
    assert told["estimate"][0] == pytest.approx(4.5, rel=1e-12)


def test_unequal_variances_need_a_variance_of_each_level() -> None:
    frame = pd.DataFrame({"g": list("aab"), "y": [1.0, 2.0, 3.0]})
    with pytest.raises(Refused, match="'b' of g has one value"):
        planned_contrasts("y ~ g", frame, variances="unequal")
    with pytest.raises(Refused, match="one grouping"):
        planned_contrasts("breaks ~ tension + wool", FRAME, variances="unequal")


def test_a_function_of_a_number_is_no_factor() -> None:
    with pytest.raises(Refused, match="no factor"):
        planned_contrasts("breaks ~ log(x)", FRAME.assign(x=np.arange(1.0, 55.0)))


@pytest.mark.parametrize(
    ("part", "formula"),
    [("energy", "energy_j ~ generation"), ("log_energy", "log(energy_j) ~ generation")],
)
def test_successive_contrasts_of_the_published_study(part: str, formula: str) -> None:
    found = published("RQ1_1")[part]["successive_contrasts_BH"]
    ours = planned_contrasts(formula, published_runs())
    pairs = {"estimate": "estimate", "se": "SE", "df1": "df", "p_adjusted": "p.value"}
    for column, name in pairs.items():
        assert deviation(ours[column], found[name]) < 1e-10
