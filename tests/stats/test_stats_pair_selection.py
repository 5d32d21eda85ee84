"""Order statistics of pair sums, against all sums sorted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import joulebench.stats.pair_selection as selection
from joulebench.stats.pair_selection import kth_sums, median_of, median_places

NUMBERS = st.lists(st.floats(-1e6, 1e6) | st.integers(-3, 3).map(float), min_size=1, max_size=8)


@pytest.fixture(autouse=True)
def _list_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make small cases take the way of large ones."""
    monkeypatch.setattr(selection, "_LISTED", 1)


@given(NUMBERS, NUMBERS)
def test_every_place_of_all_sums(x: list[float], y: list[float]) -> None:
    rows, columns = np.array(x), np.sort(y)
    everything = np.sort((rows[:, None] + columns[None, :]).ravel())
    assert [kth_sums(rows, columns, [k])[0] for k in range(len(everything))] == everything.tolist()
    middle = kth_sums(rows, columns, median_places(len(everything)))
    assert median_of(*middle) == pytest.approx(np.median(everything), abs=1e-9)


@given(NUMBERS)
def test_every_place_of_the_sums_of_one_sample(x: list[float]) -> None:
    rising = np.sort(x)
    upper = np.triu_indices(len(x))
    everything = np.sort(rising[upper[0]] + rising[upper[1]])
    starts = np.arange(len(x))
    found = [kth_sums(rising, rising, [k], starts)[0] for k in range(len(everything))]
    assert found == everything.tolist()


def test_rounded_sums_of_close_values_are_told_apart() -> None:
    # The pivot less a row is rounded otherwise than the sum of row and column.
    rng = np.random.default_rng(3)
    rows = np.asarray(1e6 + rng.integers(0, 50, 60) * 2.0**-33, dtype=np.float64)
    columns = np.sort(rng.integers(0, 50, 60) * 2.0**-35)
    everything = np.sort((rows[:, None] + columns[None, :]).ravel())
    for k in range(0, 3600, 37):
        assert kth_sums(rows, columns, [k])[0] == everything[k]
