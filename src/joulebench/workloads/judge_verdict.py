"""Reads a judge's reply: tolerant of what stands around the verdict, strict in what it means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from joulebench.workloads.judge_prompt import VERDICTS

_THOUGHT = re.compile(r"^.*</think>", re.DOTALL)
_LONGEST = 100_000
"""Characters of a reply that are looked through."""

_MOST = 200
"""Braces of a reply at which an object is looked for."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a reply says.

    Args:
        verdict: One of :data:`joulebench.workloads.judge_prompt.VERDICTS`; ``None`` if malformed.
        why: The judge's reason; empty if it gives none.
        complaint: What is wrong with a malformed reply.
    """

    verdict: str | None
    why: str = ""
    complaint: str = ""


def read_verdict(reply: str, answer: str, *, cut: bool = False) -> Verdict:
    """Read the verdict of a reply.

    Code fences, text around the object and thoughts before it are passed over. There has to be one
    verdict: objects that contradict each other are none. An object that stands letter by letter in
    the graded answer is the answer's, which the judge only repeats, and does not count.

    Args:
        reply: The judge's text.
        answer: The text that it judged.
        cut: Whether the reply was as long as it may be.
    """
    said = _THOUGHT.sub("", reply[:_LONGEST])
    objects = [found for text, found in _objects(said) if text not in answer]
    verdicts = {_known(found["verdict"]) for found in objects}
    if not objects:
        short = "; it was cut off, be brief" if cut else ""
        return Verdict(None, complaint=f'it holds no JSON object with "verdict"{short}')
    if len(verdicts) > 1:
        return Verdict(None, complaint="it holds several verdicts")
    verdict = verdicts.pop()
    if verdict is None:
        allowed = ", ".join(f'"{each}"' for each in VERDICTS)
        return Verdict(None, complaint=f"its verdict is none of {allowed}")
    why = objects[-1].get("why")
    return Verdict(verdict, why if isinstance(why, str) else "")


def _objects(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the JSON objects with a verdict, the outermost ones, with their own letters."""
    decoder = json.JSONDecoder(object_pairs_hook=_once)
    begin, looked = text.find("{"), 0
    while begin >= 0 and looked < _MOST:
        looked += 1
        try:
            found, end = decoder.raw_decode(text, begin)
        except (ValueError, RecursionError):
            found, end = None, begin
        if isinstance(found, dict) and "verdict" in found:
            yield text[begin:end], found
            begin = text.find("{", end)
        else:
            begin = text.find("{", begin + 1)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says one thing twice: nobody could tell which it means."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice")
    return found


def _known(verdict: object) -> str | None:
    said = verdict.strip().casefold() if isinstance(verdict, str) else ""
    return said if said in VERDICTS else None
