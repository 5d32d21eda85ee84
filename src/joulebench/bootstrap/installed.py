"""Which packages an environment holds, found out without starting its Python."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import distributions
from pathlib import Path


def installed_version(venv: Path, package: str) -> str:
    """Give the version of a package in an environment; empty where it is not there.

    Args:
        venv: Folder of the environment.
        package: Name of the package.
    """
    found = distributions(name=package, path=list(_paths(venv)))
    return next((each.version for each in found if each.version), "")


def missing_packages(venv: Path, packages: Iterable[str]) -> list[str]:
    """Name the packages that are not in an environment."""
    return [package for package in packages if not installed_version(venv, package)]


def _paths(venv: Path) -> Iterable[str]:
    # The environment that this runs in may borrow packages from elsewhere; its own path tells.
    if Path(sys.prefix).resolve() == venv.resolve():
        return sys.path
    return [str(path) for path in venv.glob("lib*/python3*/site-packages")]
