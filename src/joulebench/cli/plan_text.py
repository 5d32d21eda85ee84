"""A plan in words: its trials, what they take, what can be claimed and what can be shown."""

from __future__ import annotations

import shlex
import shutil
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from joulebench.cli.time_left import in_words
from joulebench.study_queue import WITH_BLOCKS

if TYPE_CHECKING:
    from joulebench.study_estimate import Estimate, Range
    from joulebench.study_file import StudyFile
    from joulebench.study_power import Comparison
    from joulebench.study_prospect import Prospect, Shown

Plan = Mapping[str, Any]

MOST_TRIALS = 24
"""Plans up to here are printed whole."""

_FIRST, _LAST = 8, 4
_LIKE = 1e-3
_TYPED = "  joulebench "


def lines(
    asked: StudyFile, plans: Sequence[Plan], ahead: Prospect, *, source: str, every: bool
) -> Iterator[str]:
    """Give the lines of a plan.

    Args:
        asked: The study.
        plans: Of its trials.
        ahead: What is known of it before it is run.
        source: What the user called it.
        every: Whether to print every trial.
    """
    yield _headline(asked, plans, ahead)
    yield from _trials(plans, every=every)
    yield from map(wrapped, _order(ahead))
    yield from map(wrapped, _takes(asked, ahead, source))
    if ahead.facts is not None:
        yield "what it can tell:"
        yield from (wrapped(f"  {sentence}") for sentence in ahead.facts.sentences)
    yield from map(wrapped, _shows(ahead, dealt_one_by_one=asked.order.kind not in WITH_BLOCKS))


def wrapped(line: str) -> str:
    """Wrap a line to the terminal's width; names stay in one piece, and what is to be typed."""
    if line.startswith(_TYPED):
        return line
    width = shutil.get_terminal_size((100, 24)).columns
    return textwrap.fill(
        line, width, subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
    )


def _headline(asked: StudyFile, plans: Sequence[Plan], ahead: Prospect) -> str:
    from joulebench.study_plan import design_of

    design = design_of(asked)
    left_out = len(design.all_cells) - len(design.cells)
    plus = f" + {ahead.controls} controls" if ahead.controls else ""
    return (
        f"{asked.study}: {len(design.cells)} cell{'' if len(design.cells) == 1 else 's'}"
        + (f" ({left_out} left out)" if left_out else "")
        + f" x {asked.repetitions} repetitions{plus} = {len(plans)} trials, order "
        f"{asked.order.kind}, seed {asked.order.seed}"
    )


def _trials(plans: Sequence[Plan], *, every: bool) -> Iterator[str]:
    width = max(len(plan["run_id"]) for plan in plans)
    if every or len(plans) <= MOST_TRIALS:
        yield from (_trial(plan, width) for plan in plans)
        return
    yield from (_trial(plan, width) for plan in plans[:_FIRST])
    yield f"{'...':>5}  {len(plans) - _FIRST - _LAST} more: --all prints them"
    yield from (_trial(plan, width) for plan in plans[-_LAST:])


def _trial(plan: Plan, width: int) -> str:
    trial = plan["trial"]
    what = plan.get("model") or " ".join(plan.get("command", []))
    return f"{trial['order']:>5}  block {trial['block']}  {plan['run_id']:<{width}}  {what}"


def _order(ahead: Prospect) -> Iterator[str]:
    if ahead.carry_over:
        yield ahead.carry_over
    if ahead.grouping is not None:
        yield ahead.grouping.sentence
        if ahead.saved_s is None:
            yield "  what loading it saves is not known: no pilot with both kinds of loads tells it"
        else:
            yield f"  it saves about {_time(max(0.0, ahead.saved_s))} of loading, by the pilot"


def _takes(asked: StudyFile, ahead: Prospect, source: str) -> Iterator[str]:
    known = ahead.estimate
    if known.duration_s is None:
        yield (
            f"takes {_time(known.waits_s)} of idle windows and cool-downs{_adaptive(known)}; how "
            "long the work takes and what it uses, a pilot tells:"
        )
        name = shlex.quote(source)
        yield f"{_TYPED}run {name} --repetitions 2 --out runs/{asked.study}-pilot"
        yield f"{_TYPED}plan {name} --pilot runs/{asked.study}-pilot"
        return
    at_once = f", {known.places} trials at a time" if known.places > 1 else ""
    virtual = " of computed time" if asked.protocol.clock == "virtual" else ""
    doubt = known.origin == "pilot"
    about = _range(known.duration_s, _time) if doubt else _time(known.duration_s.value)
    yield f"takes about {about}{virtual}{_adaptive(known)}{at_once}"
    if not doubt:
        yield "  computed from the echo engine's times; processes come on top, energy needs a pilot"
        return
    yield from _energies(ahead)
    near = known.cells.get("nearest", 0)
    if near:
        yield (
            f"  {near} of {sum(known.cells.values())} cells are not in the pilot; taken from its "
            "cells with most levels in common, for which no interval answers"
        )
    if ahead.other_settings:
        more = len(ahead.other_settings) - 2
        shown = "; ".join(ahead.other_settings[:2]) + (f"; and {more} more" if more > 0 else "")
        yield f"  the pilot was run with other settings, which is not corrected for: {shown}"


def _energies(ahead: Prospect) -> Iterator[str]:
    known = ahead.estimate
    if known.energy_j is None:
        yield "  energy is not known: runs of the pilot have none"
        return
    whole = f", {_range(known.all_energy_j, _joules)} with loading, warm-up and waiting" \
        if known.all_energy_j else ""  # fmt: skip
    yield (
        f"  uses about {_range(known.energy_j, _joules)} in its measured windows{whole} "
        f"({ahead.energies})"
    )


def _adaptive(known: Estimate) -> str:
    if known.adaptive_s is None:
        return ""
    low, high = known.adaptive_s
    return f", and {_time(low)} to {_time(high)} of adaptive cool-down"


def _shows(ahead: Prospect, *, dealt_one_by_one: bool) -> Iterator[str]:
    told = [each for each in ahead.comparisons if each.pairs]
    if not told:
        return
    if all(each.df < 1 for each in told):
        yield "what it can show: nothing, since one repetition has no scatter: plan 2 or more"
        return
    from joulebench.study_power import ERROR_RATE, POWER, SCATTERS

    yield (
        "what it can show: the least difference of two levels, in these very conditions, that "
        f"{_share(POWER)} of such studies find (error rate {_share(ERROR_RATE)} over all pairs):"
    )
    sizes = [f"{each.levels} levels, df {max(each.df, 0)}" for each in told]
    width, wide = max(len(each.name) for each in told), max(map(len, sizes))
    heads = "".join(f"{_share(cv):>8}" for cv in SCATTERS)
    yield f"  {'if runs scatter by':<{width + 1 + wide}}{heads}"
    for each, size in zip(told, sizes, strict=True):
        cells = "".join(f"{_percent(each.smallest(cv)):>8}" for cv in SCATTERS)
        yield f"  {each.name:<{width}} {size:<{wide}}{cells}"
    for shown in _unlike(ahead.shown):
        yield from _by_pilot(shown, told)
    yield from _meters(ahead, dealt_one_by_one=dealt_one_by_one)


def _unlike(found: Sequence[Shown]) -> list[Shown]:
    """Leave out a response that scatters as the first does: one token count divides all of it."""
    return [
        shown
        for place, shown in enumerate(found)
        if not place or abs(shown.spread.cv / found[0].spread.cv - 1) > _LIKE
    ]


def _by_pilot(shown: Shown, told: Sequence[Comparison]) -> Iterator[str]:
    spread = shown.spread
    least = ", ".join(f"{each.name} {_percent(shown.smallest[each.name])}" for each in told)
    yield (
        f"  {shown.response} scattered by {_share(spread.cv)} in the pilot ({_share(spread.low)} "
        f"to {_share(spread.high)}, df {spread.df}): {least}"
    )
    for each in told:
        mine = [e for e in shown.expected if e.name == each.name and e.power is not None]
        if mine:
            weak = min(mine, key=lambda e: e.power or 0.0)
            a, b = weak.pair
            which = "its smallest difference" if len(mine) > 1 else "its difference"
            yield (
                f"    {each.name}: {which} there, {b} / {a} = {weak.ratio:.4g}, would be found "
                f"with a chance of {_chance(weak.power or 0.0)}"
            )


def _meters(ahead: Prospect, *, dealt_one_by_one: bool) -> Iterator[str]:
    gain = f"{_share(ahead.gain)}, {ahead.gain_origin}"
    if ahead.places < 2:
        yield f"  one meter reads both sides: its gain ({gain}) cancels here, and stays in joules"
        return
    hidden = f"({gain}) hide differences below {_percent(ahead.floor)}, however often one repeats"
    if dealt_one_by_one:
        yield (
            "  if one meter read all: here trials go to testbeds one by one, so that levels may be "
            f"on different ones, whose gains {hidden}; order.kind blocks keeps them together"
        )
        return
    yield (
        "  each block is run on one testbed, whose meter's gain cancels; between two of the "
        f"{ahead.places} gains {hidden}"
    )


def _percent(ratio: float | None) -> str:
    if ratio is None:
        return "none"
    return _share(ratio - 1)


def _share(part: float) -> str:
    return f"{100 * part:.0f} %" if part >= 0.1 else f"{100 * part:.2g} %"


def _chance(power: float) -> str:
    return "over 99 %" if power > 0.99 else _share(power)


def _range(found: Range, text: Callable[[float], str]) -> str:
    if found.low is None or found.high is None:
        return f"{text(found.value)} (no interval: the pilot repeated nothing)"
    return f"{text(found.value)} ({text(found.low)} to {text(found.high)})"


def _time(length_s: float) -> str:
    return in_words(length_s) if length_s >= 10 else f"{length_s:.2g} s"


def _joules(joules: float) -> str:
    for limit, unit in ((1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ")):
        if joules >= limit:
            return f"{joules / limit:.3g} {unit}"
    return f"{joules:.3g} J"
