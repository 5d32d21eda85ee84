"""The estimate counts busy processor time, and says what it assumes."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from joulebench.errors import Unavailable, UsageError
from joulebench.meters.estimate import GAIN, EstimateMeter


def stat(path: Path, *, user: int = 0, system: int = 0, idle: int = 0, steal: int = 0) -> None:
    path.write_text(f"cpu  {user} 0 {system} {idle} 70 0 0 {steal} 0 0\ncpu0 1 2 3\n")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "stat"
    stat(path)
    return path


def test_counts_idle_and_busy_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    now = [100.0]
    meter = EstimateMeter(1.0, 5.0, stat=str(path), clock=lambda: now[0])
    assert meter.read() == [0.0]
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    now[0] += 10.0
    stat(path, user=100, system=50, idle=9999, steal=5000)
    assert meter.read() == [pytest.approx(10 * 4 * 1.0 + 150 * tick_s * 4.0)]
    meter.close()


def test_is_labelled_and_doubted(path: Path) -> None:
    meter = EstimateMeter(stat=str(path))
    [channel] = meter.channels
    assert (channel.method, channel.scope, channel.unit) == ("estimated", "cpu package", "J")
    assert channel.gain == GAIN >= 0.5
    assert "0.74 W idle and 3.5 W busy" in meter.notes[0]
    assert "no measurement" in meter.notes[0]


def test_own_powers_are_not_ascribed_to_the_source(path: Path) -> None:
    assert "Cloud Carbon" not in EstimateMeter(1, 9, stat=str(path)).notes[0]


@pytest.mark.parametrize("powers", [(2.0, 1.0), (-1.0, 1.0), (1.0, 1.0)])
def test_impossible_powers_are_refused(powers: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="idle_w"):
        EstimateMeter(*powers)


def test_garbage_is_absent_not_zero(path: Path) -> None:
    meter = EstimateMeter(stat=str(path))
    path.write_text("cpu what\n")
    assert math.isnan(meter.read()[0])


def test_missing_times_are_said(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be read"):
        EstimateMeter(stat=str(tmp_path / "absent"))


def test_real_times_grow() -> None:
    meter = EstimateMeter()
    first = meter.read()[0]
    sum(range(300_000))
    assert meter.read()[0] > first
    meter.close()
