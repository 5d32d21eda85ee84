"""Errors planted one at a time in data that are else free of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Build = Callable[[Path], list[Path]]
"""Writes data into an empty folder and gives the paths to audit."""


@dataclass(frozen=True)
class Plant:
    """One error in one set of data.

    Args:
        name: What was done.
        rule: Rule that is to find it.
        base: The same data without it.
        build: The data with it.
        where: Part of the place that a finding of the rule has to name.
        severity: The least severity that is sensible.
        also: Further rules that find the very same error, or what follows from it.
        devices: What ``--gpu`` says.
    """

    name: str
    rule: str
    base: str
    build: Build
    where: str
    severity: str
    also: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()


PLANTS: list[Plant] = []
BASES: dict[str, Build] = {}


def plant(
    rule: str,
    base: str,
    where: str,
    severity: str = "warning",
    also: tuple[str, ...] = (),
    devices: tuple[str, ...] = (),
) -> Callable[[Build], Build]:
    """Register a function that writes data with an error."""

    def registered(build: Build) -> Build:
        PLANTS.append(Plant(build.__name__, rule, base, build, where, severity, also, devices))
        return build

    return registered


def base(name: str) -> Callable[[Build], Build]:
    """Register a function that writes data without an error."""

    def registered(build: Build) -> Build:
        BASES[name] = build
        return build

    return registered
