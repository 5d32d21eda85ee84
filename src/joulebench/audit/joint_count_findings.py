"""What a published duration, count or accuracy that is not the stored run's is reported as."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from joulebench.audit.joint_counts import CountFit
from joulebench.audit.joint_effect import Effect
from joulebench.audit.table import Floats
from joulebench.finding import Finding

_WORSE = 0.05
"""Difference of an accuracy from which on the number is wrong, whatever the grader."""

_MEND = "--fix writes the corrected column"


def where(fit: CountFit) -> str:
    """Give the place of a finding: the column, and that it is held against its runs."""
    return f"{fit.joined.table.where(fit.column)} against its runs"


def count_findings(fit: CountFit) -> Iterator[Finding]:
    """Give what is wrong with a column of durations, counts or accuracies."""
    if fit.rule:
        yield _explained_count(fit)
        return
    outside = fit.joined.rows[np.flatnonzero(fit.outside)].tolist()
    if not outside:
        return
    meaning = fit.joined.table.meaning(fit.column)
    kind = meaning.kind if meaning else "figure"
    few = len(outside) <= 0.5 * int(fit.present.sum())
    apart = np.abs(fit.published - fit.ours)[fit.present]
    worse = kind == "accuracy" and float(apart.max()) > _WORSE
    yield Finding(
        "unexplained-difference",
        "error" if few or worse else "warning",
        where(fit),
        f"{len(outside)} of {int(fit.present.sum())} figures are not those of the stored runs: "
        f"{fit.joined.table.places(outside)}",
        f"make the {kind} anew from the stored answers; {_MEND}",
        _ends(fit.published[fit.outside]),
        _ends(fit.ours[fit.outside]),
    )


def _explained_count(fit: CountFit) -> Finding:
    effect = Effect(fit.inflation, fit.joined.levels)
    severe = {"unit-scale": "error", "decimal-comma": "error"}
    return Finding(
        fit.rule, severe.get(fit.rule, "warning"), where(fit),
        f"it is {fit.text}, in nearly all of {int(fit.present.sum())} rows",
        "name what it is, or take that of the measured window",
        f"{_ends(fit.published[fit.present])} ({effect.seen()})", _ends(fit.ours[fit.present]),
    )  # fmt: skip


def _ends(values: Floats) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
