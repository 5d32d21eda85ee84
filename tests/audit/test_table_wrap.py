"""Energies that are off by the range of a counter, and energies below zero."""

from __future__ import annotations

import numpy as np
import pytest
from tables import table

from joulebench.audit.table import AuditTable
from joulebench.audit.table_energy_wrap import by_setting, counter_wrap, negative_energy, wrapped

RANGE_J = 262144.0


def repeats(**changed: float) -> AuditTable:
    """Thirty runs of each of two models; some energies changed, by place."""
    rng = np.random.default_rng(7)
    joules = np.r_[rng.normal(10300, 140, 30), rng.normal(4800, 60, 30)]
    for place, value in changed.items():
        joules[int(place.removeprefix("at"))] = value
    return table({"model": ["7b"] * 30 + ["1b"] * 30, "energy_j": joules})


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (10200 - RANGE_J, "the figure plus 262,144 J"),
        (RANGE_J - 10200, "262,144 J less the figure"),
        (10200 + RANGE_J, "the figure less 262,144 J"),
    ],
)
def test_a_missed_wrap_is_undone(seen: float, told: str) -> None:
    (finding,) = counter_wrap(repeats(at3=seen))
    assert finding.severity == "error"
    assert "1 of 60 rows" in finding.message
    assert "line 5" in finding.message
    assert told in finding.remedy
    assert finding.possible.startswith("10,200 J")


def test_other_ranges_are_known() -> None:
    found = wrapped(repeats(at3=10250 - 65536.0, at4=10310 - 65536.0), "energy_j")
    assert found is not None
    assert found[0].tolist() == [3, 4]
    assert found[1] == 65536.0


def test_without_repeats_the_power_of_the_other_rows_tells() -> None:
    seconds = np.linspace(50, 200, 12)
    joules = 55 * seconds
    joules[5] = RANGE_J - joules[5]
    single = table({"setting": list("abcdefghijkl"), "duration_s": seconds, "cpu_energy_j": joules})
    (finding,) = counter_wrap(single)
    assert "line 7" in finding.message


@pytest.mark.parametrize("outlier", [120_000.0, 200_000.0, 20_000.0, 272_000.0 + 9000])
def test_other_outliers_are_no_wraps(outlier: float) -> None:
    assert not list(counter_wrap(repeats(at3=outlier)))


def test_one_outlier_by_a_small_range_may_be_chance() -> None:
    assert not list(counter_wrap(repeats(at33=4800 + 4294.967)))
    assert list(counter_wrap(repeats(at33=4800 - 4294.967, at37=4810 - 4294.967)))


def test_settings_that_scatter_as_much_as_the_range_tell_nothing() -> None:
    rng = np.random.default_rng(1)
    wide = table({"model": ["a"] * 40, "energy_j": rng.uniform(1e3, 4e5, 40)})
    assert not list(counter_wrap(wide))


def test_middle_and_spread_are_those_of_numpy_setting_by_setting() -> None:
    rng = np.random.default_rng(2)
    cells = rng.integers(0, 5, 200)
    numbers = rng.normal(size=200)
    numbers[::17] = np.nan
    subject = table({"model": [f"m{c}" for c in cells], "energy_j": numbers})
    middle, spread = by_setting(subject, numbers)
    for cell in range(5):
        here = numbers[cells == cell]
        here = here[np.isfinite(here)]
        assert np.allclose(middle[cells == cell], np.median(here))
        away = 1.4826 * np.median(np.abs(here - np.median(here)))
        assert np.allclose(spread[cells == cell], away)


def test_few_repeats_say_nothing_of_what_is_usual() -> None:
    few = table({"model": ["a", "a", "a", "b"], "energy_j": [1.0, 2.0, 3.0, 4.0]})
    assert np.isnan(by_setting(few, few.si("energy_j"))[0]).all()


def test_energies_below_zero_are_impossible() -> None:
    (finding,) = negative_energy(table({"energy_j": [5.0, -3.0, 4.0], "power_w": [5, 3, 4]}))
    assert finding.severity == "error"
    assert finding.seen == "-3 J"
    assert "line 3" in finding.message


def test_net_energies_and_differences_may_be_below_zero() -> None:
    signed = table(
        {
            "net_energy_j": [-1.0, 2.0],
            "energy_above_idle_j": [-1.0, 2.0],
            "energy_diff_j": [-1.0, 2.0],
            "energy_saving_pct": [-3.0, 5.0],
        }
    )
    assert not list(negative_energy(signed))
