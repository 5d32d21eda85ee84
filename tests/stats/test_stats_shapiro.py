"""Shapiro-Wilk against R's shapiro.test."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulebench.stats.refused import Refused
from joulebench.stats.shapiro import normality_of, shapiro

ORACLE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "oracles" / "assumptions.json").read_text()
)


def close(values: Any, wanted: dict[str, Any]) -> None:
    row = shapiro(values).iloc[0]
    # R loses digits where the level is far above the spread.
    lost = 1e4 if np.mean(values) > 1e6 * np.ptp(values) else 1.0
    assert row["value"] == pytest.approx(wanted["W"], rel=1e-12 * lost)
    assert row["p"] == pytest.approx(wanted["p"], rel=1e-10 * lost, abs=1e-13)
    for name in ("skewness", "kurtosis"):
        assert row[name] == pytest.approx(wanted[name], rel=1e-10 * lost**1.3, abs=1e-11)


def test_a_far_level_costs_no_digits() -> None:
    values = np.array([1.0, 2.0, 2.5, 4.0, 8.0, 8.25])
    near, far = shapiro(values).iloc[0], shapiro(values + 2.0**33).iloc[0]
    for name in ("value", "p", "skewness", "kurtosis"):
        assert far[name] == pytest.approx(near[name], rel=1e-13)


@pytest.mark.parametrize("case", ORACLE["shapiro_steps"], ids=lambda c: f"{c['n']}^{c['power']}")
def test_every_size_from_3_to_5000(case: dict[str, Any]) -> None:
    close((np.arange(1, case["n"] + 1) * 7919 % 10007 / 10007) ** case["power"], case)


@pytest.mark.parametrize("case", ORACLE["shapiro_values"], ids=lambda c: f"n{len(c['x'])}")
def test_odd_samples(case: dict[str, Any]) -> None:
    close(case["x"], case)


def test_normal_values_are_rejected_as_often_as_asked() -> None:
    rng = np.random.default_rng(8)
    for n in (5, 20, 200):
        p = np.array([normality_of(rng.normal(3, 2, n)).p for _ in range(1000)])
        assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.022)


def test_beyond_5000_the_moments_are_judged() -> None:
    rng = np.random.default_rng(9)
    found = normality_of(rng.normal(0, 1, 20_000))
    assert found.name == "Jarque-Bera"
    wanted = 20_000 * (found.skewness**2 / 6 + found.kurtosis**2 / 24)
    assert found.value == pytest.approx(wanted, rel=1e-12)
    assert found.p == pytest.approx(math.exp(-wanted / 2))
    assert normality_of(rng.exponential(1, 20_000)).p < 1e-100


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([1.0, 2.0], "takes 3 to 5,000 values, got 2"),
        (np.arange(5001.0), "got 5,001"),
        ([2.5] * 9, "all 9 values are 2.5"),
        ([1.0, math.nan, 2.0, 3.0], "missing"),
        (["a", "b", "c"], "must be numbers"),
    ],
)
def test_what_it_cannot_judge_is_refused(values: Any, said: str) -> None:
    with pytest.raises(Refused, match=said):
        shapiro(values)
