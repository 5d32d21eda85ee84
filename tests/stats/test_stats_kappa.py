"""Cohen's kappa against R and statsmodels."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulebench.stats import Refused, cohens_kappa


def pairs(table: list[list[int]]) -> tuple[list[int], list[int]]:
    cells = [(i, j) for i, row in enumerate(table) for j, n in enumerate(row) for _ in range(n)]
    return [i for i, _ in cells], [j for _, j in cells]


R = [
    ([[44, 5], [3, 28]], 0.7918022121, 0.0696748168),
    ([[20, 5], [10, 15]], 0.4000000000, 0.1269960629),
    ([[10, 2, 1], [3, 12, 4], [0, 2, 9]], 0.5777414075, 0.1038220863),
]
"""Tables with kappa and standard error of ``psych::cohen.kappa`` (R 4.2.2, psych 2.2.9)."""


@pytest.mark.parametrize(("table", "kappa", "se"), R)
def test_agrees_with_r(table: list[list[int]], kappa: float, se: float) -> None:
    found = cohens_kappa(*pairs(table))
    assert (found.value, found.noise) == pytest.approx((kappa, se), abs=1e-9)
    assert found.low == pytest.approx(kappa - 1.959963984540054 * se, abs=1e-9)
    assert found.high == pytest.approx(min(1.0, kappa + 1.959963984540054 * se), abs=1e-9)
    assert found.n == sum(map(sum, table))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_stays_within_its_bounds(items: list[tuple[int, int]]) -> None:
    a, b = [first for first, _ in items], [second for _, second in items]
    found, other = cohens_kappa(a, b), cohens_kappa(b, a)
    if math.isnan(found.value):
        assert 1 in (len(set(a)), len(set(b)))
        return
    assert min(len(set(a)), len(set(b))) > 1
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert (found.value, found.noise) == pytest.approx((other.value, other.noise), nan_ok=True)


def test_all_alike_is_bounded_by_how_many_there_were() -> None:
    few, many = (cohens_kappa([0, 1] * n, [0, 1] * n) for n in (5, 50))
    assert few.value == many.value == few.high == 1.0
    assert 0 < few.low < many.low < 1
    assert cohens_kappa(["a"] * 9, ["a"] * 9).value != cohens_kappa(["a"] * 9, ["a"] * 9).value


@pytest.mark.parametrize(
    ("a", "says"),
    [
        ([], "as many classes"),
        ([1], "as many classes"),
        (None, "grades_a: give a list"),
        ([[1], [2]], "grades_a: give a list"),
        ([1, None], "a grade is missing"),
        ([math.nan, 1], "a grade is missing"),
    ],
)
def test_what_is_no_list_of_grades_is_refused(a: Any, says: str) -> None:
    with pytest.raises(Refused, match=says):
        cohens_kappa(a, [1, 0])
