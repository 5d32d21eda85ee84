"""Ratios: cancellation, known values, coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulebench.stats import geometric_mean, log_ratio, paired_ratio, ratio_of_sums

POSITIVE = st.floats(1e-3, 1e6)
PAIRS = st.lists(st.tuples(POSITIVE, POSITIVE), min_size=2, max_size=12)


def test_geometric_mean_known_value() -> None:
    estimate = geometric_mean([1.0, 10.0, 100.0])
    assert estimate.value == pytest.approx(10.0)
    half = 4.302652729911275 * math.log(10) / math.sqrt(3)
    assert estimate.high == pytest.approx(10.0 * math.exp(half))


@given(PAIRS, st.floats(0.1, 10))
def test_a_shared_gain_cancels_in_a_paired_ratio(
    pairs: list[tuple[float, float]], gain: float
) -> None:
    above, below = zip(*pairs, strict=True)
    plain = paired_ratio(list(above), list(below))
    read = paired_ratio([gain * a for a in above], [gain * b for b in below])
    assert read.value == pytest.approx(plain.value, rel=1e-9)
    assert read.low == pytest.approx(plain.low, rel=1e-6)


@given(PAIRS)
def test_a_ratio_turned_over_is_the_reciprocal(pairs: list[tuple[float, float]]) -> None:
    above, below = (list(side) for side in zip(*pairs, strict=True))
    one, other = paired_ratio(above, below), paired_ratio(below, above)
    assert one.value == pytest.approx(1 / other.value)
    assert other.low > 0
    assert math.log(one.high) == pytest.approx(-math.log(other.low), abs=1e-9)


def test_pairing_removes_what_a_block_does_to_both() -> None:
    blocks = np.array([1.0, 2.0, 4.0, 8.0])
    jitter = np.array([1.01, 0.99, 1.0, 1.02])
    paired = paired_ratio(3.0 * blocks * jitter, blocks)
    loose = log_ratio([3.0 * blocks * jitter], [blocks])
    assert paired.excludes(1.0)
    assert paired.half_width < loose.half_width / 10


def test_unpaired_ratio_matches_welch() -> None:
    from scipy.stats import ttest_ind

    a, b = np.array([3.0, 3.5, 2.9, 3.3]), np.array([1.0, 1.4, 1.1])
    interval = ttest_ind(np.log(a), np.log(b), equal_var=False).confidence_interval()
    estimate = log_ratio([a], [b])
    assert estimate.low == pytest.approx(math.exp(interval.low))
    assert estimate.high == pytest.approx(math.exp(interval.high))


def test_log_bias_widens() -> None:
    tight = paired_ratio([2.0, 2.1, 1.9], [1.0, 1.0, 1.0])
    wide = paired_ratio([2.0, 2.1, 1.9], [1.0, 1.0, 1.0], log_bias=0.1)
    assert wide.high > tight.high
    assert wide.value == tight.value


def test_ratio_of_sums_of_proportional_values_is_exact() -> None:
    estimate = ratio_of_sums([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert estimate.value == 2.0
    assert estimate.high - estimate.low < 1e-9


def test_ratio_of_sums_carries_the_bias_of_its_numerator() -> None:
    estimate = ratio_of_sums([200.0, 400.0], [100.0, 200.0], bias=30.0)
    assert estimate.bias == pytest.approx(30.0 / 150.0)
    assert estimate.half_width == pytest.approx(1.959963984540054 * 0.2, rel=1e-6)


def test_one_run_alone() -> None:
    assert math.isnan(ratio_of_sums([10.0], [5.0]).half_width)
    assert ratio_of_sums([10.0], [5.0], bias=1.0).half_width == pytest.approx(0.392, rel=1e-3)


@pytest.mark.parametrize(
    ("above", "below"), [([1.0], [0.0]), ([1.0, 2.0], [1.0]), ([], []), ([math.nan], [1.0])]
)
def test_ratio_of_sums_refuses(above: list[float], below: list[float]) -> None:
    with pytest.raises(ValueError, match=r"denominator|lengths|values"):
        ratio_of_sums(above, below)


def test_log_scale_refuses_what_is_not_positive() -> None:
    with pytest.raises(ValueError, match="above 0"):
        geometric_mean([1.0, 0.0])
    with pytest.raises(ValueError, match="equal lengths"):
        paired_ratio([1.0], [1.0, 2.0])


def test_unpaired_refuses_a_group_of_one() -> None:
    with pytest.raises(ValueError, match="at least two"):
        log_ratio([np.array([1.0])], [np.array([1.0, 2.0])])
    with pytest.raises(ValueError, match="strata"):
        log_ratio([], [])


@pytest.mark.parametrize("n", [3, 6])
def test_intervals_of_ratios_cover(n: int) -> None:
    rng = np.random.default_rng(20261121)
    hits = {"paired": 0, "sums": 0, "loose": 0}
    trials = 2500
    for _ in range(trials):
        x = np.exp(rng.normal(4, 0.1, n))
        pair = paired_ratio(2.0 * x * np.exp(rng.normal(0, 0.05, n)), x)
        y = 2.0 * x + rng.normal(0, 5, n)
        sums = ratio_of_sums(y, x)
        a, b = np.exp(rng.normal(1, 0.1, n)), np.exp(rng.normal(0, 0.2, n))
        loose = log_ratio([a, a * 2], [b, b * 2])
        hits["paired"] += pair.low <= 2.0 <= pair.high
        hits["sums"] += sums.low <= 2.0 <= sums.high
        hits["loose"] += log_ratio([a], [b]).low <= math.e <= log_ratio([a], [b]).high
        assert loose.value == pytest.approx(log_ratio([a], [b]).value)
    assert all(0.93 <= count / trials <= 0.985 for count in hits.values()), hits


def test_equal_ratios_keep_the_noise_of_a_reading() -> None:
    z = 1.959963984540054
    paired = paired_ratio([2.0] * 4, [1.0] * 4, log_noise=0.1)
    assert math.log(paired.high / 2) == pytest.approx(z * 0.1 / 2)
    loose = log_ratio([np.full(4, 2.0)], [np.full(8, 1.0)], log_noise=0.1)
    assert math.log(loose.high / 2) == pytest.approx(z * 0.1 * math.sqrt(1 / 4 + 1 / 8))
    scattered = paired_ratio([2.0, 3.0, 2.5], [1.0, 1.0, 1.0])
    assert paired_ratio([2.0, 3.0, 2.5], [1.0] * 3, log_noise=1e-3).high == scattered.high


def test_two_scattered_values_at_a_strict_level_have_no_upper_end() -> None:
    groups = [np.array([1.0, 1.1]), np.array([1.0, 1.2])]
    ratio = log_ratio(groups[:1], groups[1:], level=1 - 1e-6)
    assert (ratio.low, ratio.high) == (0.0, math.inf)
    assert not ratio.bounded
    assert not ratio.excludes(1.0)


def test_the_noise_of_a_reading_stays_in_the_ratio_of_sums() -> None:
    one = ratio_of_sums([200.0], [100.0], reading_noise=30.0, bias=40.0)
    assert one.half_width == pytest.approx(1.959963984540054 * 0.5)
    two = ratio_of_sums([200.0, 400.0], [100.0, 200.0], reading_noise=30.0)
    assert two.half_width == pytest.approx(1.959963984540054 * 30.0 / 2**0.5 / 150.0)
    assert two.noise_half == pytest.approx(two.half_width)
    with pytest.raises(ValueError, match="standard uncertainty"):
        ratio_of_sums([200.0], [100.0], reading_noise=-1.0)
