"""How cells are written: commas, labels, dates, stamps, accuracies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from tables import table

from joulebench.audit.rule import TableCheck
from joulebench.audit.table_data_accuracy import (
    accuracy_scale,
    few_graded,
    inferred_graded,
    wilson,
)
from joulebench.audit.table_data_cells import decimal_comma, label_inconsistent, non_finite
from joulebench.audit.table_data_dates import (
    locale_date,
    repeated_timestamp,
    stamps_s,
    sub_second_stamps,
)
from joulebench.finding import Finding


def found(check: TableCheck, **columns: Iterable[Any]) -> list[Finding]:
    return list(check(table(columns)))


# --- decimal commas


def test_a_decimal_comma_among_points_is_found() -> None:
    (finding,) = found(
        decimal_comma,
        energy=["43251.9", "80569.2"],
        **{"time(s)": ["111,84", "198,9"]},
    )
    assert finding.severity == "warning"
    assert finding.where == "t.csv: time(s)"
    assert (finding.seen, finding.possible) == ("111,84", "111.84")


def test_both_marks_in_one_column_are_found() -> None:
    assert found(decimal_comma, energy=["43251.9", "805,2"])


@pytest.mark.parametrize(
    "columns",
    [
        {"energy": ["43251,9", "805,2"], "time": ["1,5", "2,5"]},
        {"energy": ["43251.9", "805.2"], "tokens": ["14,123", "1,011"]},
        {"energy": ["43251.9", "805.2"], "prompt": ["yes, no", "1, 2"]},
    ],
    ids=["a locale with commas", "separators of thousands", "texts"],
)
def test_commas_that_nobody_misreads_are_left_alone(columns: dict[str, list[str]]) -> None:
    assert not found(decimal_comma, **columns)


# --- labels


@pytest.mark.parametrize(
    "labels",
    [["3", "3.0", "3.1", "2"], ["FP16", "fp16", "bf16", "x"], ["RTX 4090", "rtx-4090", "A", "B"]],
)
def test_labels_that_differ_only_in_writing_are_found(labels: list[str]) -> None:
    (finding,) = found(label_inconsistent, generation=labels * 3, energy_j=np.arange(12) + 0.5)
    assert finding.severity == "warning"
    assert finding.seen == f"“{labels[0]}” and “{labels[1]}”"


@pytest.mark.parametrize(
    "labels",
    [
        ["3", "3.1", "3.2", "30"],
        ["0.5", "0.50001", "0.8", "1.0"],
        ["3.1", "3.10", "3.2", "3.9"],
        ["int8", "int4", "fp8", "fp4"],
        ["c", "c++", "c#", "d"],
    ],
)
def test_labels_of_other_things_are_left_alone(labels: list[str]) -> None:
    assert not found(label_inconsistent, setting=labels * 3, energy_j=np.arange(12) + 0.5)


# --- not finite


@pytest.mark.parametrize("text", ["inf", "-inf", "#DIV/0!"])
def test_what_is_no_number_among_figures_is_found(text: str) -> None:
    column = ["1.5"] * 19 + [text]
    (finding,) = found(non_finite, energy_per_token_j=column)
    assert finding.severity == "error"
    assert "line 21" in finding.message


def test_nan_among_figures_is_a_warning() -> None:
    (finding,) = found(non_finite, loss=["1.5", "nan", "2.5"])
    assert finding.severity == "warning"


def test_empty_cells_and_columns_of_nothing_are_left_alone() -> None:
    assert not found(
        non_finite,
        energy_j=["1.5", "", "N/A"],
        loss=["nan"] * 3,
        reason=["nan", "nan", "nan"],
        host=["a", "b", "c"],
    )


# --- dates


def test_dates_that_may_be_read_in_two_ways_are_found() -> None:
    (finding,) = found(locale_date, timestamp=["03/04/2025 10:00", "05/04/2025 11:00"])
    assert finding.severity == "warning"
    (mixed,) = found(locale_date, date=["13/04/2025", "04/25/2025"])
    assert mixed.severity == "error"


@pytest.mark.parametrize(
    "dates",
    [
        ["13/04/2025", "05/04/2025"],
        ["2025-04-03", "2025-04-05"],
        ["03.04.2025", "05.04.2025"],
        ["04/04/2025", "04/04/2025"],
        ["1760000000", "1760000100"],
    ],
)
def test_dates_that_say_what_they_mean_are_left_alone(dates: list[str]) -> None:
    assert not found(locale_date, date=dates)


def test_an_end_before_its_start_is_found() -> None:
    (finding,) = found(
        locale_date,
        start=["2025-11-20T10:00:00", "2025-11-20T11:00:00"],
        end=["2025-11-20T10:05:00", "2025-11-20T10:59:00"],
    )
    assert finding.severity == "error"
    assert "line 3" in finding.message


def test_a_step_back_among_rising_stamps_is_found_and_shuffled_rows_are_not() -> None:
    rising = [f"2025-11-20T10:{minute:02}:00" for minute in range(20)]
    rising[11] = "2025-10-20T10:11:00"
    assert found(locale_date, started_at=rising)[0].severity == "warning"
    assert not found(locale_date, started_at=rising[:11] + rising[12:])
    shuffled = np.random.default_rng(1).permutation(rising)
    assert not found(locale_date, started_at=shuffled)


def test_stamps_are_read_as_seconds_whatever_their_form() -> None:
    iso = table({"started_at": ["2025-11-20T10:00:00+00:00", "2025-11-20T11:00:01+01:00", "x"]})
    seconds = stamps_s(iso, "started_at")
    assert seconds[1] - seconds[0] == pytest.approx(1)
    assert np.isnan(seconds[2])
    milliseconds = table({"start": ["1760000000000", "1760000001000"]})
    assert np.diff(stamps_s(milliseconds, "start")) == pytest.approx(1)


# --- whole seconds


def test_whole_seconds_around_short_runs_are_found() -> None:
    (finding,) = found(
        sub_second_stamps, start=[1760000000, 1760000100], end=[1760000004, 1760000106]
    )
    assert finding.severity == "warning"
    assert "± 0.80 s in 5 s" in finding.seen
    assert found(sub_second_stamps, duration_s=[2, 3, 5])


@pytest.mark.parametrize(
    "columns",
    [
        {"start": [1760000000, 1760000100], "end": [1760000060, 1760000166]},
        {"start": [1760000000.25, 1760000100.5], "end": [1760000004.1, 1760000106.9]},
        {"duration_s": [200, 300, 500]},
        {"duration_ms": [2000, 3000, 5000]},
        {"duration_s": [2.5, 3.0, 5.25]},
        {"idle_duration_s": [5, 5, 5]},
    ],
)
def test_long_runs_and_finer_stamps_are_left_alone(columns: dict[str, list[float]]) -> None:
    assert not found(sub_second_stamps, **columns)


# --- stamps that repeat


def stamps(*repeated: int) -> list[str]:
    times = [f"2025-11-20T10:{minute:02}:07" for minute in range(10)]
    for place in repeated:
        times[place] = times[0]
    return times


def test_two_runs_that_began_at_once_are_found() -> None:
    (finding,) = found(repeated_timestamp, started_at=stamps(4))
    assert finding.severity == "warning"
    assert "line 2, line 6" in finding.message


def test_days_batches_and_several_machines_may_share_stamps() -> None:
    assert not found(repeated_timestamp, date=["2025-11-20", "2025-11-20", "2025-11-21"])
    assert not found(repeated_timestamp, timestamp=["2025-11-20T10:00:00"] * 10)
    assert not found(repeated_timestamp, started_at=stamps(4), host=["a"] * 4 + ["b"] * 6)


# --- accuracy


@pytest.mark.parametrize("share", [[0.8, 1.2e4, 0.7], [0.5, -0.1, 0.6], [55.0, 101.0, 60.0]])
def test_accuracies_out_of_their_range_are_found(share: list[float]) -> None:
    assert "error" in {finding.severity for finding in found(accuracy_scale, accuracy=share)}


def test_fractions_among_percent_are_found() -> None:
    (finding,) = found(accuracy_scale, accuracy=[81.2, 79.5, 0.804, 80.0])
    assert finding.severity == "error"
    assert finding.possible == "80.4 in percent"


def test_columns_on_two_scales_and_a_wrong_percent_sign_are_found() -> None:
    (finding,) = found(accuracy_scale, accuracy=[0.91, 0.92], f1=[88.4, 87.1])
    assert finding.severity == "warning"
    (finding,) = found(accuracy_scale, accuracy_pct=[0.91, 0.92])
    assert finding.severity == "warning"


@pytest.mark.parametrize(
    "columns",
    [
        {"accuracy": [0.0, 0.5, 1.0]},
        {"exact_match": [81.1, 0.0, 100.0], "f1": [88.0, 3.1, 100.0]},
        {"accuracy": [55.0, 1.2, 0.4, 30.0]},
        {"mcc": [-0.2, 0.4]},
        {"accuracy": [0.91, 0.92], "bleu": [28.4, 31.0]},
        {"accuracy": [0.91, 0.92], "accuracy_sd": [2.0, 3.0]},
    ],
)
def test_one_scale_is_left_alone(columns: dict[str, list[float]]) -> None:
    assert not found(accuracy_scale, **columns)


def test_few_graded_answers_do_not_carry_a_difference() -> None:
    (finding,) = found(
        few_graded, model=["a", "b"] * 4, accuracy=[0.9, 0.85] * 4, n_graded=[20] * 8
    )
    assert finding.severity == "warning"
    assert "settings differ by 0.05" in finding.message


def test_their_number_is_told_by_the_fractions_that_occur() -> None:
    shares = [39 / 40, 54 / 55, 34 / 35, 24 / 25, 9 / 10, 1.0]
    (finding,) = found(few_graded, model=list("abcdef"), accuracy=shares)
    assert "by the fractions that occur" in finding.message
    assert inferred_graded(np.array(shares), 0.0) == pytest.approx(
        [40, 55, 35, 25, 10, np.nan], nan_ok=True
    )


@pytest.mark.parametrize(
    "shares",
    [
        np.random.default_rng(0).uniform(0.6, 0.95, 20).tolist(),
        np.random.default_rng(0).uniform(0.6, 0.95, 20).round(3).tolist(),
        [0.9097200, 0.9097699, 0.8941, 0.90001],
        [1.0, 1.0, 0.5, 0.0],
        [0.5, 0.75, *np.random.default_rng(0).uniform(0.6, 0.95, 8).tolist()],
    ],
    ids=["many answers", "few digits", "a large set", "all or nothing", "two by chance"],
)
def test_other_shares_tell_no_number(shares: list[float]) -> None:
    assert not found(few_graded, model=[f"m{i}" for i in range(len(shares))], accuracy=shares)


def test_many_graded_answers_and_large_differences_are_left_alone() -> None:
    assert not found(few_graded, model=["a", "b"] * 4, accuracy=[0.9, 0.7] * 4, n_graded=[2000] * 8)
    (note,) = found(
        few_graded, model=["a", "b"] * 4, accuracy=[0.9, 0.899] * 4, n_graded=[2000] * 8
    )
    assert note.severity == "note"


def test_the_interval_is_that_of_wilson() -> None:
    expected = binomtest(18, 20).proportion_ci(method="wilson")
    assert wilson(0.9, 20) == pytest.approx((expected.low, expected.high), abs=1e-4)
