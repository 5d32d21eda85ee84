"""What can be said of the factors that units stand for, beyond the units that were run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from joulebench.analysis.answer import Answer
from joulebench.analysis.claim import Claim, how_sure_on
from joulebench.analysis.claims import FEW_DF, ClaimSupport, degrees, plural
from joulebench.analysis.evidence_rows import omnibus_row
from joulebench.analysis.unit_tests import HELD, UNIT_MEANS


def factor_claims(made: Answer, scale: str, supports: Sequence[ClaimSupport]) -> Iterator[Claim]:
    """Say whether each factor in general makes the difference.

    Its own test holds the unit's other factors where units are left to do so; otherwise what is
    said of it may be theirs.

    Args:
        made: The question with its tests.
        scale: Of the tests.
        supports: What stands behind a claim about each factor.
    """
    for support in supports:
        if support.parts:
            yield _claim(made, scale, support)


def _claim(made: Answer, scale: str, support: ClaimSupport) -> Claim:
    others = [part for part in support.parts if part != support.factor]
    text = f"{support.factor} makes the difference"
    rest = f"{support.units} {plural(support.unit)} at {support.levels} levels"
    held = omnibus_row(made, HELD, scale, support.factor) if support.df_held > 0 else None
    test = held or omnibus_row(made, UNIT_MEANS, scale, support.factor)
    left = support.df_held if held is not None else support.df
    if support.df <= 0 or test is None:
        nothing = f"{support.factor}: {rest} leave nothing to judge it by"
        return Claim("the factor", text, "cannot be told", "", nothing)
    few = f", with {degrees(left)} little could be shown" if left <= FEW_DF else ""
    known = " and ".join(others)
    beside = f"{known} held" if held is not None else f"not told from {known}"
    rests = f"{support.factor}: {test.text} ({rest}, {beside}{few})"
    sure = how_sure_on(test.p, test.df2)
    if held is None and sure in ("sure", "fairly sure"):
        text = f"{support.factor}, or the {known} that goes with it, makes the difference"
    return Claim("the factor", text, sure, "", rests, note=test.note)
