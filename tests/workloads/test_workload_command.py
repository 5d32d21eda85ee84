from __future__ import annotations

import sys
from pathlib import Path

import pytest

from joulebench.errors import UsageError
from joulebench.workloads.registry import build_workload


def test_a_command_is_run_without_a_shell(tmp_path: Path) -> None:
    code = "import sys; open(sys.argv[1], 'w').write(sys.argv[2])"
    file = tmp_path / "written"
    command = [sys.executable, "-c", code, str(file), "$HOME; echo"]
    workload = build_workload({"workload": "command", "command": command})
    workload.load()
    workload.warm_up()
    assert not file.exists()
    result = workload.run()
    assert file.read_text() == "$HOME; echo"
    assert (result.score, result.work, result.windows) == (None, {}, [])
    assert result.facts["exit_status"] == 0


def test_a_failing_command_says_its_status() -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with pytest.raises(UsageError, match="ended with status 3"):
        build_workload({"workload": "command", "command": command}).run()


@pytest.mark.parametrize("command", [None, [], "sleep 1"])
def test_a_command_is_a_list(command: object) -> None:
    with pytest.raises(UsageError, match="as a list"):
        build_workload({"workload": "command", "command": command})


def test_a_missing_program_is_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="program is not found"):
        build_workload({"workload": "command", "command": ["no-such-program", "x"]})
