"""What stands in the way of comparing two sides, as findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from joulebench.analysis.audit_line import audit_line
from joulebench.comparison.side import Side
from joulebench.finding import Finding

_TOLD = 12
"""Digits to which figures must be equal to be those of one run."""

_FEW = 0.1
_NO_ENERGY = frozenset({"accuracy", "duration_s", "latency_s", "tokens"})


def same_runs(a: Side, b: Side, beside: Sequence[str] = ()) -> Iterator[Finding]:
    """Say where runs of A stand in B too: equal in energy and time, to the last digit.

    Args:
        a: First side.
        b: Second side.
        beside: Other responses in which they have to be equal.
    """
    names = [k for k in a.read if k in b.read and (a.read[k].response.unit or k in beside)]
    rows = [_figures(side, names) for side in (a, b)] if names else [[], []]
    seen = [Counter(each) for each in rows]
    least = min(map(len, rows))
    both = (seen[0] & seen[1]).total()
    # Figures that come again within one side are too coarse to know a run by.
    if both < max(1.0, _FEW * least) or len(seen[0]) <= len(rows[0]) / 2:
        return
    whole = both == least
    yield Finding(
        "same-runs",
        "error" if whole else "warning",
        f"{a.source.name}, {b.source.name}",
        "A and B are the same runs" if whole else f"{both} runs stand in A and in B",
        "name two sets of runs: equal figures are no evidence of equal energy"
        if whole
        else "leave them out of one side: intervals take both as measured apart",
        f"{both} of {least} runs equal in {', '.join(names)}",
    )


def _figures(side: Side, names: Sequence[str]) -> list[tuple[str, ...]]:
    columns = [[f"{value:.{_TOLD}g}" for value in side.values(name).tolist()] for name in names]
    return list(zip(*columns, strict=True))


def origins_apart(a: Side, b: Side, name: str) -> Iterator[Finding]:
    """Say where the energies of two sides are not of one method or not of one thing."""
    if name in _NO_ENERGY:
        return
    for column, what in (("method", "how they came about"), ("scope", "what they cover")):
        kinds = [sorted({text for text in side.texts(column) if text}) for side in (a, b)]
        if kinds[0] == kinds[1] and len(kinds[0]) <= 1:
            continue
        told = [" and ".join(each) or "not stated" for each in kinds]
        sure = all(kinds)
        yield Finding(
            f"{column}s-differ",
            "error" if sure else "warning",
            f"{name}: A {told[0]}, B {told[1]}",
            f"the energies differ in {what}: {told[0]} in A, {told[1]} in B"
            if sure
            else f"{what} is stated on one side alone: {told[0]} in A, {told[1]} in B",
            f"compare energies of one {column}",
            f"{told[0]} / {told[1]}",
        )
    yield from _columns_apart(a, b, name)


def _columns_apart(a: Side, b: Side, name: str) -> Iterator[Finding]:
    one, other = (side.read[name].response.source for side in (a, b))
    stated = all("scope" in side.table for side in (a, b))
    if one.casefold() == other.casefold() or stated or " / " in one + other:
        return
    yield Finding(
        "columns-differ",
        "warning",
        name,
        f"{name} is {one} in A and {other} in B",
        "check that both are the energy of the same parts, or choose with --response",
    )


def audited(side: Side, names: Sequence[str]) -> Iterator[Finding]:
    """Say where the audit's rules find an error in what is compared."""
    line = audit_line(side.source, [side.read[name].response for name in names])
    if line:
        told, _, command = line.removeprefix("audit: ").rpartition("; type: ")
        yield Finding(
            "audit-errors",
            "error",
            f"{side.letter}: {side.source.name}",
            f"the audit of {side.letter} finds that numbers are wrong: {told}",
            f"look at them: {command}",
        )


def untrained(a: Side, b: Side) -> bool:
    """Say whether either side ran weights that were never trained, so that grades mean nothing."""
    return a.random_weights or b.random_weights


def constant(side: Side, name: str) -> bool:
    """Say whether a response is the same in all of several rows."""
    values = side.values(name)
    present = values[np.isfinite(values)]
    return len(present) > 1 and bool(np.all(present == present[0]))
