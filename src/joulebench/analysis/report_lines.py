"""What an analysis says, in lines for people: verdicts first, then what they rest on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from joulebench.analysis.analyse import Analysis
from joulebench.analysis.claim import FAIRLY, SURE
from joulebench.analysis.places import place_notes
from joulebench.analysis.verdict import Verdict


def verdict_lines(
    verdict: Verdict, known: Sequence[str] = (), *, brief: bool = False
) -> Iterator[str]:
    """Give the lines of one verdict: the question, the answer, comparisons, what they rest on.

    Args:
        verdict: The verdict.
        known: Doubts that were told already.
        brief: Whether to give the question and the answer alone.
    """
    head = verdict.title if brief else f"{verdict.question}: {verdict.title}"
    yield head
    yield f"  {verdict.sentence}"
    for doubt in verdict.doubts:
        if doubt not in known:
            yield f"  - but: {doubt}"
    if brief:
        return
    for step in verdict.steps:
        yield f"  - one thing changed: {step}"
    for also in verdict.also:
        yield f"  - {also}"
    if verdict.why:
        yield f"  why: {'; '.join(verdict.why)}"


def shared_doubts(found: Analysis) -> list[str]:
    """Give the doubts that several verdicts have, to be told once."""
    told = [doubt for verdict in found.verdicts for doubt in verdict.doubts]
    return [doubt for doubt in dict.fromkeys(told) if told.count(doubt) > 1]


def is_brief(found: Analysis, verdict: Verdict) -> bool:
    """Say whether a verdict is told in short: of a general analysis, all but those of energy."""
    general = {
        question.response for question in found.questions if question.id == question.response
    }
    return verdict.question in general and verdict.question != found.questions[0].id


def design_lines(found: Analysis, *, brief: bool = False) -> Iterator[str]:
    """Give what the design lets anyone claim, and how alike repetitions are.

    Args:
        found: The analysis.
        brief: Whether to leave out models that nobody asked for, and all responses but the first.
    """
    crossed = any(question.kind == "crossed" for question in found.questions)
    saturated = {each.sentence for each in found.facts.saturated}
    for sentence in found.facts.sentences:
        if not brief or crossed or sentence not in saturated:
            yield sentence
    claimed = {question.groups for question in found.questions}
    claimed |= {part for name in claimed for part in found.frame.units.get(name, ())}
    seen: set[str] = set()
    for each in found.clusterings:
        if each.factor not in claimed or each.response in seen:
            continue
        if brief and seen:
            return
        seen.add(each.response)
        yield each.sentence


def source_lines(found: Analysis) -> Iterator[str]:
    """Give what was read, left out and chosen."""
    frame = found.frame
    responses = ", ".join(dict.fromkeys(question.response for question in found.questions))
    yield f"{frame.name}: {responses} by {', '.join(frame.factors)}"
    yield from (each.sentence for each in frame.dropped)
    yield from frame.notes
    yield from place_notes(frame)
    if frame.audit:
        yield frame.audit
    yield from (f"but: {doubt}" for doubt in shared_doubts(found))


def legend_line(found: Analysis) -> str:
    """Say what the words of the verdicts mean, and how many claims were tested."""
    count = sum(claim.sure != "cannot be told" for v in found.verdicts for claim in v.claims)
    chance = f": of {count}, about {count * FAIRLY:.0f} would pass if nothing differed"
    return (
        f"sure: p up to {SURE}; fairly sure: p up to {FAIRLY}, adjusted within a comparison, not "
        f"between claims{chance if count * FAIRLY > 0.5 else ''}; not shown is not the same "
        "as none: see the interval"
    )


def markdown(found: Analysis) -> str:
    """Give the whole as a text that reads well as it is and as Markdown."""
    lines = [f"# {found.frame.name}", "", *_paragraphs(source_lines(found))]
    known = shared_doubts(found)
    for verdict in found.verdicts:
        head, answer, *rest = verdict_lines(verdict, known)
        lines += [f"## {head}", "", answer.strip(), ""]
        lines += [f"- {line.strip().removeprefix('- ')}" for line in rest]
        lines += [""] if rest else []
    lines += ["## What the design can carry", ""]
    lines += [f"- {line}" for line in design_lines(found)]
    lines += ["", "## How to read this", "", f"- {legend_line(found)}", *_READING]
    return "\n".join(lines) + "\n"


_READING = (
    "- That things differ is judged by how repetitions of one cell scatter: a claim about these "
    "very things, tasks and machines.",
    '- "In other tasks too" is judged by how their differences change from one task to the next, '
    "as if these tasks were a random draw from those that are meant.",
    '- "Generation makes the difference" is judged by the scatter of the models that share a '
    "generation, each model counting once, however often it was run.",
    "- On 3 degrees of freedom or fewer nothing is called more than fairly sure.",
    "- Ratios are of geometric means, differences of arithmetic means; intervals are 95 %, for all "
    "pairs together (Tukey), the farthest pair being the one that is told.",
)


def _paragraphs(lines: Iterator[str]) -> list[str]:
    return [part for line in lines for part in (line, "")]
