"""Cohen's d, Hedges' g and Glass's delta against effectsize of R."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from joulebench.stats.noncentral import noncentral_t_interval
from joulebench.stats.refused import Refused
from joulebench.stats.standardised_difference import (
    cohens_d,
    glass_delta,
    hedges_g,
    small_sample_correction,
)

ORACLE: dict[str, Any] = json.loads(
    (Path(__file__).parent / "oracles" / "twosample.json").read_text()
)
CASES: dict[str, Any] = ORACLE["cases"]
SEARCHED = 2e-3
"""effectsize's search for the interval is off by up to this much, and more far out."""

Effect = Callable[..., pd.DataFrame]
FORMS: list[tuple[str, Effect, dict[str, Any]]] = [
    ("hedges_pooled", hedges_g, {}),
    ("hedges_unpooled", hedges_g, {"pooled": False}),
    ("cohens", cohens_d, {}),
    ("cohens_unpooled", cohens_d, {"pooled": False}),
    ("glass", glass_delta, {}),
    ("hedges_paired", hedges_g, {"paired": True}),
]


def close(frame: pd.DataFrame, wanted: dict[str, Any]) -> None:
    row = frame.iloc[0]
    assert row["effect"] == pytest.approx(wanted["effect"], rel=1e-10, abs=1e-14)
    found = [row["ci_low"], row["ci_high"]]
    assert found == pytest.approx(wanted["exact"], rel=1e-9, abs=1e-9)
    if abs(row["effect"]) < 5:
        assert found == pytest.approx([wanted["low"], wanted["high"]], rel=SEARCHED, abs=SEARCHED)


@pytest.mark.parametrize("name", CASES)
def test_as_effectsize_gives_it(name: str) -> None:
    case = CASES[name]
    for key, effect, options in FORMS:
        if key not in case or (key == "hedges_paired" and len(case["x"]) == 2):
            continue
        close(effect(case["x"], case["y"], **options), case[key])
    if len(case["x"]) > 2:
        close(hedges_g(case["x"], mu=case["mu"]), case["hedges_one"])


def test_the_interval_is_that_of_the_t() -> None:
    case = CASES["far_apart"]
    row = cohens_d(case["x"], case["y"]).iloc[0]
    t = case["student"]["t"]
    scale = math.sqrt(1 / len(case["x"]) + 1 / len(case["y"]))
    wanted = [end * scale for end in noncentral_t_interval(t, case["student"]["df"])]
    assert [row["ci_low"], row["ci_high"]] == pytest.approx(wanted, rel=1e-10)
    assert row["sd"] == pytest.approx(case["student"]["se"] / scale, rel=1e-10)


def test_the_correction_is_the_ratio_of_gamma_functions() -> None:
    for case in ORACLE["correction"]:
        assert small_sample_correction(case["df"]) == pytest.approx(case["J"], rel=1e-11)
    # Where two logarithms of gamma functions would lose their digits: 1 - 3 / (4 df).
    assert small_sample_correction(1e9) == pytest.approx(1 - 0.75e-9, rel=1e-14)


def test_one_sided_intervals_are_open() -> None:
    case = CASES["equal"]
    both = hedges_g(case["x"], case["y"], confidence=0.9).iloc[0]
    row = hedges_g(case["x"], case["y"], alternative="greater").iloc[0]
    assert row["ci_low"] == pytest.approx(both["ci_low"])
    assert row["ci_high"] == math.inf
    assert list(row.index) == [
        "test", "estimate", "df1", "effect_size", "effect", "ci_low", "ci_high", "confidence", "n",
        "sd", "correction",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: hedges_g([1.0, 2.0]), "more than 1 degree of freedom, got 1"),
        (lambda: cohens_d([1.0], [2.0, 3.0], pooled=False), "at least 2 values in x"),
        (lambda: cohens_d([1.0, 1.0], [2.0, 2.0]), "do not vary"),
        (lambda: cohens_d([1.0, 1.0], [2.0, 2.0], pooled=False), "do not vary"),
        (lambda: glass_delta([1.0, 2.0], [2.0, 2.0]), "do not vary"),
        (lambda: glass_delta([1.0, 2.0], [2.0]), "at least 2 values in y"),
        (lambda: cohens_d([1.0], [2.0]), "at least 3 values in all"),
        (lambda: cohens_d([1.0, math.nan], [2.0, 3.0]), "missing"),
    ],
)
def test_what_has_no_spread_is_refused(made: Callable[[], Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        made()


def test_the_published_successive_effects(reference: Path) -> None:
    place = reference.parent / "oracles" / "json" / "greenlab_published_RQ1_1.json"
    if not place.is_file():
        pytest.skip(f"values made from the published tables are absent: {place}")
    table = pd.read_csv(
        place.parents[1] / "csv" / "greenlab_published_run.csv", dtype={"generation": str}
    )
    for scale in ("energy", "log_energy"):
        values = table["energy_j"] if scale == "energy" else table["energy_j"].map(math.log)
        for pair, wanted in json.loads(place.read_text())[scale]["successive_effect_sizes"].items():
            first, second = (values[table["generation"] == name] for name in pair.split(" -> "))
            said = wanted["hedges_g"]
            row = hedges_g(first, second).iloc[0]
            assert row["effect"] == pytest.approx(said["g_exact_J"], rel=1e-10)
            assert row["ci_low"] == pytest.approx(said["ci_low"], rel=1e-5, abs=1e-6)
            assert row["ci_high"] == pytest.approx(said["ci_high"], rel=1e-5, abs=1e-6)
            loose = hedges_g(first, second, pooled=False).iloc[0]
            assert loose["effect"] == pytest.approx(said["unpooled_hedges_g"], rel=1e-10)
            assert loose["ci_low"] == pytest.approx(said["unpooled_ci_low"], rel=1e-5, abs=1e-6)
