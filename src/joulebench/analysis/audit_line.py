"""What the audit says of the responses of an analysis, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from joulebench.analysis.response_columns import Response
from joulebench.analysis.source import Source
from joulebench.finding import Finding

_STUMBLES = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError)


def audit_line(source: Source, responses: Sequence[Response]) -> str:
    """Say which responses are wrong by the audit's rules on this table; empty where none is.

    The audit proper reads more: traces, several tables together. This is what a table alone shows.
    """
    errors = [each for each in _findings(source) if each.severity == "error"]
    pairs = [(each, r.name) for r in responses for each in errors if _touches(each, r)]
    touching = {(each.rule, each.where) for each, _ in pairs}
    told = [_told(len(touching), list(dict.fromkeys(name for _, name in pairs)))] if pairs else []
    if source.wrong_runs:
        told.append(f"{len(source.wrong_runs)} runs have an error in their records")
    return f"audit: {'; '.join(told)}; type: joulebench audit {source.path}" if told else ""


def _told(count: int, names: Sequence[str]) -> str:
    verb = "1 error touches" if count == 1 else f"{count} errors touch"
    return f"{verb} {', '.join(names)}"


def _touches(finding: Finding, response: Response) -> bool:
    """Say whether a finding is about what a response is made of; of a quotient, its numerator."""
    made_of = _parts(response.source)
    about = _parts(finding.where.rpartition(": ")[2])
    return about[0] in made_of or set(about) <= set(made_of)


def _findings(source: Source) -> Iterator[Finding]:
    from joulebench.audit.catalogue import rules

    for rule in rules():
        if rule.table is None:
            continue
        try:
            with np.errstate(all="ignore"):  # figures of others overflow, and divide by nothing
                yield from list(rule.table(source.table))
        except _STUMBLES:
            continue  # the audit itself says which rule could not be applied


def _parts(text: str) -> list[str]:
    """Give the columns of a formula: ``a + b / c``."""
    return [part.strip() for part in re.split(r" [+/x] ", text)]
