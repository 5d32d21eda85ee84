"""The frame that an analysis of variance gives, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anova_oracles import by_term, data_of, deviation, published, published_runs, r_table

from joulebench.stats.anova import anova
from joulebench.stats.linear_model import lm
from joulebench.stats.refused import Refused

FRAME = data_of("warpbreaks")


def test_one_row_a_term_and_one_for_the_residuals() -> None:
    table = anova("breaks ~ wool * tension", FRAME)
    assert list(table["term"]) == ["wool", "tension", "wool:tension", "Residuals"]
    assert list(table.columns[:15]) == [
        "test", "term", "statistic", "value", "df1", "df2", "p", "effect_size", "effect", "ci_low",
        "ci_high", "confidence", "n", "sum_sq", "mean_sq",
    ]  # fmt: skip
    assert table.columns[-1] == "note"
    assert set(table["test"]) == {"ANOVA, type II"}
    assert set(table["n"]) == {54}
    rest = table.iloc[-1]
    assert (rest["df1"], rest["sum_sq"] / rest["df1"]) == (48, rest["mean_sq"])
    assert math.isnan(rest["value"])


def test_a_model_gives_its_own_table() -> None:
    model = lm("breaks ~ wool * tension", FRAME)
    pd.testing.assert_frame_equal(model.anova(3), anova("breaks ~ wool * tension", FRAME, 3))


def test_tests_are_named_for_what_they_are() -> None:
    assert anova("breaks ~ wool", FRAME)["test"][0] == "one-way ANOVA"
    assert anova("breaks ~ wool + tension", FRAME, 3)["test"][0] == "ANOVA, type III"
    assert anova("breaks ~ x", FRAME.assign(x=np.arange(54.0)))["test"][0] == "ANOVA, type II"


def test_a_number_with_few_values_is_a_slope_and_said_so() -> None:
    frame = FRAME.assign(level=FRAME["tension"].map({"L": 1.0, "M": 2.0, "H": 3.0}))
    slope = anova("breaks ~ level", frame)
    assert slope["df1"][0] == 1
    assert "for its levels write C(level)" in slope["note"][0]
    levels = anova("breaks ~ C(level)", frame)
    assert levels["df1"][0] == 2
    assert levels["note"][0] == ""


def test_a_fit_that_leaves_little_is_doubtful() -> None:
    frame = data_of("near_perfect")
    assert "essentially perfect" in anova("y ~ a * b + x", frame)["note"][0]
    assert anova("y ~ a * b", frame)["note"][0] == ""


def test_rows_that_lack_a_value() -> None:
    frame = FRAME.assign(breaks=FRAME["breaks"].where(FRAME.index != 3).astype(float))
    with pytest.raises(Refused, match="missing"):
        anova("breaks ~ wool", frame)
    dropped = anova("breaks ~ wool", frame, missing="drop")
    expected = anova("breaks ~ wool", frame.drop(index=3))
    pd.testing.assert_frame_equal(dropped, expected)


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("flat ~ wool", "nothing varies"),
        ("breaks ~ same", "one level"),
        ("breaks ~ row", "54 rows cannot carry 54 coefficients"),
        ("endless ~ wool", "infinite in row 3"),
        ("wool ~ tension", "holds text"),
        ("breaks ~ wol", "did you mean 'wool'"),
        ("breaks ~ 1", "no term to test"),
        ("breaks ~ wool + (1 | tension)", "random term"),
        ("breaks", "no formula"),
        ("copy ~ code", "without a residual"),
    ],
)
def test_bad_input_is_refused_in_one_line(formula: str, said: str) -> None:
    frame = FRAME.assign(
        flat=1.0,
        same="a",
        row=[f"r{k}" for k in range(54)],
        endless=np.where(FRAME.index == 3, np.inf, FRAME["breaks"]),
        code=FRAME["tension"],
        copy=FRAME["tension"].map({"L": 1.0, "M": 2.0, "H": 5.0}),
    )
    with pytest.raises(Refused, match=said) as caught:
        anova(formula, frame)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"type": 4}, "choose 1, 2 or 3"),
        ({"type": "II"}, "choose 1, 2 or 3"),
        ({"robust": "hc9"}, "'none' or 'hc3'"),
        ({"aliased": "keep"}, "'refuse' or 'drop'"),
        ({"confidence": 95}, "between 0 and 1"),
        ({"alternative": "two.sided"}, "two-sided"),
    ],
)
def test_options_that_are_not_known(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        anova("breaks ~ wool", FRAME, **options)


def test_no_rows_and_no_frame() -> None:
    with pytest.raises(Refused, match="nothing to analyse"):
        anova("breaks ~ wool", FRAME.iloc[:0])
    with pytest.raises(Refused, match="pandas DataFrame"):
        anova("breaks ~ wool", [1, 2])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("topic", "part", "formula"),
    [
        ("RQ1_1", "energy", "energy_j ~ generation"),
        ("RQ1_1", "log_energy", "log(energy_j) ~ generation"),
        ("RQ1_2", "oneway_model", "energy_j ~ model"),
        ("RQ1_2", "oneway_model_j_per_b", "j_per_b ~ model"),
    ],
)
def test_one_way_tables_of_the_published_study(topic: str, part: str, formula: str) -> None:
    found, ours = published(topic)[part], by_term(anova(formula, published_runs()))
    theirs = r_table(_named(found["Anova_type2"]))
    assert deviation(ours.iloc[0][["sum_sq", "df1", "value", "p"]], theirs.iloc[0][
        ["sum_sq", "df1", "value", "p"]]) < 1e-11  # fmt: skip
    for size, name in (("eta_sq", "Eta2"), ("omega_sq", "Omega2"), ("epsilon_sq", "Epsilon2")):
        assert ours.iloc[0][size] == pytest.approx(found[size][name], rel=1e-11)
        assert ours.iloc[0][f"{size}_low"] == pytest.approx(found[size]["CI_low"], abs=1e-6)


def test_randomised_blocks_of_the_published_study() -> None:
    ours = by_term(anova("log(energy_j) ~ task + model", published_runs()))
    theirs = r_table(_named(published("RQ1_1")["blocked"]["Anova2"])).rename({"modelf": "model"})
    columns = ["sum_sq", "df1"]
    assert deviation(ours.loc[theirs.index, columns], theirs[columns]) < 1e-11


def _named(table: dict[str, Any]) -> dict[str, Any]:
    return {{"_row": "row", "sum_sq": "Sum Sq"}.get(key, key): v for key, v in table.items()}
