"""Reference values of R for the rank tests, and how they are compared."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parent / "oracles"
ALTERNATIVES = {"two.sided": "two-sided", "less": "less", "greater": "greater"}


@cache
def oracle(topic: str = "ranks") -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / f"{topic}.json").read_text(encoding="utf-8"))
    return loaded


def values(found: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Give what R wrote as numbers: one number for a list of one, "Inf" and null among them."""
    listed = found if isinstance(found, list) else [found]
    return np.array([math.nan if one is None else float(one) for one in listed])


def agree(found: Any, expected: Any, rel: float = 1e-11, atol: float = 0.0) -> None:
    np.testing.assert_allclose(np.atleast_1d(found), values(expected), rtol=rel, atol=atol)


def only(table: pd.DataFrame) -> Any:
    """Give the only row of a table."""
    assert len(table) == 1
    return table.iloc[0]


def asked_as_in_r(
    test: Callable[..., pd.DataFrame], case: dict[str, Any], asked: dict[str, Any]
) -> Any:
    """Make a test of two samples in the way that R's wilcox.test was asked for it; its one row."""
    return only(
        test(
            values(case["x"]),
            values(case["y"]),
            method="auto" if asked["exact"] == "auto" else "asymptotic",
            correct=bool(asked["correct"]),
            alternative=ALTERNATIVES[asked["alternative"]],
        )
    )


def agrees_in_value_and_p(row: Any, asked: dict[str, Any], statistic: str) -> None:
    """Hold a test against R's, and whether it is exact."""
    agree([row["value"], row["p"]], [asked[statistic], asked["p"]])
    assert row["method"].startswith("exact") == bool(asked["is_exact"])


def published(name: str) -> dict[str, Any]:
    """Give reference values of the published study; without them the test is skipped."""
    path = _published_folder() / "json" / f"greenlab_published_{name}.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def published_table(of: str = "") -> pd.DataFrame:
    """Give the published repetitions, or with "_run" their means."""
    path = _published_folder() / "csv" / f"greenlab_published{of}.csv"
    return pd.read_csv(path, dtype={"generation": str})


def _published_folder() -> Path:
    default = Path(__file__).resolve().parents[3] / "shared" / "reference"
    folder = Path(os.environ.get("JOULEBENCH_REFERENCE", default)).parent / "oracles"
    if not folder.is_dir():
        pytest.skip(f"reference values of the published study absent: {folder}")
    return folder
