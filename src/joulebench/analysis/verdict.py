"""What an analysis says in one plain sentence a question, how sure it is, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from joulebench.analysis.answer import Answer
from joulebench.analysis.block_tests import REPEATED
from joulebench.analysis.claim import Claim
from joulebench.analysis.claims import ClaimSupport
from joulebench.analysis.evidence_rows import reason_of
from joulebench.analysis.factor_claims import factor_claims
from joulebench.analysis.own_uncertainty import own_uncertainty
from joulebench.analysis.places import place_doubts
from joulebench.analysis.run_order import order_doubts
from joulebench.analysis.unit_claims import Speech, unit_claims
from joulebench.analysis.verdict_extras import extras, steps


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a question.

    Args:
        question: Its id.
        title: What was asked, in words.
        claims: What can be said, the narrowest claim first.
        steps: Comparisons of things that differ in one factor alone, each with how sure it is.
        also: What else was asked, each with what it rests on.
        uncertainty: What the intervals hold beside scatter.
        doubts: What is doubtful about the fits that it rests on, and about the energies.
    """

    question: str
    title: str
    claims: tuple[Claim, ...]
    steps: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    uncertainty: str = ""
    doubts: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        told = "; ".join(claim.told(first=k == 0) for k, claim in enumerate(self.claims))
        return f"{told[:1].upper()}{told[1:]}."

    @property
    def why(self) -> tuple[str, ...]:
        """What the claims rest on, and what the intervals hold."""
        rests = dict.fromkeys(claim.rests_on for claim in self.claims)
        return tuple(part for part in (*rests, self.uncertainty) if part)

    def to_dict(self) -> dict[str, Any]:
        """Give the verdict as a JSON-ready dict."""
        return asdict(self) | {"sentence": self.sentence, "why": list(self.why)}


def verdict(made: Answer, supports: Sequence[ClaimSupport]) -> Verdict:
    """Say what a question's tests show, and how far what they show reaches.

    Three claims, each against the scatter that it has to stand up to. That these very things differ
    is judged by the scatter of repetitions; that they do so in more of what they were crossed with
    (other tasks), by how unlike their differences are from one to the next; that the factor they
    stand for makes the difference, by the scatter of those that share a level of it.

    Args:
        made: The question with its tests.
        supports: What stands behind claims about the factors that it asks for.
    """
    question = made.question
    scale = "log" if "log" in question.scales else "raw"
    own = own_uncertainty(made.repetitions, question.response, made.unit)
    words, method = _words(made)
    speech = Speech(made, scale, own, words)
    claims = [*unit_claims(speech), *factor_claims(made, scale, supports)]
    joules = made.means.response(question.response).unit in ("J", "W")
    return Verdict(
        question.id,
        question.title,
        tuple(claims) or (_nothing(made, words),),
        tuple(steps(speech)),
        tuple(extras(speech)),
        "; ".join(
            part
            for part in (
                speech.meaning,
                own.sentence if joules and method not in _UNMEASURED else "",
            )
            if part
        ),
        tuple(dict.fromkeys(_doubts(made, claims, method))),
    )


def _doubts(made: Answer, claims: Sequence[Claim], method: str) -> Iterator[str]:
    """Say what is doubtful: how the energies came about, order, fits."""
    if method:
        yield _METHODS[method]
    yield from place_doubts(made.repetitions, made.unit)
    yield from order_doubts(made.repetitions, made.question.response, made.unit)
    alike = reason_of(made, REPEATED, "log" if "log" in made.question.scales else "raw")
    if "alike to the last digit" in alike:
        yield alike
    yield from (f"the test of {claim.about}: {claim.note}" for claim in claims if claim.note)


_METHODS = {
    "modelled": "the energies come out of a chip's own model of itself",
    "estimated": "the energies are estimated, not measured: they differ by what the estimate sees, "
    "time and load, and by nothing else",
    "simulated": "the energies are simulated: they say nothing of a real machine",
}
"""What a reader must know of energies that no sensor measured."""

_UNMEASURED = ("estimated", "simulated")


def _words(made: Answer) -> tuple[str, str]:
    """Give the response in words, with how its energies came about where that was no measurement.

    Returns:
        The words, and the method; empty where it is a measurement, unknown, or not of energy.
    """
    response = made.means.response(made.question.response)
    rows = made.repetitions.frame
    kinds = set(rows["method"]) if "method" in rows and response.unit in ("J", "W") else set()
    if len(kinds) != 1 or not kinds <= set(_METHODS):
        return response.words, ""
    method = kinds.pop()
    return f"{method} {response.words}", method


def _nothing(made: Answer, words: str) -> Claim:
    reason = next((each.reason for each in made.results if each.reason), "no test could be made")
    text = f"{made.question.groups} changes {words}"
    return Claim("these runs", text, "cannot be told", "", reason)
