"""Designs made up for tests: what a study would measure if its physics were simple."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from tables import table

from joulebench.audit.digest import RunDigest
from joulebench.audit.evidence import Evidence, Unit
from joulebench.audit.rule import Rule
from joulebench.audit.run_view import AuditRun
from joulebench.audit.table import AuditTable
from joulebench.finding import Finding
from joulebench.record import Run

Columns = dict[str, list[Any]]


def measured(
    factors: Mapping[str, Sequence[Any]],
    *,
    repetitions: int = 5,
    spread: float = 0.02,
    seed: int = 0,
    exclude: Iterable[Mapping[str, Any]] = (),
) -> Columns:
    """Give a table of a crossed design in random order, with costs that its factors change.

    Energy, time and memory grow with each level that is a number, and differ between others by
    30 % a level. Energy and time spread by ``spread`` together and by half of it apart.
    """
    rng = np.random.default_rng(seed)
    cells = [dict(zip(factors, levels, strict=True)) for levels in product(*factors.values())]
    kept = [cell for cell in cells if not any(out.items() <= cell.items() for out in exclude)]
    rows = [cell | {"repetition": rep} for rep in range(repetitions) for cell in kept]
    columns: Columns = {name: [row[name] for row in rows] for name in ("repetition", *factors)}
    work = np.array([_work(row, factors) for row in rows])
    common = rng.normal(0, spread, len(rows))
    columns["order"] = (rng.permutation(len(rows)) + 1).tolist()
    columns["energy_j"] = (50 * work * _spread(rng, common, spread)).tolist()
    columns["duration_s"] = (0.2 * work**0.9 * _spread(rng, common, spread)).tolist()
    columns["peak_gpu_memory_mb"] = (400.2392578125 + 20 * work).tolist()
    return columns


def _spread(rng: np.random.Generator, common: np.ndarray, spread: float) -> np.ndarray:
    return np.exp(common + rng.normal(0, spread / 2, len(common)))


def _work(row: Mapping[str, Any], factors: Mapping[str, Sequence[Any]]) -> float:
    amounts = [
        float(row[name]) if isinstance(row[name], int | float) else 1.3 ** levels.index(row[name])
        for name, levels in factors.items()
    ]
    return float(np.prod(amounts)) / 10


def changed(columns: Mapping[str, Sequence[Any]], **places: Mapping[int, Any]) -> Columns:
    """Give a copy of columns with some cells replaced."""
    copy = {name: list(values) for name, values in columns.items()}
    for name, cells in places.items():
        for row, value in cells.items():
            copy[name][row] = value
    return copy


def on_table(
    rules: Iterable[Rule], subject: AuditTable | Mapping[str, Sequence[Any]], name: str = ""
) -> list[Finding]:
    """Apply the table checks of some rules."""
    one = subject if isinstance(subject, AuditTable) else table(subject)
    return [
        finding
        for rule in rules
        if rule.table is not None and name in ("", rule.name)
        for finding in rule.table(one)
    ]


def on_evidence(
    rules: Iterable[Rule],
    tables: Sequence[AuditTable] = (),
    digests: Sequence[RunDigest] = (),
    name: str = "",
) -> list[Finding]:
    """Apply the checks of some rules that look at everything together."""
    evidence = Evidence([unit_of("made-up", digests)] if digests else [], list(tables))
    return [
        finding
        for rule in rules
        if rule.evidence is not None and name in ("", rule.name)
        for finding in rule.evidence(evidence)
    ]


def unit_of(name: str, digests: Sequence[RunDigest]) -> Unit:
    """Give a study whose runs have been seen."""

    def read(place: int) -> AuditRun:
        raise LookupError(f"run {place} has been seen")

    unit = Unit(name, Path(name), "study", {}, {}, 0, read)
    unit.digests = list(digests)
    return unit


def digest_of(
    run_id: str,
    responses: Sequence[tuple[str, str]] = (),
    levels: Mapping[str, Any] | None = None,
    **facts: Any,
) -> RunDigest:
    """Give what an audit keeps of a run: hashes of prompts and answers, and its facts."""
    trial = {"order": 1, "block": 0, "repetition": 0, "levels": dict(levels or {})}
    run = Run(run_id, "made-up", trial, origin="imported", facts=dict(facts))
    return RunDigest("made-up", run, 10.0, list(responses))
