"""Kenward-Roger against pbkrtest and lmerTest, and what must hold of it."""

from __future__ import annotations

import json
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from kr_oracles import deviation, oracle, term_deviation
from lmm_oracles import shared_folder
from numpy.typing import NDArray

from joulebench.stats.fixed_design import FixedDesign
from joulebench.stats.formula import parse
from joulebench.stats.lmm import lmm
from joulebench.stats.lmm_anova import anova_table
from joulebench.stats.lmm_blocks import RandomBlock, template
from joulebench.stats.lmm_fit import MixedFit
from joulebench.stats.lmm_information import information
from joulebench.stats.lmm_kenward_roger import (
    KenwardRoger,
    _denominator,
    adjusted,
    kenward_roger,
)
from joulebench.stats.lmm_model import MixedModel
from joulebench.stats.lmm_random_terms import random_blocks
from joulebench.stats.refused import Refused

CASES = oracle("kr")
# lme4 stopped short of the optimum at these, as a correlation of 1 or nearly makes it flat.
FLAT = {"random2", "random12", "random22", "random26", "three"}


def at_estimates_of_r(case: dict[str, Any]) -> KenwardRoger:
    """Adjust at the parameters that lme4 found, so that only the adjustment is compared."""
    frame, formula = pd.DataFrame(case["data"]), parse(case["formula"])
    x = FixedDesign.of(formula.fixed, frame).x
    # lme4 puts the term with most groups first.
    blocks = sorted(random_blocks(formula.random, frame), key=lambda block: -len(block.levels))
    ends = np.cumsum([0, *(block.parameters for block in blocks)])
    theta = np.array(case["theta"])
    factors = [
        template(theta[a:b], block.k) for (a, b), block in zip(pairwise(ends), blocks, strict=True)
    ]
    basis, upper = np.linalg.qr(x)
    found = information(basis, blocks, factors)
    return adjusted(found, np.linalg.inv(upper), np.array(case["beta"]), case["sigma"])


@pytest.mark.parametrize("name", CASES)
def test_at_the_parameters_of_lme4_it_is_pbkrtest(name: str) -> None:
    case = CASES[name]
    found = at_estimates_of_r(case)
    largest = np.abs(case["adjusted"]).max()
    assert np.abs(found.covariance - case["adjusted"]).max() < 1e-10 * largest
    assert np.abs(found.plain - case["covariance"]).max() < 1e-10 * largest
    assert deviation(found.df(np.eye(len(case["beta"]))), case["df"]) < 1e-10
    for test in case["tests"].values():
        joint = found.joint(np.array(test["L"]))
        assert deviation([joint.F, joint.df1, joint.df2, joint.p],
                         [test["F"], test["df1"], test["df2"], test["p"]]) < 1e-10  # fmt: skip


@cache
def fitted(name: str) -> MixedModel:
    return lmm(CASES[name]["formula"], pd.DataFrame(CASES[name]["data"]))


@pytest.mark.parametrize("type_", [1, 2, 3])
@pytest.mark.parametrize("name", [name for name in CASES if name not in FLAT])
def test_tables_of_a_fit_are_those_of_lmertest(name: str, type_: int) -> None:
    case = CASES[name]
    found = anova_table(fitted(name), type_, "kenward-roger")
    assert list(found["term"]) == [row.replace(" ", "") for row in case[f"kr{type_}"]["row"]]
    assert max(term_deviation(found, case[f"kr{type_}"]).values()) < 3e-5


@pytest.mark.parametrize("name", sorted(FLAT))
def test_where_they_differ_our_fit_is_the_likelier(name: str) -> None:
    case = CASES[name]
    fit = fitted(name).fit
    blocks = random_blocks(parse(case["formula"]).random, pd.DataFrame(case["data"]))
    sizes = [len(block.levels) for block in blocks]
    assert sizes == sorted(sizes, reverse=True)  # parameters stand in one order in both
    assert fit.criterion <= fit.criterion_at(np.array(case["theta"])) + 1e-9


def data(n: int = 60, scale: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    g, h = rng.integers(0, 7, n), rng.integers(0, 4, n)
    x, f = rng.normal(size=n), np.array(["a", "b", "c"])[rng.integers(0, 3, n)]
    y = x + rng.normal(size=7)[g] + rng.normal(size=7)[g] * x + rng.normal(size=n)
    return pd.DataFrame({"y": y * scale, "x": x, "f": f, "g": g, "h": h})


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_units_do_not_matter(scale: float) -> None:
    formula = "y ~ f * x + (x | g)"
    plain = anova_table(lmm(formula, data()), 3, "kenward-roger")
    scaled = anova_table(lmm(formula, data(scale=scale)), 3, "kenward-roger")
    assert deviation(scaled["df2"], plain["df2"]) < 1e-6
    assert deviation(scaled["value"], plain["value"]) < 1e-6
    assert deviation(scaled["sum_sq"], plain["sum_sq"] * scale**2) < 1e-6


def test_balanced_groups_give_the_degrees_of_freedom_of_the_strata() -> None:
    rng = np.random.default_rng(1)
    grid = pd.MultiIndex.from_product([range(3), range(5), range(4)], names=["a", "r", "b"])
    frame = grid.to_frame(index=False).astype(str)
    frame["plot"] = frame["a"] + frame["r"]
    frame["y"] = rng.normal(size=60) + 2 * rng.normal(size=15)[pd.factorize(frame["plot"])[0]]
    table = lmm("y ~ C(a) * C(b) + (1 | plot)", frame).anova(ddf="kenward-roger")
    assert list(table["df2"]) == pytest.approx([12, 36, 36], rel=1e-9)


def test_a_high_share_between_groups_costs_no_precision() -> None:
    # Balanced groups that swamp the residual: type III of the means of the groups, exactly.
    rng = np.random.default_rng(2)
    run = np.repeat(np.arange(12), 5)
    frame = pd.DataFrame({"run": run, "f": np.array(["a", "b", "c"])[run % 3]})
    frame["y"] = 1e4 * rng.normal(size=12)[run] + rng.normal(size=60)
    found = lmm("y ~ f + (1 | run)", frame).anova(ddf="kenward-roger").iloc[0]
    means = frame.groupby(["run", "f"], as_index=False)["y"].mean()
    within = means.groupby("f")["y"].agg(["mean", "var", "count"])
    residual = float((within["var"] * (within["count"] - 1)).sum() / 9)
    between = float((4 * (within["mean"] - means["y"].mean()) ** 2).sum() / 2)
    assert found["value"] == pytest.approx(between / residual, rel=1e-9)
    assert found["df2"] == pytest.approx(9, rel=1e-9)


def test_functions_that_repeat_others_do_not_count() -> None:
    model = lmm("y ~ f * x + (1 | g)", data())
    found = kenward_roger(model.fit)
    functions = np.eye(6)[[1, 2]]
    repeated = np.vstack([functions, functions.sum(axis=0), 3 * functions[0]])
    assert pytest.approx(found.joint(functions).F, rel=1e-10) == found.joint(repeated).F
    assert found.joint(repeated).df1 == 2
    assert found.joint(repeated).df2 == pytest.approx(found.joint(functions).df2, rel=1e-10)


def test_one_function_has_the_degrees_of_freedom_of_its_t() -> None:
    found = kenward_roger(lmm("y ~ f * x + (x | g) + (1 | h)", data()).fit)
    function = np.array([0.0, 1.0, -1.0, 0.5, 0.0, 0.0])
    joint = found.joint(function)
    assert joint.df2 == pytest.approx(float(found.df(function)[0]), rel=1e-12)
    t = function @ found.beta / np.sqrt(function @ found.covariance @ function)
    assert pytest.approx(t**2, rel=1e-12) == joint.F


def test_a_fit_by_maximum_likelihood_is_refitted_and_says_so() -> None:
    likely = lmm("y ~ f * x + (1 | g)", data(), reml=False)
    restricted = lmm("y ~ f * x + (1 | g)", data())
    found = kenward_roger(likely.fit)
    assert found.covariance == pytest.approx(kenward_roger(restricted.fit).covariance, rel=1e-8)
    assert "restricted maximum likelihood" in found.note
    assert "restricted maximum likelihood" in likely.anova(ddf="kenward-roger")["note"][0]


def test_functions_of_0_are_refused() -> None:
    found = kenward_roger(lmm("y ~ f + (1 | g)", data()).fit)
    with pytest.raises(Refused, match="all 0"):
        found.joint(np.zeros((2, 3)))


def test_a_dense_matrix_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("joulebench.stats.lmm_information._LARGEST", 8)
    fit = lmm("y ~ f + (1 | g) + (1 | h)", data()).fit
    with pytest.raises(Refused, match="satterthwaite"):
        kenward_roger(fit)
    kenward_roger(lmm("y ~ f + (1 | g)", data()).fit)  # groups apart need no such matrix


def dense(fit: MixedFit) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Write the covariance of the adjusted estimates out with matrices of rows by rows."""
    parts = []
    for block in fit.blocks:
        z = block.z.toarray()
        for a in range(block.k):
            for b in range(a, block.k):
                one, other = z[:, a :: block.k], z[:, b :: block.k]
                parts.append(one @ one.T if a == b else one @ other.T + other @ one.T)
    parts.append(np.eye(fit.n))
    v = fit.sigma**2 * np.eye(fit.n)
    for block, covariance in zip(fit.blocks, fit.covariances, strict=True):
        z = block.z.toarray()
        v += z @ np.kron(np.eye(len(block.levels)), covariance) @ z.T
    s, x = np.linalg.inv(v), fit.x
    phi = np.linalg.inv(x.T @ s @ x)
    p = [-x.T @ s @ g @ s @ x for g in parts]
    q = [[x.T @ s @ g @ s @ h @ s @ x for h in parts] for g in parts]
    expected = np.array(
        [
            [
                np.trace(s @ g @ s @ h)
                - 2 * np.trace(phi @ q[i][j])
                + np.trace(phi @ p[i] @ phi @ p[j])
                for j, h in enumerate(parts)
            ]
            for i, g in enumerate(parts)
        ]
    )
    w = 2 * np.linalg.inv(expected)
    middle = np.zeros_like(phi)
    for i, j in np.ndindex(w.shape):
        middle += w[i, j] * (q[i][j] - p[i] @ phi @ p[j])
    return np.asarray(phi), np.asarray(phi + 2 * phi @ middle @ phi)


@pytest.mark.parametrize(
    "random", ["(1 | g)", "(x | g)", "(x || g)", "(x | g) + (1 | h)", "(1 | g/h)", "(f | g)"]
)
def test_it_is_what_matrices_of_rows_by_rows_give(random: str) -> None:
    fit = lmm(f"y ~ f * x + {random}", data(80)).fit
    phi, expected = dense(fit)
    found = kenward_roger(fit)
    assert np.abs(found.plain - phi).max() < 1e-9 * np.abs(phi).max()
    assert np.abs(found.covariance - expected).max() < 1e-8 * np.abs(expected).max()


def test_the_published_runs() -> None:
    folder = shared_folder()
    values = json.loads((folder / "json" / "greenlab_published_RQ2.json").read_text())
    frame = pd.read_csv(folder / "csv" / "greenlab_published.csv")
    frame["gen"] = frame["generation"].map(lambda value: f"{value:g}")
    compared = 0
    for case in values.values():
        if isinstance(case, dict) and case.get("formula", "").endswith("gen * task + (1 | run)"):
            table = lmm(case["formula"], frame).anova(3, "kenward-roger")
            found = term_deviation(table, case["anova_type3_kenward_roger"])
            assert max(found.values()) < 1e-5
            compared += 1
    assert compared == 2


def test_blocks_apart_are_found_whatever_their_names() -> None:
    codes = np.array([0, 0, 1, 1, 2, 2])
    nested = RandomBlock("a:b", ("(Intercept)",), ("0", "1", "2"), codes, np.ones((6, 1)))
    outer = RandomBlock("a", ("(Intercept)",), ("0", "1"), codes // 2, np.ones((6, 1)))
    basis = np.ones((6, 1)) / np.sqrt(6)
    found = information(basis, [nested, outer], [np.eye(1), np.eye(1)])
    v = (
        np.eye(6)
        + nested.z.toarray() @ nested.z.toarray().T
        + outer.z.toarray() @ outer.z.toarray().T
    )
    assert found.fixed == pytest.approx(basis.T @ np.linalg.inv(v) @ basis, rel=1e-12)
    assert found.traces[2, 2] == pytest.approx(np.sum(np.linalg.inv(v) ** 2), rel=1e-12)


def test_four_degrees_of_freedom_divide_by_nothing() -> None:
    """With these moments rho is infinite, and 4 + (count + 2) / (count rho - 1) is 4."""
    assert _denominator(3, 4.5, 1.5) == 4.0
    assert _denominator(3, 4.5 - 1e-9, 1.5) == pytest.approx(4.0)
