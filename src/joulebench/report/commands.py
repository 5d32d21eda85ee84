"""The commands that lead from nothing to this report, as a user types them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

import joulebench
from joulebench.report.evidence import Evidence

_ACTIVE = re.compile(r'["$`\\!]')
"""What a shell does not leave alone between double quotes."""


def commands(evidence: Evidence) -> list[str]:
    """Give the commands that made the study, with paths as the user gave them."""
    source = evidence.study.get("source")
    name = quoted(evidence.table.name)
    if "imported" in evidence.origin_words and isinstance(source, dict):
        out = quoted(str(source.get("out", evidence.table.name)))
        made = [import_command(source, out), f"joulebench report {out}"]
    else:
        made = [f"joulebench run study.yaml --out {name}", f"joulebench report {name}"]
    return [f"# joulebench {joulebench.__version__}", *made]


def import_command(source: Mapping[str, Any], out: str) -> str:
    """Give the import that a study's ``source`` tells of."""
    kind, path = str(source.get("kind", "KIND")), str(source.get("path", "SOURCE"))
    words = ["joulebench import", quoted(kind), quoted(path), "--out", out]
    return " ".join([*words, *_options(source)])


def quoted(word: str) -> str:
    """Quote a word for a shell, with double quotes where it holds single ones."""
    if "'" in word and not _ACTIVE.search(word):
        return f'"{word}"'
    return shlex.quote(word)


def _options(source: Mapping[str, Any]) -> Iterator[str]:
    if source.get("table"):
        yield from ("--table", quoted(str(source["table"])))
    factors = source.get("factors") or {}
    words = list(factors) if isinstance(factors, list) else _levels(factors)
    if words:
        yield from ("--factors", *map(quoted, words))
    if source.get("map"):
        yield from ("--map", quoted(str(source["map"])))
    for condition in source.get("exclude") or []:
        yield from ("--exclude", quoted(str(condition)))


def _levels(factors: Mapping[str, Any]) -> list[str]:
    return [f"{name}={','.join(map(str, levels))}" for name, levels in factors.items()]
