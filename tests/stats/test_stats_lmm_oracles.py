"""A hundred mixed models against lme4 and lmerTest, whose optimum was refined by Newton steps.

What R finds by numerical derivatives (degrees of freedom) carries their noise: up to 1e-3 at a
singular fit, where its step is 1e-4 whatever the size of things, and 1e-4 at a ratio of variances
of 1e6. There the values stand against exact ones in ``test_stats_lmm_exact.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lmm_oracles import apart, each, fitted, fixed_like, labels, oracles, places

NUMBERS = list(oracles())
SAME_MODEL = pytest.mark.parametrize("number", NUMBERS, ids=labels())
UNKNOWABLE = "m13"
"""Its variances cannot be told apart, so that lme4's are an accident."""


def rough(found: dict[str, Any]) -> float:
    """Give how far R's degrees of freedom may be off."""
    if found["data"] == "extreme_icc":
        return 1e-4
    return 1e-3 if found["singular"] else 2e-6


@SAME_MODEL
def test_likelihood(number: str) -> None:
    model, found = fitted(number), oracles()[number]
    # As high as R's or higher, and no better optimum elsewhere.
    assert abs(model.log_likelihood - found["log_likelihood"]) < 1e-7
    assert apart([model.aic, model.bic], [found["aic"], found["bic"]]) < 1e-9
    assert model.converged
    assert model.singular == found["singular"]
    assert model.n == found["n"]


@SAME_MODEL
def test_fixed_effects(number: str) -> None:
    found = oracles()[number]
    theirs = {name: each(values) for name, values in found["fixed"].items()}
    ours = fixed_like(fitted(number), theirs["term"])
    error = np.array(theirs["se"])
    assert np.max(np.abs(ours["estimate"] - np.array(theirs["estimate"])) / error) < 1e-6
    assert apart(ours["se"], error) < 1e-6
    assert apart(ours["df1"], theirs["df"]) < rough(found)
    p = np.array(theirs["p"])
    # A p far out in the tail moves with the degrees of freedom many times over.
    tail = 1 - np.log(np.maximum(p, 1e-300))
    assert np.max(np.abs(ours["p"] - p) / p / tail) < 2 * rough(found)


@SAME_MODEL
def test_variances(number: str) -> None:
    model, found = fitted(number), oracles()[number]
    assert apart(model.sigma, found["sigma"]) < 1e-6
    if number == UNKNOWABLE:
        assert "cannot be told" in model.note
        return
    ours = sorted(model.variance_components()["variance"], key=abs)
    theirs = sorted(each(found["varcomp"]["vcov"]), key=abs)
    assert apart(ours, theirs, 1e-7 * max(map(abs, theirs))) < 1e-5
    theta = np.sort(np.abs(each(found["theta"])))
    assert apart(np.sort(np.abs(model.theta)), theta, max(1e-2 * theta.max(), 1e-3)) < 1e-5


@pytest.mark.parametrize("number", [k for k in NUMBERS if "joint" in oracles()[k]])
def test_joint_tests(number: str) -> None:
    model, found = fitted(number), oracles()[number]
    order = places(model, each(found["fixed"]["term"]))
    p = len(order)
    joint = model.joint_test(np.eye(p)[order[1:]])
    theirs = found["joint"]
    assert joint.df1 == theirs["df1"]
    assert apart(joint.F, theirs["F"]) < 1e-6
    assert apart(joint.df2, theirs["df2"]) < rough(found)
    assert apart(joint.p, theirs["p"]) < 20 * rough(found)
    function = np.eye(p)[order[0]] + 0.5 * np.eye(p)[order[-1]]
    one = model.inference(function)
    last = found["last"]
    assert apart(one.se, [last["se"]]) < 1e-6
    assert apart(one.df, [last["df"]]) < rough(found)


@pytest.mark.parametrize("number", [k for k in NUMBERS if "ranef" in oracles()[k]])
def test_random_effects(number: str) -> None:
    def key(group: str, effect: str, level: str) -> tuple[str, ...]:
        # R writes the columns of a nested grouping in the other order.
        order = [":".join(sorted(text.split(":"))) for text in (group, level)]
        return (order[0], effect, order[1])

    theirs = oracles()[number]["ranef"]
    table = fitted(number).random_effects()
    asked = zip(theirs["grp"], theirs["term"], theirs["level"], strict=True)
    named = [key(*map(str, row)) for row in asked]
    given = zip(table["group"], table["effect"], table["level"], strict=True)
    figures = table[["estimate", "se"]].to_numpy()
    ours = {key(*map(str, names)): pair for names, pair in zip(given, figures, strict=True)}
    assert set(ours) == set(named)
    modes = np.array([ours[name][0] for name in named])
    spread = np.max(np.abs(theirs["mode"]))
    assert np.max(np.abs(modes - np.array(theirs["mode"]))) < 1e-6 * spread
    assert apart([ours[name][1] for name in named], theirs["sd"]) < 1e-6
