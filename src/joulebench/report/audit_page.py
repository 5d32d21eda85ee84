"""The page of an audit: verdict, findings, published against corrected figures, the worst runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joulebench
from joulebench.audit.corrected import corrections
from joulebench.audit.examine import Examined
from joulebench.audit.grouped import RuleFindings, grouped
from joulebench.audit.verdict import TOLD, looked_at, rule_counts
from joulebench.finding import SEVERITIES
from joulebench.record import write_whole
from joulebench.report.corrected_rows import corrected_rows
from joulebench.report.figure_corrected import corrected_pictures
from joulebench.report.figure_worst import worst_pictures
from joulebench.report.numbers import count

MOST_PLACES = 200
"""Places of one rule that the page lists; the rest are in the JSON."""

_MARKS = {"error": "the number is wrong", "warning": "a claim does not follow",
          "note": "worth knowing"}  # fmt: skip


@dataclass(frozen=True)
class RuleRow:
    """One rule on the page, with the places that are listed."""

    found: RuleFindings

    @property
    def listed(self) -> Sequence[Any]:
        """The findings whose places the page lists."""
        return self.found.findings[:MOST_PLACES]

    @property
    def more(self) -> int:
        """How many are not listed."""
        return max(0, len(self.found.findings) - MOST_PLACES)


def write_audit_page(examined: Examined, paths: Sequence[str], page: Path) -> None:
    """Write the page of an audit; it needs no other file.

    Args:
        examined: What was found.
        paths: What was audited, as the user named it.
        page: File to write.

    Raises:
        OSError: It cannot be written.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("joulebench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template("audit.html.j2").render(_context(examined, paths))
    write_whole(page, text)


def _context(examined: Examined, paths: Sequence[str]) -> dict[str, Any]:
    rows = grouped(examined.findings)
    found = corrections(examined.evidence)
    return {
        "paths": paths,
        "verdict": examined.verdict,
        "told": TOLD[examined.verdict],
        "verdict_line": rule_counts(examined),
        "looked_at": looked_at(examined),
        "facts": _facts(examined, rows),
        "rows": [RuleRow(row) for row in rows],
        "severities": _MARKS,
        "corrections": corrected_rows(found),
        "corrected": corrected_pictures(found),
        "worst": worst_pictures(examined),
        "version": joulebench.__version__,
    }


def _facts(examined: Examined, rows: Sequence[RuleFindings]) -> list[tuple[str, str]]:
    evidence = examined.evidence
    files = [table for table in evidence.tables if table.path is not None]
    facts = []
    if evidence.units:
        facts.append(("runs with records", f"{sum(unit.count for unit in evidence.units)}"))
    if files:
        lines = sum(len(table) for table in files)
        facts.append(("published tables", f"{count(len(files), 'table')}, {count(lines, 'row')}"))
    for severity in SEVERITIES:
        number = sum(row.severity == severity for row in rows)
        facts.append((f"{severity}s (rules)", str(number)))
    return facts
