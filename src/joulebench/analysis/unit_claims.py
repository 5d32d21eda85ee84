"""What can be said of the units themselves: in these runs, and in other conditions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

from joulebench.analysis.answer import Answer
from joulebench.analysis.block_tests import BLOCKED, PAIRS, PAIRS_HERE, REPEATED
from joulebench.analysis.claim import Claim, Sure, how_sure, how_sure_on, weaker
from joulebench.analysis.claims import plural
from joulebench.analysis.condition_range import ConditionRange, condition_range
from joulebench.analysis.evidence_rows import Evidence, omnibus_row, reason_of
from joulebench.analysis.own_uncertainty import OwnUncertainty, percent
from joulebench.analysis.spoken_ratio import Pair, farthest, pairs_of, spoken
from joulebench.analysis.units import unit_word


@dataclass(frozen=True, eq=False)
class Speech:
    """What the claims of one answer share.

    Args:
        made: The question with its tests.
        scale: Of the tests: ``log`` for ratios, ``raw`` for differences.
        own: The uncertainty of the energies themselves.
        words: What the response is.
    """

    made: Answer
    scale: str
    own: OwnUncertainty
    words: str

    @property
    def unit(self) -> str:
        """Unit of the response."""
        return self.made.means.response(self.made.question.response).unit

    @cached_property
    def units(self) -> str:
        """The units in words: ``5 models``."""
        layout = self.made.layout
        return f"{layout.units} {plural(unit_word(self.made.means, layout.parts))}"

    @property
    def factor(self) -> str:
        """What a unit is a level of; empty for one of several factors."""
        layout = self.made.layout
        return layout.unit if len(layout.parts) == 1 else ""

    @cached_property
    def conditions(self) -> str:
        """What one condition is, in words: ``task``; empty where there is none."""
        others = self.made.layout.others
        if len(others) > 1 and unit_word(self.made.means, others) != "model":
            return "condition"
        return unit_word(self.made.means, others) if others else ""

    @property
    def meaning(self) -> str:
        """What a condition is where that is several factors; empty otherwise."""
        *others, last = self.made.layout.others or ("",)
        told = f"a condition is a combination of {', '.join(others)} and {last}"
        return told if self.conditions == "condition" and others else ""

    @property
    def scatter(self) -> str:
        """What a claim about other conditions is judged by, in words."""
        one = self.conditions
        spoken = one if plural(one) != f"levels of {one}" else f"level of {one}"
        return f"from one {spoken} to the next"

    def pairs(self, test: str) -> list[Pair]:
        """Give the pairs of a test."""
        found = self.made.find(test, self.scale, "pairwise")
        return pairs_of(found, self.made.means.levels(self.made.unit), self.own)


def unit_claims(speech: Speech) -> Iterator[Claim]:
    """Say whether the units differ: in these runs, and in conditions like those that were run."""
    if speech.made.layout.units < 2:
        yield _of_one(speech)
        return
    here = _here(speech)
    if here is not None:
        yield here
    beyond = _beyond(speech, here)
    if beyond is not None:
        yield beyond


def _of_one(speech: Speech) -> Claim:
    """Say that the response is there for one unit alone."""
    rows = speech.made.cells("raw").frame
    only = str(rows[speech.made.unit].iloc[0])
    text = f"{speech.words} differs by {speech.made.unit}"
    told = f"it was measured for {only} alone: measure the others too"
    return Claim("these runs", text, "cannot be told", "", told)


def _here(speech: Speech) -> Claim | None:
    """Judge the units in these very runs by the scatter of repetitions."""
    made, scale = speech.made, speech.scale
    test = omnibus_row(made, REPEATED, scale, made.unit)
    if test is None:
        return None
    pairs = speech.pairs(PAIRS_HERE)
    far = farthest(pairs)
    depends = _interaction(made, scale)
    sure, why = _judged(speech, how_sure_on(test.p, test.df2), far, pairs)
    text = f"these {speech.units} differ in {speech.words}"
    rests = f"{test.text} ({_repeats(made)})"
    if sure == "not shown" and depends is not None and depends.p <= 0.05:
        return _only_in_places(speech, depends, rests, far)
    places = condition_range(made, scale, far)
    told = _told(speech, far, places, shown=sure != "not shown", depends=depends)
    return Claim("these runs", text, sure, told, _joined(rests, why), note=test.note)


def _only_in_places(speech: Speech, depends: Evidence, rests: str, far: Pair | None) -> Claim:
    """Say that units differ in single conditions, though on average no difference is shown."""
    many = plural(speech.conditions)
    text = (
        f"these {speech.units} differ in {speech.words} in single {many}, though on average over "
        f"the {many} no difference is shown"
    )
    places = condition_range(speech.made, speech.scale, far)
    told = places.widest(speech.words) if places is not None else ""
    both = f"{rests}; {depends.text} ({speech.scatter})"
    return Claim(
        "these runs", text, how_sure_on(depends.p, depends.df2), told, both, note=depends.note
    )


def _beyond(speech: Speech, here: Claim | None) -> Claim | None:
    """Judge the units in other conditions by how their differences change between these.

    Where these change less than repetitions scatter, that is chance: what holds beyond these runs
    is no surer, and its interval no narrower, than what holds in them.
    """
    made, scale, layout = speech.made, speech.scale, speech.made.layout
    test = omnibus_row(made, BLOCKED, scale, made.unit)
    if test is None:
        return _nothing_beyond(speech)
    pairs = speech.pairs(PAIRS)
    far = farthest(pairs) if here is None else _same(farthest(speech.pairs(PAIRS_HERE)), pairs)
    sure, why = _judged(speech, how_sure_on(test.p, test.df2), far, pairs)
    many = plural(speech.conditions)
    text = f"these {speech.units} differ in {speech.words}"
    if here is None:
        places = condition_range(made, scale, far)
        told = _told(speech, far, places, shown=sure != "not shown", depends=None)
    else:
        told = far.figures(speech.unit) if far is not None else ""
    scatter = (
        f"means of cells, {speech.scatter}" if layout.joint
        else f"means of cells, {' and '.join(layout.others)} as blocks that must not interact"
    )  # fmt: skip
    if here is not None and "in single" not in here.text:
        sure = weaker(sure, here.sure)
    rests = _joined(f"{test.text} ({scatter})", why)
    return Claim("more of the same", text, sure, told, rests, f"in other {many} too", test.note)


def _same(far: Pair | None, pairs: list[Pair]) -> Pair | None:
    """Give the same pair of units by another test, its interval no narrower than by the first."""
    if far is None:
        return farthest(pairs)
    for pair in pairs:
        if {pair.above, pair.below} == {far.above, far.below}:
            if pair.above != far.above:  # as good as alike, and turned by the averaging
                return pair
            return replace(pair, low=min(pair.low, far.low), high=max(pair.high, far.high))
    return farthest(pairs)


def _nothing_beyond(speech: Speech) -> Claim | None:
    """Say why nothing can be told, where neither claim could be judged."""
    made = speech.made
    if made.find(REPEATED, speech.scale, "omnibus") is not None:
        return None
    far = ""
    reasons = [reason_of(made, test, speech.scale) for test in (REPEATED, BLOCKED)]
    told = next((reason for reason in reversed(reasons) if reason), "")
    if not told and len(made.repetitions) == len(made.means):
        told = (
            f"each of the {speech.units} was run once: nothing tells how runs scatter; repeat them"
        )
        far = _once(speech)
    text = f"these {speech.units} differ in {speech.words}"
    return Claim("these runs", text, "cannot be told", far, told) if told else None


def _once(speech: Speech) -> str:
    """Say how far the ends lie apart of units that were run once each."""
    sample = speech.made.cells("raw")
    rows = sample.frame.sort_values(sample.response)
    low, high = (float(rows[sample.response].iloc[at]) for at in (0, -1))
    below, above = (spoken(str(rows[speech.made.unit].iloc[at]), speech.factor) for at in (0, -1))
    if low <= 0 or len(rows) < 2:
        return ""
    return f"{above} has {high / low:.3g} times the {speech.words} of {below}, each run once"


def _judged(speech: Speech, sure: Sure, far: Pair | None, pairs: list[Pair]) -> tuple[Sure, str]:
    """Lower how sure a difference is to what the energies' own uncertainty leaves of it."""
    if far is None or sure == "not shown" or not speech.own.stated:
        return sure, ""
    if far.hidden or (not far.shown and any(pair.hidden for pair in pairs)):
        left = percent(speech.own.of_ratio(far.above, far.below))
        return "not shown", f"the meters' own uncertainty, ± {left} of the ratio, covers it"
    return (weaker(sure, how_sure(far.p_with_bias)) if far.shown else sure), ""


def _told(
    speech: Speech,
    far: Pair | None,
    places: ConditionRange | None,
    *,
    shown: bool,
    depends: Evidence | None,
) -> str:
    """Say how far the farthest two lie apart, on average and over the conditions."""
    if far is None:
        return ""
    told = far.sentence(speech.words, speech.unit, speech.factor)
    if not shown:
        return f"at most, {told}"
    if places is None:
        return told
    average = f"{told} on average over the {places.count} {plural(speech.conditions)}"
    turned = depends is not None and depends.p <= 0.05
    return f"{average}{places.sentence(speech.unit, certain=turned)}"


def _interaction(made: Answer, scale: str) -> Evidence | None:
    layout = made.layout
    if not layout.others or not layout.joint:
        return None
    return omnibus_row(made, REPEATED, scale, f"{layout.unit}:{layout.conditions}")


def _repeats(made: Answer) -> str:
    level = made.repeats("raw").level
    by = "repetitions" if level == "repetition" else "runs of one cell"
    blocks = " within blocks" if level == "repetition" and made.block else ""
    return f"{by} as scatter{blocks}"


def _joined(*parts: str) -> str:
    return "; ".join(part for part in parts if part)
