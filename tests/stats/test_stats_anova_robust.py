"""F tests with HC3, against car's Anova with white.adjust."""

from __future__ import annotations

from typing import Any

import pytest
from anova_oracles import by_term, data_of, deviation, model_of, oracle, r_table

from joulebench.stats.anova import anova, anova_of
from joulebench.stats.refused import Refused

NAMES = (
    "ToothGrowth_unbalanced", "warpbreaks", "npk", "three_way_covariate", "far_from_zero", "tiny",
    "many_rows",
)  # fmt: skip
CASES = [
    pytest.param(
        name, case["formula"], type_, case[f"hc3_type{type_}"], id=f"{case['formula']}-{type_}"
    )
    for name in NAMES
    for case in oracle()[name]["cases"]
    for type_ in (2, 3)
]


@pytest.mark.parametrize(("name", "formula", "type_", "found"), CASES)
def test_tables_are_those_of_car(
    name: str, formula: str, type_: int, found: dict[str, Any]
) -> None:
    if "hccm estimator is singular" in found.get("error", ""):
        with pytest.raises(Refused, match="row 17 is the only one"):
            anova_of(model_of(name, formula), type_, robust="hc3")
        return
    ours = by_term(anova_of(model_of(name, formula), type_, robust="hc3"))
    if "error" in found:  # car has no test for the cells of y ~ a:b, whose columns it has to spare
        assert "aliased" in found["error"]
        return
    theirs = r_table(found).drop("Residuals")
    columns = ["value", "df1", "p"]
    assert deviation(ours.loc[theirs.index, columns], theirs[columns]) < 1e-10


def test_the_share_is_that_of_its_own_f() -> None:
    row = anova("breaks ~ tension", data_of("warpbreaks"), robust="hc3").iloc[0]
    assert row["effect"] == pytest.approx(2 * row["value"] / (2 * row["value"] + 51), rel=1e-12)
    assert "HC3" in row["test"]
    assert "sum_sq" not in row


def test_equal_spread_and_no_leverage_give_nearly_the_plain_test() -> None:
    frame = data_of("many_rows")
    frame = frame.assign(
        y=frame.groupby(["g", "s"])["y"].transform(lambda y: (y - y.mean()) / y.std())
    )
    frame["y"] += (frame["g"] == "b") * 0.5
    plain, robust = (anova("y ~ g", frame, robust=way).iloc[0]["value"] for way in ("none", "hc3"))
    assert robust == pytest.approx(plain, rel=0.05)


def test_type_one_and_aliased_models_have_no_robust_test() -> None:
    frame = data_of("gap_in_two")
    with pytest.raises(Refused, match="types 2 and 3"):
        anova("y ~ a", frame, 1, robust="hc3")
    with pytest.raises(Refused, match="every coefficient"):
        anova("y ~ a * b", frame, aliased="drop", robust="hc3")
