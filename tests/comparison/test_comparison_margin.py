"""Whether two sides are the same within a margin, and what it would take to know."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from two_tables import runs, two

from joulebench.comparison.compare import compare_studies
from joulebench.comparison.comparison import Comparison
from joulebench.comparison.effect import MeanEffect
from joulebench.comparison.margin import judged, margin_of
from joulebench.errors import UsageError
from joulebench.stats.tost import equivalence


def compared(folder: Path, margin: str, **words: float) -> Comparison:
    a = runs(repetitions=3, scatter=words.get("scatter", 0.02), tasks=("boolq", "cb"))
    b = runs(**{"repetitions": 3, "seed": 2, "tasks": ("boolq", "cb"), **words})  # type: ignore[arg-type]
    return compare_studies(*two(folder, a, b), margin=margin, response=["energy_j"])


@pytest.mark.parametrize(
    ("words", "margin", "outcome", "said"),
    [
        ({}, "10%", "same", "the same within 10 %"),
        ({"ratio": 0.95, "scatter": 0.002}, "10%", "within", "different, but within 10 %"),
        ({"ratio": 0.8}, "5%", "beyond", "different by more than 5 %"),
        ({"ratio": 0.9, "scatter": 0.04}, "9%", "different", "whether by more than 9 % is open"),
        ({"scatter": 0.1}, "5%", "undecided", "whether the same within 5 % is undecided"),
    ],
)
def test_the_cases_of_a_margin(
    tmp_path: Path, words: dict[str, float], margin: str, outcome: str, said: str
) -> None:
    found = compared(tmp_path, margin, **words)
    (energy,) = found.responses
    assert energy.equivalence is not None
    assert energy.equivalence.outcome == outcome
    assert said in str(found)
    assert found.to_dict()["responses"][0]["equivalence"]["outcome"] == outcome


def test_one_cell_is_judged_as_the_two_one_sided_tests_judge(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for ratio in (0.9, 0.97, 1.0, 1.04, 1.2):
        a, b = np.exp(rng.normal(0, 0.03, 6)), ratio * np.exp(rng.normal(0, 0.03, 6))
        rows = [[{"energy_j": e} for e in side] for side in (a, b)]
        found = compare_studies(*two(tmp_path, *rows), margin=0.05)
        row = equivalence(b, a, ratio_margin=1.05).iloc[0]
        ours = found.responses[0].equivalence
        assert ours is not None
        words = {"same": "equivalent", "within": "different within the margin",
                 "beyond": "different beyond the margin"}  # fmt: skip
        assert words.get(ours.outcome, ours.outcome) == row["verdict"]
        assert math.exp(ours.ci_low) == pytest.approx(row["ci_low"], rel=1e-9)


def test_the_repetitions_that_are_named_decide(tmp_path: Path) -> None:
    """Planned from the scatter and repeated so often, most comparisons of equals are decided."""
    first = compared(tmp_path, "5%", scatter=0.1).responses[0]
    assert first.equivalence is not None
    needed = first.equivalence.repetitions
    assert needed is not None
    assert 3 < needed < 200
    assert isinstance(first.main, MeanEffect)
    decided = 0
    rng = np.random.default_rng(5)
    for _ in range(200):
        noise = first.main.noise * math.sqrt(3 / needed)
        value = rng.normal(first.main.value, noise)
        again = MeanEffect(value, 1, (noise, 8 * (needed - 1)), 0.0, 0.0, "")
        decided += judged(again, 0.05, ratio=True).outcome != "undecided"
    assert 0.7 < decided / 200 < 0.97


def test_no_number_of_repetitions_decides_against_the_sensors() -> None:
    effect = MeanEffect(0.0, 20, (0.01, 30.0), 0.0, 0.04, "")
    found = judged(effect, 0.05, ratio=True, repetitions=5)
    assert found.outcome == "undecided"
    assert found.repetitions is not None
    assert math.isinf(found.repetitions)
    assert found.to_dict()["no_number_of_repetitions_decides"]
    assert found.to_dict()["repetitions_to_decide"] is None


def test_an_effect_as_large_as_the_margin_is_rarely_called_none() -> None:
    rng = np.random.default_rng(6)
    called = 0
    for _ in range(2000):
        sample = rng.normal(math.log(1.05), 0.03, 8)
        scatter = (float(sample.std(ddof=1)) / math.sqrt(8), 7.0)
        effect = MeanEffect(float(sample.mean()), 8, scatter, 0.0, 0.0, "")
        called += judged(effect, 0.05, ratio=True).outcome in ("same", "within")
    assert 0.03 < called / 2000 < 0.07


@pytest.mark.parametrize(
    ("text", "share"),
    [("5%", 0.05), ("5 %", 0.05), ("0.05", 0.05), (0.1, 0.1), ("", None), (None, None)],
)
def test_margins_are_read(text: str | float | None, share: float | None) -> None:
    assert margin_of(text) == share


@pytest.mark.parametrize("text", ["0", "-1%", "100%", "nan", "a"])
def test_what_is_no_margin_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--margin {text}: write a share"):
        margin_of(text)
