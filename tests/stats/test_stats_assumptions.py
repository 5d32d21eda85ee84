"""The assumptions of a model, against shapiro.test, car and MASS of R."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.assumptions import assumptions, normality_of_residuals
from joulebench.stats.boxcox import box_cox, power_of, profile
from joulebench.stats.model_layout import layout_of
from joulebench.stats.refused import Refused

CASES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "oracles" / "assumptions.json").read_text()
)["cases"]


@pytest.mark.parametrize("name", CASES)
def test_all_together_as_r_has_them(name: str) -> None:
    case = CASES[name]
    found = assumptions(case["formula"], pd.DataFrame(case["data"])).set_index("test")
    said, spread = case["residuals"], case["variances"]
    assert list(found.index) == [
        "Shapiro-Wilk", "Levene (median)", "Levene (mean)", "Bartlett", "Fligner-Killeen",
    ]  # fmt: skip
    shapiro = found.loc["Shapiro-Wilk"]
    assert shapiro["term"] == "residuals"
    assert [shapiro[k] for k in ("value", "p", "skewness", "kurtosis")] == pytest.approx(
        [said[k] for k in ("W", "p", "skewness", "kurtosis")], rel=1e-9
    )
    wanted = {
        "Levene (median)": (spread["median"]["F"], spread["median"]["p"]),
        "Levene (mean)": (spread["mean"]["F"], spread["mean"]["p"]),
        "Fligner-Killeen": (spread["fligner"]["chi2"], spread["fligner"]["p"]),
    }
    if spread["bartlett"]:
        wanted["Bartlett"] = (spread["bartlett"]["K2"], spread["bartlett"]["p"])
    else:
        assert np.isnan(found["value"]["Bartlett"])
        assert "has one" in found["note"]["Bartlett"]
    for test, figures in wanted.items():
        assert tuple(found.loc[test, ["value", "p"]]) == pytest.approx(figures, rel=1e-9)


@pytest.mark.parametrize("scale", ["log", "sqrt"])
@pytest.mark.parametrize("name", CASES)
def test_residuals_of_a_transformed_response(name: str, scale: str) -> None:
    case = CASES[name]
    left, right = case["formula"].split("~")
    row = normality_of_residuals(
        f"{scale}({left.strip()}) ~{right}", pd.DataFrame(case["data"])
    ).iloc[0]
    assert [row["value"], row["p"]] == pytest.approx([case[scale]["W"], case[scale]["p"]], rel=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_the_power_that_fits_best(name: str) -> None:
    case = CASES[name]
    layout = layout_of(case["formula"], pd.DataFrame(case["data"]), "refuse")
    found = box_cox(layout.raw(), layout.leave_fixed)
    assert found.power == pytest.approx(case["boxcox"]["lambda"], abs=2e-7)
    assert (found.low, found.high) == pytest.approx(case["boxcox"]["interval"], abs=1e-9)
    likelihood, _ = profile(layout.raw(), layout.leave_fixed)
    assert [likelihood(power) for power in (-1, 0.5, 2)] == pytest.approx(
        case["boxcox"]["at"], rel=1e-11
    )


def test_a_power_of_0_is_the_logarithm() -> None:
    values = np.array([0.5, 1.0, 3.0])
    np.testing.assert_allclose(power_of(values, 1e-9), power_of(values, 0.0), atol=1e-8)
    np.testing.assert_allclose(power_of(values, 0.0), np.log(values))
    np.testing.assert_allclose(power_of(values, 2.0), (values**2 - 1) / 2)


def test_values_far_apart_have_a_power() -> None:
    rng = np.random.default_rng(4)
    values = np.exp(rng.normal(0, 40, 60))
    found = box_cox(values, lambda y: y - y.mean())
    assert found.low < 0 < found.high
    with pytest.raises(Refused, match="1 of 3 are not"):
        box_cox(np.array([0.0, 1.0, 2.0]), lambda y: y - y.mean())


def test_cells_too_small_give_way_to_each_factor() -> None:
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(
        [(a, b, rng.normal()) for a in "klmn" for b in "pqr"], columns=["a", "b", "y"]
    )
    found = assumptions("y ~ a + b", frame)
    levene = found[found["test"] == "Levene (median)"]
    assert list(levene["term"]) == ["a", "b"]
    assert np.isfinite(levene["p"]).all()


def test_rows_alone_in_their_cell_are_named_and_not_compared() -> None:
    rng = np.random.default_rng(6)
    cells = [(a, b) for a in "klm" for b in "pqr"] + [
        ("k", "p"),
        ("k", "q"),
        ("k", "p"),
        ("k", "q"),
    ]
    frame = pd.DataFrame([(a, b, rng.normal()) for a, b in cells], columns=["a", "b", "y"])
    found = assumptions("y ~ a * b", frame)
    assert "7 of 13 rows are alone" in found["note"].iloc[0]


def test_mixed_models_are_judged_by_their_conditional_residuals() -> None:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(
        [(g, f"{g}{k}", rng.normal(k)) for g in "ab" for k in range(5) for _ in range(4)],
        columns=["g", "run", "y"],
    )
    found = assumptions("y ~ g + (1 | run)", frame)
    assert found["n"].tolist() == [40] * 5
    from joulebench.stats.lmm import lmm

    wanted = normality_of_residuals("y ~ g + (1 | run)", frame).iloc[0]["value"]
    residuals = lmm("y ~ g + (1 | run)", frame).residuals
    from joulebench.stats.shapiro import shapiro

    assert shapiro(residuals).iloc[0]["value"] == pytest.approx(wanted, rel=1e-12)


def test_covariates_alone_have_no_groups() -> None:
    rng = np.random.default_rng(8)
    frame = pd.DataFrame({"x": rng.normal(size=20), "y": rng.normal(size=20)})
    assert assumptions("y ~ x", frame)["test"].tolist() == ["Shapiro-Wilk"]


FRAME = pd.DataFrame({"g": list("aabbcc"), "y": [1.0, 2.0, 2.5, 4.0, 3.0, 7.0]})


@pytest.mark.parametrize(
    ("formula", "frame", "said"),
    [
        ("y ~ h", FRAME, "no column 'h'"),
        ("y ~ g", FRAME.assign(y=3.0), "nothing varies"),
        ("y ~ g", FRAME.assign(g="a"), "one level"),
        ("y ~ g", FRAME.assign(y=[1.0, 1.0, 2.0, 2.0, 5.0, 5.0]), "without a residual"),
        ("y ~ g", FRAME.assign(y=[1.0, np.nan, 2.0, 2.0, 5.0, 5.0]), "missing"),
        ("log(y) ~ g", FRAME.assign(y=[0.0, 1.0, 2.0, 2.0, 5.0, 6.0]), "needs values above 0"),
        ("y ~ g", FRAME.iloc[:0], "no row"),
        ("y ~ g", FRAME.iloc[[0, 2, 4]], "rows cannot carry|hold one row|one row"),
    ],
)
def test_bad_input_is_refused_in_one_line(formula: str, frame: pd.DataFrame, said: str) -> None:
    with pytest.raises(Refused, match=said) as caught:
        assumptions(formula, frame)
    assert "\n" not in str(caught.value)


def test_the_published_runs(reference: Path) -> None:
    folder = reference.parent / "oracles"
    place = folder / "json" / "greenlab_published_RQ1_1.json"
    if not place.is_file():
        pytest.skip(f"values made from the published tables are absent: {place}")
    frame = pd.read_csv(folder / "csv" / "greenlab_published_run.csv", dtype={"generation": str})
    for response, key in (("energy_j", "energy"), ("log(energy_j)", "log_energy")):
        said = json.loads(place.read_text())[key]
        found = assumptions(f"{response} ~ generation", frame).set_index("test")
        bartlett = said["levene"]["bartlett"]
        fligner = said["levene"]["fligner"]
        wanted = {
            "Shapiro-Wilk": (said["shapiro_residuals"]["W"], said["shapiro_residuals"]["p"]),
            "Levene (median)": tuple(said["levene"]["median_center"][k] for k in ("F", "p")),
            "Levene (mean)": tuple(said["levene"]["mean_center"][k] for k in ("F", "p")),
            "Bartlett": tuple(bartlett.values()),
            "Fligner-Killeen": tuple(fligner.values()),
        }
        for test, figures in wanted.items():
            assert tuple(found.loc[test, ["value", "p"]]) == pytest.approx(figures, rel=1e-9)
