"""How numbers are printed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulebench.report.numbers import (
    MINUS,
    THIN,
    Unit,
    best_unit,
    between,
    count,
    duration,
    fixed,
    places,
    plus_minus,
    share,
    significant,
)
from joulebench.stats import Estimate


def spread(value: float, half: float) -> Estimate:
    return Estimate(value, value - half, value + half, 3)


@pytest.mark.parametrize(
    ("value", "half", "printed"),
    [
        (12.3456, 0.0678, "12.346 ± 0.068"),
        (12.3456, 0.0996, "12.35 ± 0.10"),
        (1234.5, 123.0, f"1{THIN}230 ± 120"),
        (-0.51, 0.25, f"{MINUS}0.51 ± 0.25"),
        (0.0, 0.25, "0.00 ± 0.25"),
        (121.0, 0.0, "121.0"),
        (121.0, 1e-13, "121.0"),
    ],
)
def test_uncertainty_to_two_digits_and_value_to_the_same_place(
    value: float, half: float, printed: str
) -> None:
    assert plus_minus(spread(value, half)) == printed


def test_an_unbounded_or_absent_interval_is_said() -> None:
    assert plus_minus(Estimate(5.0, -math.inf, math.inf, 2)) == "5.00 (not bounded)"
    assert between(Estimate(5.0, math.nan, math.nan, 1)) == "5.00 (not bounded)"
    assert plus_minus(None) == between(None) == share(None) == significant(None) == "–"


def test_skew_intervals_take_their_digits_from_the_shorter_arm() -> None:
    assert between(Estimate(133.2, 77.4, 1906.0, 3)) == f"133 (77 to 1{THIN}906)"


def test_units_scale_a_whole_column() -> None:
    unit = best_unit([0.012, 0.5, 0.02, None, math.nan], "J")
    assert unit.symbol == "mJ"
    assert plus_minus(spread(0.0123, 0.0011), unit) == "12.3 ± 1.1"
    assert best_unit([], "J") == Unit("J")
    assert best_unit([76_300.0], "J").symbol == "kJ"


@given(st.floats(1e-9, 1e9))
def test_places_always_show_two_digits(uncertainty: float) -> None:
    shown = round(uncertainty, places(uncertainty))
    assert shown == pytest.approx(uncertainty, rel=0.05)
    assert 10 <= round(shown * 10.0 ** places(uncertainty)) <= 99


@given(st.floats(-1e6, 1e6), st.integers(-2, 6))
def test_fixed_reads_back(value: float, decimals: int) -> None:
    text = fixed(value, decimals).replace(THIN, "").replace(MINUS, "-")
    assert float(text) == pytest.approx(value, abs=0.5001 * 10.0**-decimals)
    assert text != "-0"


def test_words() -> None:
    assert (count(1, "run"), count(3, "run")) == ("1 run", "3 runs")
    assert duration(59.96) == "60.0 s"
    assert duration(200) == "3 min 20 s"
    assert duration(9000) == "2 h 30 min"
