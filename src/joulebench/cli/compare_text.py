"""A comparison on the terminal: what was matched, a table a response, then the verdicts."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from joulebench.cli.narrow import table_that_fits

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from joulebench.comparison.comparison import Comparison
    from joulebench.comparison.effect import Effect
    from joulebench.comparison.heterogeneity import Dependence
    from joulebench.comparison.response import ResponseComparison
    from joulebench.report.numbers import Unit

_MOST_ROWS = 16
"""More cells than this are shown by the levels of their factors; the table on disk has all."""

_MOST_NAMED = 4
_SHOWN = 0.05
_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
_MEANS = "A, B"
"""The columns that a narrow terminal does without."""


def printed(found: Comparison, console: Console) -> Iterator[Any]:
    """Give the parts of a comparison in the order in which they are printed."""
    yield from _texts(_head(found), console.width)
    for each in found.responses:
        yield ""
        yield table_that_fits(console, partial(_table, found, each), (_MEANS,))
        yield from _texts(_variation(each), console.width)
    for note in found.notes:
        yield from _texts([f"note: {note}"], console.width)
    for finding in found.all_findings:
        yield ""
        yield from _finding(finding.severity, finding.rule, finding.message, finding.remedy)
    yield ""
    for verdict in found.verdicts.values():
        yield from _texts([_upper(verdict.sentence)], console.width, style="bold")


def _texts(lines: Sequence[str], width: int, style: str = "") -> Iterator[Text]:
    """Wrap lines; names and numbers with their units stay in one piece."""
    from rich.text import Text

    for line in lines:
        kept = line
        for whole in (" %", " = ", " < "):
            kept = kept.replace(whole, whole.replace(" ", "\u00a0"))
        filled = textwrap.fill(
            kept, width, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
        )
        yield Text(filled.replace("\u00a0", " "), style=style)


def _head(found: Comparison) -> list[str]:
    matching = found.matching
    lines = [
        f"{side.letter}  {side.source.path}: {_rows(len(side))}" for side in (found.a, found.b)
    ]
    differs = [f"{name} {one} -> {two}" for name, (one, two) in matching.differs.items()]
    if differs:
        lines.append(f"B differs in {_shortened(differs, '; ')}")
    matched = f"by {', '.join(matching.factors)}" if matching.factors else "as one cell each"
    lines.append(f"matched {matched}: {_cells(len(matching.cells))} in both")
    for letter, only in (("A", matching.only_a), ("B", matching.only_b)):
        if only:
            lines.append(f"in {letter} alone: {_shortened(only, '; ')}")
    return lines


def _table(found: Comparison, each: ResponseComparison, without: Collection[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    from joulebench.report.numbers import Unit, best_unit

    unit = best_unit([cell.a for cell in each.cells], each.response.unit)
    if not each.response.unit:
        unit = Unit("") if each.ratio else Unit("%", 100.0)
    symbol = f" ({unit.symbol})" if unit.symbol else ""
    table = Table(title=f"{each.response.words}{symbol}", box=box.SIMPLE, title_justify="left")
    by_cell = len(each.cells) <= _MOST_ROWS
    names = list(found.matching.factors) if by_cell else ["factor", "level"]
    for name in names or [""]:
        table.add_column(name, overflow="fold")
    means = ["A", "B"] if by_cell and _MEANS not in without else []
    for name in [*means, "B / A" if each.ratio else "points", "95 %", "runs"]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in _cell_rows(each, means, unit) if by_cell else _level_rows(each):
        table.add_row(*row)
    table.add_section()
    width = max(1, len(names))
    for label, effect, count in _whole(each):
        blanks = [""] * (width - 1 + len(means))
        table.add_row(label, *blanks, *_effect(each, effect), count, style="bold")
    return table


def _cell_rows(each: ResponseComparison, means: Sequence[str], unit: Unit) -> Iterator[list[str]]:
    from joulebench.report.numbers import significant

    for cell in each.cells:
        values = {"A": cell.a, "B": cell.b}
        shown = [significant(values[name] * unit.factor) for name in means]
        runs = f"{cell.n_a}+{cell.n_b}"
        yield [*(cell.levels or ("all runs",)), *shown, *_effect(each, cell.effect), runs]


def _level_rows(each: ResponseComparison) -> Iterator[list[str]]:
    for level in each.variation.levels if each.variation else ():
        yield [level.factor, level.level, *_effect(each, level.effect), f"{level.cells} cells"]


def _whole(each: ResponseComparison) -> Iterator[tuple[str, Effect, str]]:
    if len(each.cells) > 1:
        a, b = each.runs
        yield "these cells", each.these, f"{a}+{b}"
    if each.others is not None:
        yield "other cells", each.others, ""


def _effect(each: ResponseComparison, effect: Effect) -> list[str]:
    """Print an effect and its interval: ratios as they are, shares in points."""
    from joulebench.report.numbers import fixed, places

    scale = 1.0 if each.ratio else 100.0
    value, *ends = (scale * each.shown(v) for v in (effect.value, *effect.ends()))
    if math.isnan(ends[0]):
        return [fixed(value, 3 if each.ratio else 1), ""]
    half = (ends[1] - ends[0]) / 2
    decimals = max(0, min(places(half), 4)) if half > 0 else 3
    return [fixed(value, decimals), " to ".join(fixed(end, decimals) for end in ends)]


def _variation(each: ResponseComparison) -> list[str]:
    """Say between which cells the effect lies, and on what it depends."""
    found = each.variation
    if found is None:
        return []
    (least, low), (most, high) = found.least, found.most
    ends = f"from {_short(each, low)} ({least}) to {_short(each, high)} ({most})"
    told = [text for test in (found.overall, *found.by_factor) if (text := _dependence(test))]
    return ["; ".join([f"over cells {ends}", *told])]


def _short(each: ResponseComparison, value: float) -> str:
    return f"{each.shown(value):.3g}" if each.ratio else f"{100 * value:+.3g} points"


def _dependence(test: Dependence) -> str:
    if math.isnan(test.p):
        return ""
    shown = test.p < _SHOWN
    if test.of:
        words = f"depends on {test.of}" if shown else f"dependence on {test.of} not shown"
    else:
        words = "not the same in all cells" if shown else "a difference of cells not shown"
    return f"{words}, F({_df(test.df1)}, {_df(test.df2)}) = {test.f:.3g}, {_p(test.p)}"


def _p(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def _df(df: float) -> str:
    return "inf" if math.isinf(df) else f"{df:.0f}"


def _finding(severity: str, rule: str, message: str, remedy: str) -> Iterator[Text]:
    from rich.text import Text

    yield Text.assemble((severity, _STYLES[severity]), "  ", (rule, "bold"), f": {message}")
    yield Text(f"    -> {remedy}")


def _rows(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def _cells(count: int) -> str:
    return f"{count} cell{'' if count == 1 else 's'}"


def _shortened(names: Sequence[str], mark: str) -> str:
    more = f"{mark}and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return mark.join(names[:_MOST_NAMED]) + more


def _upper(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
