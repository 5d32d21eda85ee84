"""What was set up differently in two studies: their files, machines and versions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from joulebench.comparison.side import Side

_NO_SET_UP = frozenset({"study", "question", "factors", "exclude", "repetitions", "order", "out",
                        "analysis", "testbeds"})  # fmt: skip
_OF_MACHINES = ("cpu_model", "kernel", "os", "python", "governor", "turbo", "packages", "gpus")
_OF_GPUS = ("name", "driver", "power_limit_w")

_LONGEST = 60


def set_ups_apart(a: Side, b: Side) -> dict[str, tuple[str, str]]:
    """Give the settings of two studies that are not the same: name -> (in A, in B).

    Keys of the study files but for the plan of the experiment, and facts of the machines with the
    versions of what ran there. Nothing where a side is a table.
    """
    if a.study is None or b.study is None:
        return {}
    one, other = (dict(_set_up(side)) for side in (a, b))
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    return {name: (one.get(name, "absent"), other.get(name, "absent")) for name in names}


def _set_up(side: Side) -> Iterator[tuple[str, str]]:
    for key, value in (side.study or {}).items():
        if key not in _NO_SET_UP:
            yield from _flat(key, value)
    used = {run.host for run in side.records}
    for host, facts in (side.hosts or {}).items():
        if host in used and len(used) == 1:
            yield from _machine(facts)


def _machine(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in _OF_MACHINES:
        value = facts.get(name)
        if name == "gpus":
            for gpu in value or []:
                told = {part: gpu[part] for part in _OF_GPUS if part in gpu}
                yield from _flat(f"gpu{gpu.get('index', '')}", told)
        elif value is not None:
            yield from _flat("" if name == "packages" else name, value)


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Give the leaves of nested settings by their joined names."""
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _flat(f"{key}.{name}" if key else str(name), part)
        return
    if isinstance(value, list) and any(isinstance(part, Mapping) for part in value):
        for place, part in enumerate(value):
            yield from _flat(key if len(value) == 1 else f"{key}.{place}", part)
        return
    text = str(value)
    yield key, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
