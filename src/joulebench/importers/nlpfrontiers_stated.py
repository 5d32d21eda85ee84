"""What the source says of a point: its published row, or the files of figures beside its trace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from joulebench.importers.nlpfrontiers_json import (
    Document,
    count_of,
    finite,
    number_of,
    read_object,
    scalars,
    writable,
)
from joulebench.importers.nlpfrontiers_levels import Placed, Row
from joulebench.importers.nlpfrontiers_tree import (
    METRICS,
    RESULT,
    RUNTIME,
    SUMMARY,
    TRAINED,
    Point,
    Tree,
)

_QUALITY = ("metrics_thresholded", "metrics")


@dataclass(frozen=True, slots=True)
class Stated:
    """Figures that a file states for a point.

    Args:
        path: The file.
        line: Where in it they begin.
        values: The figures by their names in the file.
        joules: The energy, J; ``None`` if it states none.
        duration_s: How long the work lasted, s; ``None`` if it does not say.
    """

    path: Path
    line: int
    values: Mapping[str, float | int | str]
    joules: float | None = None
    duration_s: float | None = None


def stated_of(tree: Tree, point: Point) -> Stated | None:
    """Give what the files in a point's folder state; ``None`` if there is no such file.

    Raises:
        UsageError: A file is damaged; names the line.
    """
    return next(_stated(tree, point), None)


def _stated(tree: Tree, point: Point) -> Iterator[Stated]:
    """Give what each file states, the one that is most about this point first."""
    if point.phase == "inference" and tree.has(point.folder, RESULT):
        document = read_object(point.folder / RESULT)
        values = {**_quality(document), **scalars(document.values)}
        yield _figures(document, values, "inference_energy_joules", "inference_runtime_seconds")
    if tree.has(point.folder, SUMMARY):
        document = read_object(point.folder / SUMMARY)
        section = document.values.get(f"{point.phase}_energy")
        if isinstance(section, dict):
            yield _section(tree, point, document, section)
    if point.phase == "training" and tree.has(point.folder, TRAINED):
        document = read_object(point.folder / TRAINED)
        values = scalars(document.values)
        yield _figures(document, values, "training_energy_joules", "train_runtime_seconds")
    if point.phase == "inference" and tree.has(point.folder, METRICS):
        document = read_object(point.folder / METRICS)
        benchmark = document.values.get("inference_benchmark_metrics")
        if isinstance(benchmark, dict):
            line = document.line_of("inference_benchmark_metrics")
            yield Stated(document.path, line, scalars(benchmark))


def _figures(
    document: Document, values: dict[str, float | int | str], energy: str, runtime: str
) -> Stated:
    joules, duration_s = number_of(values, energy), number_of(values, runtime)
    return Stated(document.path, document.line_of(energy), values, joules, duration_s)


def _section(tree: Tree, point: Point, document: Document, section: Mapping[str, Any]) -> Stated:
    quality = _quality(document) if point.phase == "inference" else {}
    return Stated(
        document.path,
        document.line_of(f"{point.phase}_energy"),
        {**quality, **scalars(section)},
        number_of(section, "energy_joules"),
        _train_runtime_s(tree, point) if point.phase == "training" else None,
    )


def _quality(document: Document) -> dict[str, float | int | str]:
    """Give the quality that the source publishes: with its threshold where it has one."""
    found = (document.values.get(key) for key in _QUALITY)
    return next((scalars(part) for part in found if isinstance(part, dict)), {})


def _train_runtime_s(tree: Tree, point: Point) -> float | None:
    if not tree.has(point.folder, RUNTIME):
        return None
    values = read_object(point.folder / RUNTIME).values
    part = values.get("trainer_training_metrics", values)
    return number_of(part, "train_runtime") if isinstance(part, dict) else None


def published(item: Placed, stated: Stated | None, source: Path) -> dict[str, Any] | None:
    """Give what the source published for a run, as its record keeps it.

    Args:
        item: The point with its row.
        stated: What the files in its folder say, which counts where it has no row.
        source: The folder that is imported.
    """
    found: Row | Stated | None = item.row if item.point.phase == "inference" else None
    found = found or stated
    if found is None:
        return None
    path = found.table if isinstance(found, Row) else found.path
    return {
        "table": path.name,
        "path": writable(path.relative_to(source).as_posix()),
        "line": found.line,
        "values": dict(found.values),
    }


def work_of(phase: str, values: Mapping[str, Any]) -> dict[str, int]:
    """Give what was done, as far as it was counted.

    An example of inference is a question: what a file calls examples may be the windows that long
    questions are cut into, so that the number of graded questions goes before it.

    Args:
        phase: "training" or another.
        values: All figures of the run by name.
    """
    passes = count_of(values, "number_of_measurement_passes") or 1
    if phase == "training":
        counts = {
            "requests": count_of(
                values, "number_of_training_samples_seen", "number_of_training_examples"
            ),
            "tokens_in": count_of(values, "number_of_training_tokens"),
            "steps": count_of(values, "number_of_training_steps"),
        }
    else:
        counts = {
            "requests": _passed(values, passes, "measured_raw_examples", *_QUESTIONS),
            "tokens_in": _passed(
                values, passes, "measured_inference_tokens", "number_of_inference_tokens"
            ),
            "feature_windows": _passed(
                values, passes, "measured_feature_windows", "number_of_feature_windows"
            ),
        }
    return {name: count for name, count in counts.items() if count is not None}


_QUESTIONS = ("number_of_raw_evaluation_examples", "total", "number_of_inference_examples")


def _passed(values: Mapping[str, Any], passes: int, measured: str, *once: str) -> int | None:
    """Give a count over all passes: as it was measured, or that of one times the passes."""
    of_one = count_of(values, *once)
    return count_of(values, measured) or (None if of_one is None else of_one * passes)


def trainer_facts(tree: Tree, folder: Path) -> dict[str, Any]:
    """Give how long the trainer evaluated while it trained: part of the training's energy.

    Raises:
        UsageError: Its state is damaged; names the line.
    """
    states = [read_object(path).values for path in tree.states(folder)]
    if not states:
        return {}
    # Later checkpoints repeat the history of earlier ones.
    latest = max(states, key=lambda state: number_of(state, "global_step") or 0.0)
    history = latest.get("log_history")
    entries = history if isinstance(history, list) else []
    known = [finite(entry.get("eval_runtime")) for entry in entries if isinstance(entry, dict)]
    lengths_s = [length_s for length_s in known if length_s is not None]
    facts = {
        "evaluation_s": finite(sum(lengths_s)),
        "evaluations": len(lengths_s),
        "total_flos": number_of(latest, "total_flos"),
    }
    return {name: fact for name, fact in facts.items() if fact is not None}
