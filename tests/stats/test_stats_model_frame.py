"""The rows of a model are complete, finite and named as they were asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from joulebench.stats.model_frame import as_factor, complete, levels_of, numbers_of
from joulebench.stats.refused import Refused

FRAME = pd.DataFrame(
    {"energy_j": [1.0, np.nan, 3.0, 4.0], "task": ["b", "a", None, "a"], "size": [8, 7, 3, 1]}
)


def test_missing_values_are_refused_with_their_rows_or_dropped() -> None:
    with pytest.raises(Refused, match=r"'energy_j' in 1, 'task' in 1 of 4 rows \(rows 1, 2\)"):
        complete(FRAME, ["energy_j", "task"])
    assert list(complete(FRAME, ["energy_j", "task"], "drop")["energy_j"]) == [1.0, 4.0]
    assert len(complete(FRAME, ["size"])) == 4


def test_a_misspelt_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(Refused, match="no column 'enery_j': did you mean 'energy_j'"):
        complete(FRAME, ["enery_j"])


def test_what_is_infinite_empty_or_twice_is_refused() -> None:
    with pytest.raises(Refused, match="infinite in row 1"):
        complete(pd.DataFrame({"y": [1.0, np.inf]}), ["y"])
    with pytest.raises(Refused, match="no row"):
        complete(FRAME[FRAME["size"] > 9], ["size"])
    with pytest.raises(Refused, match="2 columns 'y'"):
        complete(pd.DataFrame([[1, 2]], columns=["y", "y"]), ["y"])
    with pytest.raises(Refused, match="must be a pandas DataFrame"):
        complete({"y": [1]}, ["y"])  # type: ignore[arg-type]


def test_levels_stand_by_category_then_number_then_text() -> None:
    assert levels_of(pd.Series(["10", "9", "3.1"])) == ["3.1", "9", "10"]
    assert levels_of(pd.Series(["wsc", "boolq"])) == ["boolq", "wsc"]
    ordered = pd.Series(pd.Categorical(["low", "high"], categories=["low", "mid", "high"]))
    assert levels_of(ordered) == ["low", "high"]
    assert list(as_factor(pd.Series([3.0, 2.0, 3.1])).cat.categories) == ["2", "3", "3.1"]


def test_text_is_no_number() -> None:
    with pytest.raises(Refused, match="'task' holds text"):
        numbers_of(FRAME, "task")
