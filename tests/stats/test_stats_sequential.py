"""Stopping rules: when they stop, why, and how often wrongly."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from joulebench.stats.confidence_sequence import ConfidenceSequence
from joulebench.stats.refused import Refused
from joulebench.stats.sequential import Goal, StoppingRule
from joulebench.stats.spending_plan import SpendingPlan


def values(mean: float, sd: float = 0.05, n: int = 200, seed: int = 1) -> Any:
    return np.random.default_rng(seed).normal(mean, sd, n)


def run(rule: StoppingRule, fed: Any) -> Any:
    for value in fed:
        row = rule.feed(value).iloc[0]
        if rule.stopped:
            return row
    return row


def test_a_difference_stops_it() -> None:
    rule = StoppingRule(Goal(null=0.0, at_most=100))
    row = run(rule, values(0.1))
    assert row["decision"] == "stop"
    assert "leaves out 0" in row["reason"]
    assert 5 <= row["n"] < 30
    assert row["ci_low"] > 0
    assert list(rule.looks["n"]) == list(range(1, row["n"] + 1))
    assert (rule.looks["decision"][:-1] == "go on").all()
    assert rule.looks["reason"][0] == "1 value does not bound the mean yet"


def test_equality_within_a_margin_stops_it() -> None:
    row = run(StoppingRule(Goal(null=0.0, margin=0.05, at_most=150)), values(0.0, seed=2))
    assert "lies within 0.05 of 0" in row["reason"]
    assert abs(row["ci_low"]) <= 0.05


def test_precision_stops_it() -> None:
    row = run(StoppingRule(Goal(half_width=0.03)), values(3.0))
    assert "as narrow as asked" in row["reason"]
    assert row["ci_high"] - row["ci_low"] <= 0.06


def test_the_most_stops_it_undecided() -> None:
    row = run(StoppingRule(Goal(null=0.0, at_most=12)), values(0.0, seed=3))
    assert row["n"] == 12
    assert row["reason"].startswith("undecided after 12 values")


def test_a_bias_widens_the_interval_and_ends_what_cannot_be_won() -> None:
    fed = values(0.0, 0.01)
    rule = StoppingRule(Goal(null=0.0, half_width=0.03), bias=0.02)
    row = run(rule, fed)
    assert row["decision"] == "stop"
    assert "bias, which more values do not shrink" in row["reason"]
    noise = ConfidenceSequence(0.975).radius(fed[: row["n"]])
    z = 2.241402727604947  # of a two-sided error of 2.5 %
    assert row["ci_high"] - row["estimate"] == pytest.approx(noise + z * 0.02)
    plain = run(StoppingRule(Goal(half_width=0.03)), fed)
    assert plain["n"] < row["n"]


def test_groups_of_values_at_planned_looks() -> None:
    rule = StoppingRule(Goal(null=0.0), SpendingPlan(40))
    fed = values(0.05)
    for look in range(4):
        row = rule.feed(fed[10 * look : 10 * look + 10]).iloc[0]
        if rule.stopped:
            break
    assert (row["look"], row["n"]) == (look + 1, 10 * look + 10)
    assert row["test"] == "group-sequential t, obrien-fleming spending"
    assert "leaves out 0" in row["reason"]
    narrow = StoppingRule(Goal(null=0.0)).feed(fed[: row["n"]]).iloc[0]
    assert narrow["ci_high"] > row["ci_high"]
    spent = StoppingRule(Goal(null=0.0), SpendingPlan(4)).feed([0.1, -0.2, 0.3, 0.1])
    assert spent["reason"][0].startswith("undecided after 4 values")
    assert "fewer than 5 values" in spent["note"][0]
    assert (row["note"], narrow["note"]) == ("", "")


@pytest.mark.parametrize("method", [ConfidenceSequence(0.9, 6), SpendingPlan(30, 0.9)])
def test_stopping_when_it_pleases_is_seldom_wrong(method: Any) -> None:
    made, wrong, trials = np.random.default_rng(9), 0, 150
    for _ in range(trials):
        rule = StoppingRule(Goal(null=0.0, at_most=30), method)
        for block in made.normal(0, 1, (5, 6)):
            rule.feed(block)
            if rule.stopped:
                break
        wrong += "leaves out" in rule.looks["reason"].iloc[-1]
    assert wrong / trials <= 0.16


def test_a_refused_value_leaves_the_rule_as_it_was() -> None:
    rule = StoppingRule(Goal(null=0.0))
    rule.feed([0.1, 0.2])
    with pytest.raises(Refused, match="missing"):
        rule.feed(math.nan)
    assert rule.feed(0.3)["n"][0] == 3
    plan = StoppingRule(Goal(null=0.0), SpendingPlan(4))
    plan.feed([0.1, -0.2, 0.3, 0.1])
    with pytest.raises(Refused, match="is over"):
        plan.feed(0.3)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (Goal, "needs a goal"),
        (lambda: Goal(margin=0.0), "margin must be above 0"),
        (lambda: Goal(half_width=-1.0), "half_width must be above 0"),
        (lambda: Goal(at_most=0), "at_most must be above 0"),
        (lambda: Goal(null=math.nan), "null must be a number"),
        (lambda: StoppingRule(Goal(null=0.0), bias=-1.0), "bias"),
        (lambda: StoppingRule(Goal(null=0.0)).feed([]), "at least 1"),
    ],
)
def test_nonsense_is_refused(call: Any, said: str) -> None:
    with pytest.raises(Refused, match=said):
        call()
