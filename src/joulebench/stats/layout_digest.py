"""What a frame says of a design whatever its responses are, in a few bytes."""

from __future__ import annotations

from collections.abc import Collection
from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd

from joulebench.stats.model_frame import Codes, codes_and_values


def layout_digest(frame: pd.DataFrame, numbers: Collection[str], response: str) -> bytes | None:
    """Digest which row lies at which levels, so that an answer about a design can be kept.

    Args:
        frame: One row an observation.
        numbers: Columns whose values count.
        response: Column of which only counts where it is missing.

    Returns:
        The same for frames that differ in other columns of numbers alone; ``None`` where a column
        holds what cannot be told apart.
    """
    made = blake2b(digest_size=32)
    for name, column in frame.items():
        counts = name in numbers or not pd.api.types.is_numeric_dtype(column.dtype)
        if not counts or name == response:
            continue
        told = _levels(column)
        if told is None:
            return None
        codes, levels = told
        made.update(repr((name, str(column.dtype), levels)).encode())
        made.update(np.ascontiguousarray(codes, dtype=np.int64).tobytes())
    values = frame[response]
    made.update(values.isna().to_numpy().tobytes())
    if pd.api.types.is_float_dtype(values.dtype):
        made.update(np.isinf(values.to_numpy(dtype=np.float64, na_value=np.nan)).tobytes())
    return made.digest()


def _levels(column: pd.Series[Any]) -> tuple[Codes, list[Any]] | None:
    """Give the place of each row's value among those of a column, and these."""
    try:
        return codes_and_values(column)
    except TypeError:
        return None
