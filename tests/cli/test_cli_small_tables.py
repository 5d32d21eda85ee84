"""The settings of an analysis: one thread and plain texts, unless the user says otherwise."""

from __future__ import annotations

import os

import numpy as np
import pandas as pd
import pytest

from joulebench.cli.small_tables import small_tables


def test_threads_that_the_user_chose_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with small_tables():
        assert os.environ["OMP_NUM_THREADS"] == "3"
        assert os.environ["MKL_NUM_THREADS"] == "1"


def test_pandas_is_left_as_it_was() -> None:
    before = pd.get_option("mode.string_storage")
    with small_tables():
        assert pd.Series(["a"]).dtype == pd.StringDtype("python", na_value=np.nan)
    assert pd.get_option("mode.string_storage") == before
