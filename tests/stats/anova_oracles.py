"""Tables of R beside those computed here."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.linear_model import LinearModel, lm

FOLDER = Path(__file__).parent / "oracles"
COLUMNS = {"sum_sq": "Sum Sq", "df1": "Df", "value": "F value", "p": "Pr(>F)"}


@cache
def oracle(topic: str = "anova") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / f"{topic}.json").read_text(encoding="utf-8"))
    return loaded


def data_of(name: str) -> pd.DataFrame:
    return pd.DataFrame(oracle()[name]["data"])


@cache
def model_of(name: str, formula: str) -> LinearModel:
    """Fit a model to a data set once for all tests that ask about it."""
    return lm(formula, data_of(name))


def by_term(table: pd.DataFrame) -> pd.DataFrame:
    assert table["term"].is_unique
    return table.set_index("term")


def r_table(found: dict[str, Any]) -> pd.DataFrame:
    """Give a table of R, its columns named as ours, one row a term."""
    table = pd.DataFrame(found).rename(columns={"F values": "F value", "F": "F value"})
    renamed = table.rename(columns={theirs: ours for ours, theirs in COLUMNS.items()})
    return renamed.set_index("row").astype(np.float64)


def deviation(found: Any, expected: Any) -> float:
    """Give the largest relative deviation; NaN must stand where NaN stands."""
    ours, theirs = np.asarray(found, dtype=float), np.asarray(expected, dtype=float)
    assert (np.isnan(ours) == np.isnan(theirs)).all(), (ours, theirs)
    with np.errstate(invalid="ignore", divide="ignore"):
        apart = np.abs(ours - theirs) / np.abs(theirs)
    return float(np.nanmax(np.where(ours == theirs, 0.0, apart), initial=0.0))


def published(topic: str) -> dict[str, Any]:
    """Give reference values of the published study; without them the test is skipped."""
    loaded: dict[str, Any] = json.loads(
        (_published_folder() / "json" / f"greenlab_published_{topic}.json").read_text("utf-8")
    )
    return loaded


def published_runs() -> pd.DataFrame:
    """Give the means over repetitions of the published study, one row a run."""
    table = _published_folder() / "csv" / "greenlab_published_run.csv"
    return pd.read_csv(table, dtype={"generation": str})


def _published_folder() -> Path:
    default = Path(__file__).resolve().parents[3] / "shared" / "reference"
    folder = Path(os.environ.get("JOULEBENCH_REFERENCE", default)).parent / "oracles"
    if not folder.is_dir():
        pytest.skip(f"reference values of the published study absent: {folder}")
    return folder
