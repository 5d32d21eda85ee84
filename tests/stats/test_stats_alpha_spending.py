"""Group-sequential boundaries against published tables and multivariate normal integrals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import stdtrit

from joulebench.stats.alpha_spending import spending_boundaries, spent
from joulebench.stats.crossing_probability import Walk
from joulebench.stats.refused import Refused
from joulebench.stats.spending_plan import SpendingPlan

ORACLE = json.loads((Path(__file__).parent / "oracles" / "sequential.json").read_text())


def stopped(information: list[float], bound: list[float], sides: int, drift: float) -> list[float]:
    walk, total, found = Walk.start(sides, drift), 0.0, []
    for share, limit in zip(information, bound, strict=True):
        total += sum(walk.crossing(share, limit))
        found.append(total)
        walk = walk.go_on(share, limit)
    return found


@pytest.mark.parametrize("case", ORACLE["crossing"])
def test_chances_to_stop_are_those_of_mvtnorm(case: dict[str, Any]) -> None:
    found = stopped(case["information"], case["bound"], case["sides"], case["drift"])
    assert found == pytest.approx(case["stopped"], abs=1e-9)


@pytest.mark.parametrize("case", ORACLE["boundaries"])
def test_boundaries_are_those_that_mvtnorm_finds(case: dict[str, Any]) -> None:
    found = spending_boundaries(
        case["information"],
        confidence=1 - case["alpha"],
        spending=case["spending"],
        sides=case["sides"],
    )
    assert list(found["boundary"]) == pytest.approx(case["boundary"], abs=1e-7)
    assert found["spent"].iloc[-1] == pytest.approx(case["alpha"])


def test_boundaries_are_the_published_ones() -> None:
    # Reboussin, DeMets, Kim and Lan 2000, Control. Clin. Trials 21, 190: five even looks, 5 %.
    early = spending_boundaries(5)["boundary"]
    assert list(early) == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-4)
    even = spending_boundaries(5, spending="pocock")["boundary"]
    assert list(even) == pytest.approx([2.4380, 2.4268, 2.4101, 2.3966, 2.3859], abs=2e-4)
    assert spending_boundaries(1)["boundary"][0] == pytest.approx(1.959963984540054)


@pytest.mark.parametrize(("looks", "constant"), [(2, 2.178), (5, 2.413), (10, 2.555), (20, 2.672)])
def test_a_constant_boundary_spends_what_pocock_says(looks: int, constant: float) -> None:
    # Jennison and Turnbull 2000, table 2.1, two-sided 5 %, constants to three decimals.
    shares = [float(k) for k in np.arange(1, looks + 1) / looks]
    assert stopped(shares, [constant] * looks, 2, 0.0)[-1] == pytest.approx(0.05, abs=1e-4)


def test_a_first_look_too_early_to_stop_has_no_boundary() -> None:
    found = spending_boundaries([0.0005, 1.0])
    assert np.isinf(found["boundary"][0])
    assert found["nominal_p"][0] == 0.0
    assert found["boundary"][1] == pytest.approx(1.96, abs=1e-3)


def test_looks_need_not_be_those_planned() -> None:
    plan = SpendingPlan(100)
    unplanned = plan.nominal_p([23, 61])
    whole = spending_boundaries([0.23, 0.61])["nominal_p"]
    assert unplanned == pytest.approx(whole[1], rel=1e-12)
    # A last look beyond the plan spends what is left, at the correlation that it has.
    assert plan.nominal_p([50, 110]) < 0.05


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
def test_the_error_rate_of_repeated_t_tests_is_near_what_is_stated(spending: Any) -> None:
    values = np.random.default_rng(4).normal(size=(20000, 40))
    plan, looks, wrong = SpendingPlan(40, spending=spending), [8, 16, 24, 40], np.zeros(20000, bool)
    for k, n in enumerate(looks):
        limit = -stdtrit(n - 1, plan.nominal_p(looks[: k + 1]) / 2)
        seen = values[:, :n]
        wrong |= np.abs(seen.mean(axis=1)) > limit * seen.std(axis=1, ddof=1) / n**0.5
    assert wrong.mean() == pytest.approx(0.05, abs=0.005)
    assert plan.radius(values[0, :16], [8, 16]) == pytest.approx(
        -stdtrit(15, plan.nominal_p([8, 16]) / 2) * values[0, :16].std(ddof=1) / 4
    )


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: spending_boundaries(0), "looks must be a whole number of 1 or more"),
        (lambda: spending_boundaries([0.5, 0.4]), "must rise"),
        (lambda: spending_boundaries([0.5, 1.2]), "to 1, not"),
        (lambda: spending_boundaries([0.5, 0.5001, 1.0]), "look less often"),
        (lambda: SpendingPlan(5000).nominal_p([100, 101]), "look less often"),
        (lambda: spending_boundaries("five"), "as shares"),  # type: ignore[arg-type]
        (lambda: spending_boundaries(3, confidence=1.0), "confidence"),
        (lambda: spending_boundaries(3, sides=3), "sides"),
        (lambda: spent([0.5], 0.05, "haybittle"), "no spending"),  # type: ignore[arg-type]
        (lambda: spent([0.5], 5.0), "error rate"),
        (lambda: SpendingPlan(1), "at_most"),
        (lambda: SpendingPlan(9, confidence=0.0), "confidence"),
        (lambda: SpendingPlan(9, spending="x"), "no spending"),  # type: ignore[arg-type]
        (lambda: SpendingPlan(9).radius(np.arange(12.0), [10, 12]), "is over"),
    ],
)
def test_plans_that_cannot_be(call: Any, said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        call()
    assert "\n" not in str(refused.value)
