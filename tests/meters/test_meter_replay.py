"""Stored traces come back as they were, and are labelled as what they are."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from joulebench.channel import Channel
from joulebench.energy import Trace
from joulebench.errors import UsageError
from joulebench.meters.replay import ReplayMeter
from joulebench.record_traces import save_traces


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    power = Channel("gpu0:power", "W", period_s=0.1, averaging_s=0.025, scope="gpu board")
    energy = Channel("cpu0:package", "J", wrap_j=262144.0, scope="cpu package")
    path = tmp_path / "run.parquet"
    save_traces(
        path,
        [
            Trace(power, 50 + 0.1 * np.arange(11), np.arange(11) * 10.0),
            Trace(energy, 50 + 0.5 * np.arange(3), [262134.0, 262139.0, 0.0]),
        ],
    )
    return path


def play(path: Path, **options: object) -> tuple[ReplayMeter, list[float]]:
    now = [1000.0]
    return ReplayMeter(str(path), clock=lambda: now[0], **options), now  # type: ignore[arg-type]


def test_plays_in_its_own_time(stored: Path) -> None:
    meter, now = play(stored)
    assert meter.read() == [0.0, 262134.0]
    now[0] += 0.25
    assert meter.read() == [20.0, pytest.approx(262136.5)]
    now[0] += 0.5
    assert meter.read() == [70.0, 262139.0]  # a wrap is not interpolated


def test_is_absent_after_its_end(stored: Path) -> None:
    meter, now = play(stored)
    now[0] += 1.5
    assert all(math.isnan(value) for value in meter.read())


def test_repeats_where_asked(stored: Path) -> None:
    meter, now = play(stored, repeat=True)
    now[0] += 1.25
    assert meter.read()[0] == 20.0


def test_speed_shortens_the_sensors_times(stored: Path) -> None:
    meter, now = play(stored, speed=2.0)
    assert meter.channels[0].period_s == pytest.approx(0.05)
    now[0] += 0.125
    assert meter.read()[0] == 20.0


def test_says_that_it_is_no_measurement(stored: Path) -> None:
    meter, _ = play(stored)
    assert {channel.method for channel in meter.channels} == {"simulated"}
    assert "replayed" in meter.notes[0]


def test_plays_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "power.csv"
    path.write_text("t_s,v\n5,100\n6,200\n")
    meter, now = play(path, channel={"name": "psu:power", "scope": "wall"})
    now[0] += 0.5
    assert meter.read() == [150.0]
    assert meter.channels[0].scope == "wall"


@pytest.mark.parametrize(
    ("text", "says"),
    [("t_s,v\n", "two samples"), ("t_s,v\n1,x\n2,3\n", "t_s,v"), ("t_s,v\n2,1\n1,1\n", "increas")],
)
def test_bad_files_are_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=says):
        ReplayMeter(str(path))


def test_absent_file_and_bad_speed_are_refused(tmp_path: Path, stored: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        ReplayMeter(str(tmp_path / "absent.parquet"))
    with pytest.raises(UsageError, match="speed"):
        ReplayMeter(str(stored), speed=0)
