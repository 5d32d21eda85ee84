"""The published runs beside their published tables: what the facts of that study say is found."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from joulebench.audit.corrected import Corrected, write_corrected
from joulebench.audit.digest import digest
from joulebench.audit.evidence import Evidence
from joulebench.audit.gather import gather
from joulebench.audit.joint import explained
from joulebench.audit.joint_summary import RULES as SUMMARY_RULES
from joulebench.finding import Finding

EDITED = "GL_Final_Run_Table_Edited.csv"
RAW = "GL_Final_Run_Table_Raw.csv"
WRAPPED = {
    "run_0_repetition_15", "run_12_repetition_17", "run_3_repetition_5", "run_4_repetition_0",
}  # fmt: skip


@pytest.fixture(scope="module")
def evidence(reference: Path) -> Evidence:
    found = gather([reference / "greenlab"])
    for unit in found.units:
        unit.digests = [digest(unit.view(place)) for place in range(unit.count)]
    return found


@pytest.fixture(scope="module")
def findings(evidence: Evidence) -> dict[tuple[str, str, str], Finding]:
    """Findings by rule, table and column."""
    keyed = {}
    for finding in explained(evidence).findings:
        place = finding.where.partition(" against")[0]
        table, _, column = place.rpartition("/")[2].partition(": ")
        keyed[finding.rule, table, column] = finding
    return keyed


def test_all_runs_are_joined_to_both_tables(evidence: Evidence) -> None:
    joined = {each.table.path: len(each) for each in explained(evidence).joined}
    assert {path.name: n for path, n in joined.items() if path} == {EDITED: 63, RAW: 63}


@pytest.mark.parametrize(("table", "column", "formula"), [
    (EDITED, "energy", "gpu + 2 x cpu"),
    (RAW, "energy_consumption_total_joules", "gpu + 2 x cpu"),
    (RAW, "gpu_joules", "gpu + cpu"),
])  # fmt: skip
def test_the_processor_is_counted_twice(
    findings: dict[tuple[str, str, str], Finding], table: str, column: str, formula: str
) -> None:
    finding = findings["double-counted-channel", table, column]
    assert finding.severity == "error"
    assert f"{formula} in 63 of 63 rows to the last digit" in finding.message
    assert "for 1B, so that it biases the comparison" in finding.message


def test_it_inflates_by_fifteen_percent(evidence: Evidence) -> None:
    fit = next(f for f in explained(evidence).fits if f.joined.table.path and
               f.joined.table.path.name == EDITED)  # fmt: skip
    assert 0.149 < np.median(fit.inflation) < 0.152
    assert np.allclose(fit.claimed, fit.published, rtol=1e-12)


def test_the_constant_step_is_found_and_harmless(
    findings: dict[tuple[str, str, str], Finding],
) -> None:
    finding = findings["assumed-constant-step", RAW, "gpu_joules"]
    assert finding.severity == "note"
    assert "less than the" in finding.message


def test_the_summaries_wrap(findings: dict[tuple[str, str, str], Finding]) -> None:
    finding = findings["counter-wrap", RAW, "energy"]
    assert finding.severity == "error"
    assert "off by the counter's range of 262144 J" in finding.message
    assert all(name in finding.message for name in WRAPPED)
    assert findings["scope-mismatch", RAW, "energy"].severity == "warning"


def test_what_is_right_is_left_alone(findings: dict[tuple[str, str, str], Finding]) -> None:
    columns = {column for _, _, column in findings}
    assert not columns & {"duration_ms", "time(s)", "tokens", "response_token_count"}
    assert ("unexplained-difference", EDITED, "accuracy") not in findings
    errors = {(rule, column) for (rule, _, column), f in findings.items() if f.severity == "error"}
    assert errors == {
        ("double-counted-channel", "energy"),
        ("double-counted-channel", "gpu_joules"),
        ("double-counted-channel", "energy_consumption_total_joules"),
        ("counter-wrap", "energy"),
        ("unexplained-difference", "accuracy"),
    }


def test_the_mean_powers_of_four_watts(evidence: Evidence) -> None:
    found = [f for rule in SUMMARY_RULES if rule.evidence for f in rule.evidence(evidence)]
    power = next(
        f for f in found if f.where.endswith("RQ3.2_Descriptive_Summary.csv: mean_power_W")
    )
    assert (power.rule, power.severity) == ("decimal-comma", "error")
    assert power.seen == "3.855 to 4.13 W"
    assert power.possible == "385.5 to 413 W"


@pytest.fixture(scope="module")
def written(evidence: Evidence, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Corrected]:
    found = write_corrected(evidence, tmp_path_factory.mktemp("fix") / "out")
    return {each.path.name: each for each in found}


def rows(corrected: Corrected) -> list[dict[str, str]]:
    with corrected.path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_corrected_totals_are_the_recomputed_ones(
    evidence: Evidence, written: dict[str, Corrected]
) -> None:
    """Of the 63 runs with traces; the other 837 follow from the table's own columns."""
    by_id = {row["__run_id"]: row for row in rows(written[RAW])}
    assert len(by_id) == 900
    for each in evidence.digests:
        assert each.recomputed is not None
        joules = {part: f.joules[f.key] for part, f in each.recomputed.parts.items()}
        row = by_id[each.run.run_id]
        total = joules["cpu"] + joules["gpu"]
        assert float(row["energy_consumption_total_joules"]) == pytest.approx(total, rel=1e-9)
        assert float(row["gpu_joules"]) == pytest.approx(joules["gpu"], rel=1e-9)
    for row in by_id.values():
        published = float(row["energy_consumption_total_joules_published"])
        cpu = float(row["cpu_joules"])
        total = float(row["energy_consumption_total_joules"])
        assert total == pytest.approx(published - cpu, rel=0.01)


def test_all_wraps_of_the_table_are_undone(written: dict[str, Corrected]) -> None:
    table = rows(written[RAW])
    wraps = [row for row in table if float(row["energy_published"]) > 200_000]
    assert len(wraps) == 29
    assert all("counter-wrap" in row["corrected_by"] for row in wraps)
    assert max(float(row["energy"]) for row in table) < 20_000


def test_corrected_mean_powers_are_possible(written: dict[str, Corrected]) -> None:
    table = rows(written["RQ3.2_Descriptive_Summary.csv"])
    powers = [float(row["mean_power_W"]) for row in table]
    assert all(307 < power < 363 for power in powers)
    assert [row["mean_power_W_published"] for row in table] == ["4.13", "4.078", "4.082", "3.855"]


def test_other_studies_whose_traces_give_their_figures(reference: Path) -> None:
    found = gather([reference / "nlpfrontiers"])
    for unit in found.units:
        unit.digests = [digest(unit.view(place)) for place in range(unit.count)]
    known = explained(found)
    assert sum(len(each) for each in known.joined) > 50
    assert [f for f in known.findings if f.severity == "error"] == []
