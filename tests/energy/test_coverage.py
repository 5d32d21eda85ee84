"""The stated 95 % interval covers the truth of simulated sensors, and is no wider than it must be.

The workloads are those of ``coverage_cases.py``, which prints the whole table. Set
``JOULEBENCH_COVERAGE`` to the number of workloads of each class of window lengths for the long
version.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from coverage_cases import CASES, LENGTHS_S, Case, judge

WORKLOADS = int(os.environ.get("JOULEBENCH_COVERAGE", "20"))

CLAIMED = 0.93

HALF_WIDTH = (0.15, 0.05, 0.02)
"""Widest median half-width, the gain apart, of each class of window lengths."""

STALLED_HALF_WIDTH = (0.15, 0.2, 0.1)
"""The same where every sixth second is lost."""


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_interval_covers_the_truth(case: Case) -> None:
    widest = STALLED_HALF_WIDTH if "stall_s" in case.faults else HALF_WIDTH
    verdicts = list(judge(case, WORKLOADS))
    for verdict, length_s, error, width in zip(
        verdicts, LENGTHS_S, case.median_error, widest, strict=True
    ):
        # A median of few workloads scatters more than the one that is claimed.
        slack = 1 + 3 / np.sqrt(WORKLOADS)
        assert verdict.median_error < slack * error, f"windows of {length_s} s"
        assert verdict.median_half_width < slack * width, f"windows of {length_s} s"
    n = len(verdicts) * WORKLOADS
    # At the claimed coverage the chance of fewer is below one in ten thousand.
    least = CLAIMED - 3.7 * np.sqrt(CLAIMED * (1 - CLAIMED) / n)
    assert sum(verdict.covered for verdict in verdicts) / n >= least
    assert sum(verdict.covered_with_gain for verdict in verdicts) / n >= least
