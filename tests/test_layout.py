"""The rooms and what each may import, as docs/architecture.md has them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "joulebench"

VALUES = {
    "channel", "energy", "joules", "energy_ratio", "nesting", "agreement", "banded", "integral",
    "power_trace", "counter_trace", "averaging", "local_power", "holes", "aliasing",
    "finding", "errors", "work", "sensor_gains", "energibridge_columns", "nvml_timing",
    "clock", "design", "design_orders",
    "exclusion", "strict_yaml", "record", "record_entry", "record_index", "record_traces",
    "collector",
    "run_row", "emissions", "plugins", "attribution", "flops",
}  # fmt: skip
MEASURING = {
    "meters", "engines", "tasks", "workloads", "testbed", "characterize", "measurement",
    "bootstrap",
}  # fmt: skip
READING = {
    "importers", "stats", "meter_comparison", "audit", "report", "analysis", "comparison",
}  # fmt: skip

MAY_IMPORT = {
    **dict.fromkeys(VALUES, VALUES),
    "stats": set[str](),
    "meter_comparison": VALUES | {"stats"},
    "meters": VALUES,
    "engines": VALUES,
    "tasks": VALUES,
    "workloads": VALUES | {"engines", "tasks"},
    "testbed": VALUES | {"meters", "workloads"},
    "characterize": VALUES | {"meters", "testbed"},
    "measurement": VALUES | {"meters", "testbed"},
    "bootstrap": VALUES | {"meters"},
    "importers": VALUES,
    "audit": VALUES | {"importers", "stats"},
    "report": VALUES | READING - {"analysis", "comparison"},
    "analysis": VALUES | READING - {"comparison"},
    "comparison": VALUES | READING,
}

HEAVY = {
    "torch", "transformers", "tokenizers", "vllm", "pynvml", "matplotlib", "jinja2", "pandas",
    "pyarrow", "scipy", "datasets",
}  # fmt: skip
"""Packages that are imported inside the function that needs them, or in an adapter file."""


def _room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_room_imports_only_what_it_may(path: Path) -> None:
    room = _room(path)
    if room not in MAY_IMPORT:
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used = {name.split(".")[1] for name in _imports(tree) if name.startswith("joulebench.")}
    assert used <= MAY_IMPORT[room] | {room}


def test_every_room_has_its_rule() -> None:
    free = {"__init__", "__main__", "cli", "studies"}
    rooms = {_room(path) for path in FILES} - free
    assert {room for room in rooms if not room.startswith("study")} == set(MAY_IMPORT)


def test_the_recorder_needs_the_standard_library_alone() -> None:
    rapl = ("meters/rapl.py", "meters/rapl_zones.py", "meters/rapl_counters.py")
    for name in (*rapl, "meters/simulated.py", "meters/estimate.py", "channel.py"):
        tree = ast.parse((SOURCE / name).read_text(encoding="utf-8"))
        assert not {module.split(".")[0] for module in _imports(tree)} & (HEAVY | {"numpy"})


def _module_level(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _imports(ast.Module([node], []))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_heavy_packages_are_imported_where_they_are_needed(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    heavy = {name.split(".")[0] for name in _module_level(tree)} & HEAVY
    reading = _room(path) in READING
    assert heavy <= ({"scipy", "pandas", "pyarrow"} if reading else set())


def test_there_are_no_import_cycles() -> None:
    graph = {}
    for path in FILES:
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(("joulebench", *parts)).removesuffix(".__init__")
        tree = ast.parse(path.read_text(encoding="utf-8"))
        graph[name] = {module for module in _module_level(tree) if module.startswith("joulebench.")}
    for start in graph:
        assert start not in _reachable(graph, start), f"{start} imports itself"


def _reachable(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    edge = list(graph[start])
    while edge:
        name = edge.pop()
        if name not in seen:
            seen.add(name)
            edge.extend(graph.get(name, ()))
    return seen
