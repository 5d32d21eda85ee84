"""How uncertainty goes through sums, differences, ratios and means: what cancels and what stays."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from joulebench.energy import Energy, Ratio, total

Z = 1.959963984540054
SOURCES = ("gain a", "gain b", "offset a", "edge a", "averaging b")


@st.composite
def readings(draw: st.DrawFn) -> Energy:
    """An energy as one trace or a sum of traces gives it: positive, with positive biases."""
    joules = draw(st.floats(1, 1e5))
    shares = draw(st.dictionaries(st.sampled_from(SOURCES), st.floats(1e-6, 0.1)))
    biases = {source: share * joules for source, share in shares.items()}
    return Energy(joules, draw(st.floats(0, 0.1)) * joules, biases)


def close(one: Energy, other: Energy) -> None:
    """Check that two energies are equal but for rounding."""
    scale = 1e-9 * (abs(one.joules) + abs(other.joules) + one.uncertainty + other.uncertainty + 1)
    assert one.joules == pytest.approx(other.joules, abs=scale)
    assert one.noise == pytest.approx(other.noise, rel=1e-6, abs=scale)
    for source in {*one.biases, *other.biases}:
        mine, theirs = one.biases.get(source, 0.0), other.biases.get(source, 0.0)
        assert mine == pytest.approx(theirs, rel=1e-6, abs=scale), source


@given(readings())
def test_an_energy_less_itself_has_no_gain_or_offset(energy: Energy) -> None:
    nothing = energy - energy
    assert nothing.joules == 0
    assert nothing.noise == pytest.approx(math.sqrt(2) * energy.noise)
    for source, bias in energy.biases.items():
        common = source.startswith(("gain", "offset"))
        assert nothing.biases[source] == (0 if common else pytest.approx(math.sqrt(2) * bias))


@given(readings(), readings())
def test_a_difference_turned_over_only_changes_its_sign(a: Energy, b: Energy) -> None:
    one, other = a - b, b - a
    assert one.joules == -other.joules
    assert one.uncertainty == pytest.approx(other.uncertainty)


@given(readings(), readings())
def test_adding_back_what_was_subtracted_restores_gain_and_offset(a: Energy, b: Energy) -> None:
    back = (a - b) + b
    assert back.joules == pytest.approx(a.joules)
    for source in SOURCES[:3]:
        given_j = a.biases.get(source, 0.0)
        scale = 1e-9 * (a.joules + b.joules)
        assert back.biases.get(source, 0.0) == pytest.approx(given_j, abs=scale)


@given(st.lists(readings(), min_size=2, max_size=6), st.randoms())
def test_the_order_of_a_sum_does_not_matter(energies: list[Energy], random: object) -> None:
    turned = list(energies)
    random.shuffle(turned)  # type: ignore[attr-defined]
    close(total(energies), total(turned))


@given(readings(), readings(), readings())
def test_sums_may_be_taken_in_any_grouping(a: Energy, b: Energy, c: Energy) -> None:
    close((a + b) + c, a + (b + c))


@given(readings(), readings(), st.floats(-100, 100))
def test_scaling_a_sum_scales_its_parts(a: Energy, b: Energy, factor: float) -> None:
    close((a + b) * factor, a * factor + b * factor)


@given(readings(), readings(), st.floats(0.01, 100))
def test_scaling_a_difference_scales_its_parts(a: Energy, b: Energy, factor: float) -> None:
    close((a - b) * factor, a * factor - b * factor)


@given(readings(), readings())
def test_subtracting_is_adding_the_negative_for_gain_and_offset(a: Energy, b: Energy) -> None:
    one, other = a - b, a + b * -1
    assert one.joules == other.joules
    for source in SOURCES[:3]:
        assert one.biases.get(source, 0.0) == other.biases.get(source, 0.0)


@given(readings(), st.integers(2, 50))
def test_the_mean_of_equal_readings_loses_noise_and_no_bias(energy: Energy, n: int) -> None:
    mean = total([energy] * n) / n
    assert mean.joules == pytest.approx(energy.joules)
    assert mean.noise == pytest.approx(energy.noise / math.sqrt(n))
    for source, bias in energy.biases.items():
        assert mean.biases[source] == pytest.approx(bias)


@given(readings(), st.floats(0.1, 10))
def test_the_ratio_to_a_multiple_has_no_gain(energy: Energy, k: float) -> None:
    """Gain and offset in proportion cancel; an offset that is the same for both does not."""
    gain = {"gain a": 0.05 * energy.joules}
    offset = {"offset a": 0.02 * energy.joules}
    one = Energy(energy.joules, 0.0, {**gain, **offset})
    multiple = Energy(k * energy.joules, 0.0, {"gain a": k * gain["gain a"], **offset})
    ratio = one.ratio(multiple)
    assert ratio.value == pytest.approx(1 / k)
    assert ratio.bias == pytest.approx(0.02 / k * abs(1 - 1 / k), abs=1e-12)


@given(readings(), readings())
def test_a_ratio_holds_itself_and_is_wider_with_more_doubt(a: Energy, b: Energy) -> None:
    ratio = a.ratio(b)
    low, high = ratio.interval_95
    assert low <= ratio.value * (1 + 1e-9)
    assert ratio.value <= high * (1 + 1e-9)
    noisier = Energy(a.joules, a.noise + 0.05 * a.joules, a.biases).ratio(b)
    assert noisier.interval_95[1] - noisier.interval_95[0] >= high - low


@given(readings(), readings())
def test_a_ratio_turned_over_has_the_reciprocal_interval(a: Energy, b: Energy) -> None:
    assume(min(a.joules / a.uncertainty if a.uncertainty else 99, 99) > 2.5)
    assume(min(b.joules / b.uncertainty if b.uncertainty else 99, 99) > 2.5)
    one, other = a.ratio(b), b.ratio(a)
    assert one.value * other.value == pytest.approx(1)
    assert one.low * other.high == pytest.approx(1, rel=1e-5)
    assert one.high * other.low == pytest.approx(1, rel=1e-5)


@given(readings())
def test_readings_of_two_machines_share_no_gain(energy: Energy) -> None:
    apart = energy.at("here") - energy.at("there")
    assert apart.bias == pytest.approx(math.sqrt(2) * energy.bias)
    assert (energy.at("here") - energy.at("here")).biases.get("gain a at here", 0.0) == 0


def test_a_small_doubt_gives_the_delta_methods_interval() -> None:
    ratio = Energy(300.0, 3.0).ratio(Energy(100.0, 1.0))
    half = Z * 3 * math.hypot(0.01, 0.01)
    assert ratio.interval_95 == pytest.approx((3 - half, 3 + half), rel=1e-3)


def test_the_ends_of_a_ratio_are_fiellers() -> None:
    """Each end makes the difference ``y - R x`` just as large as its own 95 % bound."""
    y = Energy(300.0, 20.0, {"gain a": 30.0, "edge a": 5.0})
    x = Energy(100.0, 12.0, {"gain a": 10.0})
    ratio = y.ratio(x)
    for end in ratio.interval_95:
        spread = math.sqrt(20**2 + (end * 12) ** 2 + 5**2 + (30 - end * 10) ** 2)
        assert abs(300 - end * 100) == pytest.approx(Z * spread, rel=1e-9)


def test_a_denominator_that_may_be_zero_bounds_no_ratio() -> None:
    ratio = Energy(100.0, 1.0).ratio(Energy(10.0, 6.0))
    assert ratio.interval_95 == (-math.inf, math.inf)
    assert "not bounded" in str(ratio)
    assert str(Ratio(2.0, 0.1, 0.0, 1.8, 2.2)) == "2 (95 % 1.8 to 2.2)"


def test_a_difference_says_of_what_it_is() -> None:
    work = Energy(10.0, 0.1, {}, "measured", "node")
    part = Energy(4.0, 0.1, {}, "modelled", "cpu package")
    assert (work - part).scope == "node less cpu package"
    assert (work - work).scope == "node"
    assert (work - part).method == "modelled"


def _covered(values: list[tuple[float, float, float]]) -> float:
    return float(np.mean([low <= truth <= high for low, truth, high in values]))


def _boards(n: int) -> tuple[np.random.Generator, list[tuple[float, float]]]:
    rng = np.random.default_rng(20261121)
    return rng, [(rng.normal(0, 0.03), rng.normal(0, 2.0)) for _ in range(n)]


def _read(
    rng: np.random.Generator, truth_j: float, length_s: float, board: tuple[float, float]
) -> Energy:
    """Read a window with a board of a certain gain and offset error, and 5 J of noise."""
    gain, offset_w = board
    joules = truth_j * (1 + gain) + offset_w * length_s + rng.normal(0, 5)
    return Energy(joules, 5.0, {"gain a": 0.03 * joules, "offset a": 2.0 * length_s})


def test_the_difference_of_two_windows_of_one_board_covers_the_truth() -> None:
    rng, boards = _boards(3000)
    found, halves, naive = [], [], []
    for board in boards:
        work, idle = _read(rng, 3000, 10, board), _read(rng, 600, 10, board)
        low, high = (work - idle).interval_95
        found.append((low, 2400.0, high))
        halves.append((high - low) / 2)
        naive.append(Z * math.hypot(work.uncertainty, idle.uncertainty))
    assert _covered(found) == pytest.approx(0.95, abs=0.012)
    assert np.mean(halves) < 0.85 * np.mean(naive)


def test_the_ratio_of_two_windows_of_one_board_covers_the_truth() -> None:
    rng, boards = _boards(3000)
    found = []
    for board in boards:
        ratio = _read(rng, 3000, 10, board).ratio(_read(rng, 1000, 10, board))
        found.append((ratio.low, 3.0, ratio.high))
    assert _covered(found) == pytest.approx(0.95, abs=0.012)


def test_the_mean_over_repetitions_covers_the_truth_and_keeps_the_gain() -> None:
    """Noise of the readings and of the work itself shrinks with the repeats; the gain does not."""
    from joulebench.report.cells import mean_energy

    rng, boards = _boards(1500)
    found, halves = [], []
    for board in boards:
        readings = [_read(rng, 1000 + rng.normal(0, 30), 10, board) for _ in range(6)]
        mean = mean_energy(readings)
        assert mean is not None
        found.append((mean.low, 1000.0, mean.high))
        halves.append(mean.half_width)
    assert 0.94 <= _covered(found) <= 0.985
    assert np.mean(halves) > Z * math.hypot(30, 20)


def test_a_paired_ratio_over_blocks_covers_the_truth_without_the_gain() -> None:
    from joulebench.stats import paired_ratio

    rng, boards = _boards(1500)
    found, halves = [], []
    for board in boards:
        above, below = (
            [_read(rng, truth * drift, 10, board) for drift in rng.normal(1, 0.02, 5)]
            for truth in (3000.0, 1000.0)
        )
        left = total(above).ratio(total(below))
        ratio = paired_ratio(
            [e.joules for e in above], [e.joules for e in below], log_bias=left.bias / left.value
        )
        found.append((ratio.low, 3.0, ratio.high))
        halves.append(ratio.half_width / ratio.value)
    assert 0.94 <= _covered(found) <= 0.985
    # Offset 2 W of 100 W and 2 W of 300 W leave 1.3 %; two independent gains would add 4.2 %.
    assert np.mean(halves) < 0.06
