"""Tables as an audit sees them: numbers, settings, runs, places."""

from __future__ import annotations

import numpy as np
import pytest
from tables import table

from joulebench.audit.table import as_number, read_numbers


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.5", 1.5), ("111,84", 111.84), ("1,234.5", 1234.5), ("1,234,567", 1234567.0),
     ("-3e-2", -0.03), ("12,5e3", 12500.0), ("", np.nan), ("N/A", np.nan), ("abc", np.nan)],
)  # fmt: skip
def test_a_cell_is_read_as_the_locale_wrote_it(text: str, number: float) -> None:
    assert as_number(text) == pytest.approx(number, nan_ok=True)


def test_a_column_of_words_is_no_number_though_a_few_cells_are() -> None:
    cells = np.array(["fp16", "fp32", "8", ""], dtype=object)
    assert read_numbers(cells)[1] == pytest.approx(1 / 3)


def test_empty_cells_and_nan_hold_nothing() -> None:
    numbers, share = read_numbers(np.array(["", "nan", "2"], dtype=object))
    assert share == 1.0
    assert np.isnan(numbers[:2]).all()
    assert read_numbers(np.array(["", "nan"], dtype=object))[1] == 0.0


def test_settings_are_what_was_set_and_not_what_was_measured() -> None:
    found = table(
        {
            "Unnamed: 0": range(8),
            "__run_id": [f"run_{n}_repetition_0" for n in range(8)],
            "model": ["a", "b"] * 4,
            "batch_size": [1, 1, 8, 8] * 2,
            "quantization": ["none"] * 8,
            "gpu_energy_j": np.linspace(1, 2, 8),
            "rate_of_something": np.linspace(0.1234567, 2.345678, 8),
        }
    )
    assert found.settings == ("model", "batch_size", "quantization")
    assert found.varied == ("model", "batch_size")
    assert len(set(found.cell_of_row.tolist())) == 4


def test_rows_are_told_by_run_where_the_table_says_it() -> None:
    found = table({"run": [25, 9], "repetition": [18, 4], "energy": [1, 2]})
    assert found.run_ids == ["run_25_repetition_18", "run_9_repetition_4"]
    assert found.places([1]) == "line 3 (run_9_repetition_4)"
    assert table({"energy": range(9)}).places(range(9)).endswith("line 6 and 4 more")


def test_measures_are_found_by_quantity_part_and_divisor() -> None:
    found = table(
        {"cpu_joules": [1], "gpu_energy_kwh": [2], "joules_per_token": [3], "energy_std": [4]}
    )
    assert found.measures("energy", part="cpu") == ["cpu_joules"]
    assert found.measures("energy", per="") == ["cpu_joules", "gpu_energy_kwh"]
    assert found.measures("energy", statistic="sd") == ["energy_std"]
    assert found.si("gpu_energy_kwh")[0] == pytest.approx(7.2e6)
