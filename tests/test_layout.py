"""The rooms and what each may import, as docs/architecture.md has them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
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
    "run_row", "answer_energy", "emissions", "plugins", "attribution", "flops",
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
    "workloads": VALUES | {"engines", "tasks", "stats"},
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


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@cache
def _modules(path: Path) -> tuple[set[str], set[str]]:
    """Give the modules that a file imports anywhere, and those that it imports at its top."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return set(_imports(ast.walk(tree))), set(_imports(tree.body))


FILES: dict[str, list[Path]] = {}
"""The files of each room."""
for _path in sorted(SOURCE.rglob("*.py")):
    FILES.setdefault(_room(_path), []).append(_path)


def _rooms_used(path: Path) -> set[str]:
    anywhere, _ = _modules(path)
    return {name.split(".")[1] for name in anywhere if name.startswith("joulebench.")}


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_a_room_imports_only_what_it_may(room: str) -> None:
    strange = {path: _rooms_used(path) - MAY_IMPORT[room] - {room} for path in FILES[room]}
    assert not {str(path): rooms for path, rooms in strange.items() if rooms}


def test_every_room_has_its_rule() -> None:
    rooms = set(FILES) - {"__init__", "__main__", "cli", "studies"}
    assert {room for room in rooms if not room.startswith("study")} == set(MAY_IMPORT)


def test_the_recorder_needs_the_standard_library_alone() -> None:
    rapl = ("meters/rapl.py", "meters/rapl_zones.py", "meters/rapl_counters.py")
    for name in (*rapl, "meters/simulated.py", "meters/estimate.py", "channel.py"):
        anywhere, _ = _modules(SOURCE / name)
        assert not {module.split(".")[0] for module in anywhere} & (HEAVY | {"numpy"}), name


def _heavy_of(path: Path) -> set[str]:
    _, at_top = _modules(path)
    return {name.split(".")[0] for name in at_top} & HEAVY


@pytest.mark.parametrize("room", FILES)
def test_heavy_packages_are_imported_where_they_are_needed(room: str) -> None:
    allowed = {"scipy", "pandas", "pyarrow"} if room in READING else set()
    strange = {path: _heavy_of(path) - allowed for path in FILES[room]}
    assert not {str(path): packages for path, packages in strange.items() if packages}


def test_there_are_no_import_cycles() -> None:
    graph = {}
    for path in (path for files in FILES.values() for path in files):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        name = ".".join(("joulebench", *parts)).removesuffix(".__init__")
        _, at_top = _modules(path)
        graph[name] = {module for module in at_top if module.startswith("joulebench.")}
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
