"""EnergiBridge's own summary of a run, held against the rows that it wrote.

It adds up the differences of one counter (``CPU_ENERGY (J)``, else ``PACKAGE_ENERGY (J)``) from its
first row to its last but one, does not undo the counter's wrap, and prints nothing where that makes
the sum negative.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

from joulebench.energibridge_columns import Sensor
from joulebench.meters.energibridge_rows import number

_SUMMED = ("CPU_ENERGY (J)", "PACKAGE_ENERGY (J)")
_SENTENCE = re.compile(r"joules:\s*([-+\d.eE]+)\s+for\s+([-+\d.eE]+)\s+sec")


class CounterSum:
    """The energy of the counter that the summary is made of, with its wraps undone."""

    def __init__(self, columns: Sequence[str], sensors: Sequence[Sensor]) -> None:
        by_column = {sensor.column: sensor for sensor in sensors}
        column = next((name for name in _SUMMED if name in by_column), None)
        self._place = None if column is None else list(columns).index(column)
        self._wrap_j = (by_column[column].channel.wrap_j or 0.0) if column else 0.0
        self._previous_j: float | None = None
        self._last_step_j = 0.0
        self._whole_j = 0.0
        self._greatest_j = 0.0
        self._wraps = 0

    def add(self, lines: Sequence[Sequence[str]]) -> None:
        """Add the steps of further rows."""
        if self._place is None:
            return
        for cells in lines:
            reading_j = number(cells[self._place])
            if math.isfinite(reading_j):
                self._step(reading_j)

    def _step(self, reading_j: float) -> None:
        step_j = 0.0 if self._previous_j is None else reading_j - self._previous_j
        if step_j < 0:
            step_j += self._wrap_j
            self._wraps += 1
        self._previous_j, self._last_step_j = reading_j, step_j
        self._whole_j += step_j
        self._greatest_j = max(self._greatest_j, step_j)

    def against(self, printed: str) -> dict[str, Any]:
        """Compare with what EnergiBridge printed, JSON values; empty where it sums no counter."""
        match = _SENTENCE.search(printed)
        if match is None:
            return {} if self._place is None else {"verdict": self._silence()}
        told: dict[str, Any] = {"energy_j": float(match[1]), "duration_s": float(match[2])}
        if self._place is None:
            return told
        summed_j = self._whole_j - self._last_step_j
        verdict = self._verdict(float(match[1]), summed_j)
        return {**told, "log_energy_j": round(summed_j, 6), "verdict": verdict}

    def _silence(self) -> str:
        if self._wraps:
            return "none printed: its sum does not undo the wrap of the counter; use the trace"
        return "none printed: it was ended before it could, or summed to 0 J; use the trace"

    def _verdict(self, printed_j: float, summed_j: float) -> str:
        tolerance_j = self._greatest_j + 1e-3 * summed_j
        if abs(printed_j - summed_j) <= tolerance_j:
            return "agrees with the trace"
        off_j = summed_j - printed_j
        if self._wraps and abs(off_j - self._wraps * self._wrap_j) <= tolerance_j:
            return f"off by the counter's range of {self._wrap_j:g} J: use the trace"
        return f"contradicts the trace, by {off_j:.1f} J: use the trace"
