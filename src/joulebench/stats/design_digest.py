"""A few bytes that tell whether two model matrices are one."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pandas as pd

from joulebench.stats.model_frame import codes_and_values

_LARGEST = 20_000
"""Rows beyond which a matrix is not kept: reading it again costs as much as making it."""


def design_digest(
    fixed: str, coding: str, frame: pd.DataFrame, variables: Sequence[str]
) -> bytes | None:
    """Digest all that a model matrix is made of.

    Args:
        fixed: Right side of the formula.
        coding: Contrasts of factors.
        frame: Complete rows.
        variables: Columns that the formula uses.

    Returns:
        ``None`` where there are too many rows, or values that cannot be told apart.
    """
    if len(frame) > _LARGEST:
        return None
    made = blake2b(repr((fixed, coding, len(frame))).encode(), digest_size=24)
    for name in variables:
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column.dtype):
            codes, levels = column.to_numpy(), list[object]()
        else:
            try:
                codes, levels = codes_and_values(column)
            except TypeError:
                return None
        if codes.dtype == object:
            return None
        made.update(repr((name, str(column.dtype), codes.dtype.str, levels)).encode())
        made.update(np.ascontiguousarray(codes).tobytes())
    return made.digest()
