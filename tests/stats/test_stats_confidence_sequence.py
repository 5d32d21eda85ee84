"""Intervals that hold at all times: the formula, and what simulation says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats

from joulebench.stats.confidence_sequence import ConfidenceSequence, confidence_sequence
from joulebench.stats.refused import Refused


def test_the_evidence_is_the_ratio_of_t_densities_mixed_over_the_effect() -> None:
    sequence = ConfidenceSequence()
    g = sequence.prior_variance
    for n, mean in ((3, 0.2), (7, 0.5), (25, -0.3)):
        x = np.random.default_rng(n).normal(mean, 1, n)
        t = math.sqrt(n) * x.mean() / x.std(ddof=1)

        def mixed(effect: float, n: int = n, t: float = t) -> float:
            density = stats.nct.pdf(t, n - 1, effect * math.sqrt(n))
            return float(density * stats.norm.pdf(effect, 0, math.sqrt(g)))

        against = integrate.quad(mixed, -9, 9, points=[0.0, float(x.mean())], limit=200)[0]
        expected = math.log(against / stats.t.pdf(t, n - 1))
        assert sequence.log_evidence(x, 0.0) == pytest.approx(expected, abs=1e-8)


def test_the_ends_are_where_the_evidence_reaches_its_limit() -> None:
    x = np.random.default_rng(2).normal(3, 0.1, 9)
    for sequence in (
        ConfidenceSequence(),
        ConfidenceSequence(0.9, 4),
        ConfidenceSequence(0.99, 80),
    ):
        radius = sequence.radius(x)
        if math.isinf(radius):
            assert sequence.tightest_at == 80
            continue
        for end in (x.mean() - radius, x.mean() + radius):
            limit = -math.log(1 - sequence.confidence)
            assert sequence.log_evidence(x, float(end)) == pytest.approx(limit, rel=1e-9)


@pytest.mark.parametrize("tightest_at", [2, 5, 12, 60])
def test_it_is_tightest_where_asked(tightest_at: int) -> None:
    x = np.random.default_rng(1).normal(size=tightest_at)
    best = ConfidenceSequence(0.95, tightest_at).radius(x)
    others = [ConfidenceSequence(0.95, n).radius(x) for n in (2, 4, 8, 11, 14, 40, 90)]
    assert best <= min(others) * (1 + 1e-9)
    once = stats.t.ppf(0.975, tightest_at - 1) * x.std(ddof=1) / tightest_at**0.5
    assert once * 1.5 < best < once * 3.3


@pytest.mark.parametrize("tightest_at", [3, 12, 40])
def test_looking_all_the_time_keeps_the_error_rate(tightest_at: int) -> None:
    sequence, trials = ConfidenceSequence(0.95, tightest_at), 8000
    x = np.random.default_rng(tightest_at).normal(0.0, 2.0, (trials, 200))
    n = np.arange(1, 201)
    square = x.cumsum(axis=1) ** 2 / n
    about = (x**2).cumsum(axis=1) - square
    growth = 1 + n * sequence.prior_variance
    evidence = 0.5 * (n * np.log((about + square) / (about + square / growth)) - np.log(growth))
    # The long way for one path, so that the short way is the function's own.
    assert sequence.log_evidence(x[0, :50], 0.0) == pytest.approx(evidence[0, 49], abs=1e-9)
    wrong = (evidence[:, 1:].max(axis=1) >= math.log(20)).mean()
    assert 0.01 < wrong <= 0.05


def test_the_frame_has_a_row_a_value_and_p_never_rises() -> None:
    x = np.random.default_rng(3).normal(0.8, 1, 40)
    found = confidence_sequence(x, tightest_at=8)
    assert list(found.columns) == [
        "test", "estimate", "p", "ci_low", "ci_high", "confidence", "n"
    ]  # fmt: skip
    assert (found["p"].diff().dropna() <= 0).all()
    assert np.isinf(found["ci_low"][:3]).all()
    outside = (found["ci_low"] > 0) | (found["ci_high"] < 0)
    assert (found.loc[outside, "p"] <= 0.05).all()
    assert found["p"].iloc[-1] < 0.05


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_do_not_matter(scale: float) -> None:
    x = np.random.default_rng(5).normal(10, 1, 12)
    one, other = confidence_sequence(x, null=9.0), confidence_sequence(x * scale, null=9.0 * scale)
    assert list(other["p"]) == pytest.approx(list(one["p"]), rel=1e-9)
    assert list(other["ci_low"]) == pytest.approx(list(scale * one["ci_low"]), rel=1e-9)


def test_values_that_do_not_vary_say_nothing() -> None:
    found = confidence_sequence([0.1] * 20, null=0.0)
    assert np.isinf(found["ci_high"]).all()
    assert (found["p"] == 1).all()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: confidence_sequence([]), "at least 1"),
        (lambda: confidence_sequence([1.0, math.inf]), "infinite at place 1"),
        (lambda: confidence_sequence(["a"]), "numbers"),
        (lambda: confidence_sequence([[1.0, 2.0]]), "one row"),
        (lambda: confidence_sequence([1.0], confidence=95), "between 0 and 1"),
        (lambda: confidence_sequence([1.0, math.nan]), "1 values of the sequence are missing"),
        (lambda: confidence_sequence([1e300, 2e300]), "choose a larger unit"),
        (lambda: ConfidenceSequence(tightest_at=1), "2 or more"),
        (lambda: ConfidenceSequence(tightest_at=2.5), "whole number"),  # type: ignore[arg-type]
    ],
)
def test_nonsense_is_refused(call: Any, said: str) -> None:
    with pytest.raises(Refused, match=said):
        call()
