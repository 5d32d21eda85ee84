"""Levene, Bartlett and Fligner against car and stats of R."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.refused import Refused
from joulebench.stats.variances import bartlett, fligner, levene

CASES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "oracles" / "assumptions.json").read_text()
)["cases"]


def cells(formula: str) -> str:
    return formula.replace(" + ", ":")


@pytest.mark.parametrize("name", CASES)
def test_as_r_tests(name: str) -> None:
    case = CASES[name]
    frame, formula, wanted = pd.DataFrame(case["data"]), cells(case["formula"]), case["variances"]
    for centre in ("median", "mean"):
        row = levene(formula, frame, centre).iloc[0]
        said = wanted[centre]
        assert [row["value"], row["df1"], row["df2"], row["p"]] == pytest.approx(
            [said["F"], wanted["median"]["df1"], wanted["median"]["df2"], said["p"]], rel=1e-9
        )
    row = fligner(formula, frame).iloc[0]
    said = wanted["fligner"]
    assert [row["value"], row["df1"], row["p"]] == pytest.approx(
        [said["chi2"], said["df"], said["p"]], rel=1e-9
    )
    assert row["sd_ratio"] == pytest.approx(wanted["sd_ratio"], rel=1e-9)
    if wanted["bartlett"] is None:
        with pytest.raises(Refused, match="has one"):
            bartlett(formula, frame)
        return
    row = bartlett(formula, frame).iloc[0]
    said = wanted["bartlett"]
    assert [row["value"], row["df1"], row["p"]] == pytest.approx(
        [said["K2"], said["df"], said["p"]], rel=1e-9
    )


def test_crossed_factors_mean_their_cells() -> None:
    frame = pd.DataFrame(CASES["cells"]["data"])
    pd.testing.assert_frame_equal(levene("y ~ a * b", frame), levene("y ~ a:b", frame))
    assert levene("y ~ a * b", frame).iloc[0]["groups"] == 6


def test_the_row_says_what_was_done() -> None:
    row = levene("len ~ dose", pd.DataFrame(CASES["ToothGrowth"]["data"])).iloc[0]
    assert list(row.index) == [
        "test", "term", "statistic", "value", "df1", "df2", "p", "n", "groups", "sd_ratio",
    ]  # fmt: skip
    assert (row["test"], row["term"], row["n"]) == ("Levene (median)", "dose", 60)


def grouped(*samples: list[float]) -> pd.DataFrame:
    return pd.DataFrame(
        [(f"g{k}", v) for k, sample in enumerate(samples) for v in sample], columns=["g", "y"]
    )


def test_a_far_level_costs_no_digits() -> None:
    near = grouped([1.0, 2.0, 5.0], [3.0, 3.5, 4.5, 9.0])
    far = near.assign(y=near["y"] + 2.0**33)
    for test in (levene, bartlett, fligner):
        assert test("y ~ g", far).iloc[0]["p"] == pytest.approx(
            test("y ~ g", near).iloc[0]["p"], rel=1e-12
        )


@pytest.mark.parametrize("test", [levene, fligner])
@pytest.mark.parametrize(
    "frame",
    [grouped([1.0, 1.0], [2.0, 2.0]), grouped([1.0], [3.0]), grouped([5.0] * 4, [5.0] * 3)],
)
def test_groups_without_spread_are_refused(
    test: Callable[..., pd.DataFrame], frame: pd.DataFrame
) -> None:
    with pytest.raises(Refused, match="3 values that differ"):
        test("y ~ g", frame)


def test_two_values_a_group_say_nothing_of_the_noise_of_distances() -> None:
    frame = grouped([1.1, 2.3], [4.7, 9.9], [3.3, 3.7])
    with pytest.raises(Refused, match="sizes 2 to 2"):
        levene("y ~ g", frame)


@pytest.mark.parametrize(
    ("frame", "formula", "said"),
    [
        (grouped([1.0, 2.0], [2.0, 2.0]), "y ~ g", "'g1' does not vary"),
        (grouped([1.0, 2.0], [2.0]), "y ~ g", "'g1' has one"),
        (grouped([1.0, 2.0]), "y ~ g", "one level"),
        (grouped([1.0, np.nan], [2.0, 3.0]), "y ~ g", "missing"),
        (grouped([1.0, 2.0], [2.0, 3.0]), "y ~ h", "no column 'h'"),
        (grouped([1.0, 2.0], [2.0, 3.0]), "g ~ y", "holds text"),
        (grouped([1.0, 2.0], [2.0, 3.0]), "y", "is no formula"),
    ],
)
def test_bad_input_is_refused(frame: pd.DataFrame, formula: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        bartlett(formula, frame)


def test_missing_values_are_dropped_where_asked() -> None:
    frame = grouped([1.0, np.nan, 2.0, 4.0], [2.0, 3.0, 7.0])
    assert levene("y ~ g", frame, missing="drop").iloc[0]["n"] == 6
    with pytest.raises(Refused, match='"median" or "mean"'):
        levene("y ~ g", frame, "mode", missing="drop")  # type: ignore[arg-type]
