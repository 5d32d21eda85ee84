"""The search for the least whole number that is enough."""

from __future__ import annotations

import math
from functools import partial
from operator import le

import pytest

from joulebench.stats.least_whole import least_whole


@pytest.mark.parametrize("start", [1, 2, 3, 7])
def test_it_is_the_first_of_a_walk_from_the_start(start: int) -> None:
    for wanted in range(1, 70):
        assert least_whole(partial(le, wanted), start, 200) == max(start, wanted)


def test_what_no_number_reaches_is_endless() -> None:
    tried = []

    def never(n: int) -> bool:
        tried.append(n)
        return False

    assert least_whole(never, 3, 1000) == math.inf
    assert tried == [3, 6, 12, 24, 48, 96, 192, 384, 768]


def test_a_far_number_takes_few_trials() -> None:
    tried = []

    def far(n: int) -> bool:
        tried.append(n)
        return n >= 654_321

    assert least_whole(far, 1, 10**6) == math.inf  # beyond 524 288 lies 1 048 576
    assert least_whole(far, 1, 10**7) == 654_321
    assert len(tried) < 70
