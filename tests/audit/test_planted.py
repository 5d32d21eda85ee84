"""Each rule against errors of realistic size in data as different people publish them.

One error is planted at a time: its rule has to name it, at its place, and nothing else may be said
but what follows from it. The same holds once the data were imported, and with several paths.
"""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import pytest
from planted import BASES, PLANTS, Build, Plant
from planted_traces import runner_folder, runner_runs

from joulebench.audit.examine import Examined, examine
from joulebench.audit.gather import gather
from joulebench.errors import UsageError
from joulebench.finding import SEVERITIES, Finding
from joulebench.importers.contract import ImportOptions
from joulebench.importers.destination import write_study
from joulebench.importers.recognise import find_units
from joulebench.importers.registry import find_importer

for _module in ("in_tables", "designs", "data", "in_folders", "in_runs", "compute"):
    importlib.import_module(f"planted_{_module}")

EXPECTED = {
    "runner": {"few-graded"},
    "points": {"no-repeats"},
    "smi": {"window-unknown"},
    "smi logs": {"window-unknown"},
}
"""Warnings that data without a planted error deserve: 12 questions, one run a point, whole logs."""

NAMED = (
    "power-above-limit", "power-below-idle", "energy-not-power-times-time",
    "double-counted-channel", "nested-domains-added", "counter-wrap", "sampling-gap",
    "too-few-samples", "window-below-resolution", "assumed-constant-step", "edge-uncertainty",
    "tail-not-integrated", "sensor-ramp", "aliasing", "power-limit-saturated", "absent-as-zero",
    "scope-mismatch", "stale-summary", "flops-above-peak", "efficiency-above-bound",
    "unsynchronised-window", "sum-over-mean", "padding-counted", "factor-without-effect",
    "pseudoreplication", "saturated-model", "empty-cells", "order-confounded", "no-repeats",
    "difference-below-spread", "identical-responses", "repeated-items", "constant-column",
    "duplicate-rows", "mislabelled-row", "selection-on-test", "decimal-comma", "unit-scale",
    "label-inconsistent", "non-finite", "locale-date", "negative-energy", "accuracy-scale",
    "few-graded", "sub-second-stamps", "repeated-timestamp",
)  # fmt: skip

_EXAMINED: dict[str, Examined] = {}


def audit(paths: Sequence[Path], devices: Sequence[str] = ()) -> Examined:
    return examine(gather(list(paths), devices))


def rules(found: Sequence[Finding], least: str = "warning") -> set[str]:
    worth = SEVERITIES[: SEVERITIES.index(least) + 1]
    return {finding.rule for finding in found if finding.severity in worth}


def examined(name: str, build: Build, root: Path, devices: Sequence[str] = ()) -> Examined:
    """Audit some data, once for all tests."""
    if name not in _EXAMINED:
        _EXAMINED[name] = audit(build(root), devices)
    return _EXAMINED[name]


@pytest.mark.parametrize("name", BASES)
def test_without_an_error_nothing_is_wrong(name: str, tmp_path: Path) -> None:
    found = examined(name, BASES[name], tmp_path).findings
    assert not [finding for finding in found if finding.severity == "error"]
    assert rules(found) == EXPECTED.get(name, set())
    assert "not-checked" not in rules(found, "note")


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.rule}: {plant.name}")
def test_a_planted_error_is_named_and_nothing_else(plant: Plant, tmp_path: Path) -> None:
    found = examined(plant.name, plant.build, tmp_path, plant.devices).findings
    hits = [f for f in found if f.rule == plant.rule and plant.where in f.where]
    assert hits, f"{plant.rule} at {plant.where!r} among {[(f.rule, f.where) for f in found]}"
    worst = min(SEVERITIES.index(finding.severity) for finding in hits)
    assert worst <= SEVERITIES.index(plant.severity)
    allowed = {plant.rule, *plant.also, *EXPECTED.get(plant.base, set())}
    assert rules(found) <= allowed
    assert "not-checked" not in rules(found, "note")


def test_every_rule_has_two_errors_or_more() -> None:
    counts = {rule: sum(plant.rule == rule for plant in PLANTS) for rule in NAMED}
    assert [rule for rule, count in counts.items() if count < 2] == []


_KINDS = ("runner", "points", "smi", "passes", "emissions")
IMPORTED = [plant for plant in PLANTS if plant.base in _KINDS]


@pytest.mark.parametrize("plant", IMPORTED, ids=lambda plant: plant.name)
def test_an_import_shows_what_the_folder_shows(plant: Plant, tmp_path: Path) -> None:
    paths = plant.build(tmp_path / "source")
    if "unreadable" in plant.also:
        with pytest.raises(UsageError, match="line 7"):
            list(imported(paths[0], tmp_path / "studies"))
        return
    beside = _EXAMINED.get(plant.name) or audit(paths, plant.devices)
    studies = list(imported(paths[0], tmp_path / "studies"))
    found = audit(studies, plant.devices).findings
    assert rules(found) == rules(beside.findings)


def imported(path: Path, out: Path) -> Iterator[Path]:
    """Import everything below a path, a study each."""
    for number, (source, sighting) in enumerate(find_units(path)):
        if not sighting.weak:
            options = ImportOptions(study=f"study-{number}")
            write_study(find_importer(sighting.kind).read(source, options), out / str(number))
            yield out / str(number)


@pytest.mark.parametrize(
    "names",
    [
        ("total_holds_the_package_twice", "tokens_that_are_padding", "repetitions_with_one_seed"),
        ("forward_passes_timed_without_waiting", "powers_that_lost_their_comma"),
        ("a_sampler_that_stalled_for_six_seconds", "memory_twice_in_the_energy_consumed"),
    ],
)
def test_the_order_of_paths_does_not_matter(names: Sequence[str], tmp_path: Path) -> None:
    chosen = [next(plant for plant in PLANTS if plant.name == name) for name in names]
    paths = [plant.build(tmp_path / plant.name)[0] for plant in chosen]
    found = [audit(order).to_dict() for order in permutations(paths)]
    assert all(each == found[0] for each in found)
    assert {plant.rule for plant in chosen} <= {f["rule"] for f in found[0]["findings"]}


def test_a_table_elsewhere_is_held_against_the_traces_as_one_beside_them(tmp_path: Path) -> None:
    (folder,) = runner_folder(
        tmp_path, runner_runs(), gpu_joules=lambda r: round(r.gpu_j + r.cpu_j, 4),
        energy_joules=lambda r: round(r.gpu_j + 2 * r.cpu_j, 4),
    )  # fmt: skip
    beside = audit([folder]).findings
    elsewhere = tmp_path / "published" / "final.csv"
    elsewhere.parent.mkdir()
    shutil.move(folder / "run_table.csv", elsewhere)
    apart = [audit(order) for order in permutations([folder, elsewhere])]
    assert apart[0].to_dict() == apart[1].to_dict()
    assert "double-counted-channel" in rules(apart[0].findings)
    assert rules(apart[0].findings) == rules(beside)
