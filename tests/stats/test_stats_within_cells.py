"""Means of cells judged by repetitions, beside R's linear model of the full crossing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.emmeans import emmeans
from joulebench.stats.refused import Refused
from joulebench.stats.within_cells import within_cells

FOLDER = Path(__file__).parent / "oracles"


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    data = pd.read_csv(FOLDER / "data" / "within_cells.csv")
    return data.assign(cell=data["model"] + data["task"], block=data["block"].astype(str))


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "within_cells.json").read_text(encoding="utf-8"))
    return loaded


@pytest.mark.parametrize(("key", "block"), [("plain", None), ("blocked", "block")])
def test_unbalanced_cells_have_r_s_type_iii_tests(
    frame: pd.DataFrame, oracle: dict[str, Any], key: str, block: str | None
) -> None:
    fit = within_cells("log(y) ~ task + model", frame, "cell", block=block)
    theirs = oracle[key]["anova"]
    found = fit.anova("task:model").set_index("term")
    for term in ("task", "model", "task:model"):
        at = theirs["term"].index(term)
        assert found.loc[term, "value"] == pytest.approx(theirs["F"][at], rel=1e-8)
        assert found.loc[term, "p"] == pytest.approx(theirs["p"][at], rel=1e-8)
        assert found.loc[term, "df1"] == theirs["df"][at]
        assert found.loc[term, "sum_sq"] == pytest.approx(theirs["sum_sq"][at], rel=1e-8)
    assert fit.sigma == pytest.approx(oracle[key]["sigma"], rel=1e-8)
    assert fit.df == oracle[key]["df"]


@pytest.mark.parametrize(("key", "block"), [("plain", None), ("blocked", "block")])
def test_means_and_pairs_are_those_of_r(
    frame: pd.DataFrame, oracle: dict[str, Any], key: str, block: str | None
) -> None:
    fit = within_cells("log(y) ~ task + model", frame, "cell", block=block)
    means, theirs = emmeans(fit, "model").frame(), oracle[key]["means"]
    assert means["estimate"].to_numpy() == pytest.approx(theirs["emmean"], rel=1e-8)
    assert means["se"].to_numpy() == pytest.approx(theirs["SE"], rel=1e-8)
    assert means["n"].tolist() == frame.groupby("model").size().tolist()
    pairs = emmeans(fit, "model").contrasts("pairwise", adjust="tukey")
    theirs = oracle[key]["pairs"]
    for ours, name in (("estimate", "estimate"), ("se", "SE"), ("df1", "df"),
                       ("ci_low", "lower.CL"), ("ci_high", "upper.CL")):  # fmt: skip
        assert pairs[ours].to_numpy() == pytest.approx(theirs[name], rel=1e-7), name
    assert pairs["p_adjusted"].to_numpy() == pytest.approx(theirs["p.value"], abs=1e-10)


def test_empty_cells_leave_the_additive_means_with_the_error_of_repetitions(
    frame: pd.DataFrame,
) -> None:
    some = frame[~frame["cell"].isin(["au", "bw", "cx"])].reset_index(drop=True)
    fit = within_cells("y ~ task + model", some, "cell")
    cells = some.groupby("cell")["y"].agg(["mean", "size"])
    x = np.array([[1.0, *(cell[1] == t for t in "vwx"), *(cell[0] == m for m in "bc")]
                  for cell in cells.index])  # fmt: skip
    solve = np.linalg.pinv(x)
    error = (some["y"] - some["cell"].map(cells["mean"])).to_numpy(dtype=np.float64)
    variance = float(error @ error) / (len(some) - len(cells))
    spread = (solve / cells["size"].to_numpy()) @ solve.T * variance
    found = emmeans(fit, "model").contrasts("trt.vs.ctrl", adjust="none")
    assert found["estimate"].to_numpy() == pytest.approx(solve[4:] @ cells["mean"].to_numpy())
    assert found["se"].to_numpy() == pytest.approx(np.sqrt(np.diag(spread))[4:])
    assert set(found["df1"]) == {len(some) - 9}


def test_what_the_formula_misses_between_cells_is_no_error() -> None:
    rows = [{"a": a, "b": b, "cell": a + b, "y": y + e}
            for a, b, y in (("p", "u", 1.0), ("p", "v", 9.0), ("q", "u", 9.0), ("q", "v", 1.0))
            for e in (-0.01, 0.0, 0.01)]  # fmt: skip
    fit = within_cells("y ~ b + a", pd.DataFrame(rows), "cell")
    found = fit.anova("a:b").set_index("term")
    assert found.loc["a", "value"] == pytest.approx(0.0, abs=1e-20)
    assert found.loc["a:b", "value"] == pytest.approx(12 * 16.0 / fit.sigma**2)
    assert fit.sigma == pytest.approx(0.01)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: f.drop_duplicates("cell"), "was run once: nothing tells how repetitions"),
        (lambda f: f.assign(y=f.groupby("cell")["y"].transform("first")), "no scatter is left"),
        (lambda f: f.assign(y=3.0), "is 3 in all 54 rows: nothing varies"),
        (lambda f: f.assign(cell=f["model"]), "'task' varies within the cell 'a'"),
        (lambda f: f.drop(columns="task"), "no column 'task'"),
        (lambda f: f.assign(y=f["y"].where(f.index > 2)), "'y' in 3 of 54 rows"),
    ],
)
def test_what_cannot_be_fitted_is_refused_in_one_line(
    frame: pd.DataFrame, change: Any, told: str
) -> None:
    with pytest.raises(Refused, match=told) as error:
        within_cells("y ~ task + model", change(frame), "cell")
    assert "\n" not in str(error.value)


def test_blocks_that_take_all_degrees_of_freedom_are_refused(frame: pd.DataFrame) -> None:
    some = frame[frame["block"].isin(["1", "2"])].drop_duplicates(["cell", "block"])
    alone = some.assign(block=np.arange(len(some)).astype(str))
    with pytest.raises(Refused, match="leave no degree of freedom beside the blocks"):
        within_cells("y ~ task + model", alone, "cell", block="block")
