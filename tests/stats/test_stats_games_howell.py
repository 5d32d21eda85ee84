"""Games and Howell's comparisons, against their formula in R with ptukey."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from anova_oracles import data_of, deviation, oracle

from joulebench.stats.games_howell import games_howell
from joulebench.stats.refused import Refused

CASES = oracle()["welch"]
FEW = 6.0
"""Below as many degrees of freedom R's ptukey holds 3 to 6 digits."""


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_agrees_with_r(case: dict[str, Any]) -> None:
    ours, theirs = (
        games_howell("y ~ g", pd.DataFrame(case["data"])),
        pd.DataFrame(case["games_howell"]),
    )
    assert list(ours["contrast"]) == list(theirs["contrast"])
    for column, name in {"estimate": "estimate", "se": "se", "df1": "df", "p": "p"}.items():
        assert deviation(ours[column], theirs[name]) < 1e-11, column
    many = theirs["df"] >= FEW
    # R subtracts from 1, so that no p keeps more than 1e-13 or so.
    apart = np.abs(ours["p_adjusted"] - theirs["p_adjusted"])
    assert (apart < np.where(many, 1e-9, 1e-4)).all()
    for column in ("ci_low", "ci_high"):
        apart = np.abs(ours[column] - theirs[column]) / theirs["se"]
        assert (apart < np.where(many, 1e-7, 1e-3)).all()


def test_few_degrees_of_freedom_against_an_integral() -> None:
    # scipy.stats.studentized_range.sf(sqrt(2) t, 3, df), of df 2.37, 2.09 and 2.93.
    ours = games_howell("y ~ g", pd.DataFrame(CASES["small"]["data"]))["p_adjusted"]
    expected = [0.008062139941608759, 0.23622722071305047, 0.11288044864227487]
    assert deviation(ours, expected) < 1e-10


def test_of_two_groups_it_is_welch_s_t() -> None:
    row = games_howell("breaks ~ wool", data_of("warpbreaks")).iloc[0]
    assert row["p_adjusted"] == pytest.approx(row["p"], rel=1e-9)
    assert row["contrast"] == "A - B"
    assert row["estimate"] > 0


def test_intervals_and_tests_agree_at_the_edge() -> None:
    row = games_howell("breaks ~ tension", data_of("warpbreaks")).iloc[0]
    edge = games_howell("breaks ~ tension", data_of("warpbreaks"), confidence=1 - row["p_adjusted"])
    ends = edge.iloc[0][["ci_low", "ci_high"]].abs().min()
    assert ends == pytest.approx(0, abs=1e-6)


def test_wool_is_as_rstatix_has_it() -> None:
    # rstatix: games_howell_test(warpbreaks, breaks ~ tension), second minus first, rounded p.
    frame = data_of("warpbreaks").assign(
        tension=lambda d: pd.Categorical(d["tension"], ["L", "M", "H"])
    )
    ours = games_howell("breaks ~ tension", frame)
    assert list(ours["contrast"]) == ["L - M", "L - H", "M - H"]
    low = [-21.00112832238945, -25.545785860918894, -11.867904566950195]
    assert np.abs(-ours["ci_high"] - low).max() < 1e-3  # qtukey stops once its steps are below 1e-4
    assert list(ours["p_adjusted"].round(3)) == [0.08, 0.006, 0.251]


def test_bad_input_is_refused() -> None:
    frame = pd.DataFrame({"g": list("aab"), "y": [1.0, 2.0, 3.0]})
    with pytest.raises(Refused, match="'b' of g has one value"):
        games_howell("y ~ g", frame)
    with pytest.raises(Refused, match="between 0 and 1"):
        games_howell("breaks ~ wool", data_of("warpbreaks"), confidence=1.0)
