"""Every closed-form function against R on random samples: ties, outliers, constants, any scale."""

from __future__ import annotations

import json
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from joulebench import stats
from joulebench.stats.refused import Refused

Floats = NDArray[np.float64]

ORACLE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "oracles" / "versus_samples.json").read_text(encoding="utf-8")
)
CALLS = sorted({case["call"] for case in ORACLE["cases"]})
EXACT = 1e-8
ROUGH = {"ci_low", "ci_high"}
"""Ends of shares of variance: R's pf() with a noncentrality is good to 1e-9 of probability."""
OF_SHARES = {"anova", "friedman", "kruskal", "welch_anova"}


def column(values: Any) -> list[Any]:
    listed = values if isinstance(values, list) else [values]
    return [math.nan if value is None else value for value in listed]


def lehmer(count: int, start: int) -> Floats:
    """Draw uniform numbers as the R script does, in whole numbers of 47 bits."""
    found = np.empty(count)
    for place in range(count):
        start = start * 16807 % 2147483647
        found[place] = start / 2147483647
    return found


SHAPES: dict[str, Any] = {
    "flat": lambda u: u, "ties": lambda u: np.floor(u * 7), "skewed": lambda u: 1 / (u + 0.03),
    "joules": lambda u: 1e3 + 50 * u * u, "large": lambda u: 1e9 * u, "small": lambda u: 1e-9 * u,
}  # fmt: skip


def data_of(case: dict[str, Any]) -> dict[str, Any]:
    data = ORACLE["data"][case["data"]] or {}
    if not data.keys() & {"made", "groups"}:
        return {name: column(values) for name, values in data.items()}
    n, first, m, second, kind = data.get("made") or data["groups"]
    x, y = (
        SHAPES[kind](lehmer(int(n), int(first))),
        SHAPES[kind](lehmer(int(m), int(second))) * 1.01,
    )
    if "made" in data:
        return {"x": x} if case["call"] == "shapiro" else {"x": x, "y": y}
    places = [*(k % 3 for k in range(1, len(x) + 1)), *(k % 4 for k in range(1, len(y) + 1))]
    return {"y": np.concatenate([x, y]), "g": [f"g{place}" for place in places]}


def found_by(case: dict[str, Any]) -> pd.DataFrame:
    name, asked, data = case["call"], dict(case["args"] or {}), data_of(case)
    if name == "adjusted":
        return pd.DataFrame({"value": stats.adjusted(data["p"], **asked)})
    if name == "lm":
        return stats.lm(asked["formula"], pd.DataFrame(data)).coefficients()
    if name in ("emmeans", "contrasts", "trends"):
        model = stats.lm(asked.pop("formula"), pd.DataFrame(data))
        if name == "trends":
            return stats.trends(model, **asked).frame()
        grid = {k: asked.pop(k) for k in ("specs", "by", "weights", "confidence") if k in asked}
        means = stats.emmeans(model, **grid)
        return means.frame() if name == "emmeans" else means.contrasts(**asked)
    function = getattr(stats, name)
    if "formula" in asked:
        found = function(asked.pop("formula"), pd.DataFrame(data), **asked)
    else:
        found = function(*(data[k] for k in ("x", "y") if k in data), **asked)
    return cast(pd.DataFrame, found)


def tolerance(case: dict[str, Any], name: str) -> float:
    if "tol" in case:
        return float(case["tol"])
    if name in ROUGH and case["call"] in OF_SHARES:
        return 1e-5
    if case["call"] == "power_anova":
        return 1e-7
    # Values far above their spread, of which R loses digits (see below).
    far = any(kind in case["kind"] for kind in ("level", "outlier"))
    return 2e-6 if far else EXACT


def agree(case: dict[str, Any], name: str, found: pd.DataFrame) -> None:
    wanted = np.array(column(case["want"][name]), dtype=float)
    given = found[name].to_numpy(dtype=float)
    assert len(given) == len(wanted)
    told = ~np.isnan(wanted)
    rel = tolerance(case, name)
    if rel < 0:  # a search in the unit of the data
        np.testing.assert_allclose(given[told], wanted[told], atol=-rel, rtol=0)
        return
    # What is 0 but for rounding is judged by its standard error, and a statistic by 0.001.
    least = np.full(len(given), 1e-3 if name == "value" else 0.0)
    if name in ("estimate", "ci_low", "ci_high") and "se" in found and "effect" not in found:
        least = found["se"].to_numpy(dtype=float)
    if name == "effect" and case["call"] not in OF_SHARES:
        least = np.full(len(given), 1e-6)
    near = np.maximum(np.abs(wanted), least) * rel
    apart = told & (given != wanted)  # infinite ends are equal or wrong
    assert (np.abs(given[apart] - wanted[apart]) <= near[apart]).all(), (case, name, given)


def may_be_refused(case: dict[str, Any]) -> bool:
    """Say whether R has no answer either, or one of rounding alone."""
    p = case["want"].get("p")
    few = case["call"] == "levene" and max(Counter(data_of(case)["g"]).values()) < 3
    return bool("refused" in case["want"] or p is None or "constant" in case["kind"] or few)


@pytest.mark.parametrize("call", CALLS)
def test_random_samples_give_what_r_gives(call: str) -> None:
    compared = 0
    for case in ORACLE["cases"]:
        if case["call"] != call:
            continue
        try:
            found = found_by(case)
        except Refused:
            assert may_be_refused(case), case
            continue
        if "refused" in case["want"]:
            continue
        if case["args"] and "aliased" in case["args"]:  # R leaves terms without freedom out
            found = found[found["df1"] > 0]
        for name in case["want"]:
            if name in ("term", "contrast"):
                assert name == "term" or list(found[name]) == column(case["want"][name])
            elif name in ("aliased", "place"):
                pass
            else:
                agree(case, name, found)
                compared += 1
    assert compared


def test_the_coefficients_that_r_leaves_out_are_left_out() -> None:
    wanted = [case for case in ORACLE["cases"] if "place" in case["want"]]
    assert wanted
    for case in wanted:
        model = stats.lm(case["args"]["formula"], pd.DataFrame(data_of(case)))
        assert list(model.design.rank.dropped) == column(case["want"]["place"])


def exact_t(x: list[float], y: list[float]) -> float:
    """Give Student's t in fractions, whose root alone is rounded."""
    means = [sum(map(Fraction, values)) / len(values) for values in (x, y)]
    squares = sum(
        sum((Fraction(v) - mean) ** 2 for v in values)
        for values, mean in zip((x, y), means, strict=True)
    )
    variance = squares / (len(x) + len(y) - 2) * (Fraction(1, len(x)) + Fraction(1, len(y)))
    difference = means[0] - means[1]
    return math.copysign(math.sqrt(difference**2 / variance), difference)


@pytest.mark.parametrize("level", [0.0, 1e6, 1e12])
def test_values_far_above_their_spread_keep_the_digits_that_they_have(level: float) -> None:
    rng = np.random.default_rng(5)
    x, y = ((level + rng.normal(shift, 1, 9)).tolist() for shift in (0.0, 0.3))
    wanted = exact_t(x, y)
    frame = pd.DataFrame({"v": [*y, *x], "g": ["a"] * 9 + ["b"] * 9})
    student = stats.t_test(x, y, equal_variances=True)["value"][0]
    assert student == pytest.approx(wanted, rel=1e-12)
    contrast = stats.planned_contrasts("v ~ g", frame)["value"][0]
    assert contrast == pytest.approx(wanted, rel=1e-12)
    unequal = stats.planned_contrasts("v ~ g", frame, variances="unequal")["value"][0]
    assert unequal == pytest.approx(wanted, rel=1e-12)
    assert stats.anova("v ~ g", frame)["value"][0] == pytest.approx(wanted**2, rel=1e-12)


def test_groups_of_far_apart_scales_keep_their_digits() -> None:
    small, large = [5.1e-9, 4.2e-9, 6.3e-9, 5.5e-9], [0.31, 0.32, 0.35]
    other = [value + 1e-9 for value in small]
    frame = pd.DataFrame({"v": [*small, *other, *large], "g": list("aaaabbbbccc")})
    alone = stats.t_test(other, small)
    both = stats.planned_contrasts("v ~ g", frame, variances="unequal").iloc[0]
    assert both["value"] == pytest.approx(alone["value"][0], rel=1e-12)
    assert stats.games_howell("v ~ g", frame)["p"][0] == pytest.approx(alone["p"][0], rel=1e-12)


def test_a_correlation_near_1_keeps_its_t() -> None:
    x = [1e6, 0.3, -0.2, 0.9, 0.1]
    y = [1e6 + 0.5, 0.1, 0.4, -0.6, 0.2]
    u, v = ([Fraction(w) - sum(map(Fraction, s)) / 5 for w in s] for s in (x, y))
    xy, xx, yy = (
        sum(a * b for a, b in zip(p, q, strict=True)) for p, q in ((u, v), (u, u), (v, v))
    )
    square = xy * xy / (xx * yy)
    wanted = math.sqrt(square * 3 / (1 - square))
    assert stats.pearson(x, y)["value"][0] == pytest.approx(wanted, rel=1e-9)


def test_ranks_that_do_not_go_together_have_a_correlation_of_0() -> None:
    assert stats.spearman([1, 2, 3, 4], [2, 4, 1, 3])["effect"][0] == 0.0


def test_three_values_have_a_p_however_close_two_are() -> None:
    # 6 / pi (asin sqrt(W) - pi / 3) at u = 1e-9, to first order 6 sqrt(3) u / (2 pi).
    wanted = 6 * math.sqrt(3) * 1e-9 / (2 * math.pi)
    assert stats.shapiro([0.0, 1e-9, 1.0])["p"][0] == pytest.approx(wanted, rel=1e-8)


def test_an_f_of_any_size_has_an_interval() -> None:
    from scipy.stats import chi2

    for f in (1e9, 1e12, 1e16, 1e20, 1e40, 1e100):
        ends = stats.noncentral_f_interval(f, 3, 20)
        # Of so large an F the noncentrality over F is a chi-square over its degrees of freedom.
        wanted = f * 3 * chi2.ppf([0.025, 0.975], 20) / 20
        np.testing.assert_allclose(ends, wanted, rtol=1e-6 if f < 1e10 else 1e-9)


def test_formulas_as_r_writes_them() -> None:
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {"y": rng.normal(size=20), "x.a": rng.uniform(1, 3, 20), "g": list("ab") * 10}
    )
    frame["square"], frame["root"] = (frame["x.a"] - 1) ** 2, np.sqrt(frame["x.a"])
    plain = stats.lm("y ~ square * g + root", frame)
    written = stats.lm("y ~ I((x.a - 1)^2) * as.factor(g) + sqrt(x.a)", frame)
    np.testing.assert_allclose(written.beta, plain.beta, rtol=1e-9)
    assert [term.name for term in written.design.terms] == [
        "I((x.a - 1)^2)", "g", "sqrt(x.a)", "I((x.a - 1)^2):g",
    ]  # fmt: skip
