"""Formulas are read into their parts, and what cannot be read is refused in one line."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.formula import RandomTerm, parse
from joulebench.stats.refused import Refused


def test_a_formula_falls_into_response_fixed_part_and_random_terms() -> None:
    read = parse("log(energy_j) ~ generation * task + (1 | run) - 1 + (days || person)")
    assert (read.response.column, read.response.transform) == ("energy_j", "log")
    assert read.response.text == "log(energy_j)"
    assert read.fixed == "generation * task - 1"
    assert read.random == (
        RandomTerm("1", ("run",)),
        RandomTerm("days", ("person",), correlated=False),
    )


def test_nested_groups_are_written_out() -> None:
    read = parse("y ~ 1 + (1 | batch/cask)")
    assert [term.text for term in read.random] == ["(1 | batch)", "(1 | batch:cask)"]


def test_a_formula_of_random_terms_alone_keeps_an_intercept() -> None:
    assert parse("y ~ (1 | a:b)").fixed == "1"
    assert parse("y ~ (1 | a:b)").random[0].group == ("a", "b")


@pytest.mark.parametrize(
    ("formula", "said"),
    [
        ("y", "is no formula"),
        ("y ~ a ~ b", "is no formula"),
        ("y ~ ", "lacks a side"),
        ("~ a", "lacks a side"),
        ("y ~ (a", "brackets"),
        ("y ~ a)", "brackets"),
        ("y ~ 1 | run", "in brackets"),
        ("y ~ a - (1 | run)", "taken away"),
        ("y ~ (1 | )", "no random term"),
        ("y ~ ( | run)", "no random term"),
        ("y ~ (1 | a/b:c)", "no random term"),
        ("exp(y) ~ a", "exp\\(\\) of a response"),
        ("y + z ~ a", "left side"),
        ("log(y ~ a", "left side"),
    ],
)
def test_what_is_no_formula_is_refused(formula: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        parse(formula)


def test_a_logarithm_of_what_has_none_is_refused() -> None:
    frame = pd.DataFrame({"y": [1.0, 0.0, 2.0]})
    with pytest.raises(Refused, match="values above 0, and 1 of 3"):
        parse("log(y) ~ 1").response.values(frame)
    assert parse("sqrt(y) ~ 1").response.values(frame) == pytest.approx(np.sqrt([1, 0, 2]))
