"""Tables of means beside the runs that they were made of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from joint_study import SIZES, Study
from tables import table

from joulebench.audit.corrected import write_corrected
from joulebench.audit.evidence import Evidence
from joulebench.audit.joint_summary import RULES
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding


@pytest.fixture(scope="module")
def study() -> Study:
    return Study()


def found(evidence: Evidence) -> list[Finding]:
    return [f for rule in RULES if rule.evidence is not None for f in rule.evidence(evidence)]


def means(study: Study, values: list[float]) -> list[str]:
    """Give the mean of each size, as statistics programs print it."""
    sizes = np.array([run.size for run in study.runs])
    return [f"{np.mean(np.array(values)[sizes == size]):.3f}" for size in SIZES]


def summary(columns: dict[str, list[str]]) -> AuditTable:
    return table({"size": list(SIZES), **columns}, "summary.csv")


def seconds(study: Study) -> list[str]:
    return [f"{run.window.duration_s:.2f}".replace(".", ",") for run in study.runs]


def misread(study: Study) -> list[float]:
    return [float(text.replace(",", "")) for text in seconds(study)]


def test_a_sound_summary_is_left_alone(study: Study) -> None:
    energies = study.figures(lambda run: run.total)
    durations = [float(text.replace(",", ".")) for text in seconds(study)]
    watts = [e / t for e, t in zip(energies, durations, strict=True)]
    runs = study.table({"energy": energies, "time(s)": seconds(study)})
    tables = runs, summary({
        "mean_energy": means(study, energies),
        "mean_duration_s": means(study, durations),
        "mean_power_W": means(study, watts),
    })  # fmt: skip
    assert found(study.evidence(*tables)) == []


def test_a_comma_that_was_lost_on_the_way(study: Study) -> None:
    energies = study.figures(lambda run: run.total)
    watts = [e / t for e, t in zip(energies, misread(study), strict=True)]
    runs = study.table({"energy": energies, "time(s)": seconds(study)})
    made = summary({"mean_duration_s": means(study, misread(study)),
                    "mean_power_W": means(study, watts)})  # fmt: skip
    findings = found(study.evidence(runs, made))
    assert {(f.rule, f.severity) for f in findings} == {("decimal-comma", "error")}
    assert {f.where for f in findings} == {
        "summary.csv: mean_duration_s", "summary.csv: mean_power_W",
    }  # fmt: skip


def test_a_summary_inherits_what_is_wrong_and_is_corrected(study: Study, tmp_path: Path) -> None:
    energies = study.figures(lambda run: run.gpu + 2 * run.cpu)
    runs = study.table({"energy": energies})
    evidence = study.evidence(runs, summary({"mean_energy": means(study, energies)}))
    (finding,) = found(evidence)
    assert (finding.rule, finding.severity) == ("double-counted-channel", "error")
    write_corrected(evidence, tmp_path / "out")
    text = (tmp_path / "out" / "summary.csv").read_text().splitlines()
    right = means(study, study.figures(lambda run: run.total))
    assert [float(line.split(",")[1]) for line in text[1:]] == pytest.approx(
        [float(each) for each in right], rel=1e-6
    )


def test_a_table_of_other_groups_is_left_alone(study: Study) -> None:
    runs = study.table({"energy": study.figures(lambda run: run.total)})
    other = table({"size": ["tiny", "huge"], "mean_energy": ["1.234", "5.678"]}, "s.csv")
    assert found(study.evidence(runs, other)) == []
