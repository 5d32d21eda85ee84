"""The density of a sample, for drawing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def bandwidth(values: Floats) -> float:
    """Give Silverman's rule of thumb, ``0.9 min(s, IQR / 1.34) n^(-1/5)``; 0 for equal values.

    Silverman 1986, Density Estimation, equation 3.31; what R calls ``bw.nrd0``, but for samples
    without spread.

    Args:
        values: Shape (n,), at least two.
    """
    sd = float(np.std(values, ddof=1))
    low, high = np.quantile(values, [0.25, 0.75])
    spread = min(sd, float(high - low) / 1.34) or sd
    return float(0.9 * spread * len(values) ** -0.2)
