"""A counter that is polled about once a period, and more often where a window begins or ends."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from joulebench.channel import Channel, Window
from joulebench.testbed.recorded import Recorded, stamped

COUNTER = Channel(
    "gpu0:energy", "J", resolution=1e-3, period_s=0.1, method="simulated", scope="gpu board"
)


@pytest.mark.parametrize("phase_s", [0.005, 0.03, 0.048, 0.052, 0.07, 0.095])
def test_a_short_window_neither_stands_still_nor_leaps(tmp_path: Path, phase_s: float) -> None:
    regular_s = 0.1 * np.arange(60)
    edges_s = 3.05 + np.array([-0.009, -0.0088, -0.0085, -1e-4, 0.006 + 1e-4])
    t_s = np.sort(np.concatenate((regular_s, edges_s)))
    counted_j = 500 + 100 * (np.floor((t_s - phase_s) / 0.1) * 0.1)
    path = tmp_path / "0-simulated.f64"
    np.column_stack((t_s, counted_j)).tofile(path)
    recorded = Recorded(path, (COUNTER,), (stamped(COUNTER, 0.1)[0],), True, ())
    [trace] = recorded.traces(0.0)
    energy = trace.energy(Window("measure", 3.05, 3.056))
    assert energy.joules == pytest.approx(0.6, rel=0.5)
    assert energy.half_width_95_j < 5
    whole = trace.energy(Window("measure", 1.0, 5.0))
    assert whole.joules == pytest.approx(400, abs=1.96 * whole.noise + 1e-9)
