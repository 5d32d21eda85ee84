"""Making the record of one point out of its files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulebench.channel import Window
from joulebench.energy import Trace
from joulebench.errors import EnergyError
from joulebench.importers.contract import ImportedRun
from joulebench.importers.nlpfrontiers_answers import Answers, examples_in, read_answers
from joulebench.importers.nlpfrontiers_json import (
    count_of,
    finite,
    number_of,
    read_object,
    scalars,
)
from joulebench.importers.nlpfrontiers_levels import Placed
from joulebench.importers.nlpfrontiers_stated import (
    Stated,
    published,
    stated_of,
    trainer_facts,
    work_of,
)
from joulebench.importers.nlpfrontiers_trace import (
    Samples,
    board_channel,
    integrate,
    read_meter,
    read_trace_csv,
)
from joulebench.importers.nlpfrontiers_tree import PREDICTIONS, TRACE, Point, Tree
from joulebench.importers.published import no_trace, published_energy
from joulebench.record import Run

MEASURED = "measure"
_MOST_BOARDS = 1024


def polls_nvml(point: Point) -> bool:
    """Say whether a point's power came from NVML itself; nvidia-smi wrote all other meters."""
    return point.trace is not None and point.trace.name == TRACE


def fill(run: Run, item: Placed, tree: Tree, settings: Mapping[str, Any]) -> ImportedRun:
    """Fill in the record of a point from its files.

    Args:
        run: With its id, study, trial and host.
        item: The point, its row, its sweep.
        tree: All folders that are imported.
        settings: Those of its sweep.

    Raises:
        UsageError: A file is damaged; names the line.
    """
    stated = stated_of(tree, item.point)
    run.facts = {"phase": item.point.phase, "settings": dict(settings)}
    said = published(item, stated, tree.source)
    if said is not None:
        run.facts["published"] = said
    if item.point.phase == "training":
        run.facts |= trainer_facts(tree, item.point.folder)
    if polls_nvml(item.point):
        return _from_csv(run, item.point, tree)
    if item.point.trace is not None:
        return _from_meter(run, item.point, stated)
    _from_numbers(run, item.point, stated)
    return ImportedRun(run)


def _published_values(run: Run) -> Mapping[str, Any]:
    values: Mapping[str, Any] = run.facts.get("published", {}).get("values", {})
    return values


def _from_csv(run: Run, point: Point, tree: Tree) -> ImportedRun:
    """Read a trace of NVML with the predictions beside it."""
    assert point.trace is not None
    samples = read_trace_csv(point.trace)
    traces = _measured(run, samples, "NVML", number_of(_settings(run), "power_sample_interval_s"))
    answers = None
    if tree.has(point.folder, PREDICTIONS):
        answers = read_answers(point.folder / PREDICTIONS)
        run.score = answers.score
        run.findings += answers.findings
    _count_examples(run, answers, samples)
    return ImportedRun(run, traces, answers.responses if answers else ())


def _settings(run: Run) -> Mapping[str, Any]:
    settings: Mapping[str, Any] = run.facts["settings"]
    return settings


def _count_examples(run: Run, answers: Answers | None, samples: Samples) -> None:
    """Give the number of examples, and with it the time and energy that the source states."""
    values = _published_values(run)
    span_s = float(samples.t_s[-1] - samples.t_s[0]) if samples.t_s.size else 0.0
    examples, finding = examples_in(answers, values, _joules(run), span_s)
    if examples is None:
        return
    run.work["requests"] = examples
    _state(run, "stated_duration_s", values, "average_latency_per_example_ms", examples / 1e3)
    if finding is None:
        _state(run, "stated_energy_j", values, "energy_per_example_j", examples)
    else:
        run.findings.append(finding)


def _state(run: Run, fact: str, values: Mapping[str, Any], column: str, factor: float) -> None:
    """Keep a published figure for each example as one for all of them."""
    each = number_of(values, column)
    whole = finite(each * factor) if each is not None else None
    if whole is not None:
        run.facts[fact] = whole


def _joules(run: Run) -> float | None:
    found = [each[MEASURED]["joules"] for each in run.energy.values() if MEASURED in each]
    return found[0] if found else None


def _from_meter(run: Run, point: Point, stated: Stated | None) -> ImportedRun:
    """Read a meter of nvidia-smi with its own figures."""
    assert point.trace is not None
    document = read_object(point.trace)
    traces = _measured(
        run,
        read_meter(document),
        "nvidia-smi",
        number_of(document.values, "sampling_interval_seconds"),
    )
    run.facts["meter"] = scalars(document.values)
    figures = {
        "stated_duration_s": number_of(document.values, "duration_seconds"),
        "stated_energy_j": number_of(document.values, "energy_joules"),
        "stated_samples": count_of(document.values, "number_of_samples"),
    }
    run.facts |= {name: figure for name, figure in figures.items() if figure is not None}
    known = {**(stated.values if stated else {}), **_published_values(run), **run.facts["meter"]}
    run.work = dict(work_of(point.phase, known))
    return ImportedRun(run, traces)


def _measured(run: Run, samples: Samples, tool: str, interval_s: float | None) -> list[Trace]:
    """Integrate samples from the first to the last: what lies beyond was not measured."""
    recorder = {"tool": tool, "interval_s": interval_s, "samples": int(samples.t_s.size)}
    run.facts["recorder"] = {name: fact for name, fact in recorder.items() if fact is not None}
    run.findings = list(samples.findings)
    channel = board_channel(_gpu(run), smi=tool != "NVML")
    run.channels = [channel]
    if samples.t_s.size < 2:
        run.status = "failed"
        run.error = f"{run.run_id}: {samples.t_s.size} sample(s); an energy needs at least two"
        return []
    trace = Trace(channel, samples.t_s, samples.power_w)
    window = Window(MEASURED, float(samples.t_s[0]), float(samples.t_s[-1]))
    run.windows = [window]
    try:
        energy = integrate(trace, window, interval_s)
    except EnergyError as error:
        run.status, run.error = "failed", str(error)
        return [trace]
    run.energy = {channel.name: {MEASURED: energy.to_dict()}}
    run.findings += energy.findings
    return [trace]


def _gpu(run: Run) -> int:
    index = _settings(run).get("gpu_index")
    return index if isinstance(index, int) and 0 <= index < _MOST_BOARDS else 0


def _from_numbers(run: Run, point: Point, stated: Stated | None) -> None:
    """Keep the energy that the source states where it left no trace."""
    channel = board_channel(_gpu(run), smi=True)
    run.channels = [channel]
    joules = stated.joules if stated else None
    if stated is None or joules is None or joules <= 0:
        run.status = "failed"
        run.error = f"{run.run_id}: no trace, and the joules that are stated are {joules}"
        return
    energy = published_energy(channel, joules)
    run.energy = {channel.name: {MEASURED: energy.to_dict()}}
    run.facts["stated_energy_j"] = joules
    if stated.duration_s is not None and stated.duration_s > 0:
        run.windows = [Window(MEASURED, 0.0, stated.duration_s)]
        run.facts["stated_duration_s"] = stated.duration_s
    run.work = dict(work_of(point.phase, stated.values))
    run.findings.append(no_trace(f"{stated.path.name}:{stated.line}"))
