"""Finding a study's folder by path or by its name under runs/."""

from __future__ import annotations

from pathlib import Path

import pytest

from joulebench.cli.find_study import find_study
from joulebench.errors import UsageError


def test_a_study_is_found_by_path_and_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text("study: mine\n")
    monkeypatch.chdir(tmp_path)
    assert find_study(folder) == folder
    assert find_study(Path("mine")) == Path("runs/mine")
    with pytest.raises(UsageError, match="other is not a study's folder"):
        find_study(Path("other"))
