"""A study over the network whose two sides are killed, cut off and out of disk; the short version.

``make crash-long`` kills 200 times.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from crash_study import Crash


@pytest.mark.timeout(300)
def test_every_trial_is_recorded_exactly_once_whatever_dies(tmp_path: Path) -> None:
    crash = Crash(tmp_path, trials=12, kills=6, seed=20261121)
    crash.go()
    assert crash.done["kill"] == 6
