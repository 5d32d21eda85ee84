"""How far a judge agrees with rules and with people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joulebench.errors import UsageError
from joulebench.tasks.jsonl import read_objects

Grades = Sequence[bool | None]

_ONE = {"rules": "the rules grade", "human": "people grade"}


def read_labels(file: str) -> dict[str, bool]:
    """Read people's judgements by request id.

    Raises:
        UsageError: A line that is none, with its number, or the same request twice.
    """
    try:
        return _labels(file)
    except UsageError as error:
        raise UsageError(f"tasks.score.human: {error}") from error


def _labels(file: str) -> dict[str, bool]:
    found: dict[str, bool] = {}
    for where, row in read_objects(Path(file).expanduser()):
        request_id, label = row.get("request_id"), row.get("label")
        if not isinstance(request_id, str) or not isinstance(label, bool):
            raise UsageError(f'{where}: write {{"request_id": "boolq-0000", "label": true}}')
        if request_id in found:
            raise UsageError(f"{where}: request {request_id!r} is judged twice; keep one line")
        found[request_id] = label
    if not found:
        raise UsageError(f"{file}: no judgements; give one a line, or leave the key out")
    return found


def agreement(judge: Grades, others: Mapping[str, Grades]) -> dict[str, Any]:
    """Give how far a judge agrees with others, over what both have graded.

    Returns:
        For each of the others ``n``, ``agreed`` (of n), and Cohen's ``kappa`` with its 95 %
        interval ``low`` and ``high``. Where kappa would say nothing it is null, and ``no_kappa``
        says why.
    """
    return {name: _with_one(judge, grades, name) for name, grades in others.items()}


def _with_one(judge: Grades, other: Grades, name: str) -> dict[str, Any]:
    from joulebench.stats.kappa import cohens_kappa

    both = [(a, b) for a, b in zip(judge, other, strict=True) if a is not None and b is not None]
    told: dict[str, Any] = {"n": len(both), "agreed": sum(a == b for a, b in both)}
    why = _no_kappa(both, name)
    if why:
        return told | {"kappa": None, "low": None, "high": None, "no_kappa": why}
    kappa = cohens_kappa([a for a, _ in both], [b for _, b in both])
    return told | {"kappa": kappa.value, "low": kappa.low, "high": kappa.high}


def _no_kappa(both: Sequence[tuple[bool, bool]], name: str) -> str:
    """Say why kappa would mean nothing; empty where it does."""
    if not both:
        return "nothing was graded by both"
    alike = [len(set(side)) == 1 for side in zip(*both, strict=True)]
    if all(alike):
        return "both grade all alike"
    one = "the judge grades" if alike[0] else _ONE.get(name, f"{name} grades")
    return f"{one} all alike, so that kappa is 0 whatever the other says" if any(alike) else ""
