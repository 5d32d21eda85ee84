"""Mixed models against values that need no optimiser."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from lmm_oracles import apart, table

from joulebench.stats.lmm import lmm
from joulebench.stats.lmm_blocks import template, triangle
from joulebench.stats.lmm_free import acting_on_triangle, orthonormalising


def test_a_ratio_of_variances_of_three_million_is_resolved() -> None:
    # The root of the derivative of the restricted likelihood and its Hessian, in 50 digits.
    model = lmm("y ~ f + (1 | id)", table("extreme_icc"))
    assert apart(model.theta, [THETA]) < 1e-9
    assert apart(model.fixed()["df1"], EXACT_DF) < 1e-9


THETA = 1826.7837847529741
EXACT_DF = [11.00000277045888, 46.00000253480608, 46.00000047606653]


def balanced(groups: int, rows: int, seed: int = 5) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), rows)
    treated = np.tile(np.arange(rows) % 2, groups)
    between = np.where(group % 2 == 0, "u", "v")
    y = 3 + 0.5 * treated + 1.3 * rng.normal(size=groups)[group] + rng.normal(size=len(group))
    return pd.DataFrame({"y": y, "treated": treated, "between": between, "run": group})


def test_balanced_one_way_has_the_variances_of_its_mean_squares() -> None:
    rows, groups = 6, 9
    frame = balanced(groups, rows)
    model = lmm("y ~ 1 + (1 | run)", frame)
    means = frame.groupby("run")["y"].mean()
    within = float(((frame["y"] - means.loc[frame["run"]].to_numpy()) ** 2).sum())
    within /= groups * (rows - 1)
    between = rows * float(means.var())
    variances = model.variance_components()["variance"]
    assert apart(variances, [(between - within) / rows, within]) < 1e-10
    fixed = model.fixed().iloc[0]
    assert fixed["df1"] == pytest.approx(groups - 1, rel=1e-9)
    assert fixed["se"] == pytest.approx(np.sqrt(between / rows / groups), rel=1e-10)


def test_balanced_split_plot_has_the_degrees_of_freedom_of_its_strata() -> None:
    groups, rows = 10, 6
    model = lmm("y ~ between * treated + (1 | run)", balanced(groups, rows))
    fixed = model.fixed().set_index("term")
    assert fixed.loc["treated", "df1"] == pytest.approx(groups * (rows - 1) - 2, rel=1e-8)
    plain = lmm("y ~ between + (1 | run)", balanced(groups, rows)).fixed().set_index("term")
    assert plain.loc["between[v]", "df1"] == pytest.approx(groups - 2, rel=1e-8)


def test_a_variance_of_zero_leaves_ordinary_least_squares() -> None:
    frame = table("no_icc")
    model = lmm("y ~ f + x + (1 | id)", frame)
    x = np.column_stack([np.ones(len(frame)), frame["f"] == "b", frame["f"] == "c", frame["x"]])
    x = x.astype(np.float64)
    beta, rss, *_ = np.linalg.lstsq(x, frame["y"].to_numpy(), rcond=None)
    n, p = x.shape
    covariance = np.linalg.inv(x.T @ x) * rss[0] / (n - p)
    assert (model.theta == 0).all()
    assert apart(model.beta, beta) < 1e-10
    assert apart(np.diag(model.covariance()), np.diag(covariance)) < 1e-10
    assert apart(model.fixed()["df1"], np.full(p, n - p)) < 1e-8


@pytest.mark.parametrize(
    "formula", ["y ~ f * x + (1 | id)", "y ~ x + (x | id)", "y ~ x + (x || id)"]
)
@pytest.mark.parametrize(
    ("size", "offset", "stretch"), [(1e9, 0.0, 1.0), (1e-9, 1e-6, 1e6), (1.0, 1e5, 1e-7)]
)
def test_units_and_origins_change_nothing_else(
    formula: str, size: float, offset: float, stretch: float
) -> None:
    frame = table("low_icc")
    other = frame.assign(y=frame["y"] * size + offset, x=frame["x"] * stretch)
    one, two = lmm(formula, frame), lmm(formula, other)
    before, after = one.fixed(), two.fixed()
    assert apart(after["df1"], before["df1"]) < 1e-7
    steep = [name.startswith("x") or ":x" in name for name in before["term"]]
    scale = np.where(steep, size / stretch, size)
    assert apart(after["se"], before["se"] * scale) < 1e-8
    assert apart(after["estimate"][1:], (before["estimate"] * scale)[1:]) < 1e-6
    assert apart(two.sigma, one.sigma * size) < 1e-8


def test_the_likelihood_is_that_of_the_normal_density() -> None:
    frame = table("tiny")
    model = lmm("y ~ k + (1 | run)", frame, reml=False)
    fit = model.fit
    z = fit.blocks[0].z.toarray()
    variance = fit.sigma**2 * (np.eye(fit.n) + z @ z.T * fit.theta[0] ** 2)
    rest = fit.y - fit.x @ fit.beta
    log_det = np.linalg.slogdet(2 * np.pi * variance)[1]
    expected = -0.5 * (log_det + rest @ np.linalg.solve(variance, rest))
    assert model.log_likelihood == pytest.approx(expected, rel=1e-12)
    restricted = lmm("y ~ k + (1 | run)", frame)
    assert restricted.deviance > model.deviance
    assert restricted.reml_criterion == pytest.approx(-2 * restricted.log_likelihood)


def test_a_crossed_fit_agrees_with_dense_algebra() -> None:
    model = lmm("strength ~ cask + (1 | batch/cask)", table("pastes_unbalanced"))
    fit = model.fit
    variance = np.eye(fit.n)
    for block, factor in zip(fit.blocks, fit.factors, strict=True):
        z = block.z.toarray()
        variance += z @ np.kron(np.eye(len(block.levels)), factor @ factor.T) @ z.T
    inverse = np.linalg.inv(variance)
    information = fit.x.T @ inverse @ fit.x
    assert apart(fit.covariance, fit.sigma**2 * np.linalg.inv(information)) < 1e-9
    rest = fit.y - fit.x @ fit.beta
    for block, factor, modes in zip(fit.blocks, fit.factors, fit.modes, strict=True):
        expected = block.z.T @ (inverse @ rest) * (factor[0, 0] ** 2)
        assert np.allclose(modes[:, 0], expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("formula", ["y ~ f + (x | id)", "y ~ f + (1 | id) + (0 + x | f)"])
@pytest.mark.parametrize("reml", [True, False])
def test_the_criterion_holds_at_any_parameters(formula: str, reml: bool) -> None:
    # Groups of one row among them, in which an intercept and a slope are one and the same.
    fit = lmm(formula.replace("| f", "| g"), grouped_twice(), reml=reml).fit
    rng = np.random.default_rng(1)
    for _ in range(3):
        theta = np.abs(rng.normal(size=len(fit.theta)))
        starts = np.cumsum([block.parameters for block in fit.blocks])[:-1]
        variance = np.eye(fit.n)
        for block, own in zip(fit.blocks, np.split(theta, starts), strict=True):
            factor = template(own, block.k)
            z = block.z.toarray()
            variance += z @ np.kron(np.eye(len(block.levels)), factor @ factor.T) @ z.T
        inverse = np.linalg.inv(variance)
        information = fit.x.T @ inverse @ fit.x
        beta = np.linalg.solve(information, fit.x.T @ inverse @ fit.y)
        rest = fit.y - fit.x @ beta
        weight = fit.n - fit.p if reml else fit.n
        expected = np.linalg.slogdet(variance)[1]
        expected += weight * (1 + np.log(2 * np.pi * (rest @ inverse @ rest) / weight))
        expected += np.linalg.slogdet(information)[1] if reml else 0.0
        assert fit.criterion_at(theta) == pytest.approx(expected, rel=1e-11)


def grouped_twice() -> pd.DataFrame:
    frame = table("low_icc")
    return frame.assign(g=[f"g{k % 4}" for k in range(len(frame))])


def test_free_parameters_are_those_of_orthonormal_covariates() -> None:
    rng = np.random.default_rng(2)
    values = np.column_stack([np.ones(40), 2020 + rng.integers(0, 5, 40), rng.normal(size=40)])
    lower = orthonormalising(values, 8)
    assert (np.triu(lower, 1) == 0).all()
    turned = values @ lower
    assert turned.T @ turned / 8 == pytest.approx(np.eye(3), abs=1e-8)
    factor = np.tril(rng.normal(size=(3, 3)))
    elements = acting_on_triangle(lower) @ factor[triangle(3)]
    assert template(elements, 3) == pytest.approx(lower @ factor)
