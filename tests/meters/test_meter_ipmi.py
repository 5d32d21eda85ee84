"""DCMI power by the real ipmitool: from a simulated service processor, and from printed answers."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bmc_simulated import INACTIVE, PASSWORD, USER, Reading, SimulatedBmc, compiled

from joulebench.channel import Window
from joulebench.energy import headline_channels
from joulebench.errors import SensorLost, Unavailable, UsageError
from joulebench.meters.ipmi import IpmiMeter, parsed
from joulebench.meters.meter import MeterSpec
from joulebench.meters.polled import NoAnswer, Row
from joulebench.testbed.recording import Recording

TARGET = "joulebench.meters.ipmi:IpmiMeter"

DELL = """
    Instantaneous power reading:                   238 Watts
    Minimum during sampling period:                 19 Watts
    Maximum during sampling period:                549 Watts
    Average power reading over sample period:      231 Watts
    IPMI timestamp:                           Tue May 14 09:26:46 2024
    Sampling period:                          00001000 Milliseconds
    Power reading state is:                   activated

"""


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str]) -> Path:
    program("openipmi", "ipmi_sim")
    source = Path(__file__).with_name("dcmi_stand_in.c")
    return compiled(source, tmp_path_factory.mktemp("module"), program("cc"))


@pytest.fixture
def bmc(module: Path, tmp_path: Path, program: Callable[..., str]) -> Iterator[SimulatedBmc]:
    program("ipmitool")
    simulated = SimulatedBmc(program("openipmi", "ipmi_sim"), tmp_path, module)
    simulated.show(Reading(214))
    yield simulated
    simulated.close()


@pytest.fixture
def login(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The simulator has no "Get Channel Cipher Suites", for which ipmitool would wait a second."""
    monkeypatch.setenv("BMC_USER", USER)
    monkeypatch.setenv("BMC_PASSWORD", PASSWORD)
    return {"user_env": "BMC_USER", "password_env": "BMC_PASSWORD", "cipher": 3}


def test_reads_the_nodes_power_over_the_network(bmc: SimulatedBmc, login: dict[str, Any]) -> None:
    meter = IpmiMeter("127.0.0.1", port=bmc.port, poll_s=0.1, **login)
    bmc.show(Reading(467))
    time.sleep(0.5)
    meter.close()
    values = [values[0] for _, values in meter.rows()]
    assert values[0] == 214.0
    assert values[-1] == 467.0
    [channel] = meter.channels
    assert (channel.name, channel.unit, channel.scope) == ("node:ipmi-power", "W", "node")
    assert channel.resolution == 1.0
    assert channel.gain > 0.02
    assert 0 < channel.stamp_s < 0.2
    facts = meter.facts()
    assert facts["last_answer"]["average_w"] == 184.0
    assert facts["failed"] == 0
    assert PASSWORD not in str(facts)


def test_energy_of_a_recording_covers_the_truth(
    bmc: SimulatedBmc, login: dict[str, Any], tmp_path: Path
) -> None:
    """The node steps from 200 W to 400 W and back; the stand-in shows it at once."""
    options = {"host": "127.0.0.1", "port": bmc.port, "period_s": 0.0, "averaging_s": 0.0,
               "poll_s": 0.1, "gain": 0.0, **login}  # fmt: skip
    bmc.show(Reading(200))
    with Recording([MeterSpec("ipmi", options, TARGET)], tmp_path / "recording") as recording:
        time.sleep(0.5)
        begin_s = time.monotonic()
        time.sleep(0.4)
        bmc.show(Reading(400))
        up_s = time.monotonic()
        time.sleep(0.9)
        bmc.show(Reading(200))
        down_s = time.monotonic()
        time.sleep(0.5)
        stop_s = time.monotonic()
        time.sleep(0.5)
    [trace] = recording.traces().values()
    energy = trace.energy(Window("work", begin_s, stop_s))
    truth_j = 200 * (stop_s - begin_s) + 200 * (down_s - up_s)
    # One draw in real time: two half-widths, since a sound 95 % interval misses one in twenty.
    assert abs(energy.joules - truth_j) <= 2 * energy.half_width_95_j
    assert energy.half_width_95_j < 0.2 * truth_j
    assert [channel.scope for channel in headline_channels([trace.channel])] == ["node"]


def test_a_wrong_password_and_a_silent_address_are_told(
    bmc: SimulatedBmc, login: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BMC_PASSWORD", "wrong")
    with pytest.raises(Unavailable, match=r"Unable to establish.*Check host, port, user_env"):
        IpmiMeter("127.0.0.1", port=bmc.port, timeout_s=5.0, **login)
    bmc.close()
    with pytest.raises(Unavailable, match=r"had no answer in 1 s.*IPMI over LAN is on"):
        IpmiMeter("127.0.0.1", port=bmc.port, timeout_s=1.0, **login)


def test_a_reading_of_nothing_is_no_reading(bmc: SimulatedBmc, login: dict[str, Any]) -> None:
    bmc.show(Reading(0, state=INACTIVE))
    with pytest.raises(Unavailable, match=r"reports 0 W, and its measurement is deactivated"):
        IpmiMeter("127.0.0.1", port=bmc.port, **login)
    bmc.show(Reading(90, state=INACTIVE))
    meter = IpmiMeter("127.0.0.1", port=bmc.port, **login)
    meter.close()
    assert "calls its own power measurement inactive" in meter.notes[-1]


def test_a_service_processor_without_dcmi_is_told(
    tmp_path: Path, login: dict[str, Any], program: Callable[..., str]
) -> None:
    program("ipmitool")
    plain = SimulatedBmc(program("openipmi", "ipmi_sim"), tmp_path, None)
    try:
        with pytest.raises(Unavailable, match=r"\(c1\).*It has no DCMI: try the meter 'redfish'"):
            IpmiMeter("127.0.0.1", port=plain.port, **login)
    finally:
        plain.close()


def _take_all(meter: IpmiMeter, rows: list[Row]) -> None:
    until_s = time.monotonic() + 20.0
    while time.monotonic() < until_s:
        rows += meter.rows()
        time.sleep(0.02)


def test_one_that_goes_silent_is_absent_and_then_lost(
    bmc: SimulatedBmc, login: dict[str, Any]
) -> None:
    meter = IpmiMeter(
        "127.0.0.1", port=bmc.port, poll_s=0.1, timeout_s=0.5, lost_after_s=1.0, **login
    )
    bmc.close()
    rows: list[Row] = []
    with pytest.raises(SensorLost, match=r"service processor 127\.0\.0\.1 gave no reading for"):
        _take_all(meter, rows)
    assert rows[0][1] == [214.0]
    assert math.isnan(rows[-1][1][0])
    before_s = time.monotonic()
    meter.close()
    assert time.monotonic() - before_s < 1.5


def test_this_machines_own_needs_a_device(program: Callable[..., str]) -> None:
    program("ipmitool")
    if any(Path("/dev").glob("ipmi*")):
        pytest.skip("this machine has a service processor")
    with pytest.raises(Unavailable, match=r"No such file.*sudo modprobe -a ipmi_si ipmi_devintf"):
        IpmiMeter()


def test_without_the_program_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(Unavailable, match=r"ipmitool is not installed.*apt-get install ipmitool"):
        IpmiMeter()


def test_options_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(UsageError, match="poll_s = 0 s must be"):
        IpmiMeter(poll_s=0)
    assert IpmiMeter.on_request is True


def test_reads_what_ipmitool_prints() -> None:
    found = parsed(DELL)
    assert found == {
        "reading_w": 238.0, "minimum_w": 19.0, "maximum_w": 549.0, "average_w": 231.0,
        "state": "activated", "statistics_over": "1000 milliseconds",
    }  # fmt: skip
    with pytest.raises(NoAnswer, match="printed no power reading"):
        parsed("DCMI request failed")
