"""p values adjusted for their number, against R's p.adjust."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulebench.stats.adjust import METHODS, adjusted
from joulebench.stats.refused import Refused

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "oracles" / "twosample.json").read_text()
)["adjust"]


@pytest.mark.parametrize("method", METHODS)
def test_as_r_adjusts(method: str) -> None:
    for case in CASES:
        p = np.atleast_1d(np.array(case["p"], dtype=float))
        wanted = np.atleast_1d(np.array(case[method], dtype=float))
        np.testing.assert_allclose(adjusted(p, method), wanted, rtol=1e-12, atol=1e-15)


def test_the_textbook_case() -> None:
    p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]
    found = adjusted(p, "BH")
    assert found[:4] == pytest.approx([0.01, 0.04, 0.084, 0.084])
    assert adjusted(p, "BY")[0] == pytest.approx(0.029289682539682539, rel=1e-14)


def test_tiny_values_keep_their_digits() -> None:
    assert adjusted([1e-300, 0.5], "sidak")[0] == pytest.approx(2e-300, rel=1e-12)


def test_what_is_missing_stays_and_does_not_count() -> None:
    found = adjusted([0.01, np.nan, 0.04], "bonferroni")
    assert found[[0, 2]] == pytest.approx([0.02, 0.08])
    assert np.isnan(found[1])
    assert adjusted([], "holm").shape == (0,)


@pytest.mark.parametrize(
    ("p", "method", "said"),
    [
        ([0.1], "tukey", "choose one of BH, BY, holm"),
        ([1.2], "BH", "1.2 does not"),
        ([-0.1], "BH", "-0.1 does not"),
        (["a"], "BH", "must be numbers"),
        ([[0.1]], "BH", r"shape \(1, 1\)"),
    ],
)
def test_what_is_no_p_value_is_refused(p: Any, method: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        adjusted(p, method)
