"""Marginal means and contrasts of R beside those computed here."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from joulebench.stats.emmeans import Means, emmeans
from joulebench.stats.emmeans_trends import trends
from joulebench.stats.fitted_model import FittedModel
from joulebench.stats.linear_model import lm

FOLDER = Path(__file__).parent / "oracles"


@cache
def oracle() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / "emmeans.json").read_text(encoding="utf-8"))
    return loaded


@cache
def frame(name: str) -> pd.DataFrame:
    data = pd.DataFrame(oracle()["data"][name])
    for column, levels in oracle()["levels"].get(name, {}).items():
        data[column] = pd.Categorical(data[column], levels)
    return data


@cache
def fitted(formula: str, name: str) -> FittedModel:
    if "|" not in formula:
        return lm(formula, frame(name))
    from joulebench.stats.lmm import lmm

    return lmm(formula, frame(name))


def means_of(call: dict[str, Any]) -> Means:
    """Ask for the means of a case; ``at`` of no variable comes as an empty list."""
    model = fitted(call["formula"], call["data"])
    keys = ("by", "at", "weights", "ddf", "confidence")
    asked = {key: call[key] for key in keys if call.get(key)}
    if "trend" in call:
        return trends(model, call["trend"], call["specs"], **asked)
    return emmeans(model, call["specs"], scale=call["scale"], **asked)


def contrasts_of(call: dict[str, Any]) -> pd.DataFrame:
    keys = ("kind", "adjust", "families", "null", "alternative", "reverse", "max_degree")
    return means_of(call).contrasts(**{key: call[key] for key in keys if key in call})


def numbers(values: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Read numbers of R: infinite ones are words, missing ones null or NA."""
    missing = {None: np.nan, "NA": np.nan}
    return np.array([missing.get(value, value) for value in values], dtype=np.float64)


def r_column(table: dict[str, Any], *names: str) -> npt.NDArray[np.float64]:
    """Give a column of R by the first of its names that is there; ".x" is the end of one."""
    found = (c for n in names for c in table if c == n or (n[0] == "." and c.endswith(n)))
    return numbers(table[next(found)])


def deviation(found: Any, expected: Any, floor: float = 0.0) -> float:
    """Give the largest relative deviation; NaN and infinity must stand where they stand in R."""
    ours, theirs = np.asarray(found, dtype=np.float64), np.asarray(expected, dtype=np.float64)
    if ours.shape != theirs.shape:
        return np.inf
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    if same.all():
        return 0.0
    with np.errstate(invalid="ignore"):
        away = np.abs(ours - theirs) / np.maximum(np.abs(theirs), max(floor, 1e-300))
    return float(np.where(np.isnan(away), np.inf, away)[~same].max())
