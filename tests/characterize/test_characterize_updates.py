"""The period of a reading, whatever of its updates can be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from joulebench.characterize.lattice import resolution
from joulebench.characterize.polling import Changes
from joulebench.characterize.updates import updates

FloatArray = npt.NDArray[np.floating[Any]]


def changes(at_s: FloatArray, gap_s: float = 1e-5) -> Changes:
    after_s, before_s = np.asarray(at_s, np.float64), np.asarray(at_s - gap_s, np.float64)
    v = np.arange(at_s.size, dtype=np.float64)
    return Changes(before_s, after_s, v, -1.0, float(at_s[0]), float(at_s[-1]))


@pytest.mark.parametrize("seen", [1.0, 0.5, 0.2])
@pytest.mark.parametrize("jitter", [0.0, 0.05])
def test_updates_that_change_nothing_do_not_lengthen_the_period(seen: float, jitter: float) -> None:
    rng = np.random.default_rng(3)
    ticks = 0.1 * np.arange(400) + jitter * 0.1 * rng.standard_normal(400)
    at_s = ticks[rng.random(400) < seen]
    found = updates(changes(at_s))
    assert found.period is not None
    assert found.period.value == pytest.approx(0.1, rel=0.01)
    assert abs(found.period.value - 0.1) < 4 * found.period.standard_error + 1e-6


def test_every_second_update_alone_is_the_period_that_can_be_seen() -> None:
    found = updates(changes(0.2 * np.arange(100)))
    assert found.period is not None
    assert found.period.value == pytest.approx(0.2)


def test_two_and_three_periods_apart_give_one() -> None:
    """As where no two updates in a row change the reading."""
    rng = np.random.default_rng(9)
    found = updates(changes(0.1 * np.cumsum(rng.integers(2, 4, 200))))
    assert found.period is not None
    assert found.period.value == pytest.approx(0.1, rel=1e-3)


def test_changes_without_a_rhythm_have_no_period() -> None:
    rng = np.random.default_rng(5)
    found = updates(changes(np.cumsum(rng.exponential(0.1, 500))))
    assert found.period is None
    assert found.spacing_s[1] == pytest.approx(0.07, rel=0.2)


def test_a_reading_that_changes_at_every_poll_has_no_period_of_its_own() -> None:
    assert updates(changes(1e-3 * np.arange(500), gap_s=1e-3)).period is None


def test_a_few_changes_say_nothing() -> None:
    assert updates(changes(0.1 * np.arange(5))).period is None


def test_late_polls_do_not_shift_the_period() -> None:
    at_s = 0.02 * np.arange(500)
    late = changes(at_s)
    at_s, before_s = late.at_s.copy(), late.before_s.copy()
    at_s[100::100] += 0.013
    before_s[100::100] -= 0.005
    found = updates(Changes(before_s, at_s, late.v, -1.0, 0.0, 10.0))
    assert found.period is not None
    assert found.period.value == pytest.approx(0.02, rel=1e-3)


@pytest.mark.parametrize(
    ("step", "rounded", "found"),
    [
        (1e-3, 1e-3, 1e-3),
        (7e-3, 1e-3, 7e-3),
        (2.0**-14, 1e-6, 2.0**-14),
        (2.0**-16, 1e-6, 2.0**-16),
        (2.0**-14, 0.0, 2.0**-14),
        (1.0, 0.0, 1.0),
    ],
)
def test_the_lattice_of_readings(step: float, rounded: float, found: float) -> None:
    rng = np.random.default_rng(11)
    v = 100 + step * np.cumsum(rng.integers(1, 40, 2000))
    if rounded:
        v = np.floor(v / rounded + 1e-6) * rounded
    figure = resolution(np.asarray(v, np.float64))
    assert figure is not None
    assert figure.value == pytest.approx(found, rel=1e-9)


def test_readings_on_no_lattice_and_few_readings_have_no_step() -> None:
    assert resolution(np.random.default_rng(1).normal(100, 10, 500)) is None
    assert resolution(np.arange(10.0)) is None
