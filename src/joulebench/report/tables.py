"""The report's tables as CSV files: SI units, unrounded, one row a thing."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joulebench.record import write_whole
from joulebench.report.agreement import agreement_table
from joulebench.report.answers import CellAnswers
from joulebench.report.cells import QUANTITIES, Cell
from joulebench.report.content import Content
from joulebench.report.contrasts import Contrast
from joulebench.report.emission_rows import emission_rows
from joulebench.report.load import UnderLoad
from joulebench.report.phases import TOKENS, CellPhases
from joulebench.report.sensors import sensor_rows
from joulebench.stats import Estimate


def write_tables(content: Content, folder: Path) -> list[Path]:
    """Write those tables that have a row as CSV into ``folder``."""
    tables: dict[str, list[dict[str, Any]]] = {
        "cells": [_cell(cell) for cell in content.cells],
        "phases": [row for cell in content.phases for row in _phases(cell)],
        "load": [_load(cell) for cell in content.load],
        "answers": [_answers(cell) for cell in content.answers],
        "contrasts": [_contrast(contrast) for contrast in content.contrasts],
        "agreement": agreement_table(content.agreements),
        "findings": [row.to_dict() for row in content.findings],
        "sensors": sensor_rows(content.evidence),
        "emissions": emission_rows(content.evidence),
    }
    for name in tables:
        (folder / f"{name}.csv").unlink(missing_ok=True)
    return [_write(folder / f"{name}.csv", rows) for name, rows in tables.items() if rows]


def _write(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """Write rows; a column is there if any row has it, and empty where a row has not."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue())
    return path


def _cell(cell: Cell) -> dict[str, Any]:
    row: dict[str, Any] = {**cell.levels, "runs": cell.runs, "failed": cell.failed,
                           "method": cell.method, "scope": cell.scope}  # fmt: skip
    for name in QUANTITIES:
        if name in cell.estimates:
            row.update(_columns(name, cell.estimates[name]))
    row["findings"] = ";".join(sorted(cell.findings))
    return row


def _phases(cell: CellPhases) -> list[dict[str, Any]]:
    """Give one row a phase."""
    return [
        {
            **cell.levels,
            "phase": name,
            "runs": phase.runs,
            "runs_below_resolution": phase.below,
            "method": cell.method,
            "scope": cell.scope,
            **_all_columns(phase.estimates),
            **({"tokens": TOKENS[name]} if phase.per_token is not None else {}),
        }
        for name, phase in cell.phases.items()
    ]


def _load(cell: UnderLoad) -> dict[str, Any]:
    return {
        **cell.levels,
        "load": cell.kind,
        **({"load_size": cell.size} if cell.size is not None else {}),
        "runs": cell.runs,
        "runs_steady": cell.steady,
        "window": cell.window,
        "method": cell.method,
        "scope": cell.scope,
        **_all_columns(cell.estimates),
        **{f"slo_{name}": most for name, most in cell.slo.items()},
    }


def _answers(cell: CellAnswers) -> dict[str, Any]:
    names = ("runs", "asked", "graded", "missing", "scorer", "no_score", "method", "scope")
    row = {**cell.levels, **{name: getattr(cell, name) for name in names}}
    return {**row, **_all_columns(cell.estimates), **_judge(cell)}


def _judge(cell: CellAnswers) -> dict[str, Any]:
    judge = cell.judge
    if judge is None:
        return {}
    row: dict[str, Any] = {
        "judge": judge.name,
        "judge_requests": judge.requests,
        "judge_malformed": judge.malformed,
        "judge_missing": judge.missing,
    }
    if judge.cost is not None:
        row["judge_cost"] = judge.cost
    figures = {"judge_energy_j": judge.energy, "judge_share": judge.share}
    for name, agreed in judge.agreement.items():
        row |= {f"judge_{name}_n": agreed.n, f"judge_{name}_agreed": agreed.agreed}
        figures[f"judge_{name}_kappa"] = agreed.kappa
    return row | _all_columns({name: e for name, e in figures.items() if e is not None})


def _all_columns(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {
        column: figure
        for name, estimate in estimates.items()
        for column, figure in _columns(name, estimate).items()
    }


def _contrast(contrast: Contrast) -> dict[str, Any]:
    names = ("factor", "more", "less", "quantity", "holds", "basis", "method", "scope")
    row = {name: getattr(contrast, name) for name in names}
    return {**row, **_columns("ratio", contrast.ratio)}


def _columns(name: str, estimate: Estimate) -> dict[str, Any]:
    parts = {"": estimate.value, "_low": estimate.low, "_high": estimate.high,
             "_noise": estimate.noise, "_bias": estimate.bias}  # fmt: skip
    return {f"{name}{suffix}": figure for suffix, figure in parts.items() if math.isfinite(figure)}
