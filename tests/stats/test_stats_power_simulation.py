"""Power by simulation against power by formula."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from joulebench.stats.factor_test import FactorTest, factor_test
from joulebench.stats.lmm import lmm
from joulebench.stats.pilot import Pilot
from joulebench.stats.power_anova import anova_power
from joulebench.stats.power_simulation import power_by_simulation
from joulebench.stats.refused import Refused


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def pilot_frame() -> pd.DataFrame:
    made = rng(5)
    rows = [(g, f"{g}{k}") for g in "ABC" for k in range(4) for _ in range(5)]
    frame = pd.DataFrame(rows, columns=["g", "run"])
    effects = np.repeat(made.normal(0, 0.2, 12), 5)
    frame["block"] = np.tile(list("vwxyz"), 12)
    return frame.assign(energy=np.exp(3 + effects + made.normal(0, 0.1, 60)))


FRAME = pilot_frame()


def test_independent_rows_have_the_power_of_the_formula() -> None:
    pilot = Pilot("log(energy) ~ g", FRAME)
    found = power_by_simulation(
        pilot, {"A": 0.25}, repetitions=10, rng=rng(), simulations=1500
    ).iloc[0]
    f = float(np.std([0.25, 0.0, 0.0])) / pilot.model.sigma
    assert found["estimate"] == pytest.approx(anova_power(3, 10, f, 0.05), abs=0.04)
    assert found["ci_low"] < found["estimate"] < found["ci_high"]
    assert found["n"] == 30
    assert found["se"] == pytest.approx((found["estimate"] * (1 - found["estimate"]) / 1500) ** 0.5)


@pytest.mark.parametrize(("copies", "effect"), [(1, 0.3), (4, 0.12)])
def test_runs_and_not_repetitions_carry_the_power(copies: int, effect: float) -> None:
    pilot = Pilot("log(energy) ~ g + (1 | run)", FRAME)
    variances = lmm("log(energy) ~ g + (1 | run)", FRAME).variance_components()["variance"]
    for repetitions in (2, 200):
        found = power_by_simulation(
            pilot,
            {"A": effect},
            repetitions=repetitions,
            copies=copies,
            rng=rng(),
            simulations=600,
        ).iloc[0]
        sd = float(np.sqrt(variances[0] + variances[1] / repetitions))
        expected = anova_power(3, 4 * copies, float(np.std([effect, 0.0, 0.0])) / sd, 0.05)
        assert found["estimate"] == pytest.approx(expected, abs=0.06)
        assert found["n"] == 12 * copies * repetitions
        assert found["test"].endswith("means of run")


def test_other_terms_take_their_degrees_of_freedom() -> None:
    frame = FRAME.assign(task=np.tile(["a", "b"], 30))
    for formula, df in (("energy ~ g * task", (2, 6)), ("energy ~ g + task", (2, 8))):
        pilot = Pilot(formula, frame)
        test = factor_test(pilot, pilot.layout(2))
        assert isinstance(test, FactorTest)
        assert test.df == df


def test_a_factor_within_groups_is_tested_within_them() -> None:
    paired = Pilot("log(energy) ~ g + (1 | block)", FRAME)
    found = power_by_simulation(paired, {"A": 0.1}, repetitions=3, rng=rng(), simulations=50)
    assert found["test"][0] == "power by simulation, F test within block"


def test_no_effect_is_found_at_the_error_rate() -> None:
    pilot = Pilot("log(energy) ~ g + (1 | run)", FRAME)
    found = power_by_simulation(
        pilot, {"B": 0.0}, repetitions=3, rng=rng(), simulations=1500, confidence=0.9
    ).iloc[0]
    assert found["ci_low"] <= 0.1 <= found["ci_high"]
    assert found["alpha"] == pytest.approx(0.1)


def test_a_test_of_ones_own_sees_the_response_in_its_unit() -> None:
    seen: list[pd.DataFrame] = []

    def rank_test(frame: pd.DataFrame) -> float:
        seen.append(frame)
        return float(stats.kruskal(*[part["energy"] for _, part in frame.groupby("g")]).pvalue)

    pilot = Pilot("log(energy) ~ g + (1 | run)", FRAME)
    found = power_by_simulation(
        pilot, {"A": 3.0}, repetitions=4, copies=2, rng=rng(), simulations=30, test=rank_test
    ).iloc[0]
    assert found["estimate"] == 1.0
    assert found["test"] == "power by simulation, own test"
    drawn = seen[0]
    assert drawn["run"].nunique() == 24
    means = np.log(drawn["energy"]).groupby(drawn["g"]).mean()
    assert means["A"] - means["B"] == pytest.approx(3.0, abs=0.6)
    level = np.log(FRAME["energy"]).groupby(FRAME["g"]).mean().mean()
    assert means["B"] == pytest.approx(level, abs=0.4)


def test_one_generator_gives_one_result() -> None:
    pilot = Pilot("energy ~ g", FRAME)
    one, two = (
        power_by_simulation(pilot, {"A": 5.0}, repetitions=5, rng=rng(3), simulations=40)
        for _ in range(2)
    )
    pd.testing.assert_frame_equal(one, two)


PILOT = Pilot("log(energy) ~ g + (1 | run)", FRAME)
NUMBERED = FRAME.assign(g=FRAME["g"].map({"A": 2.0, "B": 3.0, "C": 3.1}))


def test_a_numeric_factor_is_named_by_its_numbers() -> None:
    pilot = Pilot("log(energy) ~ C(g) + (1 | run)", NUMBERED)
    assert pilot.levels == ["2", "3", "3.1"]
    asked: Any = {"repetitions": 3, "simulations": 60, "copies": 2}
    one = power_by_simulation(pilot, {3.1: 0.4}, rng=rng(), **asked)
    other = power_by_simulation(PILOT, {"C": 0.4}, rng=rng(), **asked)
    assert one["estimate"][0] == other["estimate"][0]


@pytest.mark.parametrize(
    ("pilot", "effect", "asked", "said"),
    [
        (PILOT, {"D": 1.0}, {}, "no level 'D'"),
        (PILOT, {}, {}, "map levels"),
        (PILOT, {"A": np.nan}, {}, "finite"),
        (PILOT, {"A": 1.0}, {"repetitions": 0}, "1 or more"),
        (PILOT, {"A": 1.0}, {"simulations": 5}, "20 or more"),
        (PILOT, {"A": 1.0}, {"rng": None}, "default_rng"),
        (PILOT, {"A": 1.0}, {"test": len}, "from 0 to 1"),
        (PILOT, {"A": 1.0}, {"test": lambda frame: frame}, "one p"),
        (Pilot("energy ~ g", FRAME), {"A": 1.0}, {"copies": 2}, "leave it at 1"),
        (Pilot("energy ~ g + (1 | run) + (1 | block)", FRAME), {"A": 1.0}, {}, "give test="),
        (Pilot("energy ~ g", FRAME), {"A": 1.0}, {"repetitions": 1}, "no residual"),
    ],
)
def test_plans_that_cannot_be(pilot: Pilot, effect: Any, asked: Any, said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        power_by_simulation(
            pilot, effect, **{"repetitions": 2, "rng": rng(), "simulations": 20, **asked}
        )
    assert "\n" not in str(refused.value)


def test_a_pilot_needs_a_factor() -> None:
    with pytest.raises(Refused, match=r"C\(column\)"):
        Pilot("log(energy) ~ g", NUMBERED)
    with pytest.raises(Refused, match="no intercept"):
        Pilot("log(energy) ~ 0 + g", FRAME)
