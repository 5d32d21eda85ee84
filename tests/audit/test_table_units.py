"""Rows and columns in another unit than their name says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from tables import table

from joulebench.audit.evidence import Evidence
from joulebench.audit.table import AuditTable
from joulebench.audit.table_units_factors import factor_told, lost_comma, unit_factor
from joulebench.audit.table_units_outliers import RULES, impossible_powers, odd_powers
from joulebench.audit.table_units_summary import against_rows
from joulebench.finding import Finding

RNG = np.random.default_rng(5)
MODELS = ["7b"] * 10 + ["1b"] * 10
E_J = np.r_[RNG.normal(10000, 200, 10), RNG.normal(3000, 60, 10)]
T_S = E_J / 310


def found(**columns: Iterable[Any]) -> list[Finding]:
    subject = table({"model": MODELS, **columns})
    checks = [rule.table for rule in RULES if rule.table is not None]
    return list({f.where + f.rule: f for check in checks for f in check(subject)}.values())


def changed(values: np.ndarray, factor: float, *places: int) -> np.ndarray:
    copy = values.copy()
    copy[list(places)] *= factor
    return copy


@pytest.mark.parametrize("factor", [1e3, 1e-3, 3600.0, 1 / 3600.0, 3.6e6, 1e-6])
def test_rows_of_a_setting_in_another_unit_are_found(factor: float) -> None:
    (finding,) = found(energy_j=changed(E_J, factor, 3, 4))
    assert (finding.rule, finding.severity) == ("unit-scale", "error")
    assert "2 of 20 rows" in finding.message
    assert "line 5, line 6" in finding.message


def test_a_row_that_lost_its_comma_is_found() -> None:
    texts = [f"{value:.2f}" for value in T_S]
    texts[12] = texts[12].replace(".", "")
    (finding,) = found(duration_s=texts)
    assert (finding.rule, finding.severity) == ("decimal-comma", "error")
    assert "line 14" in finding.message


@pytest.mark.parametrize("factor", [2.0, 30.0, 250.0])
def test_other_outliers_are_no_units(factor: float) -> None:
    assert not found(energy_j=changed(E_J, factor, 3))


def test_settings_and_wide_columns_may_differ_by_a_thousand() -> None:
    assert not found(energy_j=np.r_[E_J[:10], 1e-3 * E_J[:10]])
    assert not found(energy_j=10.0 ** RNG.uniform(0, 6, 20))


def test_without_repeats_the_power_of_the_other_rows_tells() -> None:
    names = [f"m{i}" for i in range(20)]
    subject = table({"model": names, "energy_j": changed(E_J, 1e-3, 7), "duration_s": T_S})
    (finding,) = odd_powers(subject)
    assert finding.rule == "unit-scale"
    assert "line 9" in finding.message
    assert not list(odd_powers(table({"model": names, "energy_j": E_J, "duration_s": T_S})))


def test_a_power_of_no_machine_is_a_unit_where_the_units_are_stated() -> None:
    joules_called_kwh = table({"gpu": ["a100"] * 20, "energy_kwh": E_J, "duration_s": T_S})
    (finding,) = impossible_powers(joules_called_kwh)
    assert (finding.rule, finding.severity) == ("unit-scale", "error")
    kwh_called_joules = table({"energy_j": E_J / 3.6e6, "duration_s": T_S})
    (finding,) = impossible_powers(kwh_called_joules)
    assert finding.severity == "error"
    assert "310 W with a factor of 3.6e+06" in finding.message


def test_a_unit_that_nobody_stated_is_a_note_or_a_warning() -> None:
    (note,) = impossible_powers(table({"energy_j": E_J, "duration": 1000 * T_S}))
    assert note.severity == "note"
    assert "milliseconds were taken" in note.message
    (neither,) = impossible_powers(table({"energy": E_J / 3.6e6, "duration": T_S}))
    assert neither.severity == "note"
    assert "kWh 310 W would do" in neither.message
    (warning,) = impossible_powers(table({"energy": E_J / 3.6e6, "duration_s": T_S}))
    assert warning.severity == "warning"


@pytest.mark.parametrize("watts", [3.0, 310.0, 10_000.0])
def test_phones_boards_and_nodes_are_machines(watts: float) -> None:
    assert not list(impossible_powers(table({"energy_j": watts * T_S, "duration_s": T_S})))


def test_a_cluster_without_a_known_device_is_a_warning_at_most() -> None:
    cluster = table({"energy_kwh": 5e6 * T_S / 3.6e6, "duration_s": T_S})
    assert {finding.severity for finding in impossible_powers(cluster)} == {"warning"}


def test_factors_between_units_are_told_from_each_other() -> None:
    assert unit_factor(np.array([1010.0, 990.0]), 0.05) == pytest.approx(1000)
    assert unit_factor(np.array([1 / 3600]), 0.05) == pytest.approx(1 / 3600)
    assert unit_factor(np.array([60.1, 59.9]), 0.05) == pytest.approx(60)
    assert unit_factor(np.array([57.5]), 0.05) == 0.0
    assert unit_factor(np.array([1000.0, 1.0, 1.0]), 0.05) == 0.0
    assert unit_factor(np.array([1000.0] * 6 + [5.0] * 4), 0.05) == 0.0
    assert factor_told(1 / 3.6e6) == "3,600,000 (kWh and J)"


def test_powers_of_ten_are_lost_commas_unless_a_unit_explains_them() -> None:
    assert lost_comma(np.array([100.0, 10.0, 100.0]))
    assert not lost_comma(np.array([1000.0, 1000.0]))
    assert not lost_comma(np.array([1.0, 100.0]))
    assert not lost_comma(np.array([112.0]))


def summary(factor: float) -> tuple[AuditTable, AuditTable]:
    means = [E_J[10:].mean() * factor, E_J[:10].mean() * factor]
    return (
        table({"Model": ["1B", "7B"], "mean_energy_kwh": means}, name="summary.csv"),
        table({"model": MODELS, "run": range(20), "energy_j": E_J}, name="runs.csv"),
    )


def test_means_in_another_unit_than_their_rows_are_found() -> None:
    (finding,) = against_rows(Evidence(tables=list(summary(1.0))))
    assert (finding.rule, finding.severity) == ("unit-scale", "error")
    assert "energy_j of runs.csv" in finding.message
    assert not list(against_rows(Evidence(tables=list(summary(1 / 3.6e6)))))
    assert not list(against_rows(Evidence(tables=list(summary(0.8 / 3.6e6)))))


def test_means_that_one_column_gives_are_right_although_another_has_its_unit_wrong() -> None:
    means, _ = summary(1 / 3.6e6)
    both = table({"model": MODELS, "energy_mwh": E_J, "energy_j": E_J}, name="both.csv")
    assert list(against_rows(Evidence(tables=[means, table({"model": MODELS, "energy_mwh": E_J})])))
    assert not list(against_rows(Evidence(tables=[means, both])))
