"""The bootstrap against R's boot, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from joulebench.stats.bootstrap import bootstrap
from joulebench.stats.bootstrap_design import Units, units_of
from joulebench.stats.bootstrap_interval import Resampled
from joulebench.stats.refused import Refused

ORACLE = json.loads((Path(__file__).parent / "oracles" / "bootstrap.json").read_text())
Codes = npt.NDArray[np.intp]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def with_index(monkeypatch: pytest.MonkeyPatch, index: list[list[int]]) -> None:
    def draws(self: Units, resamples: int, rng: object) -> Iterator[Codes]:
        yield np.array(index, dtype=np.intp)

    monkeypatch.setattr(Units, "draws", draws)


def mean(frame: pd.DataFrame) -> float:
    return float(frame["y"].mean())


def ratio(frame: pd.DataFrame) -> float:
    return float(frame["y"].sum() / frame["x"].sum())


def difference(frame: pd.DataFrame) -> float:
    second = frame["g"] == 2
    return float(frame.loc[second, "y"].mean() - frame.loc[~second, "y"].mean())


def spread(frame: pd.DataFrame) -> float:
    return float(frame["y"].std())


CASES: dict[str, tuple[Callable[[pd.DataFrame], float], str | None]] = {
    "mean": (mean, None),
    "ratio": (ratio, None),
    "strata": (difference, "g"),
    "huge": (spread, None),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("confidence", ["0.5", "0.9", "0.95"])
def test_intervals_of_the_same_values_are_those_of_r(name: str, confidence: str) -> None:
    case = ORACLE[name]
    made = Resampled(case["t0"][0], np.array(case["t"]), np.array(case["jack"]))
    found = [
        end
        for method in ("bca", "percentile", "basic")
        for end in made.interval(method, float(confidence))[:2]
    ]
    assert found == pytest.approx(case["ends"][confidence][:6], rel=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_bca_of_the_same_resamples_is_that_of_r(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    case, (statistic, block) = ORACLE[name], CASES[name]
    with_index(monkeypatch, case["index"])
    frame, count = pd.DataFrame(case["data"]), len(case["index"])
    found = bootstrap(
        frame, statistic, rng=rng(), resamples=count, block=block, confidence=0.9
    ).iloc[0]
    # At 1e9 +- 0.01 a standard deviation keeps some six digits in R as here.
    near = 1e-6 if name == "huge" else 1e-10
    assert found["estimate"] == pytest.approx(case["t0"][0], rel=near)
    assert found["se"] == pytest.approx(np.std(case["t"], ddof=1), rel=near)
    ends = [found["ci_low"], found["ci_high"]]
    assert ends == pytest.approx(case["ends"]["0.9"][:2], rel=near)


def test_the_studentized_interval_is_that_of_r(monkeypatch: pytest.MonkeyPatch) -> None:
    case = ORACLE["mean"]
    with_index(monkeypatch, case["index"])

    def with_error(frame: pd.DataFrame) -> tuple[float, float]:
        return mean(frame), float(frame["y"].std() / len(frame) ** 0.5)

    frame = pd.DataFrame(case["data"])
    found = bootstrap(frame, with_error, rng=rng(), method="studentized", confidence=0.9).iloc[0]
    assert [found["ci_low"], found["ci_high"]] == pytest.approx(case["ends"]["0.9"][6:8], rel=1e-10)


def test_ties_with_the_estimate_leave_a_mirror_image() -> None:
    values = np.array([1.0] * 30 + [2.0] * 50 + [3.0] * 40)
    influence = np.array([-1.0, 0.5, 0.5])
    one = Resampled(2.0, values, influence).interval("bca", 0.9)
    other = Resampled(-2.0, -values, -influence).interval("bca", 0.9)
    assert one[:2] == pytest.approx((-other[1], -other[0]))


def clustered(runs: int = 12, reps: int = 4) -> pd.DataFrame:
    made = rng(3)
    effect = np.repeat(made.normal(size=runs), reps)
    return pd.DataFrame(
        {
            "run": np.repeat([f"r{k}" for k in range(runs)], reps),
            "task": np.repeat(["a", "b"], runs * reps // 2),
            "y": 10 + effect + 0.1 * made.normal(size=runs * reps),
        }
    )


def test_whole_clusters_are_drawn_and_count_as_new_ones() -> None:
    frame = clustered()
    seen: list[pd.DataFrame] = []

    def statistic(drawn: pd.DataFrame) -> float:
        seen.append(drawn)
        return mean(drawn)

    found = bootstrap(frame, statistic, rng=rng(), resamples=50, cluster="run").iloc[0]
    by_rows = bootstrap(frame, mean, rng=rng(), resamples=200).iloc[0]
    assert found["units"] == 12
    assert found["se"] > 1.5 * by_rows["se"]
    assert "12 units" in found["note"]
    for drawn in seen[1:51]:
        assert (drawn.groupby("run")["y"].count() == 4).all()
        assert drawn["run"].nunique() == 12
        assert list(drawn.index) == list(range(48))
        assert set(drawn["y"]) <= set(frame["y"])


def test_blocks_keep_their_numbers() -> None:
    counts: list[dict[Any, int]] = []

    def statistic(drawn: pd.DataFrame) -> float:
        counts.append(drawn["task"].value_counts().to_dict())
        return mean(drawn)

    shuffled = clustered().sample(frac=1, random_state=1)
    found = bootstrap(shuffled, statistic, rng=rng(), resamples=30, cluster="run", block="task")
    assert all(count == {"a": 24, "b": 24} for count in counts[:31])
    assert found["test"].iloc[0] == "BCa bootstrap of clusters of run within task"


def test_named_numbers_give_a_row_each() -> None:
    found = bootstrap(
        clustered(), lambda f: {"mean": mean(f), "sd": spread(f)}, rng=rng(), resamples=99
    )
    assert list(found["term"]) == ["mean", "sd"]
    assert list(found.columns[:6]) == ["test", "term", "estimate", "se", "ci_low", "ci_high"]
    assert list(found["n"]) == [48, 48]


def test_one_generator_gives_one_result() -> None:
    one, two = (bootstrap(clustered(), mean, rng=rng(7), resamples=99) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)
    assert bootstrap(clustered(), mean, rng=rng(8), resamples=99)["se"][0] != one["se"][0]


def test_draws_do_not_depend_on_their_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    units = units_of(clustered(), cluster="run", block="task")
    whole = np.vstack(list(units.draws(40, rng())))
    monkeypatch.setattr("joulebench.stats.bootstrap_design._CHUNK", 25)
    assert (np.vstack(list(units.draws(40, rng()))) == whole).all()
    assert (np.sort(units.stratum[whole], axis=1) == units.stratum).all()


FRAME = clustered()
HOLE = FRAME.assign(run=FRAME["run"].where(FRAME.index > 0))


@pytest.mark.parametrize(
    ("frame", "asked", "said"),
    [
        (FRAME, {"method": "bc"}, "no interval"),
        (FRAME, {"resamples": 3}, "20 or more"),
        (FRAME, {"resamples": 1e4}, "whole number"),
        (FRAME, {"confidence": 95}, "between 0 and 1"),
        (FRAME, {"rng": 5}, "default_rng"),
        (FRAME, {"cluster": "runs"}, "did you mean 'run'"),
        (FRAME, {"cluster": "run", "block": "y"}, "lies in more than one y"),
        (FRAME, {"block": "run", "cluster": "task"}, "lies in more than one run"),
        (FRAME, {"block": "run", "cluster": "run"}, "one run alone"),
        (FRAME, {"statistic": lambda f: 1.0 + 0 * len(f)}, "in every resample"),
        (FRAME, {"statistic": lambda f: f["y"].mean() * np.nan}, "is nan in the data"),
        (FRAME, {"statistic": lambda f: f["run"][0]}, "give numbers"),
        (FRAME, {"statistic": lambda f: f["y"].nunique()}, "all resamples lie below"),
        (FRAME, {"statistic": lambda f: f["y"]}, "the same names"),
        (FRAME, {"method": "studentized"}, "a pair"),
        (FRAME, {"statistic": lambda f: f.set_index("run").loc["r3", "y"].mean(), "cluster": "run"},
         "failed in a resample"),
        (HOLE, {"cluster": "run"}, "missing in 1 rows"),
        (FRAME[:0], {}, "no rows"),
        (FRAME["y"], {}, "DataFrame"),
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_one_line(frame: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said) as refused:
        bootstrap(frame, **{"statistic": mean, "rng": rng(), "resamples": 99, **asked})
    assert "\n" not in str(refused.value)
