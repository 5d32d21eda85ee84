"""Any command as a workload."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Sequence

from joulebench.errors import UsageError
from joulebench.workloads.workload import WorkResult


class CommandWorkload:
    """Runs a command; its output goes where this process's output goes.

    Args:
        command: Program and arguments; no shell reads them.

    Raises:
        UsageError: There is no such program.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.command = list(command)
        if not self.command or shutil.which(self.command[0]) is None:
            raise UsageError(
                f"command {' '.join(self.command)!r}: the program is not found; give its full path"
            )

    def import_libraries(self) -> None:
        """Import nothing."""

    def load(self) -> None:
        """Load nothing: a command does its own loading, inside the measured window."""

    def warm_up(self) -> None:
        """Do nothing: a command is run once."""

    def run(self) -> WorkResult:
        """Run the command to its end.

        Raises:
            UsageError: It ended with a status other than 0.
        """
        start_s = time.monotonic()
        status = subprocess.run(self.command, check=False).returncode
        if status != 0:
            raise UsageError(
                f"command {' '.join(self.command)!r} ended with status {status} after "
                f"{time.monotonic() - start_s:.1f} s; see the run's log"
            )
        return WorkResult(facts={"command": self.command, "exit_status": status})

    def grade(self, result: WorkResult) -> None:
        """Grade nothing."""

    def close(self) -> None:
        """Free nothing."""
