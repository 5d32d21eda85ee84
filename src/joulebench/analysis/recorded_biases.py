"""The biases of a study's energies by source, out of its records."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from joulebench.analysis.analysis_frame import AnalysisFrame
from joulebench.answer_energy import per_correct
from joulebench.audit.design_factors import level_key
from joulebench.exclusion import level_text
from joulebench.joules import Energy
from joulebench.record import Run, RunTable
from joulebench.run_row import headline_energy

PER_CORRECT = "energy_per_correct_j"

OF_HEADLINE = frozenset({"energy_j", "energy_per_token_j", "energy_per_example_j", "power_w",
                         "j_per_b", PER_CORRECT})  # fmt: skip
"""Responses that are the energy of a run over something known."""


class _Biases(NamedTuple):
    """Levels of a run, and its biases over its energy, by source and machine.

    ``correct`` are those of the energy of one correct answer.
    """

    levels: Mapping[str, str]
    shares: Mapping[str, float]
    correct: Mapping[str, float]


def recorded_biases(frame: AnalysisFrame, response: str, by: str) -> dict[str, Energy]:
    """Give 1 J with the mean relative biases of each group; empty where records do not tell.

    Runs of one group share a source, so that its biases add linearly; a run that lacks a source has
    nothing of it.

    Args:
        frame: What was read; a study's folder has records, a table has none.
        response: Tidy name.
        by: Factor or unit.
    """
    if response not in OF_HEADLINE or not frame.path.is_dir():
        return {}
    parts = frame.units.get(by, (by,))
    columns = [frame.columns.get(part, part) for part in parts]
    names = {
        tuple(map(level_key, cell)): unit
        for *cell, unit in frame.frame[[*parts, by]].astype(str).drop_duplicates().to_numpy()
    }
    found: dict[str, list[Mapping[str, float]]] = {}
    for run in _read(frame.path, (frame.path / "runs.jsonl").stat().st_mtime_ns):
        key = tuple(level_key(run.levels.get(column, "")) for column in columns)
        if key in names:
            shares = run.correct if response == PER_CORRECT else run.shares
            found.setdefault(names[key], []).append(shares)
    return {name: _mean(runs) for name, runs in found.items()} if len(found) == len(names) else {}


@lru_cache(maxsize=2)
def _read(folder: Path, changed: int) -> tuple[_Biases, ...]:
    """Read the records once for all questions; anew where they changed."""
    del changed
    found = (_of_run(run) for run in RunTable.load(folder).cell_runs if run.energy)
    return tuple(each for each in found if each is not None)


def _of_run(run: Run) -> _Biases | None:
    energy = headline_energy(run)
    if energy is None or energy.joules <= 0:
        return None
    levels = {name: level_text(level) for name, level in run.levels.items()}
    levels = {"testbed": run.testbed, "host": run.host, **levels}
    # Channels of two machines may have one name, and their sensors still err apart.
    placed_energy = energy.at(run.host)
    placed = placed_energy.biases
    shares = {source: bias / energy.joules for source, bias in placed.items()}
    each = per_correct(run, placed_energy)
    return _Biases(
        levels,
        shares,
        {}
        if each is None
        else {source: bias / each.joules for source, bias in each.biases.items()},
    )


def _mean(runs: list[Mapping[str, float]]) -> Energy:
    sources = dict.fromkeys(source for shares in runs for source in shares)
    return Energy(1.0, 0.0, {s: sum(run.get(s, 0.0) for run in runs) / len(runs) for s in sources})
