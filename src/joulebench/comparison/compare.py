"""``joulebench compare`` and ``jb.compare_studies``: two studies or tables held together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from joulebench.analysis.response_columns import UNITS
from joulebench.comparison.comparison import Comparison
from joulebench.comparison.doubts import audited, constant, origins_apart, same_runs, untrained
from joulebench.comparison.interleaved import interleaved_blocks
from joulebench.comparison.margin import margin_of
from joulebench.comparison.matching import Matching, match
from joulebench.comparison.response import ResponseComparison, compare_response, with_margin
from joulebench.comparison.sensors import BiasReader
from joulebench.comparison.set_ups import set_ups_apart
from joulebench.comparison.side import Side, read_side
from joulebench.errors import UsageError, unknown

DEFAULT = ("energy_j", "energy_per_token_j", "energy_per_correct_j", "accuracy")
"""What is compared where nothing is asked for, as far as both sides have it."""

_GRADED = frozenset({"accuracy", "energy_per_correct_j"})
_NOT_SHARED = frozenset({"tokens"})


def compare_studies(
    a: str | Path,
    b: str | Path,
    *,
    response: Sequence[str] = (),
    margin: str | float | None = None,
    match_by: Sequence[str] = (),
    map_levels: Sequence[str] = (),
    audit: bool = True,
) -> Comparison:
    """Compare two studies or tables: the ratio B / A in each cell that both have, and over all.

    Cells are matched by the levels of the factors that both have, spelt as they may be. Runs are
    paired by block only where both sides were measured together; else each cell is one pair.

    Args:
        a: A study's folder, or a table: CSV, TSV, JSON, JSON lines.
        b: What is held against it.
        response: Columns or tidy names; energy, energy per token and per correct answer, and
            accuracy, as far as both have them, if empty.
        margin: Largest difference that counts as none: ``"5%"`` or 0.05.
        match_by: Factors to match; all that both have if empty.
        map_levels: Levels that correspond, ``LEVEL_OF_A=LEVEL_OF_B``.
        audit: Whether to look with the audit's rules for errors in the responses.

    Raises:
        UsageError: A source cannot be read, a name is not there, or nothing is in both.
    """
    share = margin_of(margin)
    asked = [response] if isinstance(response, str) else list(response)
    sides = (read_side("A", Path(a), asked), read_side("B", Path(b), asked))
    matching = match(*sides, match_by, map_levels)
    matching = replace(matching, differs=matching.differs | set_ups_apart(*sides))
    notes: list[str] = []
    names = _responses(*sides, asked, notes)
    blocks, biases = interleaved_blocks(*sides), BiasReader(*sides)
    found = [
        _found(sides, compare_response(sides, matching, n, blocks, biases.of(n)), share)
        for n in names
    ]
    findings = [*same_runs(*sides), *(f for s in sides for f in audited(s, names) if audit)]
    responses = tuple(
        replace(each, findings=(*same_runs(*sides, [each.name]), *each.findings)) for each in found
    )
    notes += _notes(sides, matching, responses, blocks)
    return Comparison(*sides, matching, responses, tuple(notes), tuple(findings))


def _found(
    sides: tuple[Side, Side], compared: ResponseComparison, margin: float | None
) -> ResponseComparison:
    doubts = tuple(origins_apart(*sides, compared.name))
    return replace(with_margin(compared, margin), findings=doubts)


def _responses(a: Side, b: Side, asked: Sequence[str], notes: list[str]) -> list[str]:
    """Give the tidy names of what is compared.

    Raises:
        UsageError: One that was asked for is not there, or nothing is on both sides.
    """
    if asked:
        return list(dict.fromkeys(_asked(a, b, name) for name in asked))
    both = [name for name in a.read if name in b.read and name not in _NOT_SHARED]
    names = [name for name in DEFAULT if name in both]
    if untrained(a, b) and _GRADED & set(names):
        names = [name for name in names if name not in _GRADED]
        notes.append("accuracy is left out: weights that were never trained have none")
    names = names or [name for name in UNITS if name in both][:1]
    if not names:
        raise UsageError(
            f"A and B have no response in common: A has {_listed(a)}, B has {_listed(b)}; name "
            "columns of one meaning with --response"
        )
    return names


def _asked(a: Side, b: Side, name: str) -> str:
    found = []
    for side in (a, b):
        tidy = [k for k, read in side.read.items() if name in (k, read.response.source)]
        if not tidy:
            raise unknown(f"--response, in {side.letter}:", name, side.read)
        found.append(tidy[0])
    if found[0] != found[1]:
        raise UsageError(f"--response {name}: is {found[0]} in A and {found[1]} in B; name another")
    return found[0]


def _listed(side: Side) -> str:
    return ", ".join(side.read)


def _notes(
    sides: tuple[Side, Side],
    matching: Matching,
    found: Sequence[ResponseComparison],
    blocks: Sequence[str],
) -> Iterator[str]:
    """Say what a reader must know besides, and what was left out."""
    for side in sides:
        yield from (f"{side.letter}: {sentence}" for sentence in side.dropped)
    yield from matching.averaged
    for each in found:
        missing = len(matching.cells) - len(each.cells)
        if missing:
            yield f"{each.name} is missing in {missing} of {len(matching.cells)} cells"
        if all(constant(side, each.name) for side in sides):
            yield f"{each.name} is the same in all rows of A and in all of B: nothing scatters"
    if any(each.name == "energy_per_correct_j" for each in found):
        recorded = all(side.records for side in sides)
        yield "energy per correct answer " + (
            "holds in its interval what so many items leave open of the accuracies"
            if recorded
            else "is that of these very items"
        )
    if not blocks:
        known = all(side.records for side in sides)
        yield (
            f"A and B {'were' if known else 'are taken as'} measured apart: what changed between "
            "them besides, such as the room's temperature, is in the ratio, not in its interval"
        )
