"""Settings under which thousands of small computations are quick."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

_THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@contextmanager
def small_tables() -> Iterator[None]:
    """Compute in one thread, with pandas' texts as Python's own.

    Matrices of some hundred rows are done before a second thread has woken up, and threads of
    several programs hinder each other. A number of threads that the user has set stays. It has an
    effect only where numpy is not imported yet.
    """
    for name in _THREADS:
        os.environ.setdefault(name, "1")
    import pandas as pd

    # Arrow's texts take their time for a table of a few rows, whatever the number of rows.
    with pd.option_context("mode.string_storage", "python"):
        yield
