"""What answered: each engine as it ran, with what a reader must know of its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from joulebench.report.evidence import Evidence
from joulebench.report.numbers import ABSENT

_SAME = ("kind", "model", "dtype", "quantization", "attention", "version", "max_model_len")
"""Facts that make an engine another one."""

_YES = {"random_weights": "random weights", "remote": "on another machine",
        "simulated": "simulated"}  # fmt: skip

_COUNTED = {"prompts_truncated": "prompts cut", "outputs_capped": "outputs capped"}


def engine_rows(evidence: Evidence) -> list[dict[str, Any]]:
    """Give one row for each engine as it ran, as printed text."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for run in evidence.runs:
        facts = run.facts.get("engine")
        if not isinstance(facts, Mapping) or not facts.get("kind"):
            continue
        said = [words for name, words in _YES.items() if facts.get(name)]
        key = (*(_text(facts, name) for name in _SAME), *said)
        row = found.setdefault(key, _row(facts, said))
        row["runs"] += 1
        for name in _COUNTED:
            row[name] += _count(facts.get(name))
    return list(found.values())


def _row(facts: Mapping[str, Any], said: list[str]) -> dict[str, Any]:
    same = {name: _text(facts, name) or ABSENT for name in _SAME}
    return {**same, "said": ", ".join(said), "runs": 0, **dict.fromkeys(_COUNTED, 0)}


def _text(facts: Mapping[str, Any], name: str) -> str:
    """Print a fact in one line; a version is that of the engine's own package, where it is told."""
    value = facts.get(name)
    if name == "version" and value is None:
        value = _package_version(facts)
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} {inner}" for key, inner in value.items())
    return "" if value is None else str(value)


def _package_version(facts: Mapping[str, Any]) -> str | None:
    known = facts.get(str(facts["kind"]))  # an engine of a package is named as that
    return known if isinstance(known, str) else None


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
