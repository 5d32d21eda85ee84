"""The page: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import joulebench
from joulebench.report.agreement import agreement_rows, agreement_unit
from joulebench.report.answers_rows import (
    answer_heads,
    answer_notes,
    answer_rows,
    has_accuracy,
    judge_heads,
    judge_notes,
    judge_rows,
    judge_unit,
)
from joulebench.report.asked import design_rows, fact_rows, host_rows, setting_rows
from joulebench.report.cell_rows import cell_rows, contrast_rows, heads
from joulebench.report.cells import Cell
from joulebench.report.commands import commands
from joulebench.report.content import Content, total_energy
from joulebench.report.drawing import OTHER_WINDOW, WINDOWS
from joulebench.report.emission_rows import emission_facts
from joulebench.report.evidence import Evidence
from joulebench.report.findings import severity_counts
from joulebench.report.load_rows import (
    ENERGY,
    SPEED,
    load_heads,
    load_notes,
    load_rows,
    load_title,
    load_told,
)
from joulebench.report.numbers import count
from joulebench.report.phase_rows import phase_heads, phase_notes, phase_rows
from joulebench.report.run_rows import peak_memory, run_rows, run_units
from joulebench.report.sensors import sensor_rows
from joulebench.report.serving_engines import engine_rows

METHODS = {
    "measured": "a sensor read it",
    "modelled": "the device's own model computed it from its activity",
    "estimated": "computed here from activity and an assumed power; no sensor read it",
    "simulated": "made up by a simulated sensor or engine; it says nothing of real hardware",
}
"""What each method means, for badges and glossary."""

MOST_CONTRASTS = 40
"""More than this are left to the table on disk: levels are compared two by two."""


def page(content: Content) -> str:
    """Write the page as HTML."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("joulebench.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(_context(content))


def _context(content: Content) -> dict[str, Any]:
    evidence = content.evidence
    return {
        "c": content,
        "name": evidence.table.name,
        "question": evidence.study.get("question", ""),
        "facts": _facts(content),
        "origins": content.origins,
        "random_weights": evidence.random_weights,
        "imported": "imported" in evidence.origin_words,
        "factors": list(evidence.factors),
        "heads": heads(content.cells),
        "cell_rows": cell_rows(content.cells, content.findings, list(evidence.factors)),
        "notes": _notes(content),
        "phase_heads": phase_heads(content.phases),
        "phase_rows": phase_rows(content.phases, list(evidence.factors)),
        "phase_notes": phase_notes(content.phases),
        **_load(content),
        **_answers(content),
        "contrasts": contrast_rows(content.contrasts[:MOST_CONTRASTS]),
        "agreements": agreement_rows(content.agreements),
        "agreement_unit": agreement_unit(content.agreements).symbol,
        "several_hosts": len({run.host for run in evidence.runs}) > 1,
        "design": design_rows(evidence),
        "settings": setting_rows(evidence),
        "hosts": {name: host_rows(facts) for name, facts in evidence.table.hosts.items()},
        "engines": engine_rows(evidence),
        "run_facts": fact_rows(evidence),
        "sensors": sensor_rows(evidence),
        "runs": run_rows(evidence, content.findings),
        "run_units": run_units(evidence),
        "peak_memory": peak_memory(evidence),
        "windows": _windows(evidence),
        "methods": METHODS,
        "commands": commands(evidence),
        "study_text": (evidence.table.folder / "study.yaml").read_text(encoding="utf-8"),
        "version": joulebench.__version__,
        "records_until": max((run.started_at for run in evidence.runs), default=""),
    }


def _load(content: Content) -> dict[str, Any]:
    """Give what the section on load shows."""
    cells, factors = content.load, list(content.evidence.factors)
    return {
        "load_heads": load_heads(cells, SPEED),
        "load_rows": load_rows(cells, SPEED, factors),
        "load_energy_heads": load_heads(cells, ENERGY),
        "load_energy_rows": load_rows(cells, ENERGY, factors),
        "load_told": load_told(cells),
        "load_title": load_title(cells),
        "load_overlaps": any(cell.overlapping for cell in cells),
        "load_notes": load_notes(cells),
    }


def _answers(content: Content) -> dict[str, Any]:
    """Give what the section on answers shows."""
    cells, factors = content.answers, list(content.evidence.factors)
    return {
        "answer_heads": answer_heads(cells),
        "has_accuracy": has_accuracy(cells),
        "answer_rows": answer_rows(cells, factors),
        "answer_notes": answer_notes(cells),
        "judge_heads": judge_heads(cells),
        "judge_rows": judge_rows(cells, factors),
        "judge_unit": judge_unit(cells).symbol,
        "judge_notes": judge_notes(cells),
    }


def _facts(content: Content) -> list[tuple[str, str]]:
    """Give the few figures under the headline."""
    evidence = content.evidence
    done = len(evidence.runs) - len(evidence.failed)
    failed = f", {len(evidence.failed)} failed" if evidence.failed else ""
    facts = [("runs", f"{done} done{failed}"), ("cells", f"{len(content.cells)}")]
    factors = [f"{name} ({sum(map(bool, levels))})" for name, levels in evidence.factors.items()]
    if factors:
        facts.append(("factors (levels)", " × ".join(factors)))
    energy = total_energy(evidence)
    if energy:
        facts.append(("energy of all measured windows", energy))
    facts += emission_facts(evidence)
    counts = severity_counts(content.findings)
    words = ", ".join(count(number, severity) for severity, number in counts.items())
    facts.append(("findings (rules)", words or "none"))
    return facts


def _notes(content: Content) -> list[str]:
    """Say what a reader of the table of cells must know and what it does not show."""
    evidence, found = content.evidence, content.cells
    notes = []
    if evidence.random_weights:
        notes.append("The weights are random: answers mean nothing, so accuracy and energy per "
                     "correct answer are not reported.")  # fmt: skip
    elif any("accuracy" in c.estimates and "per_correct_j" not in c.estimates for c in found):
        notes.append("Energy per correct answer is left out where no answer was correct.")
    if any(reading.partly_graded for reading in evidence.readings):
        notes.append("Only some answers were graded: energy per correct answer takes the rest to "
                     "be right as often, and its interval holds that accuracy's.")  # fmt: skip
    if found and not any("above_idle_j" in cell.estimates for cell in found):
        notes.append("Idle power was not measured, so energy above idle is not known.")
    return notes + _few_runs(found)


def _few_runs(found: Sequence[Cell]) -> list[str]:
    """Say what an interval from one or two runs is worth."""
    single, few = (sum(cell.runs == runs for cell in found) for runs in (1, 2))
    notes = []
    if few:
        notes.append(
            f"{count(few, 'cell')} of two runs: with one degree of freedom an interval reaches "
            "12.7 standard errors to each side; a third run would shrink it most."
        )
    if single:
        notes.append(
            f"{count(single, 'cell')} of one run: its interval holds the reading's own "
            "uncertainty, not the scatter from run to run."
        )
    return notes


def _windows(evidence: Evidence) -> list[tuple[str, str]]:
    names = dict.fromkeys(window.name for each in evidence.readings for window in each.run.windows)
    shaded: Sequence[str] = [name for name in names if name not in ("prefill", "decode", "request")]
    return [(name, WINDOWS.get(name, OTHER_WINDOW)) for name in shaded]
