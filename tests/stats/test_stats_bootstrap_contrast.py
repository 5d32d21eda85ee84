"""The bootstrap of contrasts by products of matrices: the same as the long way, and it covers."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.bootstrap import bootstrap
from joulebench.stats.bootstrap_contrast import bootstrap_contrast
from joulebench.stats.bootstrap_interval import METHODS
from joulebench.stats.refused import Refused


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def study(seed: int = 5, runs: int = 7, scale: float = 1.0) -> pd.DataFrame:
    """Generations with unequal runs of unequal repetitions, over two tasks."""
    made, rows = rng(seed), []
    for level, mean in (("2", 1.0), ("3", 1.4), ("3.1", 1.3)):
        for run in range(runs + (level == "3") * 3):
            effect = made.normal(0, 0.2)
            task = "ab"[run % 2]
            rows += [
                (level, task, f"{level}-{run}", mean + effect + made.normal(0, 0.1))
                for _ in range(int(made.integers(2, 6)))
            ]
    frame = pd.DataFrame(rows, columns=["generation", "task", "run", "log_e"])
    return frame.assign(energy_j=np.exp(frame["log_e"]) * scale)


def by_hand(frame: pd.DataFrame) -> float:
    means = np.log(frame["energy_j"]).groupby(frame["generation"]).mean()
    return float(means["3"] - means["2"])


@pytest.mark.parametrize("method", ["bca", "percentile", "basic"])
@pytest.mark.parametrize("drawing", [{}, {"cluster": "run"}, {"cluster": "run", "block": "task"}])
def test_it_is_the_bootstrap_within_cells(method: Any, drawing: dict[str, Any]) -> None:
    frame = study()
    pair = frame[frame["generation"] != "3.1"]
    blocks = [*([drawing["block"]] if "block" in drawing else []), "generation"]
    asked: dict[str, Any] = {"resamples": 150, "method": method, "confidence": 0.8}
    fast = bootstrap_contrast(
        "log(energy_j) ~ generation", frame, {"3": 1, "2": -1}, rng=rng(), **asked, **drawing
    ).iloc[0]
    slow = bootstrap(
        pair, by_hand, rng=rng(), cluster=drawing.get("cluster"), block=blocks, **asked
    ).iloc[0]
    for column in ("estimate", "se", "ci_low", "ci_high", "bias"):
        assert fast[column] == pytest.approx(slow[column], rel=1e-9), column
    assert fast["units"] == slow["units"]
    assert fast["n"] == len(pair)
    assert fast["ratio_low"] == pytest.approx(np.exp(slow["ci_low"]))


def test_the_studentized_interval_has_the_errors_of_clusters() -> None:
    frame = study()

    def with_error(drawn: pd.DataFrame) -> tuple[float, float]:
        variance, value = 0.0, by_hand(drawn)
        y = np.log(drawn["energy_j"])
        for _, cell in drawn.groupby("generation"):
            away = y[cell.index] - y[cell.index].mean()
            sums = away.groupby(cell["run"]).sum() / len(cell)
            variance += len(sums) / (len(sums) - 1) * float((sums**2).sum())
        return value, variance**0.5

    pair = frame[frame["generation"] != "3.1"]
    asked: dict[str, Any] = {"resamples": 80, "method": "studentized", "cluster": "run"}
    fast = bootstrap_contrast(
        "log(energy_j) ~ generation", frame, {"3": 1, "2": -1}, rng=rng(), **asked
    ).iloc[0]
    slow = bootstrap(pair, with_error, rng=rng(), block="generation", **asked).iloc[0]
    assert [fast["ci_low"], fast["ci_high"]] == pytest.approx([slow["ci_low"], slow["ci_high"]])


def test_clusters_that_hold_several_cells_are_drawn_whole() -> None:
    made = rng(2)
    frame = pd.DataFrame(
        [(block, side) for block in range(15) for side in "ab"], columns=["block", "side"]
    )
    frame["y"] = np.repeat(made.normal(0, 5, 15), 2) + made.normal(0, 0.1, 30)
    paired = bootstrap_contrast("y ~ side", frame, {"b": 1, "a": -1}, rng=rng(), cluster="block")
    loose = bootstrap_contrast("y ~ side", frame, {"b": 1, "a": -1}, rng=rng())
    assert paired["se"][0] < 0.1
    assert loose["se"][0] > 1
    assert (paired["units"][0], loose["units"][0]) == (15, 30)


def test_several_contrasts_share_their_resamples() -> None:
    frame = study()
    found = bootstrap_contrast("energy_j ~ generation", frame, "successive", rng=rng())
    assert list(found["contrast"]) == ["3 - 2", "3.1 - 3"]
    assert "ratio" not in found
    weights: Any = {"newer": {"3": 0.5, "3.1": 0.5, 2: -1}, "last": {"3.1": 1, "3": -1}}
    named = bootstrap_contrast("energy_j ~ generation", frame, weights, rng=rng())
    assert list(named["contrast"]) == ["newer", "last"]
    assert named["ci_low"][1] == pytest.approx(found["ci_low"][1], rel=1e-12)
    alone = bootstrap_contrast(
        "energy_j ~ generation", frame, {"3": 0.5, "3.1": 0.5, "2": -1}, rng=rng()
    )
    assert alone["contrast"][0] == "0.5*3 + 0.5*3.1 - 2"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", [1e9, 1e-9])
def test_units_of_the_response_do_not_matter(method: Any, scale: float) -> None:
    asked: dict[str, Any] = {"resamples": 200, "method": method, "cluster": "run"}
    one, other = (
        bootstrap_contrast(
            "energy_j ~ generation", study(scale=by), {"3": 1, "2": -1}, rng=rng(), **asked
        )
        for by in (1.0, scale)
    )
    for column in ("estimate", "ci_low", "ci_high", "se"):
        assert other[column][0] == pytest.approx(scale * one[column][0], rel=1e-9)


def test_cells_of_two_factors() -> None:
    found = bootstrap_contrast(
        "log(energy_j) ~ generation:task", study(), {"3:a": 1, "2:a": -1}, rng=rng(), resamples=99
    )
    assert found["contrast"][0] == "3:a - 2:a"


def test_missing_values_are_refused_or_dropped() -> None:
    frame = study()
    holes = frame.assign(
        energy_j=frame["energy_j"].mask(frame.index == 3), run=frame["run"].mask(frame.index == 9)
    )
    asked: dict[str, Any] = {"cluster": "run", "resamples": 99}
    weights = {"3": 1, "2": -1}
    with pytest.raises(Refused, match="missing"):
        bootstrap_contrast("energy_j ~ generation", holes, weights, rng=rng(), **asked)
    dropped = bootstrap_contrast(
        "energy_j ~ generation", holes, weights, rng=rng(), missing="drop", **asked
    )
    whole = bootstrap_contrast(
        "energy_j ~ generation", frame.drop([3, 9]), weights, rng=rng(), **asked
    )
    pd.testing.assert_frame_equal(dropped, whole)


def test_memory_stays_bounded() -> None:
    frame = pd.DataFrame({"g": np.repeat(["a", "b"], 2000), "y": rng().normal(size=4000)})
    tracemalloc.start()
    bootstrap_contrast("y ~ g", frame, {"b": 1, "a": -1}, rng=rng(), resamples=2000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


@pytest.mark.parametrize(("method", "runs"), [("studentized", 6), ("bca", 25)])
def test_intervals_cover(method: Any, runs: int) -> None:
    made, hits, trials = rng(11), 0, 200
    run = np.repeat([f"{g}{k}" for g in "ab" for k in range(runs)], 3)
    for _ in range(trials):
        y = np.repeat(made.normal(0, 1, 2 * runs), 3) + made.normal(0, 0.7, len(run))
        frame = pd.DataFrame({"g": [name[0] for name in run], "run": run, "y": y})
        found = bootstrap_contrast(
            "y ~ g",
            frame,
            {"a": 1, "b": -1},
            rng=made,
            resamples=399,
            method=method,
            cluster="run",
            confidence=0.9,
        ).iloc[0]
        hits += found["ci_low"] <= 0 <= found["ci_high"]
    assert 0.86 <= hits / trials <= 0.94


@pytest.mark.parametrize(
    ("weights", "asked", "said"),
    [
        ({"4": 1, "2": -1}, {}, "no level '4'"),
        ({"3": 1, "2": -0.5}, {}, "add up to 0"),
        ({}, {}, "no contrast"),
        ("pairs", {}, "successive"),
        ({"3": "one", "2": -1}, {}, "finite numbers"),
        ({"3": 1, "2": -1}, {"cluster": "rum"}, "did you mean 'run'"),
        ({"3": 1, "2": -1}, {"cluster": "run", "block": "run"}, "one run alone"),
        ({"3": 1, "2": -1}, {"cluster": "generation"}, "one generation alone"),
        ({"3": 1, "2": -1}, {"resamples": -1}, "20 or more"),
    ],
)
def test_nonsense_is_refused(weights: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        bootstrap_contrast("energy_j ~ generation", study(), weights, rng=rng(), **asked)
    assert "\n" not in str(refused.value)


def test_what_cannot_vary_or_be_told_is_refused() -> None:
    frame = study()
    flat = frame.assign(y=0.1 * frame["generation"].astype(float))
    for formula, data, said in (
        ("y ~ generation", flat, "does not vary"),
        ("y ~ generation", flat.groupby("generation").head(1), "one row alone"),
        ("y ~ generation", flat.assign(y=frame["log_e"] * 1e300), "too large to square"),
        ("energy_j ~ generation", frame[frame["generation"] == "2"], "one level"),
        ("energy_j ~ run + task", frame, "one grouping"),
        ("log(energy_j) ~ generation", frame.assign(energy_j=frame["energy_j"] - 3), "above 0"),
    ):
        with pytest.raises(Refused, match=said):
            bootstrap_contrast(formula, data, {"3": 1, "2": -1}, rng=rng())
