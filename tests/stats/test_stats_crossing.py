"""What a crossing with empty cells can tell apart."""

from __future__ import annotations

import numpy as np

from joulebench.stats.crossing import crossing


def _rank(first: np.ndarray, second: np.ndarray, *, interaction: bool) -> int:
    a, b = np.eye(first.max() + 1)[first], np.eye(second.max() + 1)[second]
    parts = [a, b]
    if interaction:
        parts.append((a[:, :, None] * b[:, None, :]).reshape(len(first), -1))
    return int(np.linalg.matrix_rank(np.concatenate(parts, axis=1)))


def test_the_rank_is_that_of_the_design_matrix() -> None:
    rng = np.random.default_rng(7)
    for _ in range(200):
        first, second = rng.integers(0, 4, 7), rng.integers(0, 5, 7)
        _, first = np.unique(first, return_inverse=True)
        _, second = np.unique(second, return_inverse=True)
        found = crossing(first, second)
        assert found.additive_rank == _rank(first, second, interaction=False)
        assert found.filled == _rank(first, second, interaction=True)
        assert found.additive_rank == found.first + found.second - 1 - found.lost_main
        full = (found.first - 1) * (found.second - 1)
        assert full - found.lost_interaction == found.filled - found.additive_rank


def test_a_full_crossing_loses_nothing() -> None:
    first, second = np.repeat(np.arange(3), 4), np.tile(np.arange(4), 3)
    found = crossing(first, second)
    assert (found.cells, found.lost_main, found.lost_interaction) == (12, 0, 0)


def test_parts_that_share_no_level_cost_a_contrast_each() -> None:
    found = crossing(np.array([0, 1, 2, 3, 3]), np.array([0, 1, 1, 2, 3]))
    assert (found.parts, found.lost_main, found.additive_rank) == (3, 2, 5)
