"""Power against R, and the floor that a meter's gain sets."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from joulebench.stats.power import sample_size, smallest_detectable
from joulebench.stats.power_anova import power_anova
from joulebench.stats.power_ratio import smallest_detectable_ratio
from joulebench.stats.power_t import power_t_test
from joulebench.stats.refused import Refused

ORACLE = json.loads((Path(__file__).parent / "oracles" / "power.json").read_text())


def test_t_tests_are_those_of_r() -> None:
    for row in ORACLE["t"]:
        find = row["find"]
        given = {name: row[name] for name in ("n", "d", "alpha", "power")}
        given[find] = None
        found = power_t_test(
            **given,
            kind=row["kind"].replace(".", "-"),
            alternative="greater" if row["alternative"] == "one.sided" else "two-sided",
            strict=row["strict"],
        )
        # R's noncentral t is good to some nine digits.
        assert found["effect" if find == "d" else find][0] == pytest.approx(row[find], rel=1e-8)


def test_analyses_of_variance_are_those_of_r() -> None:
    for row in ORACLE["anova"]:
        find = row["find"]
        given = {name: row[name] for name in ("n", "f", "alpha", "power")}
        given[find] = None
        found = power_anova(groups=row["groups"], **given)
        # R's noncentral F stops at an absolute error of 1e-9.
        assert found["effect" if find == "f" else find][0] == pytest.approx(
            row[find], rel=1e-8, abs=3e-9
        )


def test_less_is_greater_turned_over() -> None:
    for open_name in ("power", "n"):
        given: dict[str, Any] = {"n": 12, "power": 0.7}
        given[open_name] = None
        less = power_t_test(d=-0.8, alternative="less", **given)
        greater = power_t_test(d=0.8, alternative="greater", **given)
        assert less[open_name][0] == greater[open_name][0]
    assert power_t_test(n=9, power=0.8, alternative="less")["effect"][0] < 0


def test_sample_sizes_are_whole_and_least() -> None:
    found = sample_size(d=0.5).iloc[0]
    assert found["n"] == 64  # Cohen 1988, table 2.4.1
    assert found["power"] >= 0.8 > power_t_test(n=63, d=0.5)["power"][0]
    several = sample_size(f=0.25, groups=4).iloc[0]
    assert several["n"] == 45  # Cohen 1988, table 8.4.4
    assert several["power"] >= 0.8 > power_anova(groups=4, n=44, f=0.25)["power"][0]
    assert sample_size(d=50.0)["n"][0] == 2


def test_the_smallest_detectable_effect_is_detected() -> None:
    found = smallest_detectable(10, sd=3.0, kind="paired").iloc[0]
    assert power_t_test(n=10, d=found["effect"], kind="paired")["power"][0] == pytest.approx(0.8)
    assert found["difference"] == pytest.approx(3.0 * found["effect"])
    several = smallest_detectable(10, groups=4).iloc[0]
    means = np.array([-0.5, 0.0, 0.0, 0.5]) * several["difference"]
    assert several["effect"] == pytest.approx(np.std(means))


def test_without_bias_it_is_the_t_test_of_logarithms() -> None:
    sd = math.sqrt(math.log1p(0.03**2))
    for repetitions in (2, 3, 5, 40):
        found = smallest_detectable_ratio(0.03, repetitions, gain=0.05).iloc[0]
        d = power_t_test(n=repetitions, power=0.8)["effect"][0]
        assert math.log(found["effect"]) == pytest.approx(d * sd, rel=1e-4)
        assert (found["floor"], found["bias"], found["note"]) == (1.0, 0.0, "")
        assert math.isinf(found["enough_repetitions"])


def test_a_gain_on_two_meters_sets_a_floor() -> None:
    asked: dict[str, Any] = {"gain": 0.02, "paired_on_one_meter": False}
    floor = math.exp((1.959963984540054 + 0.8416212335729143) * math.sqrt(2) * 0.02)
    found = [smallest_detectable_ratio(0.05, r, **asked).iloc[0] for r in (2, 5, 50, 5000)]
    effects = [row["effect"] for row in found]
    assert effects == sorted(effects, reverse=True)
    assert effects[-1] == pytest.approx(floor, rel=1e-4)
    assert all(row["floor"] == pytest.approx(floor, rel=1e-12) for row in found)
    enough = int(found[0]["enough_repetitions"])
    logs = [
        math.log(smallest_detectable_ratio(0.05, r, **asked)["effect"][0])
        for r in (enough - 1, enough)
    ]
    assert logs[1] <= 1.05 * math.log(floor) < logs[0]
    assert "nothing is won beyond" in found[-1]["note"]


def test_the_power_of_a_ratio_is_that_of_simulated_studies() -> None:
    from joulebench.stats.ratio import log_ratio

    made, gain, repetitions = np.random.default_rng(6), 0.02, 5
    plan: Any = {"gain": gain, "paired_on_one_meter": False}
    planned = smallest_detectable_ratio(0.04, repetitions, **plan).iloc[0]
    sd, shown = math.sqrt(math.log1p(0.04**2)), 0
    for _ in range(1500):
        one = made.normal(math.log(planned["effect"]), sd, repetitions) + made.normal(0, gain)
        two = made.normal(0, sd, repetitions) + made.normal(0, gain)
        interval = log_ratio([np.exp(one)], [np.exp(two)], log_bias=math.sqrt(2) * gain)
        shown += interval.low > 1
    assert shown / 1500 == pytest.approx(0.8, abs=0.035)


def test_a_power_below_the_error_rate_needs_no_effect() -> None:
    assert power_t_test(n=5, power=0.01)["effect"][0] == 0.0
    none = smallest_detectable_ratio(0.1, 3, power=0.01, gain=0.1, paired_on_one_meter=False)
    assert none["effect"][0] == 1.0


def test_blocks_multiply_repetitions_and_cost_a_degree_each() -> None:
    found = smallest_detectable_ratio(0.05, 1, blocks=6).iloc[0]
    paired = power_t_test(n=6, power=0.8, kind="paired")["effect"][0]
    sd = math.sqrt(2 * math.log1p(0.05**2))
    assert math.log(found["effect"]) == pytest.approx(paired * sd, rel=1e-4)
    assert found["n"] == 12


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: power_t_test(n=10), "exactly one"),
        (lambda: power_t_test(n=10, d=1.0, power=0.8), "none is"),
        (lambda: power_t_test(n=1, d=1.0), "2 or more"),
        (lambda: power_t_test(n=10, d=math.inf), "must be a number"),
        (lambda: power_t_test(n=10, power=1.5), "between 0 and 1"),
        (lambda: power_t_test(n=10, d=0.5, kind="welch"), "no t test"),  # type: ignore[arg-type]
        (lambda: power_t_test(n=10, d=0.5, alternative="up"), "alternative"),  # type: ignore[arg-type]
        (lambda: power_t_test(d=0.0, power=0.8), "out of reach"),
        (lambda: power_t_test(n=3, d=0.7, power=0.9, alpha=None), "out of reach"),
        (lambda: power_anova(groups=1, n=3, f=1.0), "groups"),
        (lambda: power_anova(groups=3, n=3, f=-1.0), "cannot be -1"),
        (lambda: sample_size(power=0.9), "give d"),
        (lambda: sample_size(d=0.0), "effect of 0"),
        (lambda: smallest_detectable(5, sd=0.0), "sd must be above 0"),
        (lambda: smallest_detectable_ratio(0.0, 5), "cv_between_repeats"),
        (lambda: smallest_detectable_ratio(0.1, 1), "plan two or more"),
        (lambda: smallest_detectable_ratio(0.1, 5, gain=-0.1), "gain"),
        (lambda: smallest_detectable_ratio(0.1, 2.5), "whole number"),  # type: ignore[arg-type]
        (lambda: smallest_detectable_ratio(0.1, 5, power=1.0), "between 0 and 1"),
    ],
)
def test_plans_that_cannot_be(call: Any, said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        call()
    assert "\n" not in str(refused.value)
