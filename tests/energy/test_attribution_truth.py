"""Shares of a simulated device against the truth, which is known for each request.

Every active request adds the same power, so that equal shares are the right ones. The intervals
must cover the truth as often as they say, and the best estimates must be near it.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from served_device import IDLE, responses, serve

from joulebench.attribution import Weights, attribute

ROUNDS = max(3, int(os.environ.get("JOULEBENCH_COVERAGE", "120")) // 40)
REQUESTS = 25

BOARDS = [
    # board, poll, median and 95th percentile of the relative error
    ("volta", 0.01, 0.005, 0.02),
    ("turing", 0.02, 0.01, 0.04),
    ("a100", 0.02, 0.01, 0.06),
    ("ada", 0.1, 0.03, 0.15),
    ("rapl", 0.05, 0.002, 0.02),
]


@pytest.mark.parametrize(("board", "poll_s", "median", "most"), BOARDS)
@pytest.mark.parametrize("convention", ["gross", "marginal"])
def test_equal_shares_are_the_truth_within_their_intervals(
    board: str, poll_s: float, median: float, most: float, convention: str
) -> None:
    rng = np.random.default_rng(20261120)
    errors: list[float] = []
    covered: list[bool] = []
    for _ in range(ROUNDS):
        seen = serve(rng, board, responses(rng, REQUESTS, 20.0, (0.3, 8.0)), poll_s)
        shares = attribute(
            seen.trace, seen.window, seen.responses, idle=IDLE, weights=Weights.equal(),
            convention=convention,
        )  # fmt: skip
        truth_j = seen.truth_j(share_of_idle=convention == "gross")
        off_j = np.abs(shares.requests.joules - truth_j)
        errors.extend(off_j / truth_j)
        covered.extend(off_j <= shares.requests.half_width_95_j)
    # Shares above idle are those of a part of the energy, with all of its error.
    slack = 1.0 if convention == "gross" else 2.0
    assert np.median(errors) < slack * median
    assert np.quantile(errors, 0.95) < slack * most
    # At a true coverage of 95 % fewer are one case in ten thousand.
    n = len(covered)
    assert np.mean(covered) >= 0.95 - 3.7 * np.sqrt(0.95 * 0.05 / n), f"{sum(covered)} of {n}"


@pytest.mark.parametrize(("board", "poll_s"), [("turing", 0.02), ("rapl", 0.05)])
def test_a_user_of_many_requests_is_covered_too(board: str, poll_s: float) -> None:
    rng = np.random.default_rng(7)
    for _ in range(ROUNDS):
        seen = serve(rng, board, responses(rng, REQUESTS, 20.0, (0.3, 8.0)), poll_s)
        shares = attribute(
            seen.trace, seen.window, seen.responses, idle=IDLE, weights=Weights.equal()
        )
        truth_j = seen.truth_j(share_of_idle=True)
        user = np.arange(0, REQUESTS, 3)
        pooled = shares.pooled(user)
        assert abs(pooled.joules - truth_j[user].sum()) < 1.5 * pooled.half_width_95_j
        apart_j = sum(shares.requests.noise[place] for place in user)
        assert pooled.noise < apart_j
