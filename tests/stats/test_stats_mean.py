"""The mean with noise and bias, against known values and by coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulebench.stats import mean_estimate
from joulebench.stats.mean import expanded_uncertainty

FINITE = st.floats(-1e6, 1e6)


def test_agrees_with_student_s_table() -> None:
    estimate = mean_estimate([9.0, 10.0, 11.0])
    assert estimate.value == 10.0
    assert estimate.half_width == pytest.approx(4.302652729911275 / math.sqrt(3), rel=1e-9)
    assert (estimate.n, estimate.dof) == (3, 2.0)


def test_gum_h1_effective_degrees_of_freedom() -> None:
    # GUM H.1.6: u_c = 32 nm, with parts 25 (18), 9.7 (25.6), 2.9 (50), 16.6 (2): nu_eff = 16. One
    # part here: noise 25 with 18 degrees of freedom beside a known 20.
    _, dof = expanded_uncertainty(25.0, 18.0, 20.0)
    assert dof == pytest.approx(18.0 * math.hypot(25, 20) ** 4 / 25**4)


def test_bias_is_not_shrunk_by_repeats() -> None:
    many = mean_estimate(np.full(10_000, 5.0), bias=1.0)
    assert many.half_width == pytest.approx(1.959963984540054)
    assert many.dof == math.inf


def test_single_value_has_its_reading_s_uncertainty_only() -> None:
    assert math.isnan(mean_estimate([5.0]).half_width)
    one = mean_estimate([5.0], reading_noise=3.0, bias=4.0)
    assert one.half_width == pytest.approx(1.959963984540054 * 5.0)
    assert "reading" in one.method


def test_equal_readings_of_a_coarse_sensor_keep_its_noise() -> None:
    assert mean_estimate([5.0] * 4, reading_noise=2.0).noise == pytest.approx(1.0)


def test_a_known_noise_is_not_taken_for_one_seen_in_two_runs() -> None:
    two = mean_estimate([4.9, 5.1], reading_noise=1.0)
    assert two.noise == pytest.approx(0.5**0.5)
    assert two.half_width == pytest.approx(1.959963984540054 * 0.5**0.5)
    scattered = mean_estimate([4.0, 6.0], reading_noise=1.0)
    assert scattered.half_width == pytest.approx(12.706204736174694)


@given(
    st.lists(FINITE, min_size=1, max_size=6),
    st.floats(0, 1e6),
    st.floats(1e-3, 1e6),
)
def test_the_whole_interval_holds_that_of_the_noise(
    values: list[float], bias: float, reading_noise: float
) -> None:
    estimate = mean_estimate(values, bias=bias, reading_noise=reading_noise)
    rounding = 1e-9 * max(map(abs, values))
    assert estimate.noise_half <= estimate.half_width * (1 + 1e-9) + rounding
    known = math.hypot(bias, reading_noise / len(values) ** 0.5)
    assert estimate.half_width >= 1.9599 * known - rounding


@pytest.mark.parametrize("values", [[], [math.nan], [1.0, math.inf], [[1.0]]])
def test_refuses_what_is_not_a_sample(values: list[float]) -> None:
    with pytest.raises(ValueError, match="values"):
        mean_estimate(values)


@pytest.mark.parametrize("bias", [-1.0, math.nan, math.inf])
def test_refuses_an_impossible_uncertainty(bias: float) -> None:
    with pytest.raises(ValueError, match="standard uncertainty"):
        mean_estimate([1.0, 2.0], bias=bias)


@given(st.lists(FINITE, min_size=2, max_size=20), st.floats(0, 1e3), st.floats(1e-3, 1e3))
def test_scales_with_its_unit(values: list[float], bias: float, factor: float) -> None:
    one = mean_estimate(values, bias=bias).scaled(factor)
    two = mean_estimate([v * factor for v in values], bias=bias * factor)
    assert one.low == pytest.approx(two.low, rel=1e-6, abs=1e-3 * factor)
    assert one.high == pytest.approx(two.high, rel=1e-6, abs=1e-3 * factor)


@given(st.lists(FINITE, min_size=2, max_size=20), st.floats(0, 1e3), st.floats(0, 1e3))
def test_more_bias_never_narrows_below_the_bias(
    values: list[float], bias: float, more: float
) -> None:
    wide = mean_estimate(values, bias=bias + more)
    assert wide.half_width >= 1.9599 * (bias + more) * (1 - 1e-9) - 1e-9


@given(st.lists(FINITE, min_size=2, max_size=6), st.floats(0, 1e6))
def test_being_less_sure_never_narrows(values: list[float], bias: float) -> None:
    noise_alone = mean_estimate(values)
    assert mean_estimate(values, bias=bias).half_width >= noise_alone.half_width * (1 - 1e-9)


@pytest.mark.parametrize(("n", "bias"), [(3, 0.0), (3, 1.0), (5, 0.5), (10, 3.0)])
def test_covers_the_truth_at_the_stated_rate(n: int, bias: float) -> None:
    rng = np.random.default_rng(20261120)
    trials = 4000
    shared = rng.normal(0, bias, trials) if bias else np.zeros(trials)
    draws = 100.0 + shared[:, None] + rng.normal(0, 1, (trials, n))
    hits = sum(
        estimate.low <= 100.0 <= estimate.high
        for estimate in (mean_estimate(row, bias=bias) for row in draws)
    )
    assert 0.935 <= hits / trials <= 0.985


def test_json_form_has_no_nan() -> None:
    record = mean_estimate([5.0]).to_dict()
    assert record["low"] is None
    assert record["value"] == 5.0
