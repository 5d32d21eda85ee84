"""Factors that must cost work and changed nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.design_factors import WORK, DesignFactor, TableDesign, design_of
from joulebench.audit.design_outcomes import columns_of, logs
from joulebench.audit.design_pairs import MatchedPairs, matched_pairs
from joulebench.audit.rule import Rule
from joulebench.audit.table import AuditTable, Floats
from joulebench.finding import Finding
from joulebench.stats.coincidence import (
    chance_of_as_many,
    chance_of_equal,
    rounding_step,
    significant_digits,
)
from joulebench.stats.log_ratio_equivalence import log_ratio_equivalence
from joulebench.stats.repeat_spread import pooled_spread

_MUST = (*WORK, "precision", "model", "hardware", "clock")
"""Kinds of factor of which two levels never measure alike to the last digit."""

_MEASURED = ("energy", "duration", "emissions", "throughput", "efficiency")

_ELASTICITY = 0.05
"""Least power of the work that a cost must grow with: twice the work costs 3.5 % more."""

_PRECISION_MARGIN = 0.02
_LEAST_RATIO = 1.5
_LIKELY_COPIED = 1e-3
_REPEAT_FLOOR = 0.003
"""Relative spread of repeats of an energy or a time that is seldom undercut."""

_SAME_COST = 0.05
_EXACT_DIGITS = 5
_FEWEST_PAIRS = 3
_OF_ANSWERS = frozenset({"new", "out", "output", "generated", "generation", "completion", "answer"})
_GENERATORS = re.compile(
    r"llama|qwen|mistral|gemma|\bphi|gpt|falcon|deepseek|vllm|\btgi\b|sglang", re.IGNORECASE
)
"""Names of models and engines that generate text."""

_OF_SAMPLING = frozenset({"temperature", "sampling", "generated", "completion", "ttft", "tpot"})


def _without_effect(table: AuditTable) -> Iterator[Finding]:
    """Find factors that must cost work, yet changed neither energy nor time nor memory."""
    design = design_of(table)
    if design.cell_count < 2 or not design.has_outcomes:
        return
    for factor in design.of_kind(*_MUST):
        finding = _copied(design, factor)
        for phase in _phases(table) if finding is None else ():
            finding = _same_memory(design, factor, phase) or _ignored(design, factor, phase)
            if finding is not None:
                break
        if finding is not None:
            yield finding


def _phases(table: AuditTable) -> list[str]:
    """Give the phases of the work that energies or times were measured of: forward, backward."""
    named = columns_of(table, "energy", "duration", phases=False)
    return list(dict.fromkeys(m.phase for c in named if (m := table.meaning(c)) is not None))


def _copied(design: TableDesign, factor: DesignFactor) -> Finding | None:
    """Find measured values that are equal to the last digit at two levels."""
    pairs = matched_pairs(design, factor, "all")
    for column in columns_of(design.table, *_MEASURED, phases=False) if len(pairs) else ():
        one, two = pairs.means(column)
        known = (one > 0) & (two > 0)
        same = known & (one == two)
        if not same.any():
            continue
        values = design.table.si(column)
        spread = _REPEAT_FLOOR * float(np.median(one[known]))
        chance = chance_of_equal(rounding_step(values), spread)
        if chance_of_as_many(int(same.sum()), int(known.sum()), chance) < _LIKELY_COPIED:
            return _equal_values(pairs, column, same, int(known.sum()))
    return None


def _equal_values(pairs: MatchedPairs, column: str, same: np.ndarray, known: int) -> Finding:
    table, factor = pairs.design.table, pairs.factor.column
    rows = pairs.rows(int(np.flatnonzero(same)[0]))
    text = str(table.texts(column)[rows[0]])
    return Finding(
        "factor-without-effect",
        "error",
        table.where(f"{column} by {factor}"),
        f"{column} is equal to the last digit at two levels of {factor} in {int(same.sum())} of "
        f"{known} pairs that differ in it alone ({text} in {table.places(rows)}): two "
        "measurements do not agree so far",
        f"one of the two was copied, or {factor} was not applied and the run not repeated: "
        "measure it again and record what the software really used",
        seen=f"{int(same.sum())} equal pairs",
        possible="0",
    )


def _same_memory(design: TableDesign, factor: DesignFactor, phase: str) -> Finding | None:
    """Find levels at which memory is equal to the last digit, and energy and time within 5 %."""
    memory = next(iter(_costs(design, factor, phase, "memory")), None)
    costs = _costs(design, factor, phase, "energy", "duration")
    if memory is None or not costs or not _is_peak(design.table, memory):
        return None
    for pairs in _pairs_of_work(design, factor):
        one, two = pairs.means(memory)
        farthest = max(float(np.max(np.abs(pairs.log_ratios(column)))) for column in costs)
        if np.all(one == two) and farthest < math.log1p(_SAME_COST):
            return _nothing_changed(
                pairs,
                f"{memory} is equal to the last digit and {' and '.join(costs)} change by at most "
                f"{100 * math.expm1(farthest):.2g} % in {len(pairs)} pair(s) that differ in it "
                "alone",
                f"equal memory, {100 * math.expm1(farthest):.2g} %",
            )
    return None


def _is_peak(table: AuditTable, memory: str) -> bool:
    """Say whether a memory is what the work took, to the byte, not what was set aside for it."""
    meaning = table.meaning(memory)
    named = set(words_of(memory)) & {"peak", "max", "maximum", "allocated"}
    exact = significant_digits(table.numbers(memory))
    return exact >= (_EXACT_DIGITS if named or (meaning and meaning.statistic == "max") else 7)


def _ignored(design: TableDesign, factor: DesignFactor, phase: str) -> Finding | None:
    """Find factors for which repeats or matched pairs show that nothing they cost was changed."""
    costs = _costs(design, factor, phase, "energy", "duration", "memory")
    named = _costs(design, factor, phase, "energy", "duration")
    # A batch that fills the device costs no more per item: only the memory of the work tells.
    memories = _costs(design, factor, phase, "memory")
    told = any(_is_peak(design.table, memory) for memory in memories)
    if not named or (factor.kind == "batch" and not told):
        return None
    if factor.kind == "length" and generates(design.table, factor):
        return None
    for pairs in _pairs_of_work(design, factor):
        need = _PRECISION_MARGIN
        if factor.kind != "precision":
            need = _ELASTICITY * float(np.mean(pairs.work_ratios()))
        farthest = max(_farthest(pairs, column) for column in costs)
        if farthest < need:
            return _nothing_changed(
                pairs,
                f"{', '.join(costs)} change by less than {100 * math.expm1(farthest):.2g} % (90 % "
                f"intervals over {len(pairs)} pair(s) that differ in it alone)",
                f"below {100 * math.expm1(farthest):.2g} %",
                f"at least {100 * math.expm1(need):.2g} %",
            )
    return None


def generates(table: AuditTable, factor: DesignFactor) -> bool:
    """Say whether answers were generated, and a length is of their prompts.

    To read a prompt of some hundred tokens takes as long as to generate one or two, so that the
    cost need not change with it.
    """
    if set(words_of(factor.column)) & _OF_ANSWERS:
        return False
    phases = {m.phase for c in table.columns if (m := table.meaning(c)) is not None}
    if phases & {"forward", "backward", "training"}:
        return False
    rates = [table.measures(kind, per="tokens") for kind in ("throughput", "efficiency")]
    counted = [table.measures("tokens", part="out"), *rates]
    per_token = [table.measures(kind, per="token") for kind in ("energy", "duration")]
    set_to = any(set(words_of(column)) & _OF_SAMPLING for column in table.columns)
    levels = (level for column in table.settings for level in table.levels(column))
    named = any(map(_GENERATORS.search, levels))
    return bool(phases & {"decode"}) or any(counted) or any(per_token) or set_to or named


def _pairs_of_work(design: TableDesign, factor: DesignFactor) -> Iterator[MatchedPairs]:
    """Give pairs that differ in work: by widths, each two by themselves; the ends of amounts."""
    if factor.kind == "precision":
        for pairs in matched_pairs(design, factor, "all").by_levels():
            if np.all(pairs.work_ratios() > 0):
                yield pairs
    elif factor.kind in WORK:
        pairs = matched_pairs(design, factor, "ends")
        pairs = pairs.kept(np.nan_to_num(pairs.work_ratios()) >= math.log(_LEAST_RATIO))
        if len(pairs):
            yield pairs


def _costs(design: TableDesign, factor: DesignFactor, phase: str, *kinds: str) -> list[str]:
    """Give one column for each cost of a phase, not divided by the work that the factor changes."""
    table, found = design.table, []
    apart = {"token", "flop", "parameter", "window", "second"}
    if factor.kind == "batch":
        apart |= {"example", "correct"}
    for kind in kinds:
        meanings = ((c, table.meaning(c)) for c in columns_of(table, kind, phases=False))
        own = (phase, "") if kind == "memory" else (phase,)
        found += [c for c, m in meanings if m and m.per not in apart and m.phase in own][:1]
    return found


def _farthest(pairs: MatchedPairs, column: str) -> float:
    """Give how far the mean log ratio may lie from none; infinite where nothing tells.

    From matched pairs where there are three at least, else from repeats of the cells.
    """
    ratios = pairs.log_ratios(column)
    known = ratios[np.isfinite(ratios)]
    if len(known) >= _FEWEST_PAIRS:
        tested = log_ratio_equivalence(known)
        return math.inf if tested is None else tested.farthest
    return _farthest_by_repeats(pairs, column, known)


def _farthest_by_repeats(pairs: MatchedPairs, column: str, ratios: Floats) -> float:
    from scipy.special import stdtrit

    values = logs(pairs.design.table.si(column))
    rows = np.isfinite(values) & np.isin(pairs.design.cells, np.r_[pairs.first, pairs.second])
    if not len(ratios) or not rows.any():
        return math.inf
    cells = pairs.design.cells[rows]
    spread = pooled_spread(values[rows], np.unique(cells, return_inverse=True)[1])
    if spread is None:
        return math.inf
    count = np.bincount(cells, minlength=pairs.design.cell_count)
    if not (count[pairs.first].all() and count[pairs.second].all()):
        return math.inf  # a cell holds nothing whose logarithm could be taken
    noise = spread.sd * math.sqrt(
        float(np.sum(1.0 / count[pairs.first] + 1.0 / count[pairs.second]))
    )
    return abs(float(np.mean(ratios))) + float(stdtrit(spread.dof, 0.95)) * noise / len(ratios)


def _nothing_changed(
    pairs: MatchedPairs, told: str, seen: str, possible: str = "more memory, energy or time"
) -> Finding:
    factor = pairs.factor
    used = np.unique([pairs.first_level, pairs.second_level]).tolist()
    known = [factor.levels[place] for place in used]
    listed = ", ".join(known[:6]) + (" ..." if len(known) > 6 else "")
    return Finding(
        "factor-without-effect",
        "warning",
        pairs.design.table.where(factor.column),
        f"{factor.column} was set to {listed}, which is other work, yet {told}",
        f"find out whether the software ignored {factor.column} (padding, a fallback, a default) "
        "and record the value that it really used; do not report the levels as compared",
        seen=seen,
        possible=possible,
    )


RULES = (Rule("factor-without-effect", "design", table=_without_effect),)
