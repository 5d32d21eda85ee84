"""From paths to one body of evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulebench.audit.gather import gather
from joulebench.errors import UsageError

TABLE = "model,energy_j,duration_s\na,100,2\nb,200,4\n"


def test_tables_in_a_folder_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    for room in ("x", "y"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "results.csv").write_text(TABLE)
    names = [table.name for table in gather([tmp_path]).tables]
    assert names == ["x/results.csv", "y/results.csv"]


def test_a_folder_without_figures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("name,colour\na,red\n")
    with pytest.raises(UsageError, match="holds nothing to audit"):
        gather([tmp_path])


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="does not exist"):
        gather([tmp_path / "nowhere"])


def test_a_damaged_table_among_others_is_told_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "good.csv").write_text(TABLE)
    (tmp_path / "bad.csv").write_text(TABLE + "c,1\n")
    evidence = gather([tmp_path])
    assert [table.name for table in evidence.tables] == ["good.csv"]
    assert [finding.rule for finding in evidence.findings] == ["unreadable"]
    assert "line 4" in evidence.findings[0].message


def test_a_damaged_table_that_was_named_is_refused_with_its_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.csv"
    bad.write_text(TABLE + "c,1\n")
    with pytest.raises(UsageError, match=r"bad\.csv line 4"):
        gather([bad])


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside.csv").write_text(TABLE)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "own.csv").write_text(TABLE)
    (inside / "link.csv").symlink_to(tmp_path / "outside.csv")
    assert [table.name for table in gather([inside]).tables] == ["own.csv"]
