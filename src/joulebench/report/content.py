"""Everything a report says, computed once: the page, the tables and the JSON are views of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from joulebench.energy import total
from joulebench.report.agreement import Agreement, agreements
from joulebench.report.answers import CellAnswers, cell_answers
from joulebench.report.audited import add_audit
from joulebench.report.cells import Cell, cells
from joulebench.report.checks import study_checks
from joulebench.report.contrasts import Contrast, contrasts
from joulebench.report.drawing import Picture
from joulebench.report.evidence import Evidence
from joulebench.report.figure_agreement import agreement_pictures
from joulebench.report.figure_cells import cell_pictures
from joulebench.report.figure_drift import drift_picture
from joulebench.report.figure_traces import trace_pictures
from joulebench.report.findings import FindingRow, finding_rows
from joulebench.report.headline import Headline, headline
from joulebench.report.load import UnderLoad, under_load
from joulebench.report.load_figures import load_pictures
from joulebench.report.phases import CellPhases, cell_phases


@dataclass(frozen=True)
class Content:
    """What a report says.

    Args:
        evidence: The records.
        cells: Estimates by cell.
        phases: Estimates of load, warm-up, prefill and decode by cell; empty if none was measured.
        contrasts: Ratios of levels, the largest first.
        findings: By rule, the worst first.
        headline: The one sentence.
        cell_pictures: Dot plots.
        trace_pictures: Power over time of chosen runs.
        drift: Deviation against run order; ``None`` without repeats.
        agreements: Meters that read one thing, compared; empty where none did.
        agreement_pictures: Their Bland-Altman plots.
        load: Speed, delay and energy of each cell at its load; empty where no request was timed.
        load_pictures: These against load, where cells differ in it.
        answers: What the answers of each cell are worth; empty where nothing was to be graded.
    """

    evidence: Evidence
    cells: list[Cell]
    phases: list[CellPhases]
    contrasts: list[Contrast]
    findings: list[FindingRow]
    headline: Headline
    cell_pictures: list[Picture]
    trace_pictures: list[Picture]
    drift: Picture | None
    agreements: list[Agreement]
    agreement_pictures: list[Picture]
    load: list[UnderLoad]
    load_pictures: list[Picture]
    answers: list[CellAnswers]

    @property
    def pictures(self) -> list[Picture]:
        """All figures."""
        drift = [self.drift] if self.drift else []
        return [
            *self.cell_pictures,
            *self.load_pictures,
            *self.trace_pictures,
            *drift,
            *self.agreement_pictures,
        ]

    @property
    def origins(self) -> list[tuple[str, str]]:
        """Methods with their scopes, in the order in which they first appear."""
        return list(dict.fromkeys(each.origin for each in self.evidence.readings))

    def to_dict(self) -> dict[str, Any]:
        """Give the tables with their estimates as a JSON-ready dict."""
        return {
            "study": self.evidence.table.name,
            "question": self.evidence.study.get("question", ""),
            "headline": str(self.headline),
            "runs": {"done": len(self.evidence.runs) - len(self.evidence.failed),
                     "failed": len(self.evidence.failed)},
            "cells": [cell.to_dict() for cell in self.cells],
            "phases": [cell.to_dict() for cell in self.phases],
            "load": [cell.to_dict() for cell in self.load],
            "answers": [cell.to_dict() for cell in self.answers],
            "contrasts": [contrast.to_dict() for contrast in self.contrasts],
            "agreements": [agreement.to_dict() for agreement in self.agreements],
            "findings": [row.to_dict() for row in self.findings],
        }  # fmt: skip


def content(evidence: Evidence) -> Content:
    """Compute a report from the records, after an audit of them."""
    audited = add_audit(evidence.table.folder, evidence.all_runs)
    found, ratios, agreeing = cells(evidence), contrasts(evidence), agreements(evidence)
    phases = cell_phases(evidence)
    apart = list(dict.fromkeys(name for cell in phases for name in cell.phases))
    load = under_load(evidence)
    traces, unreadable = trace_pictures(evidence)
    origin = "; ".join(
        f"{method}, {scope}" for method, scope in dict.fromkeys(e.origin for e in evidence.readings)
    )
    return Content(
        evidence=evidence,
        cells=found,
        phases=phases,
        contrasts=ratios,
        findings=finding_rows(evidence, [*unreadable, *study_checks(evidence), *audited]),
        headline=headline(ratios, len(found), len(evidence.readings), apart),
        cell_pictures=cell_pictures(found, origin.capitalize()),
        trace_pictures=traces,
        drift=drift_picture(evidence),
        agreements=agreeing,
        agreement_pictures=agreement_pictures(agreeing),
        load=load,
        load_pictures=load_pictures(load),
        answers=cell_answers(evidence),
    )


def total_energy(evidence: Evidence) -> str:
    """Print the energy of all measured windows, where all of it was measured one way."""
    if len({each.origin for each in evidence.readings}) != 1:
        return ""
    return total([each.energy for each in evidence.readings]).described()
