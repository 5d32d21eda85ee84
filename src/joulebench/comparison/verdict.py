"""What a comparison says of one response in one plain sentence, how sure, and on what it rests."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from joulebench.analysis.claim import Sure, how_sure
from joulebench.comparison.effect import Effect, MeanEffect
from joulebench.comparison.margin import Equivalence
from joulebench.comparison.response import ResponseComparison
from joulebench.comparison.sensors import SMALL
from joulebench.comparison.wording import Words
from joulebench.report.numbers import count

_Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class ComparisonVerdict:
    """The answer for one response.

    Args:
        claim: What was found, one clause.
        sure: How sure a difference is.
        others: The same of other cells like these; empty where nothing can be said.
        basis: What it rests on: cells, runs, pairs.
        why: What the interval is made of.
        margin: What was found of the margin; empty where none was asked for.
        broken: Why the claim cannot be made at all; empty where it can.
    """

    claim: str
    sure: Sure
    others: str
    basis: str
    why: str
    margin: str = ""
    broken: str = ""

    @property
    def sentence(self) -> str:
        """All of it in one sentence."""
        if self.broken:
            return f"{self.broken}, so that nothing follows from: {self.claim}."
        head = f"{self.claim}, {self.sure}" if self.sure in ("sure", "fairly sure") else self.claim
        parts = [f"{head}: {self.basis}", self.margin, self.why, self.others]
        return "; ".join(part for part in parts if part) + "."

    def to_dict(self) -> dict[str, Any]:
        """Give the verdict as a JSON-ready dict."""
        return asdict(self) | {"sentence": self.sentence}


def comparison_verdict(found: ResponseComparison) -> ComparisonVerdict:
    """Put a comparison into words."""
    main = found.main
    sure = _sure(main)
    errors = [each for each in found.findings if each.severity == "error"]
    return ComparisonVerdict(
        _claim(found, main, sure),
        sure,
        "" if main is not found.these else _others(found),
        _basis(found),
        _why(found, main),
        _margin(found.equivalence, ratio=found.ratio),
        " and ".join(dict.fromkeys(each.message for each in errors)),
    )


def words_for(found: ResponseComparison) -> Words:
    """Give the words that a response is compared with."""
    energy = found.response.words.startswith("energy")
    return Words(found.ratio) if energy else Words(found.ratio, "higher", "lower")


def _sure(effect: Effect) -> Sure:
    """Say how sure a difference is, which has no p where nothing was repeated."""
    return "cannot be told" if math.isnan(effect.p) else how_sure(effect.p)


def _claim(found: ResponseComparison, main: Effect, sure: Sure) -> str:
    """Say how far B and A lie apart: ``B uses 12 % less energy per run than A (8 to 16 %)``."""
    what, words = found.response.words, words_for(found)
    amount, interval = words.amount(main), words.interval(main)
    ends = f" ({interval})" if interval else ""
    energy = what.startswith("energy")
    if sure == "not shown":
        verb = "uses" if energy else "is"
        return f"no difference in {what} is shown: B {verb} {amount}{ends}"
    tail = ", and how runs scatter cannot be told" if sure == "cannot be told" else ""
    if words.is_times(main):
        said = (
            f"B uses {amount} the {what} of A" if energy else f"{what} in B is {amount} that in A"
        )
    elif energy:
        said = f"B uses {amount} {what} than A"
    else:
        said = f"{what} is {amount} in B than in A"
    return f"{said}{ends}{tail}"


def _others(found: ResponseComparison) -> str:
    """Say what holds of other cells like these."""
    others = found.others
    if others is None:
        return ""
    times = " times" if words_for(found).is_times(others) else ""
    text = f"for other cells like these {words_for(found).interval(others)}{times}"
    return f"{text}, {_sure(others)}" + (", of 2 cells" if len(found.cells) == 2 else "")


def _basis(found: ResponseComparison) -> str:
    a, b = found.runs
    runs = f"{count(a, 'run')} each" if a == b else f"{a} and {count(b, 'run')}"
    cells = count(len(found.cells), "cell")
    if found.main is not found.these:
        return f"{cells} as pairs, {runs}, nothing repeated within a cell"
    pairing = f"paired over {found.paired} blocks" if found.paired else "unpaired"
    return f"{cells}, {runs}, {pairing}"


def _why(found: ResponseComparison, main: Effect) -> str:
    """Say what the interval is made of, and which part outweighs the other."""
    if not isinstance(main, MeanEffect):
        return "the items are taken as a sample of items"
    if not found.sensors or not main.told or main.noise <= 0:
        return found.sensors
    if found.bias < SMALL:
        return f"{found.sensors}: the interval is scatter alone"
    scatter = f"±{100 * _Z_95 * main.noise:.2g} %"
    larger = "less than" if found.bias < main.noise else "more than"
    return f"{found.sensors}, {larger} the scatter ({scatter})"


def _margin(found: Equivalence | None, *, ratio: bool) -> str:
    if found is None:
        return ""
    unit = "%" if ratio else "points"
    within = f"{100 * found.margin:g} {unit}"
    return {
        "same": f"the same within {within}",
        "within": f"different, but within {within}",
        "beyond": f"different by more than {within}",
        "different": f"whether by more than {within} is open{_needed(found, ratio=ratio)}",
        "undecided": f"whether the same within {within} is undecided{_needed(found, ratio=ratio)}",
        "cannot be told": f"whether the same within {within} cannot be told",
    }[found.outcome]


def _needed(found: Equivalence, *, ratio: bool) -> str:
    if found.repetitions is None:
        return "" if ratio else ", more items would decide"
    if math.isinf(found.repetitions):
        return ", and no number of repetitions would decide"
    return f", {found.repetitions:.0f} repetitions a cell would decide"
