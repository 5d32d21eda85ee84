"""Meters that read one thing, compared over a study: the table, the plot, the page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic_study import CPU, GPU, Recipe, make_study

from joulebench.channel import Channel, Window
from joulebench.energy import Energy, Trace
from joulebench.errors import UsageError
from joulebench.meter_comparison import compare_energies, compare_meters
from joulebench.record import RunTable
from joulebench.report import build_report
from joulebench.report.agreement import Agreement, agreement_rows, agreements
from joulebench.report.evidence import Evidence
from joulebench.report.figure_agreement import agreement_pictures

COUNTER = replace(GPU, name="gpu0:energy", unit="J", offset=0.0)


def made(
    folder: Path, gain: float = 1.0, channels: tuple[Channel, ...] = (GPU, COUNTER)
) -> RunTable:
    """A study whose board has a power and a counter, the counter reading a share more."""
    table = make_study(folder, Recipe(channels=channels, traces=False))
    for run in table.runs:
        if COUNTER.name in run.energy:
            for energy in run.energy[COUNTER.name].values():
                energy["joules"] *= gain
    table.extend(table.runs)
    return table


def found(folder: Path, gain: float = 1.0) -> Agreement:
    (agreement,) = agreements(Evidence(made(folder, gain)))
    return agreement


def test_meters_of_one_board_are_compared_over_all_runs(tmp_path: Path) -> None:
    agreement = found(tmp_path)
    compared = agreement.comparison
    assert (agreement.host, agreement.label) == ("box-1", "gpu0:power less gpu0:energy")
    assert (compared.n, compared.agree, compared.outside) == (18, True, 0)
    assert abs(compared.joules.bias.value) < 0.02 * compared.mean_j
    assert compared.joules.lower.value < compared.joules.bias.value < compared.joules.upper.value


def test_a_difference_of_gain_shows_as_a_bias_and_grows_with_the_energy(tmp_path: Path) -> None:
    compared = found(tmp_path, 1.25).comparison
    assert compared.relative is not None
    assert compared.relative.bias.value == pytest.approx(-0.25 / 1.125, abs=0.01)
    assert compared.joules.slope is not None
    assert compared.joules.slope.value == pytest.approx(-0.25 / 1.125, abs=0.05)
    assert compared.joules.slope.excludes(0.0)
    assert not compared.agree
    assert compared.outside == 18
    assert "they disagree by more than their one sensor explains" in str(compared)


def test_two_sensors_of_one_board_may_differ_by_both_their_gains(tmp_path: Path) -> None:
    assert not found(tmp_path / "one", 1.05).comparison.agree
    table = make_study(tmp_path / "two", Recipe(channels=(GPU, replace(GPU, name="gpu0:clamp"))))
    for run in table.runs:
        for energy in run.energy["gpu0:clamp"].values():
            energy["joules"] *= 1.05
    (agreement,) = agreements(Evidence(table))
    assert agreement.comparison.agree
    assert "they agree" in str(agreement.comparison)


def test_different_devices_and_single_runs_are_not_compared(tmp_path: Path) -> None:
    assert agreements(Evidence(made(tmp_path / "a", channels=(GPU, CPU)))) == []
    recipe = Recipe(channels=(GPU, COUNTER), factors={"model": ["tiny_a"]}, repetitions=2)
    assert agreements(Evidence(make_study(tmp_path / "b", recipe))) == []


def test_machines_are_compared_apart(tmp_path: Path) -> None:
    table = made(tmp_path)
    for run in table.runs[:9]:
        run.host = "box-2"
    assert [(a.host, a.comparison.n) for a in agreements(Evidence(table))] == [
        ("box-2", 9),
        ("box-1", 9),
    ]


def test_the_report_has_table_plot_and_section(tmp_path: Path) -> None:
    made(tmp_path, 1.25)
    text = build_report(tmp_path).read_text(encoding="utf-8")
    assert "Do the meters agree?" in text
    assert "gpu0:power less gpu0:energy" in text
    assert "18 of 18" in text
    (row,) = pd.read_csv(tmp_path / "report" / "tables" / "agreement.csv").to_dict("records")
    assert row["runs"] == 18
    assert row["difference_j_lower_limit"] < row["difference_j"] < 0
    assert row["relative_difference"] == pytest.approx(-0.222, abs=0.01)
    assert not row["agree"]
    names = {path.name for path in (tmp_path / "report" / "figures").iterdir()}
    assert {"agreement-1.svg", "agreement-1.png"} <= names


def test_a_report_without_two_meters_has_no_section(tmp_path: Path) -> None:
    make_study(tmp_path, Recipe(traces=False))
    text = build_report(tmp_path).read_text(encoding="utf-8")
    assert "Do the meters agree?" not in text
    assert not list((tmp_path / "report" / "figures").glob("agreement*"))


def test_the_plot_tells_what_it_shows(tmp_path: Path) -> None:
    (picture,) = agreement_pictures([found(tmp_path, 1.25)])
    assert "Bland-Altman plot of gpu0:power less gpu0:energy over 18 runs" in picture.alt
    assert "the 18 beyond both" in picture.caption


def test_the_row_prints_percentages_of_the_mean(tmp_path: Path) -> None:
    (row,) = agreement_rows([found(tmp_path, 1.25)])
    assert row["relative"].startswith("\u221221.")
    assert row["allowed"] == "± 3.0"
    assert row["outside"] == "18 of 18"


def test_two_traces_are_compared_over_windows() -> None:
    """By hand: differences -2, -4, -9 J have the mean -5 and the deviation root of 13."""
    t_s = np.arange(0.0, 20.0, 0.5)
    power = Trace(Channel("gpu0:power", "W"), t_s, np.full(t_s.size, 100.0))
    steps = np.interp(t_s, [0, 4, 8, 12, 20], [0, 402, 806, 1215, 2015])
    counter = Trace(Channel("gpu0:energy", "J"), t_s, steps)
    windows = [Window(f"w{n}", 4 * n, 4 * n + 4) for n in range(3)]
    compared = compare_meters(power, counter, windows)
    assert compared.names == ("gpu0:power", "gpu0:energy")
    assert compared.joules.bias.value == pytest.approx(-5)
    assert compared.joules.sd == pytest.approx(13**0.5)
    assert compared.joules.upper.value == pytest.approx(-5 + 1.959964 * 13**0.5)
    assert compared.joules.bias.half_width == pytest.approx(4.302653 * (13 / 3) ** 0.5)
    assert [d.window for d in compared.differences] == ["w0", "w1", "w2"]
    assert "beyond its own bound in 3 of 3" in str(compared)


def test_what_both_state_is_what_the_mean_difference_is_held_against() -> None:
    first = [Energy(100.0 + k, 3.0, {"gain a": 2.0}) for k in range(4)]
    second = [Energy(100.0 + k, 4.0, {"gain b": 1.5}) for k in range(4)]
    compared = compare_energies(first, second)
    assert compared.expected_sd_j == pytest.approx(5.0)
    assert compared.expected_bias_j == pytest.approx(2.5)
    # Scatter is nothing here, so that the stated noise of 5 J counts: 2.5 J for the mean of four.
    assert compared.allowed_j == pytest.approx(1.959964 * 12.5**0.5)
    assert compared.to_dict()["agree"] is True


def test_fewer_than_three_windows_say_nothing_of_a_spread() -> None:
    with pytest.raises(UsageError, match="3 windows or more"):
        compare_energies([Energy(1, 0)] * 2, [Energy(1, 0)] * 2)
    with pytest.raises(UsageError, match="2 and 3 energies"):
        compare_energies([Energy(1, 0)] * 2, [Energy(1, 0)] * 3)


def test_windows_of_no_energy_have_no_relative_difference() -> None:
    compared = compare_energies([Energy(0, 1)] * 3, [Energy(0, 1)] * 3)
    assert compared.relative is None
    assert "%" not in str(compared).splitlines()[1]
