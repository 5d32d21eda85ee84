"""Mixed models of lme4 and lmerTest beside those fitted here."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.lmm import lmm
from joulebench.stats.lmm_model import MixedModel

FOLDER = Path(__file__).parent / "oracles"


@cache
def oracles() -> dict[str, Any]:
    """Give all models of ``lmm.R``, by number."""
    loaded: dict[str, Any] = json.loads((FOLDER / "lmm.json").read_text(encoding="utf-8"))
    return loaded


@cache
def table(name: str) -> pd.DataFrame:
    return pd.read_csv(FOLDER / "data" / f"lmm_{name}.csv")


def data_of(found: dict[str, Any]) -> pd.DataFrame:
    whole = table(found["data"])
    return whole[whole["set"] == found["set"]] if "set" in found else whole


@cache
def fitted(number: str) -> MixedModel:
    """Fit one of the models once for all tests that ask about it."""
    found = oracles()[number]
    return lmm(found["formula"], data_of(found), reml=found["reml"])


def labels() -> list[str]:
    return [f"{k}-{v['data']}{v.get('set', '')}-{v['formula']}" for k, v in oracles().items()]


def plain(name: str) -> str:
    """Write a coefficient as R does: ``recipe[B]`` as ``recipeB``."""
    return name.replace("[", "").replace("]", "")


def each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def apart(found: Any, expected: Any, floor: float = 1e-300) -> float:
    """Give the largest relative deviation, of ``floor`` where less is expected."""
    ours = np.asarray(found, dtype=np.float64)
    theirs = np.asarray(expected, dtype=np.float64)
    assert ours.shape == theirs.shape
    assert np.isfinite(ours).all()
    return float(np.max(np.abs(ours - theirs) / np.maximum(np.abs(theirs), floor), initial=0.0))


def fixed_like(model: MixedModel, terms: list[str], ddf: str = "satterthwaite") -> pd.DataFrame:
    """Give the fixed effects in the order of R."""
    found = model.fixed(ddf)
    return found.set_index(found["term"].map(plain)).loc[terms]


def places(model: MixedModel, terms: list[str]) -> list[int]:
    """Say which coefficient each of R's is."""
    names = [plain(name) for name in model.design.columns]
    return [names.index(term) for term in terms]


def shared_folder() -> Path:
    """Give the reference values that are not ours to publish; without them a test is skipped."""
    default = Path(__file__).resolve().parents[3] / "shared" / "reference"
    folder = Path(os.environ.get("JOULEBENCH_REFERENCE", default)).parent / "oracles"
    if not folder.is_dir():
        pytest.skip(f"reference values of the published study absent: {folder}")
    return folder
