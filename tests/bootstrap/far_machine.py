"""A machine in a folder: its system files, a home, and stand-ins for programs of its system."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from joulebench.bootstrap.choices import Choices, Service, default_places
from joulebench.bootstrap.perform import Shell, perform
from joulebench.bootstrap.step import Result, Step
from joulebench.bootstrap.steps import all_steps
from joulebench.bootstrap.surroundings import Surroundings

_NOTES = """#!/bin/sh
# Stands in for {name}: notes how it was called.
printf '%s\\n' "{name} $*" >> {notes}
"""
_SYSTEMCTL = """
[ "$1" != --user ] || shift
unit=$(find {root} -name joulebench-testbed.service -type f)
case $1 in
  enable)
    for target in default multi-user; do
      mkdir -p "$(dirname "$unit")/$target.target.wants"
      ln -sf "$unit" "$(dirname "$unit")/$target.target.wants/$2"
    done ;;
  restart) touch {root}/active ;;
  is-active) test -e {root}/active ;;
esac
"""
_LOGINCTL = 'mkdir -p {root}/var/lib/systemd/linger && touch {root}/var/lib/systemd/linger/"$2"\n'
_SUDO = '[ "$1" != -n ] || shift\nexec "$@"\n'
_STAND_INS = {"systemctl": _SYSTEMCTL, "loginctl": _LOGINCTL, "udevadm": "", "sudo": _SUDO}


@dataclass
class FarMachine:
    """A machine that lies in a folder."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.root / "home").mkdir(parents=True)
        for name, does in _STAND_INS.items():
            self.stand_in(name, does)
        path = f"{self.root / 'programs'}:/usr/bin:/bin"
        self.environment |= {"PATH": path, "HOME": str(self.home)}

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def around(self) -> Surroundings:
        return Surroundings("somebody", self.home, systemd=True, tree=self.root)

    def choices(self, **service: object) -> Choices:
        """Choose what needs no network: this environment, no engine, no models."""
        places = default_places({}, self.home, root=False, venv=Path(sys.prefix))
        return Choices(
            places, "joulebench", "none", energibridge=False, service=Service(**service)  # type: ignore[arg-type]
        )  # fmt: skip

    def stand_in(self, name: str, does: str = "") -> None:
        """Put a stand-in for a program on the path."""
        program = self.root / "programs" / name
        program.parent.mkdir(exist_ok=True)
        text = _NOTES.format(name=name, notes=self.root / "notes") + does
        program.write_text(text.replace("{root}", str(self.root)))
        program.chmod(0o755)

    def counters(self, mode: int = 0o400) -> list[Path]:
        """Give it energy counters of two packages."""
        files = [
            self.root / f"sys/class/powercap/intel-rapl:{number}/energy_uj" for number in (0, 1)
        ]
        for file in files:
            file.parent.mkdir(parents=True)
            file.write_text("17\n")
            file.chmod(mode)
        return files

    def shell(self, **parts: object) -> Shell:
        return Shell(self.environment, **parts)  # type: ignore[arg-type]

    def set_up(self, choices: Choices, around: Surroundings | None = None) -> dict[str, Result]:
        """Do all steps; gives what became of each."""
        found = around or self.around
        return run_steps(all_steps(choices, found), self.shell(root=found.root))

    def typed(self) -> list[str]:
        """Give how the stand-ins were called, in order."""
        notes = self.root / "notes"
        return notes.read_text().splitlines() if notes.exists() else []

    def files(self) -> dict[str, tuple[bytes, int]]:
        """Give all files with content and permissions, the stand-ins and their notes left out."""
        found = [path for path in self.root.rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self.root)): (path.read_bytes(), path.stat().st_mode & 0o7777)
            for path in found
            if "programs" not in path.parts and path.name != "notes" and os.access(path, os.R_OK)
        }


def with_options(choices: Choices, **parts: object) -> Choices:
    return replace(choices, **parts)  # type: ignore[arg-type]


def run_steps(steps: list[Step], shell: Shell) -> dict[str, Result]:
    results = perform(steps, shell, lambda _: None, lambda _: None)
    return {result.name: result for result in results}
