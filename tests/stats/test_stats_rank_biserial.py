"""The rank-biserial correlation against R's effectsize."""

from __future__ import annotations

from typing import Any

import pytest
from rank_oracles import agree, only, oracle, values

from joulebench.stats.cliffs_delta import cliffs_delta
from joulebench.stats.rank_biserial import rank_biserial
from joulebench.stats.refused import Refused

CASES = {name: case for name, case in oracle()["rank_sum"].items() if "one_" not in name}


@pytest.mark.parametrize("name", CASES)
def test_estimate_and_intervals(name: str) -> None:
    case = CASES[name]
    x, y = values(case["x"]), values(case["y"])
    both = only(rank_biserial(x, y))
    agree([both["effect"], both["ci_low"], both["ci_high"]], case["rank_biserial"])
    above = only(rank_biserial(x, y, alternative="greater"))
    agree([above["ci_low"], above["ci_high"]], case["rank_biserial_greater"])
    below = only(rank_biserial(y, x, alternative="less"))
    assert below["ci_low"] == -1.0
    assert below["ci_high"] == pytest.approx(-above["ci_low"])


def test_unpaired_it_is_cliffs_delta() -> None:
    x, y = [1, 3, 3, 5], [2, 3, 3]
    found = only(rank_biserial(x, y))["effect"]
    assert found == pytest.approx(only(cliffs_delta(x, y))["effect"])


@pytest.mark.parametrize(("paired", "said"), [(True, "of one length"), (False, "y has 0 values")])
def test_refuses_samples_it_cannot_use(paired: bool, said: str) -> None:
    second: Any = [1.0] if paired else []
    with pytest.raises(Refused, match=said):
        rank_biserial([1.0, 2.0], second, paired=paired)
