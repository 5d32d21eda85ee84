"""Which scale and which test are recommended, and why."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.judgement import equal_enough, normal_enough
from joulebench.stats.recommendation import recommended_test
from joulebench.stats.refused import Refused
from joulebench.stats.shapiro import Normality, normality_of
from joulebench.stats.transformation import transformation_advice
from joulebench.stats.variances import LeveneTest


def normal(n: int, mean: float = 0.0, sd: float = 1.0) -> np.ndarray[Any, Any]:
    """Values that look as normal as any."""
    from scipy.special import ndtri

    scores: np.ndarray[Any, Any] = ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25))
    return mean + sd * scores


def heavy(n: int) -> np.ndarray[Any, Any]:
    return np.tan(math.pi * ((np.arange(1, n + 1) - 0.5) / n - 0.5))


def groups(*samples: Any) -> pd.DataFrame:
    return pd.DataFrame(
        [(f"g{k}", v) for k, sample in enumerate(samples) for v in sample], columns=["g", "y"]
    )


ALIKE = groups(normal(15, 5), normal(15, 6), normal(15, 8))
SPREAD = groups(normal(15, 5), normal(15, 6, 5), normal(15, 8))
GROWING = groups(*(np.exp(normal(20, k)) for k in (1, 2, 3)))
HEAVY = groups(heavy(20), heavy(20) + 1, heavy(20) * 2)


@pytest.mark.parametrize(
    ("frame", "call", "other"),
    [
        (ALIKE, 'anova("y ~ g", frame)', 'kruskal("y ~ g", frame)'),
        (SPREAD, 'welch_anova("y ~ g", frame)', 'kruskal("y ~ g", frame)'),
        (GROWING, 'anova("log(y) ~ g", frame)', 'kruskal("y ~ g", frame)'),
        (HEAVY, 'kruskal("y ~ g", frame)', 'anova("y ~ g", frame)'),
        (ALIKE[:30], "t_test(x, y, equal_variances=True)", "wilcoxon_rank_sum(x, y)"),
        (SPREAD[:30], "t_test(x, y)", "wilcoxon_rank_sum(x, y)"),
        (
            GROWING[:40],
            "t_test(np.log(x), np.log(y), equal_variances=True)",
            "wilcoxon_rank_sum(x, y)",
        ),
        (HEAVY[:40], "wilcoxon_rank_sum(x, y)", "t_test(x, y, equal_variances=True)"),
    ],
)
def test_one_factor(frame: pd.DataFrame, call: str, other: str) -> None:
    found = recommended_test("y ~ g", frame)
    assert found.call == call
    assert found.alternatives[0] == other
    assert found.test == call.partition("(")[0]
    assert "\n" not in found.reason
    assert found.frame().iloc[0]["reason"] == found.reason


def test_the_scale_of_the_formula_comes_first() -> None:
    # Normal on the raw scale as well as on that of the root.
    frame = groups(normal(12, 50), normal(12, 52))
    assert "np.sqrt(x)" in recommended_test("sqrt(y) ~ g", frame).call
    assert "np" not in recommended_test("y ~ g", frame).call


def crossed(values: Any, cells: int = 6) -> pd.DataFrame:
    names = [(a, b) for a in "kl" for b in "pqr"][:cells]
    each = len(values) // cells
    return pd.DataFrame(
        [(*name, values[k * each + i]) for k, name in enumerate(names) for i in range(each)],
        columns=["a", "b", "y"],
    )


def test_several_factors() -> None:
    noise = np.random.default_rng(9).permutation(normal(48))
    tame = crossed(noise + np.repeat(np.arange(6), 8))
    assert recommended_test("y ~ a * b", tame).call == 'anova("y ~ a * b", frame)'
    wild = crossed(np.concatenate([heavy(20) * (1 + k) for k in range(6)]))
    assert recommended_test("y ~ a * b", wild).call == 'art("y ~ a * b", frame)'
    gaps = crossed(np.concatenate([heavy(20) for _ in range(5)]), cells=5)
    found = recommended_test("y ~ a + b", gaps)
    assert found.call == 'kruskal("y ~ a:b", frame)'
    assert any("no aligned ranks" in warning for warning in found.warnings)
    uneven = crossed(np.concatenate([normal(8, k, 1 + 6 * (k == 2)) for k in range(6)]))
    assert recommended_test("y ~ a * b", uneven).call == ('anova("y ~ a * b", frame, robust="hc3")')


def blocked(treatments: str, noise: np.ndarray[Any, Any], blocks: int = 12) -> pd.DataFrame:
    rows = [(t, f"b{k:02}") for t in treatments for k in range(blocks)]
    frame = pd.DataFrame(rows, columns=["g", "block"])
    return frame.assign(y=[5.0 * int(name[1:]) for name in frame["block"]] + noise)


def test_pairs_are_judged_by_their_differences() -> None:
    steps = np.concatenate([np.zeros(12), 1 + normal(12)])
    found = recommended_test("y ~ g", blocked("ab", steps), blocks="block")
    assert found.call == "t_test(x, y, paired=True)"
    shuffled = blocked("ab", steps).sample(frac=1, random_state=3)
    assert recommended_test("y ~ g", shuffled, blocks="block").reason == found.reason
    wild = np.concatenate([np.zeros(12), heavy(12) ** 3])
    found = recommended_test("y ~ g", blocked("ab", wild), blocks="block")
    assert found.call == "wilcoxon_signed_rank(x, y)"
    few = blocked("ab", np.concatenate([np.zeros(4), [0.1, 0.1, 0.1, 90.0]]), blocks=4)
    found = recommended_test("y ~ g", few, blocks="block")
    assert any("least exact p 0.12" in warning for warning in found.warnings)


def test_treatments_in_blocks() -> None:
    rng = np.random.default_rng(2)
    tame = blocked("abc", rng.normal(size=36))
    found = recommended_test("y ~ g", tame, blocks="block")
    assert found.call == 'anova("y ~ g + block", frame)'
    assert found.alternatives == ('friedman("y ~ g | block", frame)',)
    wild = blocked("abc", rng.normal(size=36) ** 7)
    assert recommended_test("y ~ g", wild, blocks="block").call == (
        'friedman("y ~ g | block", frame)'
    )
    found = recommended_test("y ~ g", tame.iloc[1:], blocks="block")
    assert found.call == 'lmm("y ~ g + (1 | block)", frame).anova()'


def test_mixed_designs() -> None:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        [(a, f"{a}{s}", b) for a in "kl" for s in range(6) for b in "pqr" for _ in range(3)],
        columns=["a", "s", "b"],
    )
    tame = frame.assign(y=rng.normal(size=len(frame)))
    wild = frame.assign(y=rng.standard_cauchy(size=len(frame)))
    formula = "y ~ a * b + (1 | s)"
    assert recommended_test(formula, tame).call == f'lmm("{formula}", frame).anova()'
    assert recommended_test(formula, wild).call == f'art("{formula}", frame)'
    grown = tame.assign(y=np.exp(2 * tame["y"]))
    assert recommended_test(formula, grown).formula == "log(y) ~ a * b + (1 | s)"


def test_covariates() -> None:
    x = np.arange(40.0)
    frame = pd.DataFrame({"x": x, "y": x + np.random.default_rng(4).normal(size=40)})
    assert recommended_test("y ~ x", frame).call == 'anova("y ~ x", frame)'
    frame["y"] = x + heavy(40)[np.random.default_rng(5).permutation(40)]
    assert recommended_test("y ~ x", frame).call == 'spearman(frame["x"], frame["y"])'


def test_numbers_meant_as_levels_are_pointed_out() -> None:
    frame = ALIKE.assign(size=ALIKE["g"].map({"g0": 1.0, "g1": 3.0, "g2": 8.0}))
    found = recommended_test("y ~ size", frame)
    assert any("C(size)" in warning for warning in found.warnings)
    found = recommended_test("y ~ C(size)", frame)
    assert found.call == 'anova("y ~ C(size)", frame)'
    assert found.alternatives[0] == 'kruskal("y ~ size", frame)'


def test_too_few_values_are_pointed_out() -> None:
    found = recommended_test("y ~ g", groups([1.0, 1.1, 1.2], [1.0, 1.2, 900.0]))
    assert any("only gross departures" in warning for warning in found.warnings)
    found = recommended_test("y ~ g", groups([-1.0, 0.0], [-3.0, -2.0, -1.0, 0.0, 900.0]))
    assert found.test == "wilcoxon_rank_sum"
    assert any("least exact p 0.095" in warning for warning in found.warnings)


def test_a_large_sample_is_judged_by_size_and_not_by_p_alone() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(10, 1, 4000)
    values += 0.04 * (values - 10) ** 2
    frame = pd.DataFrame({"g": np.repeat(["a", "b"], 2000), "y": values})
    advice = transformation_advice("y ~ g", frame)
    assert advice.of("raw").normality is not None
    assert advice.of("raw").normality.p < 1e-6  # type: ignore[union-attr]
    assert advice.recommended == "raw"
    assert "too little to matter" in advice.reason


def test_a_small_p_counts_where_rows_are_few() -> None:
    flat = Normality("Shapiro-Wilk", "W", 0.985, 0.01, 0.1, -0.4, 99)
    assert normal_enough(flat, 0.05).holds is False
    assert normal_enough(replace(flat, n=100), 0.05).holds is True
    many = replace(flat, n=900)
    for far in (
        replace(many, value=0.97),
        replace(many, skewness=-0.6),
        replace(many, kurtosis=1.2),
    ):
        assert normal_enough(far, 0.05).holds is False
    uneven = LeveneTest(4.0, 2, 96, 0.02, 1.4)
    assert equal_enough(uneven, 0.05).holds is False
    assert equal_enough(replace(uneven, df2=97), 0.05).holds is True
    assert equal_enough(replace(uneven, df2=900, sd_ratio=1.6), 0.05).holds is False
    assert equal_enough(None, 0.05).holds is None


def test_groups_of_unequal_spread_go_to_welch_before_another_scale() -> None:
    # The logarithm has both as well.
    frame = groups(*(normal(15, mean, mean / 12) for mean in (5, 20, 80)))
    assert transformation_advice("y ~ g", frame).recommended == "log"
    assert recommended_test("y ~ g", frame).call == 'welch_anova("y ~ g", frame)'


def test_the_worst_of_many_groups_is_judged_as_the_worst_of_many() -> None:
    # One of ten groups has p = 0.02 by itself, which chance gives as often as not.
    odd = normal(12)
    odd[-1] += 2.7
    assert 0.005 < normality_of(odd).p < 0.05
    frame = groups(odd, *(normal(12, 0, 1 + 3 * (k % 2)) for k in range(9)))
    raw = transformation_advice("y ~ g", frame).of("raw")
    assert (raw.equal.holds, raw.normal.holds) == (False, False)
    assert raw.within.holds


def test_the_unit_of_the_response_changes_nothing() -> None:
    wanted = transformation_advice("y ~ g", GROWING).frame()
    for unit in (1e-9, 1e9):
        frame = GROWING.assign(y=GROWING["y"] * unit)
        found = transformation_advice("y ~ g", frame).frame()
        for name in ("value", "p", "lambda_low", "levene_f"):
            np.testing.assert_allclose(found[name], wanted[name], rtol=1e-6, atol=1e-12)


def test_the_advice_in_a_frame() -> None:
    advice = transformation_advice("y ~ g", GROWING)
    assert advice.recommended == "log"
    found = advice.frame()
    assert found["scale"].tolist() == ["raw", "log", "sqrt", "Box-Cox"]
    assert found["recommended"].tolist() == [False, True, False, False]
    last = found.iloc[3]
    assert last["lambda_low"] < last["lambda"] < last["lambda_high"]
    assert last["lambda_low"] < 0 < last["lambda_high"]
    assert advice.box_cox is not None
    assert advice.box_cox.allows(0.0)


def test_scales_that_cannot_be_had_say_why() -> None:
    frame = groups(normal(9), normal(9))
    advice = transformation_advice("y ~ g", frame)
    notes = advice.frame().set_index("scale")["note"]
    assert notes["raw"] == ""
    assert all("needs values above 0" in notes[name] for name in ("log", "sqrt", "Box-Cox"))
    assert advice.recommended == "raw"
    assert advice.box_cox is None
    assert "use ranks" in transformation_advice("y ~ g", HEAVY).reason


@pytest.mark.parametrize(
    ("formula", "options", "said"),
    [
        ("y ~ h", {}, "no column 'h'"),
        ("y ~ g + (1 | g)", {"blocks": "g"}, "as a random term"),
        ("y ~ g", {"blocks": "blok"}, "no column 'blok'"),
        ("y ~ g", {"alpha": 5}, "alpha lies between 0 and 1"),
        ("g ~ y", {}, "holds text"),
    ],
)
def test_bad_input_is_refused(formula: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        recommended_test(formula, ALIKE, **options)
    with pytest.raises(Refused, match="missing"):
        recommended_test("y ~ g", ALIKE.assign(y=ALIKE["y"].where(ALIKE["y"] > 4)))
