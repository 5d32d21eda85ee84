"""Finding what was measured in a tree of folders: the points, their tables, their settings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from joulebench.errors import UsageError
from joulebench.importers.run_folders import refuse_outside

TRACE = "power_trace.csv"
PREDICTIONS = "predictions.jsonl"
METRICS = "metrics.json"
SUMMARY = "summary.json"
RESULT = "result.json"
TRAINED = "training_summary.json"
CONFIGS = ("config.json", "config_resolved.yaml")
TRAINER = "trainer_state.json"
RUNTIME = "trainer_training_metrics.json"
METER = "energy_*.json"
TABLES = ("pareto*.csv", "sweep_rows.csv")

TIME, POWER = "timestamp_s", "power_w"
JSON_TIME, JSON_POWER = "timestamp_seconds_since_start", "power_watts"
JSON_ENERGY = "energy_joules"

_READ = (
    TRACE, PREDICTIONS, METRICS, "metrics_thresholded.json", SUMMARY, RESULT, TRAINED, *CONFIGS,
    TRAINER, RUNTIME, METER, *TABLES,
)  # fmt: skip

_FIRST_BYTES = 4096
_PHASES = {"train": "training", "infer": "inference"}

PAIR = re.compile(r"([a-z][a-z_]*?)_((?:fp|bf|int)\d+|\d+(?:_\d+)?)")
"""A folder that says what was varied and to what: ``num_layers_4``, ``precision_fp16``."""


@dataclass(frozen=True, slots=True)
class Point:
    """One thing that was measured: a run.

    Args:
        folder: Where it is.
        phase: "training", "inference", or what the meter's file is called.
        trace: File with its samples; ``None`` where only figures were kept.
        numbers: File with its figures, where there is no trace.
    """

    folder: Path
    phase: str
    trace: Path | None = None
    numbers: Path | None = None


@dataclass(frozen=True)
class Tree:
    """The folders of results, each with the names of the files in it that are read.

    Args:
        source: The folder that is imported.
        files: Names by folder, in the order of the names.
    """

    source: Path
    files: dict[Path, list[str]] = field(default_factory=dict)

    def has(self, folder: Path, name: str) -> bool:
        """Say whether a folder holds a file."""
        return name in self.files.get(folder, ())

    def tables(self, folder: Path) -> list[Path]:
        """Give the tables of published figures in a folder."""
        names = self.files.get(folder, ())
        return [folder / name for name in names if any(fnmatch(name, kind) for kind in TABLES)]

    def all_tables(self) -> tuple[Path, ...]:
        """Give the tables of published figures in all folders."""
        return tuple(table for folder in self.files for table in self.tables(folder))

    def paths(self) -> list[Path]:
        """Give all files that are read."""
        return [folder / name for folder, names in self.files.items() for name in names]

    def states(self, folder: Path) -> list[Path]:
        """Give what the trainer wrote of itself, in a folder or below it."""
        return [
            each / TRAINER
            for each, names in self.files.items()
            if TRAINER in names and each.is_relative_to(folder)
        ]

    def sweep_of(self, folder: Path) -> Path:
        """Give the folder of the sweep that a point belongs to.

        It is the nearest above that holds a table or settings; without any, the nearest whose name
        is not that of a level.
        """
        above = [folder, *folder.parents]
        chain = above[: above.index(self.source) + 1]
        for each in chain:
            if self.tables(each) or any(self.has(each, name) for name in CONFIGS):
                return each
        return next((each for each in chain if pair_of(each.name) is None), chain[-1])

    def name_of(self, folder: Path) -> str:
        """Give the name of a folder, also of one that is written ``.``."""
        return folder.name or folder.resolve().name


def pair_of(name: str) -> tuple[str, str] | None:
    """Read what was varied and to what out of a folder's name; ``None`` if it says nothing."""
    match = PAIR.fullmatch(name)
    if match is None or "sweep" in match[1].split("_"):
        return None
    return match[1], match[2].replace("_", ".")


def find_tree(source: Path) -> Tree:
    """Look over a folder and all below it.

    Raises:
        UsageError: It is no folder, or a link in it leads out.
    """
    if not source.is_dir():
        raise UsageError(f"{source} is not a folder; name a folder of results, not a file in it")
    return Tree(source, dict(_folders(source)))


def _folders(source: Path) -> Iterator[tuple[Path, list[str]]]:
    def refuse(error: OSError) -> None:
        raise UsageError(f"{error.filename} cannot be read: {error.strerror}") from error

    for place, below, names in os.walk(source, onerror=refuse):
        folder = Path(place)
        below[:] = sorted(name for name in below if not name.startswith("."))
        # A link to a folder inside would show its runs twice, so that none is followed.
        for name in below:
            refuse_outside(folder / name, source)
        kept = sorted(name for name in names if any(fnmatch(name, kind) for kind in _READ))
        for name in kept:
            refuse_outside(folder / name, source)
        if kept:
            yield folder, kept


def points_in(tree: Tree) -> list[Point]:
    """Give what was measured, folder by folder, training before inference."""
    return [point for folder in tree.files for point in _points(tree, folder)]


def _points(tree: Tree, folder: Path) -> Iterator[Point]:
    phases = {phase_of(path.name): path for path in _meters(tree, folder)}
    stated = _stated(tree, folder)
    for phase in sorted({*phases, *stated}, key=lambda phase: (phase != "training", phase)):
        if phase in phases:
            yield Point(folder, phase, trace=phases[phase])
        else:
            yield Point(folder, phase, numbers=stated[phase])
    if tree.has(folder, TRACE):
        yield Point(folder, "inference", trace=folder / TRACE)


def _meters(tree: Tree, folder: Path) -> Iterator[Path]:
    """Give the meters' files: those the study names so, and others that begin like one."""
    for name in tree.files[folder]:
        path = folder / name
        if fnmatch(name, METER) and (
            phase_of(name) in _PHASES.values() or begins_with(path, JSON_ENERGY, JSON_POWER)
        ):
            yield path


def begins_with(path: Path, *words: str) -> bool:
    """Say whether all words stand in the beginning of a file; of a link, they do not."""
    try:
        if not path.is_file() or path.is_symlink():
            return False
        with path.open("rb") as file:
            head = file.read(_FIRST_BYTES)
    except OSError:
        return False
    return all(word.encode() in head for word in words)


def phase_of(meter: str) -> str:
    """Give the phase that a meter's file is of: of ``energy_train.json``, training."""
    word = meter.removeprefix("energy_").removesuffix(".json")
    return _PHASES.get(word, word)


def _stated(tree: Tree, folder: Path) -> dict[str, Path]:
    """Give the file that states an energy, by phase, whether or not a trace is there too."""
    from joulebench.importers.nlpfrontiers_json import read_object

    found: dict[str, Path] = {}
    for name, phase, key in (
        (SUMMARY, "training", "training_energy"),
        (SUMMARY, "inference", "inference_energy"),
        (TRAINED, "training", "training_energy_joules"),
        (RESULT, "inference", "inference_energy_joules"),
    ):
        if tree.has(folder, name) and key in read_object(folder / name).values:
            found.setdefault(phase, folder / name)
    return found
