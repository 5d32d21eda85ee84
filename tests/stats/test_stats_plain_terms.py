"""Formulas that are read without the formula engine, against it."""

from __future__ import annotations

import random

import pytest
from formulaic import Formula

from joulebench.stats.plain_terms import plain_terms

NAMES = ["a", "b", "c2", "_d", "C(a)", "C(g)", "log(x)", "sqrt(a)"]


def _engine(fixed: str) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(factor.expr for factor in term.factors) for term in Formula(fixed))


def _random_formula(draw: random.Random) -> str:
    summands = []
    for _ in range(draw.randint(1, 4)):
        mark = draw.choice([" * ", "*", ":", " : "])
        names = draw.choices(NAMES, k=draw.randint(1, 4))
        summands.append(mark.join(names) if draw.random() < 0.9 else "1")
    return draw.choice([" + ", "+"]).join(summands)


def test_random_formulas_are_read_as_the_engine_reads_them() -> None:
    draw = random.Random(20261121)
    for _ in range(300):
        fixed = _random_formula(draw)
        assert plain_terms(fixed) == _engine(fixed), fixed


@pytest.mark.parametrize(
    "fixed",
    [
        "a - 1", "0 + a", "a * b:c", "(a + b) * c", "a^2", "a ** 2", "poly(a, 2)", "a.b", "`a b`",
        "a +", "+ a", "np.log(a)", "log(a + 1)", "a / b", "C(a, contr.sum)", "a:1", "if", "a + 2",
        "a %in% b", "", "a b",
    ],
)  # fmt: skip
def test_all_else_is_left_to_the_engine(fixed: str) -> None:
    assert plain_terms(fixed) is None
