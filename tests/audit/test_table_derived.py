"""Figures that the other columns of their table contradict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from tables import table

from joulebench.audit import table_energy_derived
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding

RNG = np.random.default_rng(3)
N = 12
T_S = RNG.uniform(50, 200, N)
P_W = RNG.uniform(280, 320, N)
E_J = P_W * T_S
TOKENS = RNG.integers(1000, 9000, N)
PROMPT = RNG.integers(100, 900, N)


def found(**columns: Iterable[Any]) -> list[Finding]:
    return list(judged(table({"run_id": [f"r{i}" for i in range(N)], **columns})))


def judged(subject: AuditTable) -> Iterator[Finding]:
    for rule in table_energy_derived.RULES:
        assert rule.table is not None
        for finding in rule.table(subject):
            assert finding.rule == rule.name
            yield finding


def changed(values: np.ndarray, factor: float, *places: int) -> np.ndarray:
    copy = np.array(values, dtype=float)
    copy[list(places)] *= factor
    return copy


def test_columns_that_agree_raise_nothing() -> None:
    assert not found(
        energy_j=E_J, duration_s=T_S, avg_power_w=P_W, tokens_out=TOKENS, tokens_in=PROMPT,
        energy_per_token_j=E_J / TOKENS, throughput_tok_s=TOKENS / T_S,
        tokens_per_joule=TOKENS / E_J, duration_ms=1000 * T_S,
    )  # fmt: skip


def test_rounded_columns_agree_too() -> None:
    assert not found(
        energy_kwh=(E_J / 3.6e6).round(6), duration_s=T_S.round(1), avg_power_w=P_W.round(),
        tokens=TOKENS, energy_per_token_j=(E_J / TOKENS).round(2),
    )  # fmt: skip


def test_figures_of_two_digits_differ_by_their_rounding() -> None:
    few = [1.4, 1.6, 1.3, 1.1, 1.2, 1.5, 1.2, 1.1, 1.3, 1.4, 1.5, 1.2]
    joules = np.array(few) * TOKENS * np.linspace(0.97, 1.03, N)
    assert not found(energy_j=joules, tokens_out=TOKENS, energy_per_token_j=few)
    whole_wh = (E_J / 3600).round().astype(int)
    assert not found(energy_wh=whole_wh, tokens_out=TOKENS, energy_per_token_j=E_J / TOKENS)
    digits = [f"{value:.4f}" for value in few]
    assert found(energy_j=joules, tokens_out=TOKENS, energy_per_token_j=digits)


@pytest.mark.parametrize(
    "per_token", [E_J / TOKENS, E_J / PROMPT, E_J / (TOKENS + PROMPT)], ids=["out", "in", "all"]
)
def test_a_token_may_be_of_the_answer_of_the_prompt_or_of_both(per_token: np.ndarray) -> None:
    columns = {"tokens_out": TOKENS, "tokens_in": PROMPT, "energy_per_token_j": per_token}
    assert not found(energy_j=E_J, **columns)


def test_a_row_that_contradicts_its_parts_is_stale() -> None:
    (finding,) = found(
        energy_j=E_J, tokens_out=TOKENS, energy_per_token_j=changed(E_J / TOKENS, 1.3, 4)
    )
    assert (finding.rule, finding.severity) == ("stale-summary", "error")
    assert "1 of 12 rows" in finding.message
    assert "line 6 (r4)" in finding.message
    assert "1.3 times energy_j / tokens_out" in finding.seen


def test_a_column_made_of_other_energies_is_a_warning() -> None:
    other = E_J / TOKENS * RNG.uniform(0.5, 0.9, N)
    (finding,) = found(energy_j=E_J, tokens_out=TOKENS, energy_per_token_j=other)
    assert (finding.rule, finding.severity) == ("stale-summary", "warning")


def test_one_factor_in_all_rows_is_another_scope() -> None:
    (finding,) = found(energy_j=E_J, tokens_out=TOKENS, energy_per_token_j=1.15 * E_J / TOKENS)
    assert (finding.rule, finding.severity) == ("scope-mismatch", "warning")


def test_a_mean_of_ratios_is_no_ratio_of_means() -> None:
    assert not found(
        mean_energy_j=E_J, mean_tokens=TOKENS, mean_energy_per_token_j=1.08 * E_J / TOKENS
    )
    wide = RNG.uniform(1.3, 1.8, N) * E_J / TOKENS
    assert not found(mean_energy_j=E_J, mean_tokens=TOKENS, mean_energy_per_token_j=wide)


def test_another_count_than_the_name_says_is_found() -> None:
    questions, windows = np.full(N, 11873), np.full(N, 12134)
    (finding,) = found(
        inference_energy_joules=E_J,
        joules_per_inference_example=E_J / windows,
        number_of_raw_evaluation_examples=questions,
        number_of_feature_windows=windows,
    )
    assert (finding.rule, finding.severity) == ("scope-mismatch", "error")
    assert "number_of_feature_windows" in finding.message
    assert not found(
        inference_energy_joules=E_J,
        joules_per_inference_example=E_J / questions,
        joules_per_feature_window=E_J / windows,
        number_of_raw_evaluation_examples=questions,
        number_of_feature_windows=windows,
    )


def test_denominators_that_change_between_rows_are_found() -> None:
    mixed = np.where(np.arange(N) < 3, E_J / (TOKENS + PROMPT), E_J / TOKENS)
    (finding,) = found(energy_j=E_J, tokens_out=TOKENS, tokens_in=PROMPT, energy_per_token_j=mixed)
    assert (finding.rule, finding.severity) == ("scope-mismatch", "error")
    assert "in 3 of them" in finding.message


def test_energy_per_correct_answer_may_be_made_of_the_share_in_percent() -> None:
    exact = RNG.uniform(60, 90, N)
    each = E_J / 1000
    columns = {"energy_per_example_j": each, "exact_match": exact, "f1": exact + 5}
    assert not found(**columns, energy_per_correct_j=each / exact * 100)
    assert found(**columns, energy_per_correct_j=changed(each / exact * 100, 0.5, 2))


def test_energy_that_is_not_power_times_time_is_found() -> None:
    (few,) = found(energy_j=changed(E_J, 1.4, 2, 3), duration_s=T_S, avg_power_w=P_W)
    assert (few.rule, few.severity) == ("energy-not-power-times-time", "error")
    (steady,) = found(energy_j=1.15 * E_J, duration_s=T_S, avg_power_w=P_W)
    assert (steady.rule, steady.severity) == ("energy-not-power-times-time", "error")
    loose = RNG.uniform(1.2, 2.0, N)
    (varied,) = found(energy_j=loose * E_J, duration_s=T_S, avg_power_w=P_W)
    assert (varied.rule, varied.severity) == ("energy-not-power-times-time", "warning")


def test_two_sensors_and_momentary_powers_are_no_errors() -> None:
    noisy = P_W * RNG.normal(1, 0.01, N)
    assert not found(energy_j=E_J, duration_s=T_S, avg_power_w=noisy)
    momentary = P_W * RNG.uniform(0.4, 1.6, N)
    assert {f.severity for f in found(energy_j=E_J, duration_s=T_S, power_w=momentary)} <= {"note"}


def test_a_power_of_one_part_is_held_against_the_energy_of_that_part() -> None:
    assert not found(
        total_energy_j=1.4 * E_J, gpu_energy_j=E_J, duration_s=T_S, avg_gpu_power_w=P_W
    )


@pytest.mark.parametrize("factor", [1e3, 1e-3, 3600.0, 3.6e6, 1 / 3.6e6])
def test_a_factor_between_units_in_all_rows_is_a_unit(factor: float) -> None:
    (finding,) = found(energy_j=E_J / factor, duration_s=T_S, avg_power_w=P_W)
    assert (finding.rule, finding.severity) == ("unit-scale", "error")


def test_tokens_per_millisecond_called_per_second_are_found() -> None:
    (finding,) = found(duration_s=T_S, tokens=TOKENS, tokens_per_second=TOKENS / T_S / 1000)
    assert finding.rule == "unit-scale"


def test_one_row_in_another_unit_is_found() -> None:
    (finding,) = found(
        energy_j=E_J, tokens_out=TOKENS, energy_per_token_j=changed(E_J / TOKENS, 1e-3, 5)
    )
    assert (finding.rule, finding.severity) == ("unit-scale", "error")
    assert "line 7" in finding.message


def test_a_lost_decimal_comma_is_found_beside_the_same_duration() -> None:
    seconds = [f"{value:.2f}" for value in T_S]
    seconds[3] = f"{T_S[3]:.1f}"
    lost = [text.replace(".", "") for text in seconds]
    (finding,) = found(duration_ms=(1000 * T_S).round(), **{"time(s)": lost})
    assert (finding.rule, finding.severity) == ("decimal-comma", "error")


def test_a_throughput_of_one_phase_is_not_of_the_whole_time() -> None:
    decode = 3 * TOKENS / T_S
    assert not found(duration_s=T_S, tokens_out=TOKENS, decode_tokens_per_s=decode)


def test_an_accuracy_that_is_not_its_answers_is_found() -> None:
    right = RNG.integers(50, 80, N)
    columns = {"n_graded": np.full(N, 80), "n_correct": right}
    assert not found(**columns, accuracy=right / 80)
    assert not found(**columns, accuracy_pct=(100 * right / 80).round(1))
    assert found(**columns, accuracy=changed(right / 80, 0.9, 6))[0].rule == "stale-summary"


def test_latencies_of_requests_that_overlap_are_no_share_of_the_time() -> None:
    assert not found(duration_s=T_S, num_requests=np.full(N, 100), latency_s=T_S / 10)
