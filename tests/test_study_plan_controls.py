"""Control trials: planned, seeded alike, and in no mean and no comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from joulebench.analysis.read import read_analysis
from joulebench.analysis.recorded_biases import recorded_biases
from joulebench.audit.examine import examine_results
from joulebench.audit.read_table import read_table
from joulebench.cli.status import status
from joulebench.comparison.side import read_side
from joulebench.errors import UsageError
from joulebench.record import RunTable
from joulebench.report.asked import design_rows
from joulebench.report.cells import cells
from joulebench.report.evidence import Evidence
from joulebench.report.figure_drift import drift_picture
from joulebench.report.run_rows import run_rows
from joulebench.study_plan import plan
from planned_runs import GAIN, as_run, asked

CONTROLLED = {"kind": "blocks", "drift_every": 4, "drift_cell": {"model": "large"}}


def joules(trial: dict[str, Any]) -> float:
    """Give energies that differ by cell and block; controls are far off, so that one is noticed."""
    if trial.get("control"):
        return 1e6
    cell = 100.0 if trial["levels"]["model"] == "small" else 150.0
    return cell * float(1 + 0.01 * trial["repetition"] + 0.001 * (trial["order"] % 3))


@pytest.fixture
def controlled(tmp_path: Path) -> Path:
    return as_run(tmp_path / "with", asked(order=CONTROLLED), joules)


def test_controls_are_planned_with_one_seed_and_other_trials_as_before() -> None:
    plain, with_controls = plan(asked()), plan(asked(order=CONTROLLED))
    controls = [each for each in with_controls if each["trial"].get("control")]
    assert [each["run_id"] for each in controls] == [f"control.r0{n}" for n in (1, 2, 3, 4)]
    assert {each["model"] for each in controls} == {"large"}
    seeds = {each["sampling"]["seed"] for each in controls}
    assert len(seeds) == 1
    assert not seeds & {each["sampling"]["seed"] for each in plain}
    rest = [each for each in with_controls if not each["trial"].get("control")]
    for one, other in zip(plain, rest, strict=True):
        assert one == {**other, "trial": {**other["trial"], "order": one["trial"]["order"]}}


def test_no_trial_of_a_study_without_controls_says_anything_of_them(tmp_path: Path) -> None:
    folder = as_run(tmp_path / "without", asked(), joules)
    assert "control" not in (folder / "runs.jsonl").read_text()
    assert "control" not in (folder / "run_table.csv").read_text()


def test_a_factor_may_be_called_control_unless_there_are_controls() -> None:
    command = {"workload": "command", "command": ["echo", "{control}"]}
    factors = {"control": ["on", "off"]}
    assert len(plan(asked(factors=factors, **command))) == 6
    with pytest.raises(UsageError, match="a column of that name already"):
        plan(asked(factors=factors, order={"drift_every": 2}, **command))


def test_the_run_table_marks_controls(controlled: Path) -> None:
    frame = pd.read_csv(controlled / "run_table.csv")
    assert frame["control"].notna().sum() == 4
    assert set(frame["run_id"][frame["control"].notna()]) == {f"control.r0{n}" for n in range(1, 5)}


def test_means_leave_controls_out(controlled: Path) -> None:
    found = cells(Evidence.of(controlled))
    assert [cell.runs for cell in found] == [3] * 6
    assert all(cell.estimates["energy_j"].value < 200 for cell in found)


def test_the_report_lists_controls_and_draws_them(controlled: Path, tmp_path: Path) -> None:
    evidence = Evidence.of(controlled)
    listed = [row["run_id"] for row in run_rows(evidence, [])]
    assert listed.count("control.r01") == 1
    assert len(listed) == 22
    rows = dict(design_rows(evidence))
    assert rows["trials"].startswith("18 planned, 18 done, 0 failed;")
    assert rows["drift controls"].startswith("one after every 4 trials, 4 with an energy of large")
    picture = drift_picture(evidence)
    assert picture is not None
    assert "Controls are ringed" in picture.caption
    plain = drift_picture(Evidence.of(as_run(tmp_path / "without", asked(), joules)))
    assert plain is not None
    assert "ringed" not in plain.caption


@pytest.mark.parametrize("name", ["", "run_table.csv"])
def test_an_analysis_leaves_controls_out(controlled: Path, name: str) -> None:
    frame = read_analysis(controlled / name, audit=False)
    assert len(frame) == 18
    assert frame.factors == ("model", "task")
    assert frame.frame["energy_j"].max() < 200


def test_a_comparison_leaves_controls_out(controlled: Path) -> None:
    side = read_side("A", controlled, [])
    assert len(side) == len(side.records) == 18
    assert side.texts("run_id") == [run.run_id for run in side.records]
    assert side.values("energy_j").max() < 200


def test_a_table_of_ours_is_read_without_its_controls(controlled: Path) -> None:
    table = read_table(controlled / "run_table.csv")
    assert len(table) == len(table.lines) == 18
    assert not [text for text in table.texts("run_id") if str(text).startswith("control")]


def test_a_table_of_others_keeps_its_column_control(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("run_id,control,energy_j\na,true,1\nb,false,2\n")
    assert len(read_table(path)) == 2


def test_an_audit_takes_controls_for_no_repetitions(controlled: Path) -> None:
    examined = examine_results(controlled)
    (unit,) = examined.evidence.units
    assert (unit.count, len(unit.digests), len(unit.controls)) == (22, 18, 4)
    assert [len(table) for table in examined.evidence.tables if table.recomputed] == [18]
    assert "control-drift" not in {finding.rule for finding in examined.findings}


@pytest.mark.parametrize(("rise", "found"), [(0.02, True), (-0.02, True), (0.0, False)])
def test_an_audit_sees_controls_that_drift(tmp_path: Path, rise: float, found: bool) -> None:
    def drifting(trial: dict[str, Any]) -> float:
        scatter = 1 + 0.001 * (trial["order"] * 7 % 5 - 2)
        return float(100 * scatter * (1 + rise * trial["order"] / 20))

    study = asked(repetitions=6, order={"drift_every": 3})
    findings = examine_results(as_run(tmp_path / "s", study, drifting)).findings
    drift = [finding for finding in findings if finding.rule == "control-drift"]
    assert bool(drift) is found
    if found:
        assert ("rose by" if rise > 0 else "fell by") in drift[0].message
        assert drift[0].severity == "warning"


def test_controls_that_only_scatter_are_no_drift(tmp_path: Path) -> None:
    def scattered(trial: dict[str, Any]) -> float:
        return float(100 * (1 + 0.05 * (trial["order"] * 7 % 5 - 2)))

    study = asked(repetitions=6, order={"drift_every": 3})
    findings = examine_results(as_run(tmp_path / "s", study, scattered)).findings
    assert "control-drift" not in {finding.rule for finding in findings}


def test_the_doubt_of_a_meter_is_that_of_the_cells(controlled: Path) -> None:
    frame = read_analysis(controlled, audit=False)
    damaged = RunTable.load(controlled)
    control = next(run for run in damaged.runs if run.control)
    control.energy["gpu0:power"]["measure"]["biases"] = {"gain gpu0:power": 0.9e6}
    damaged.append(control)
    found = recorded_biases(frame, "energy_j", "model")
    assert {round(each.bias, 9) for each in found.values()} == {GAIN}


def test_status_counts_controls_among_the_trials(controlled: Path) -> None:
    state = status(RunTable.load(controlled))
    assert (state["planned"], state["done"], state["pending"]) == (22, 22, 0)
