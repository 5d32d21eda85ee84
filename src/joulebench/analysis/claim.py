"""One claim of an answer, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from joulebench.analysis.claims import FEW_DF

Sure = Literal["sure", "fairly sure", "not shown", "cannot be told"]
About = Literal["these runs", "more of the same", "the factor"]

SURE, FAIRLY = 0.001, 0.05
"""Up to these p, after adjustment, a difference is called sure and fairly sure."""

_ORDER: tuple[Sure, ...] = ("sure", "fairly sure", "not shown", "cannot be told")


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of an answer.

    Args:
        about: How far it reaches: these very runs, more of what they were crossed with, or the
            factor in general.
        text: A clause without how sure it is: ``these 2 models differ in energy per run``.
        sure: How sure it is.
        far: How far apart, with the interval.
        rests_on: The test, and what its degrees of freedom come from.
        short: The clause where another claim on the same things stands before it; empty for the
            whole one.
        note: What is doubtful about the test; empty where nothing is.
    """

    about: About
    text: str
    sure: Sure
    far: str
    rests_on: str
    short: str = ""
    note: str = ""

    @property
    def shown(self) -> bool:
        """Whether it holds."""
        return self.sure in ("sure", "fairly sure")

    def told(self, *, first: bool) -> str:
        """Say the claim, as the first of a sentence or as one after it."""
        text = self.text if first else self.short or self.text
        if self.shown and (first or self.short):
            plain = f"{text} ({self.sure})"
        else:
            is_ = self.sure if self.sure == "cannot be told" else f"is {self.sure}"
            plain = f"that {self.text if first or not self.short else self.late} {is_}"
        return f"{plain}: {self.far}" if self.far else plain

    @property
    def late(self) -> str:
        """The clause as it follows "that", after another claim on the same things."""
        return f"it is so {self.short.removesuffix(' too')}"


def how_sure(p: float) -> Sure:
    """Say how sure a difference of this p is."""
    return "sure" if p <= SURE else "fairly sure" if p <= FAIRLY else "not shown"


def how_sure_on(p: float, df: float) -> Sure:
    """Say how sure a difference of this p is, never sure on so few degrees of freedom.

    With 3 or fewer, p hangs on the shape of a distribution that so few values cannot show.

    Args:
        p: Of the test.
        df: Degrees of freedom of its denominator.
    """
    return weaker(how_sure(p), "fairly sure") if df <= FEW_DF else how_sure(p)


def weaker(first: Sure, second: Sure) -> Sure:
    """Give the less sure of two."""
    return _ORDER[max(_ORDER.index(first), _ORDER.index(second))]
