"""Profiles of sensors: stored, found again, applied, and refused where they do not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joulebench.channel import Channel
from joulebench.errors import UsageError
from joulebench.meters import sensor_profile
from joulebench.meters.meter import MeterSpec
from joulebench.meters.registry import survey
from joulebench.meters.sensor_profile import Figure, SensorProfile, apply, identity, set_aside
from joulebench.testbed.recording import Recording

UUID = "GPU-5f2a"
FIGURES = {
    "period_s": Figure(0.0201, 1e-5),
    "averaging_s": Figure(0.0105, 1e-4),
    "delay_s": Figure(0.003, 2e-4),
    "stamp_s": Figure(2e-4, 0.0),
}


class Meter:
    """As a meter of a GPU looks from outside."""

    def __init__(self, driver: str = "580.1", uuid: str = UUID) -> None:
        self.channels = [
            Channel("gpu1:power", "W", 1e-3, period_s=0.1, averaging_s=1.0, scope="gpu board"),
            Channel("gpu1:energy", "J", 1e-3, period_s=0.1, scope="gpu board"),
        ]
        self.identities = {"gpu1": uuid}
        self.drivers = {"gpu1": driver}
        self.notes = ["gpu1 is a GPU"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("JOULEBENCH_SENSORS", str(tmp_path / "sensors"))
    return tmp_path / "sensors"  # type: ignore[return-value]


def profile(driver: str = "580.1", uuid: str = UUID, **channels: Any) -> SensorProfile:
    return SensorProfile(
        "nvml", uuid, driver, "2026-03-01T10:00:00Z", "0.1.0", channels or {"power": FIGURES}
    )


def written(quantity: str, name: str, value: object) -> str:
    """Give the text of a profile whose one figure is what it is told to be."""
    figure = {"value": value, "standard_error": 0}
    return json.dumps({**profile().to_dict(), "channels": {quantity: {name: figure}}})


def test_a_stored_profile_is_used_and_noted() -> None:
    path = profile().store()
    assert path.name.startswith("nvml-GPU-5f2a-")
    meter = Meter()
    apply("nvml", {}, meter)
    power, energy = meter.channels
    assert (power.period_s, power.averaging_s, power.delay_s) == (0.0201, 0.0105, 0.003)
    assert power.stamp_s == 2e-4
    assert (power.resolution, power.scope) == (1e-3, "gpu board")
    assert energy.period_s == 0.1
    assert meter.notes == [
        "gpu1 is a GPU",
        "gpu1:power: period 20.1 ms, average 10.5 ms, delay 3 ms as characterised on 2026-03-01",
    ]


def test_a_device_is_found_wherever_it_is_plugged_in_and_no_other_is() -> None:
    profile(uuid="GPU-other").store()
    meter = Meter()
    apply("nvml", {}, meter)
    assert meter.channels[0].period_s == 0.1
    assert meter.notes == ["gpu1 is a GPU"]


def test_a_profile_of_another_driver_is_not_used_and_that_is_noted() -> None:
    profile(driver="570.9").store()
    meter = Meter()
    apply("nvml", {}, meter)
    assert meter.channels[0].period_s == 0.1
    assert "570.9" in meter.notes[-1]
    assert "580.1" in meter.notes[-1]
    assert "doctor --characterize" in meter.notes[-1]


def test_a_profile_is_what_it_was_when_read_again() -> None:
    made = profile(power=FIGURES, energy={"resolution": Figure(1e-3, 0.0)})
    assert sensor_profile.load(made.store()) == made


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "Expecting"),
        ("[]", "indices"),
        ("{}", "it has no 'format'"),
        ('{"format": 99}', "its format is 99"),
        (written("p", "wrap", 1), "'wrap' is none of"),
        (written("p", "period_s", -1), "at least 0"),
        (written("p", "period_s", "long"), "could not convert"),
        ("\udcff", "utf-8"),
    ],
)  # fmt: skip
def test_a_broken_profile_is_refused_in_one_line(place: Path, text: str, says: str) -> None:
    path = profile().store()
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UsageError, match="cannot be used") as refused:
        apply("nvml", {}, Meter())
    message = str(refused.value)
    assert says in message
    assert str(path) in message
    assert "joulebench doctor --characterize" in message
    assert "\n" not in message


def test_set_aside_opens_meters_as_they_are_described() -> None:
    profile().store().write_text("{")
    meter = Meter()
    with set_aside():
        apply("nvml", {}, meter)
    assert meter.channels[0].period_s == 0.1
    with pytest.raises(UsageError):
        apply("nvml", {}, meter)


def test_a_device_without_identity_is_known_by_host_name_and_options() -> None:
    class Nameless:
        channels = (Channel("pdu:outlet3", "W"),)

    names = {identity(Nameless(), "pdu", options) for options in ({}, {"host": "a"}, {"host": "b"})}
    assert len(names) == 3


def test_two_devices_of_one_identity_are_told_apart() -> None:
    meter = Meter()
    meter.identities = {"gpu0": "same", "gpu1": "same"}
    assert identity(meter, "gpu0", {}) != identity(meter, "gpu1", {})


def test_without_a_home_meters_open_and_nothing_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    for name in ("JOULEBENCH_SENSORS", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    meter = Meter()
    apply("nvml", {}, meter)
    assert meter.channels[0].period_s == 0.1
    with pytest.raises(OSError, match="JOULEBENCH_SENSORS"):
        profile().store()


def test_the_folder_is_in_the_user_s_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JOULEBENCH_SENSORS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert sensor_profile.folder() == tmp_path / "joulebench" / "sensors"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert sensor_profile.folder() == tmp_path / ".config" / "joulebench" / "sensors"


def _ada() -> SensorProfile:
    made = {"power": {"averaging_s": Figure(1.05, 1e-3), "delay_s": Figure(0.04, 1e-3)}}
    return SensorProfile("simulated", "ada", "", "2026-03-01T10:00:00Z", "0.1.0", made)


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_the_recorder_uses_it_and_the_record_says_so(tmp_path: Path, mode: str) -> None:
    _ada().store()
    spec = MeterSpec("simulated", {"board": "ada"}, "joulebench.meters.simulated:SimulatedMeter")
    with Recording([spec], tmp_path / mode, interval_s=0.02, mode=mode) as recording:
        (channel,) = recording.channels
        assert channel.averaging_s == 1.05
        assert channel.delay_s == 0.0  # set back by the recorder
    assert any("as characterised on 2026-03-01" in note for note in recording.facts()["notes"])


def test_doctor_shows_a_profile_in_force() -> None:
    made = {"power": {"period_s": Figure(0.11, 1e-3)}}
    stored = SensorProfile("simulated", "a100", "", "2026-03-01T10:00:00Z", "0", made)
    stored.store()
    (report,) = [report for report in survey() if report.kind == "simulated"]
    assert report.channels[0].period_s == 0.11
    assert report.notes == ("gpu0:power: period 110 ms as characterised on 2026-03-01",)
