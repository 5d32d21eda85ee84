"""Meters that stamp their own readings, tell of their devices, or go away for good."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from joulebench.channel import Channel
from joulebench.errors import SensorLost
from joulebench.meters.meter import MeterSpec
from joulebench.testbed.recording import Recording

POWER = Channel("node:power", "W", period_s=0.02, method="simulated", scope="node")


class LogMeter:
    """Stamps a row each 20 ms by itself, the last of them only when it is closed."""

    def __init__(self) -> None:
        self.channels = [POWER]
        self._next_s = time.monotonic()
        self._closed = False

    def rows(self) -> list[tuple[float, list[float]]]:
        rows = []
        while self._next_s < time.monotonic():
            rows.append((self._next_s, [100.0]))
            self._next_s += 0.02
        return [*rows, (self._next_s, [200.0])] if self._closed else rows

    def observe(self) -> list[dict[str, Any]]:
        return [{"device": "node", "temperature_c": 41.0}]

    def close(self) -> None:
        self._closed = True

    def facts(self) -> dict[str, Any]:
        return {"closed": self._closed}


class VanishingMeter:
    """Reads three times, then never again."""

    def __init__(self) -> None:
        self.channels = [Channel("gpu0:power", "W", method="simulated", scope="gpu board")]
        self._left = 3

    def read(self) -> list[float]:
        self._left -= 1
        if self._left < 0:
            raise SensorLost("gpu0 has fallen off the bus; restart the machine")
        return [50.0]

    def close(self) -> None:
        pass


def _spec(kind: str, name: str) -> MeterSpec:
    return MeterSpec(kind, {}, f"{__name__}:{name}")


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    specs = [_spec("log", "LogMeter"), _spec("gone", "VanishingMeter")]
    with Recording(specs, tmp_path, interval_s=0.05, mode="thread") as recording:
        time.sleep(0.6)
    return recording


def test_a_source_keeps_its_own_stamps_and_its_last_rows(recording: Recording) -> None:
    trace = recording.traces()["node:power"]
    steps_s = trace.t_s[1:] - trace.t_s[:-1]
    assert steps_s == pytest.approx(0.02)
    assert trace.v[-1] == 200.0


def test_the_state_of_devices_is_written_about_once_a_second(recording: Recording) -> None:
    states = recording.observations()
    assert 1 <= len(states) <= 3
    assert states[0]["temperature_c"] == 41.0
    assert states[0]["t_s"] == pytest.approx(recording.traces()["node:power"].t_s[0], abs=1)


def test_a_lost_source_is_not_asked_again_and_what_it_gave_is_kept(recording: Recording) -> None:
    assert len(recording.traces()["gpu0:power"]) == 3
    assert recording.facts()["lost"] == {"gone": "gpu0 has fallen off the bus; restart the machine"}


def test_the_facts_of_a_closed_meter_are_kept(recording: Recording) -> None:
    assert recording.facts()["meters"] == {"log": {"closed": True}}
