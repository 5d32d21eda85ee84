"""Proportions compared, against prop.test and binom.test of R."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulebench.stats.proportions import mcnemar, two_proportions
from joulebench.stats.refused import Refused

ORACLE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "oracles" / "twosample.json").read_text()
)


@pytest.mark.parametrize("case", ORACLE["proportions"], ids=lambda case: str(case["counts"]))
def test_two_proportions(case: dict[str, Any]) -> None:
    row = two_proportions(*case["counts"]).iloc[0]
    # R has no statistic where nothing came out right on either side: nothing differs.
    chi2, p = (0.0, 1.0) if case["chi2"] is None else (case["chi2"], case["p"])
    assert row["value"] == pytest.approx(chi2, rel=1e-10)
    assert row["p"] == pytest.approx(p, rel=1e-10)
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(case["ci"], rel=1e-9, abs=1e-12)


def test_the_published_interval() -> None:
    # Newcombe 1998, table II, method 10: 56/70 - 48/80.
    row = two_proportions(56, 70, 48, 80).iloc[0]
    assert [row["ci_low"], row["ci_high"]] == pytest.approx([0.0524, 0.3339], abs=5e-5)


def answers(table: list[int]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    both, only_x, only_y, neither = table
    x = np.repeat([1, 1, 0, 0], [both, only_x, only_y, neither])
    return x, np.repeat([1, 0, 1, 0], [both, only_x, only_y, neither])


@pytest.mark.parametrize("case", ORACLE["paired_proportions"], ids=lambda case: str(case["table"]))
def test_mcnemar(case: dict[str, Any]) -> None:
    row = mcnemar(*answers(case["table"])).iloc[0]
    assert row["p"] == pytest.approx(case["p"], rel=1e-9)
    assert row["estimate"] == pytest.approx(case["difference"], abs=1e-15)
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(case["ci"], rel=1e-9, abs=1e-12)
    assert row["value"] == case["table"][1]


def test_bad_input_is_refused() -> None:
    with pytest.raises(Refused, match="11 of 10"):
        two_proportions(11, 10, 1, 5)
    with pytest.raises(Refused, match="0 of 0"):
        two_proportions(1, 10, 0, 0)
    with pytest.raises(Refused, match="between 0 and 1"):
        two_proportions(1, 10, 0, 5, confidence=95)
    with pytest.raises(Refused, match=r"0 \(wrong\) or 1"):
        mcnemar([0, 1, 2], [0, 1, 1])
    with pytest.raises(Refused, match="equal lengths"):
        mcnemar([0, 1], [0, 1, 1])


def test_yes_and_no_are_answers() -> None:
    assert mcnemar([True, False, True], [False, False, True]).iloc[0]["only_x"] == 1
