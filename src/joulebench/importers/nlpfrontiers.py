"""Importing the results of the energy-accuracy frontier study of BERT models, in both its forms.

The first form has a folder a point with ``power_trace.csv`` and ``predictions.jsonl``, and a table
``pareto*.csv`` a sweep. The later one keeps the samples in ``energy_*.json``, with ``result.json``
or ``summary.json`` beside it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.importers.contract import Imported, ImportedRun, ImportOptions, Sighting
from joulebench.importers.nlpfrontiers_levels import Placed, in_order, placed
from joulebench.importers.nlpfrontiers_run import fill, polls_nvml
from joulebench.importers.nlpfrontiers_settings import Settings
from joulebench.importers.nlpfrontiers_tree import (
    JSON_ENERGY,
    JSON_POWER,
    METER,
    POWER,
    TIME,
    TRACE,
    Point,
    Tree,
    begins_with,
    find_tree,
    points_in,
)
from joulebench.importers.published import host_id, safe_name
from joulebench.importers.run_folders import fingerprint
from joulebench.importers.taken_options import option_words, refuse_options
from joulebench.record import Run

_MOST_FOLDERS = 5000


@dataclass(frozen=True)
class _Plan:
    """What all runs share: the folders, the points in their order, their ids and settings."""

    tree: Tree
    study: str
    items: Sequence[Placed]
    run_ids: Sequence[str]
    settings: Settings


class NlpFrontiersImporter:
    """Reads the tree of results, one task, one sweep or one point of it.

    A run is a folder with a trace; training and inference of one model are two. Its id is its path
    with dots between the folders. Levels are the task, the sweep, and what tells the runs apart of
    the factors that tables, folders and settings name; a level that nothing states is empty.
    """

    kind = "nlpfrontiers"

    def recognise(self, source: Path) -> Sighting | None:
        """Look for traces of either form in a folder and below it."""
        csv, meters = 0, 0
        for path in _candidates(source):
            csv += path.name == TRACE and begins_with(path, TIME, POWER)
            meters += path.name != TRACE and begins_with(path, JSON_ENERGY, JSON_POWER)
        if not csv + meters:
            return None
        found = {f"{csv} {TRACE}": csv, f"{meters} {METER} with samples": meters}
        return Sighting(self.kind, " and ".join(what for what, count in found.items() if count))

    def read(self, source: Path, options: ImportOptions) -> Imported:
        """Look over a folder of results.

        Raises:
            UsageError: It holds none, options are given that it does not need, or a file is
                damaged.
        """
        refuse_options(self.kind, options)
        tree = find_tree(source)
        points = points_in(tree)
        if not points:
            raise UsageError(
                f"{source} holds neither a {TRACE} nor an {METER}, at any depth; name a folder "
                "that does"
            )
        settings = Settings(tree)
        items = placed(tree, points, settings)
        plan = _Plan(tree, options.study, items, _run_ids(tree, items), settings)
        return Imported(
            study=_study(source, options, items),
            hosts={host_id(host): host for host in (_host(item.point) for item in items)},
            fingerprint=_fingerprint(tree, options),
            count=len(items),
            run=partial(_run, plan),
            tables=tree.all_tables(),
        )


def _candidates(source: Path) -> Iterator[Path]:
    """Give files that are called as traces are, looking at a bounded number of folders."""
    for number, (place, below, names) in enumerate(os.walk(source)):
        if number >= _MOST_FOLDERS:
            return
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            if name == TRACE or fnmatch(name, METER):
                yield Path(place) / name


def _run_ids(tree: Tree, items: Sequence[Placed]) -> list[str]:
    """Name runs by their paths; where two come out alike, the later is numbered."""
    seen: Counter[str] = Counter()
    ids = []
    for item in items:
        run_id = _run_id(tree, item.point)
        seen[run_id.casefold()] += 1
        while seen[run_id.casefold()] > 1:
            run_id = f"{run_id}-{seen[run_id.casefold()]}"
            seen[run_id.casefold()] += 1
        ids.append(run_id)
    return ids


def _run_id(tree: Tree, point: Point) -> str:
    parts = point.folder.relative_to(tree.source).parts or (tree.name_of(tree.source),)
    phase = () if polls_nvml(point) else (point.phase,)
    return safe_name(".".join((*parts, *phase)))


def _study(source: Path, options: ImportOptions, items: Sequence[Placed]) -> dict[str, Any]:
    factors: dict[str, dict[str, None]] = {}
    for item in items:
        for name, level in item.levels.items():
            seen = factors.setdefault(name, {})
            if level:
                seen[level] = None
    return {
        "study": options.study,
        "origin": "imported",
        "source": options.source(NlpFrontiersImporter.kind, source),
        "factors": {name: in_order(levels) for name, levels in factors.items()},
        "repetitions": 1,
    }


def _fingerprint(tree: Tree, options: ImportOptions) -> str:
    paths = [path.absolute() for path in tree.paths()]
    return fingerprint(paths, option_words(NlpFrontiersImporter.kind, tree.source, options))


def _host(point: Point) -> dict[str, Any]:
    """Give what the results tell of the machine: the way its power was read, and no more."""
    if polls_nvml(point):
        return {"tool": "NVML polled from Python", "sensors": [POWER]}
    return {"tool": "nvidia-smi polled from Python", "sensors": [JSON_POWER]}


def _run(plan: _Plan, place: int) -> ImportedRun:
    item = plan.items[place]
    trial = {"order": place + 1, "block": 0, "repetition": 0, "levels": dict(item.levels)}
    run = Run(plan.run_ids[place], plan.study, trial, origin="imported", testbed="imported")
    run.host = host_id(_host(item.point))
    return fill(run, item, plan.tree, plan.settings.of(item.sweep))
