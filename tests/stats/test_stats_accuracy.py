"""Wilson's interval."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from joulebench.stats import wilson_interval


@pytest.mark.parametrize(("correct", "n"), [(0, 12), (5, 12), (12, 12), (43, 80)])
def test_agrees_with_scipy(correct: int, n: int) -> None:
    expected = binomtest(correct, n).proportion_ci(0.95, method="wilson")
    estimate = wilson_interval(correct, n)
    assert estimate.low == pytest.approx(expected.low, abs=1e-12)
    assert estimate.high == pytest.approx(expected.high, abs=1e-12)


@given(st.integers(1, 500), st.data())
def test_stays_inside_zero_and_one(n: int, data: st.DataObject) -> None:
    correct = data.draw(st.floats(0, n))
    estimate = wilson_interval(correct, n)
    assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1


def test_covers_on_average() -> None:
    n, p = 40, 0.3
    covered = [
        binom.pmf(k, n, p)
        for k in range(n + 1)
        if wilson_interval(k, n).low <= p <= wilson_interval(k, n).high
    ]
    assert 0.93 <= sum(covered) <= 0.98


@pytest.mark.parametrize(("correct", "n"), [(1, 0), (-1, 5), (6, 5)])
def test_refuses_impossible_counts(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="correct"):
        wilson_interval(correct, n)
