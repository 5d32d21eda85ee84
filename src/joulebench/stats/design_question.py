"""What kind of comparison a formula asks for, and which tests answer it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from joulebench.stats.formula import parse
from joulebench.stats.groups import cell_codes
from joulebench.stats.model_frame import Missing, complete, is_categorical
from joulebench.stats.model_layout import Floats, Layout, layout_of
from joulebench.stats.refused import Refused

Kind = Literal["two groups", "groups", "pairs", "blocks", "factorial", "covariates", "mixed"]


_LEVELS = re.compile(r"\bC\(\s*([\w.]+)\s*\)")

_OF_ARRAYS = {
    "two groups": ("wilcoxon_rank_sum", "the Wilcoxon rank sum test"),
    "pairs": ("wilcoxon_signed_rank", "the Wilcoxon signed rank test"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A test that answers the question.

    Args:
        test: Its name among the functions of this package.
        words: Its name in words.
        formula: The formula to give it.
        call: How it is called.
    """

    test: str
    words: str
    formula: str
    call: str


@dataclass(frozen=True, eq=False)
class Question:
    """A formula over rows, by the kind of its design.

    Args:
        kind: Two independent groups, more of them, pairs, treatments in blocks with one value
            each, several factors, numeric covariates, or random terms.
        right: Right side of the formula for a model, blocks included.
        plain: Right side for tests of ranks, which take columns by their names and levels.
        blocks: Column of the blocks; empty without.
        layout: The model.
        unfit: Why aligned ranks cannot be had; empty where they can.
    """

    kind: Kind
    right: str
    plain: str
    blocks: str
    layout: Layout
    unfit: str = ""

    def parametric(self, response: str) -> Choice:
        """Give the test of means that assumes equal variances."""
        formula = f"{response} ~ {self.right}"
        if self.kind == "two groups":
            return Choice(
                "t_test",
                "Student's t test",
                formula,
                _arrays("t_test", response, "equal_variances=True"),
            )
        if self.kind == "pairs":
            return Choice(
                "t_test", "the paired t test", formula, _arrays("t_test", response, "paired=True")
            )
        if self.kind == "mixed":
            call = f'lmm("{formula}", frame).anova()'
            return Choice("lmm", "a linear mixed model", formula, call)
        return _of_formula("anova", "analysis of variance", formula)

    def unequal(self, response: str) -> Choice | None:
        """Give the test of means that allows unequal variances, where there is one."""
        formula = f"{response} ~ {self.right}"
        if self.kind == "two groups":
            return Choice("t_test", "Welch's t test", formula, _arrays("t_test", response, ""))
        if self.kind == "groups":
            plain = f"{response} ~ {self.plain}"
            return _of_formula("welch_anova", "Welch's analysis of variance", plain)
        if self.kind in ("factorial", "covariates"):
            call = f'anova("{formula}", frame, robust="hc3")'
            return Choice("anova", "analysis of variance with robust errors (HC3)", formula, call)
        return None

    def ranks(self) -> Choice | None:
        """Give the test of ranks, where there is one."""
        column = self.layout.formula.response.column
        formula = f"{column} ~ {self.plain}"
        if self.kind in _OF_ARRAYS:
            test, words = _OF_ARRAYS[self.kind]
            return Choice(test, words, formula, _arrays(test, column, ""))
        if self.kind == "groups":
            return _of_formula("kruskal", "Kruskal-Wallis", formula)
        if self.kind == "blocks":
            return _of_formula("friedman", "Friedman's test", f"{formula} | {self.blocks}")
        if self.kind == "covariates":
            return self._monotone(column, formula)
        return self._aligned(column, formula)

    def _monotone(self, column: str, formula: str) -> Choice | None:
        if self.plain not in self.layout.frame.columns:
            return None
        call = f'spearman(frame["{self.plain}"], frame["{column}"])'
        return Choice("spearman", "Spearman's rank correlation", formula, call)

    def _aligned(self, column: str, formula: str) -> Choice | None:
        if not self.unfit:
            return _of_formula("art", "an aligned rank transform", formula)
        if self.kind == "mixed":
            return None
        cells = f"{column} ~ {':'.join(self.layout.design.factors)}"
        return _of_formula("kruskal", "Kruskal-Wallis over the filled cells", cells)


def question_of(
    formula: str, frame: pd.DataFrame, blocks: str | None, missing: Missing
) -> Question:
    """Read the kind of design off a formula and its rows.

    Raises:
        Refused: The model cannot be fitted, or blocks are given beside random terms or to a
            formula of more than one grouping.
    """
    read = parse(formula)
    right = " ".join(read.text.partition("~")[2].split())
    if blocks is not None:
        return _blocked(formula, right, frame, blocks, missing)
    layout = layout_of(formula, frame, missing)
    plain = _LEVELS.sub(r"\1", right)
    named = f"{read.response.text} ~ {plain}"
    if read.random:
        return Question("mixed", right, plain, "", layout, _unfit(named, frame, missing))
    design = layout.design
    if design.covariates or not design.factors:
        return Question("covariates", right, plain, "", layout)
    if len(design.factors) > 1:
        return Question("factorial", right, plain, "", layout, _unfit(named, frame, missing))
    (name, levels), *_ = design.factors.items()
    return Question("two groups" if len(levels) == 2 else "groups", right, name, "", layout)


def _blocked(
    formula: str, right: str, frame: pd.DataFrame, blocks: str, missing: Missing
) -> Question:
    if parse(formula).random or not right.replace(".", "_").isidentifier():
        raise Refused(
            f"blocks= goes with response ~ treatment, not with {formula!r}: write the blocks as a "
            f"random term, (1 | {blocks})"
        )
    rows = complete(frame, [parse(formula).response.column, right, blocks], missing)
    treatment, levels = cell_codes(rows, [right])
    place, names = cell_codes(rows, [blocks])
    counts = np.bincount(place * len(levels) + treatment, minlength=len(names) * len(levels))
    if (counts != 1).any():
        # Some block lacks a treatment or repeats one: the blocks are a random effect.
        mixed = f"{formula} + (1 | {blocks})"
        return question_of(mixed, rows, None, missing)
    treated = right if is_categorical(rows[right]) else f"C({right})"
    block = blocks if is_categorical(rows[blocks]) else f"C({blocks})"
    left = formula.partition("~")[0].strip()
    model = f"{treated} + {block}"
    layout = layout_of(f"{left} ~ {model}", rows, missing, apart=blocks)
    if len(levels) > 2:
        return Question("blocks", model, right, blocks, layout)
    order = np.argsort(place * 2 + treatment)

    def differences(response: Floats) -> Floats:
        first, second = response[order].reshape(-1, 2).T
        apart: Floats = second - first
        left: Floats = apart - apart.mean()
        return left

    pairs = replace(
        layout, leave=differences, free=np.ones(len(names), dtype=np.bool_), groupings=()
    )
    return Question("pairs", right, right, blocks, pairs)


def _unfit(formula: str, frame: pd.DataFrame, missing: Missing) -> str:
    from joulebench.stats.art_design import art_design

    try:
        art_design(formula, frame, missing)
    except Refused as refusal:
        return str(refusal)
    return ""


def _of_formula(test: str, words: str, formula: str) -> Choice:
    return Choice(test, words, formula, f'{test}("{formula}", frame)')


def _arrays(test: str, response: str, option: str) -> str:
    """Write the call of a test of two arrays, x and y the response of either group."""
    change = response.partition("(")[0] if "(" in response else ""
    x, y = (f"np.{change}({name})" if change else name for name in "xy")
    return f"{test}({x}, {y}{', ' + option if option else ''})"
