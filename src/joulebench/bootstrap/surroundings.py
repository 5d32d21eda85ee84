"""Where a set-up takes place: a machine with systemd, a container, an allocation of Slurm."""

from __future__ import annotations

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_MARKERS = {".dockerenv": "docker", "run/.containerenv": "podman"}
_VARIABLES = {
    "APPTAINER_CONTAINER": "apptainer",
    "SINGULARITY_CONTAINER": "singularity",
    "KUBERNETES_SERVICE_HOST": "kubernetes",
}


@dataclass(frozen=True)
class Surroundings:
    """What is known of the place before anything is done.

    Args:
        account: Name of the user.
        home: Its home folder.
        root: Whether it is root.
        container: What kind of container this is; empty if none.
        slurm: Why this counts as Slurm's: ``job 17``, ``asked for``; empty if it does not.
        systemd: Whether systemd runs the machine.
        tree: Where the system's files are.
    """

    account: str
    home: Path
    root: bool = False
    container: str = ""
    slurm: str = ""
    systemd: bool = False
    tree: Path = Path("/")

    @property
    def where(self) -> str:
        """Name the place in which there is no service to set up; empty if there is."""
        if self.slurm:
            return f"Slurm decides what runs here ({self.slurm})"
        if self.systemd:
            return ""
        return f"this {'container' if self.container else 'machine'} is not run by systemd"


def find_surroundings(
    environment: Mapping[str, str],
    tree: Path = Path("/"),
    *,
    container: bool = False,
    slurm: bool = False,
) -> Surroundings:
    """Find out where this process runs.

    Args:
        environment: The environment's variables.
        tree: Where the system's files are.
        container: Whether the user says that this is a container.
        slurm: Whether the user says that Slurm decides what runs here.
    """
    job = environment.get("SLURM_JOB_ID", "")
    kind = _container(environment, tree) or ("asked for" if container else "")
    booted = (tree / "run/systemd/system").is_dir() and not container
    return Surroundings(
        account=_account(),
        home=Path.home(),
        root=os.geteuid() == 0,
        container=kind,
        slurm=f"job {job}" if job else "asked for" if slurm else "",
        systemd=booted,
        tree=tree,
    )


def _account() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container's user that no file names
        return str(os.geteuid())


def _container(environment: Mapping[str, str], tree: Path) -> str:
    for marker, name in _MARKERS.items():
        if (tree / marker).exists():
            return name
    named = next((name for key, name in _VARIABLES.items() if environment.get(key)), "")
    return named or environment.get("container", "") or _read(tree / "run/systemd/container")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
