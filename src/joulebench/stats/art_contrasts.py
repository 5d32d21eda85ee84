"""Contrasts after an aligned rank transform (ART-C)."""

from __future__ import annotations

import pandas as pd

from joulebench.stats.art_align import align_cells
from joulebench.stats.art_design import ArtDesign, unused_name
from joulebench.stats.emmeans import emmeans
from joulebench.stats.emmeans_contrasts import Weights
from joulebench.stats.refused import Refused


def art_contrasts(
    design: ArtDesign,
    term: str,
    kind: str | Weights = "pairwise",
    adjust: str = "BH",
    ddf: str | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Compare levels of a factor, or cells of several, on ranks aligned for that comparison.

    The factors of the term become one factor of their cells, the response is aligned for it, and
    the model of the formula with that factor in their place gives the means of the ranks. Ranks
    aligned for an interaction must not be used for this: they compare nothing but differences of
    differences (Elkin, Kay, Higgins and Wobbrock 2021, UIST '21, 754). Estimates are differences of
    mean ranks.

    Args:
        design: A checked design.
        term: ``generation``, or ``generation:task`` for cells.
        kind: "pairwise" (first minus second), "consecutive" (later minus earlier), or another kind
            of :meth:`joulebench.stats.emmeans.Means.contrasts`.
        adjust: How p is adjusted for the number of contrasts.
        ddf: How degrees of freedom are found, for a mixed model.
        confidence: Coverage of the intervals.

    Raises:
        Refused: A term that names no factors of the design, or as
            :meth:`joulebench.stats.emmeans.Means.contrasts`.
    """
    names = _names(term, design.factors)
    column = names[0] if len(names) == 1 else unused_name("_".join(names), design.frame)
    merged = design.merged(names, column) if len(names) > 1 else design
    others = tuple(name for name in merged.factors if name != column)
    ranks = align_cells(design.response, merged.frame, column, others)
    model = merged.fit(ranks)
    table = emmeans(model, column, ddf=ddf, confidence=confidence).contrasts(kind, adjust)
    table.insert(0, "test", "aligned rank transform, contrasts")
    table.insert(1, "term", ":".join(names))
    return table


def _names(term: str, factors: tuple[str, ...]) -> list[str]:
    names = [name.strip() for name in term.split(":")] if isinstance(term, str) else []
    known = ", ".join(factors)
    if not names or len(set(names)) < len(names) or not set(names) <= set(factors):
        raise Refused(f"{term!r} is no factor or cells of factors: name some of {known}, as a:b")
    return names
