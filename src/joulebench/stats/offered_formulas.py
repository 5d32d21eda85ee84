"""Right sides of formulas that data with empty cells may carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from joulebench.stats.anova_aliased import aliased_terms
from joulebench.stats.anova_types import parts_of
from joulebench.stats.filled_cells import Cells
from joulebench.stats.fixed_design import FixedDesign, Term
from joulebench.stats.model_frame import is_categorical


def right_sides(design: FixedDesign, cells: Cells, blocks: Sequence[str]) -> Iterator[str]:
    """Give right sides over the filled cells, from the fullest to the barest."""
    touched = [term for term in design.terms if set(term.variables) & set(cells.factors)]
    numbers = [name for name in cells.factors if not is_categorical(design.frame[name])]
    one_way = ":".join(f"C({name})" if name in numbers else name for name in cells.factors)
    outside = [_text(term.name, design) for term in design.terms if term not in touched]
    beside = dict.fromkeys(
        ":".join(part for part in term.name.split(":") if part not in cells.factors)
        for term in touched
    )
    mixed = [f"{one_way}:{_text(name, design)}" for name in beside if name]
    if mixed:
        yield " + ".join([one_way, *outside, *blocks, *mixed])
    yield " + ".join([one_way, *outside, *blocks])
    yield " + ".join([one_way, *outside])
    yield one_way


def without_aliased_products(design: FixedDesign) -> str:
    """Give the right side without its aliased interactions, if then nothing is aliased."""
    kept = list(design.terms)
    while True:
        right = " + ".join(_text(term.name, design) for term in kept)
        doubtful = {term.name for term in aliased_terms(FixedDesign.of(right, design.frame))}
        if not doubtful:
            return right
        worst = max((term for term in kept if term.name in doubtful), key=_order)
        if _order(worst) == 1:
            return ""
        kept = [t for t in kept if not (t.name in doubtful and _order(t) == _order(worst))]


def _order(term: Term) -> int:
    return len(parts_of(term))


def _text(name: str, design: FixedDesign) -> str:
    return ":".join(_written(part, design) for part in name.split(":"))


def _written(part: str, design: FixedDesign) -> str:
    """Write a part of a term as a formula needs it, so that levels stay levels."""
    column = design.frame.get(part)
    if column is None or is_categorical(column) or part not in design.factors:
        return part
    return f"C({part})"
