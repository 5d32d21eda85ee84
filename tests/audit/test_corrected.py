"""Corrected tables: what is determined is mended, beside what was published; nothing else is."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from joint_study import WRAP_J, Study
from tables import table

from joulebench.audit.corrected import corrections, write_corrected
from joulebench.audit.evidence import Evidence
from joulebench.audit.table import AuditTable
from joulebench.errors import UsageError


@pytest.fixture(scope="module")
def study() -> Study:
    return Study()


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def numbers(rows: Sequence[Mapping[str, str]], column: str) -> list[float]:
    return [float(row[column]) for row in rows]


def test_figures_are_recomputed_beside_those_published(study: Study, tmp_path: Path) -> None:
    published = study.table({"energy": study.figures(lambda run: run.gpu + 2 * run.cpu),
                             "note": ["x"] * 12})  # fmt: skip
    (written,) = write_corrected(study.evidence(published), tmp_path / "out")
    assert written.path == tmp_path / "out" / "table.csv"
    assert written.cells == {"energy": 12}
    assert written.undetermined == ()
    assert written.line.endswith("out/table.csv: 12 cells corrected (energy)")
    rows = read(written.path)
    assert list(rows[0]) == [
        "run_id", "size", "energy", "energy_published", "note", "corrected_by",
    ]  # fmt: skip
    assert [row["run_id"] for row in rows] == [run.run_id for run in study.runs]
    assert numbers(rows, "energy") == pytest.approx(study.figures(lambda run: run.total), rel=1e-6)
    assert [row["energy_published"] for row in rows] == list(published.texts("energy"))
    assert {row["corrected_by"] for row in rows} == {"double-counted-channel"}


def test_sound_tables_are_not_written(study: Study, tmp_path: Path) -> None:
    evidence = study.evidence(study.table({"energy": study.figures(lambda run: run.total)}))
    assert write_corrected(evidence, tmp_path / "out") == []
    assert not (tmp_path / "out").exists()


def test_units_are_kept(study: Study, tmp_path: Path) -> None:
    twice = study.figures(lambda run: (run.gpu + 2 * run.cpu) / 3.6e6)
    evidence = study.evidence(study.table({"energy_kwh": twice}))
    (correction,) = corrections(evidence)
    right = study.figures(lambda run: run.total / 3.6e6)
    assert correction.corrected == pytest.approx(right, rel=1e-6)
    assert correction.rows == tuple(run.run_id for run in study.runs)
    assert (correction.table, correction.unit) == ("table.csv", "kwh")
    assert set(correction.sources) == {"traces"}
    assert correction.rule == correction.rules[0] == "double-counted-channel"
    assert 0.1 < np.median(correction.inflation) < 0.4
    relative = correction.uncertainty / correction.corrected
    assert ((relative > 0.02) & (relative < 0.04)).all(), "the gains of both sensors"


def without_traces(study: Study, columns: Mapping[str, Sequence[object]]) -> Evidence:
    """Give evidence in which only the first repeats of each size left traces."""
    evidence = study.evidence(study.table(columns))
    unit = evidence.units[0]
    unit.digests = [each for each in unit.digests if not each.run.run_id.endswith(("_4", "_5"))]
    return evidence


def test_rows_without_traces_follow_where_other_columns_suffice(
    study: Study, tmp_path: Path
) -> None:
    columns = {
        "cpu_joules": study.figures(lambda run: run.cpu),
        "gpu_joules": study.figures(lambda run: run.total),
        "total_joules": study.figures(lambda run: run.gpu + 2 * run.cpu),
    }
    (written,) = write_corrected(without_traces(study, columns), tmp_path / "out")
    rows = read(written.path)
    assert written.undetermined == ()
    assert "cpu_joules_published" not in rows[0]
    assert numbers(rows, "gpu_joules") == pytest.approx(study.figures(lambda r: r.gpu), rel=1e-6)
    assert numbers(rows, "total_joules") == pytest.approx(
        study.figures(lambda run: run.total), rel=1e-6
    )


def test_rows_that_nothing_determines_keep_their_figures(study: Study, tmp_path: Path) -> None:
    twice = study.figures(lambda run: run.gpu + 2 * run.cpu)
    (written,) = write_corrected(without_traces(study, {"energy": twice}), tmp_path / "out")
    rows = read(written.path)
    kept = [row for row in rows if row["run_id"].endswith(("_4", "_5"))]
    assert {row["corrected_by"] for row in kept} == {""}
    assert all(row["energy"] == row["energy_published"] for row in kept)
    assert written.undetermined == tuple(row["run_id"] for row in kept)


def test_wraps_are_undone_with_and_without_traces(study: Study, tmp_path: Path) -> None:
    figures = study.figures(lambda run: run.cpu)
    figures[1] += WRAP_J
    figures[4] = WRAP_J - figures[4]
    evidence = without_traces(study, {"cpu_joules": figures})
    # One traced row is off in the same way, so that the range is known to be the counter's.
    (written,) = write_corrected(evidence, tmp_path / "out")
    rows = read(written.path)
    assert numbers(rows, "cpu_joules") == pytest.approx(study.figures(lambda r: r.cpu), rel=1e-3)
    assert [row["corrected_by"] for row in rows].count("counter-wrap") == 2


def lone(columns: Mapping[str, Sequence[object]]) -> Evidence:
    return Evidence([], [table(columns)])


def test_a_wrap_is_undone_in_a_table_alone(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    joules = [12000 + 50 * float(each) for each in rng.standard_normal(20)]
    wrapped = [*joules[:-1], WRAP_J - joules[-1]]
    evidence = lone({"model": ["a"] * 10 + ["b"] * 10, "cpu_energy_j": wrapped})
    (written,) = write_corrected(evidence, tmp_path / "out")
    rows = read(written.path)
    assert float(rows[-1]["cpu_energy_j"]) == pytest.approx(joules[-1])
    assert [row["corrected_by"] for row in rows] == [""] * 19 + ["counter-wrap"]


def test_commas_and_spellings(tmp_path: Path) -> None:
    evidence = lone({
        "generation": ["3", "3.0", "3.1", "3"], "time(s)": ["111,84", "7,5", "9", "12,25"],
        "energy_j": ["1.5", "2.5", "3.5", "4.5"],
    })  # fmt: skip
    (written,) = write_corrected(evidence, tmp_path / "out")
    rows = read(written.path)
    assert [row["time(s)"] for row in rows] == ["111.84", "7.5", "9", "12.25"]
    assert [row["generation"] for row in rows] == ["3", "3", "3.1", "3"]
    assert [row["corrected_by"] for row in rows] == [
        "decimal-comma", "label-inconsistent;decimal-comma", "", "decimal-comma",
    ]  # fmt: skip


def test_commas_that_may_part_thousands_are_left(tmp_path: Path) -> None:
    evidence = lone({"model": ["a", "b", "c"], "energy_j": ["1,234", "2,345", "12,345"]})
    assert write_corrected(evidence, tmp_path / "out") == []


def on_disk(folder: Path, name: str = "t.csv") -> AuditTable:
    made = table({"model": ["a", "b"], "time(s)": ["1,25", "2,5"], "energy_j": [1, 2]}, name)
    made.path = folder / name
    return made


def test_originals_are_never_written_over(study: Study, tmp_path: Path) -> None:
    evidence = Evidence([], [on_disk(tmp_path)])
    with pytest.raises(UsageError, match=r"holds t\.csv itself"):
        write_corrected(evidence, tmp_path)
    taken = tmp_path / "out"
    taken.mkdir()
    (taken / "t.csv").write_text("mine")
    with pytest.raises(UsageError, match="exists already"):
        write_corrected(evidence, taken)
    assert (taken / "t.csv").read_text() == "mine"
    runs = tmp_path / "runs"
    runs.mkdir()
    inside = study.evidence(on_disk(tmp_path), path=runs)
    with pytest.raises(UsageError, match="which was audited"):
        write_corrected(inside, runs / "fixed")
    assert list(runs.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(UsageError, match="not a folder"):
        write_corrected(Evidence([], [on_disk(tmp_path / "x")]), tmp_path / "out")


def test_tables_of_one_name_are_told_apart(tmp_path: Path) -> None:
    tables = [on_disk(tmp_path / room) for room in ("x", "y")]
    for made, room in zip(tables, ("x", "y"), strict=True):
        made.name = f"{room}/t.csv"
    written = write_corrected(Evidence([], tables), tmp_path / "out")
    assert [each.path.name for each in written] == ["x-t.csv", "y-t.csv"]
    assert written[0].to_dict()["rules"] == {"decimal-comma": 2}


def test_scope_is_named_and_not_changed(study: Study) -> None:
    whole = study.figures(lambda run: float(np.trapezoid(run.gpu_w, run.t_s)))
    assert corrections(study.evidence(study.table({"gpu_energy_j": whole}))) == []
