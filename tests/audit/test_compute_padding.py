"""Savings that are padding, and savings that are not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from tables import table

from joulebench.audit.compute_padding import RULES
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding

TOKENS = (2_000_000, 1_600_000, 1_200_000, 800_000)
WINDOWS = 12_000


def found(data: AuditTable) -> list[Finding]:
    check = RULES[0].table
    assert check is not None
    return list(check(data))


def pruning(joules: Sequence[float], tokens: Sequence[int] = TOKENS, **more: Any) -> AuditTable:
    """Make a sweep of the share of tokens that is kept, at one maximum length of 384."""
    count = len(tokens)
    return table(
        {
            "keep_ratio": [1.0, 0.8, 0.6, 0.4][:count],
            "maximum_sequence_length": [384] * count,
            "number_of_feature_windows": [WINDOWS] * count,
            "number_of_inference_tokens": list(tokens),
            "inference_energy_joules": list(joules),
            **more,
        }
    )


def test_a_padded_reference_is_found() -> None:
    joules = [8000.0] + [t * 2.4e-3 for t in TOKENS[1:]]
    (finding,) = found(pruning(joules))
    assert (finding.severity, finding.where) == ("warning", "t.csv: inference_energy_joules")
    assert "tokens fall by 20% and energy by 52%" in finding.message
    assert "4608000 places for 2000000 tokens" in finding.message
    assert "4800 J" in finding.possible


@pytest.mark.parametrize("power", [0.5, 1.0, 1.5, 2.0])
def test_energy_that_follows_its_tokens_is_no_finding(power: float) -> None:
    assert found(pruning([8000 * (t / TOKENS[0]) ** power for t in TOKENS])) == []


def test_a_step_within_the_spread_of_repeats_is_no_finding() -> None:
    joules = [TOKENS[0] * 2.4e-3 * 1.4] + [t * 2.4e-3 for t in TOKENS[1:]]
    assert found(pruning(joules)) == []


def test_a_faster_device_for_the_pruned_rows_is_no_sweep() -> None:
    joules = [8000.0] + [t * 2.4e-3 for t in TOKENS[1:]]
    assert found(pruning(joules, precision=["fp32", "fp16", "fp16", "fp16"])) == []


LENGTHS = (384, 320, 256, 192)


def lengths(joules: Sequence[float], tokens: Sequence[int]) -> AuditTable:
    return table(
        {
            "max_length": list(LENGTHS),
            "number_of_windows": [12_000, 12_500, 13_700, 17_000],
            "number_of_tokens": list(tokens),
            "energy_j": list(joules),
        }
    )


def test_energy_that_follows_padded_places_is_found() -> None:
    places = [384 * 12_000, 320 * 12_500, 256 * 13_700, 192 * 17_000]
    tokens = (2_200_000, 2_240_000, 2_400_000, 2_750_000)
    (finding,) = found(lengths([p * 1.8e-3 for p in places], tokens))
    assert "52% of the longest rows' places empty" in finding.message
    full = [round(0.95 * p) for p in places]
    assert found(lengths([p * 1.8e-3 for p in places], full)) == []
    assert found(lengths([t * 1.8e-3 for t in tokens], tokens)) == []


def answers(accuracy: Sequence[Any], joules: Sequence[float]) -> AuditTable:
    return table(
        {
            "label": [f"length_{length}" for length in LENGTHS],
            "max_sequence_length": list(LENGTHS),
            "accuracy": list(accuracy),
            "energy_per_example_j": list(joules),
        }
    )


SAME = 0.930045871559633


def test_lengths_that_cut_nothing_off_are_found() -> None:
    (finding,) = found(answers([SAME, SAME, SAME, 0.911697247706422], [0.21, 0.14, 0.10, 0.07]))
    assert "lengths 384, 320, 256 give the same accuracy" in finding.message
    assert "52%" in finding.message


@pytest.mark.parametrize(
    ("accuracy", "joules"),
    [
        ((SAME, 0.93, 0.92, 0.91), (0.21, 0.14, 0.10, 0.07)),
        ((SAME, SAME, SAME, SAME), (0.21, 0.21, 0.20, 0.20)),
        ((1.0, 1.0, 1.0, 1.0), (0.21, 0.14, 0.10, 0.07)),
        ((0.93, 0.93, 0.93, 0.93), (0.21, 0.14, 0.10, 0.07)),
        ((None, None, None, None), (0.21, 0.14, 0.10, 0.07)),
    ],
    ids=["answers change", "energy does not", "all right", "two digits", "not graded"],
)
def test_lengths_that_cut_something_off_are_no_finding(
    accuracy: Sequence[Any], joules: Sequence[float]
) -> None:
    assert found(answers(accuracy, joules)) == []
