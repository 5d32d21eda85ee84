"""Outlets of power strips, read from a real SNMP agent that serves their objects."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from snmpd_real import AUTH, COMMUNITY, PRIV, USER, RealSnmpd

from joulebench.channel import Window
from joulebench.energy import headline_channels
from joulebench.errors import SensorLost, Unavailable, UsageError
from joulebench.meters.meter import MeterSpec
from joulebench.meters.snmp import SnmpMeter
from joulebench.testbed.recording import Recording

TARGET = "joulebench.meters.snmp:SnmpMeter"
APC_POWER = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.7"
APC_ENERGY = "1.3.6.1.4.1.318.1.1.26.9.4.3.1.11"
RARITAN = "1.3.6.1.4.1.13742.6.5.4.3.1.4"
RARITAN_DIGITS = "1.3.6.1.4.1.13742.6.3.5.4.1.7"
SENTRY4 = "1.3.6.1.4.1.1718.4.1.8.3.1"
EATON = "1.3.6.1.4.1.534.6.6.7.6.5.1"

Figures = dict[str, tuple[str, int]]


@pytest.fixture(scope="module")
def strip(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str]
) -> Iterator[RealSnmpd]:
    path = program("snmpd", "/usr/sbin/snmpd")
    agent = RealSnmpd(path, tmp_path_factory.mktemp("snmpd"))
    yield agent
    agent.close()


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    values = {"COMMUNITY": COMMUNITY, "USER": USER, "AUTH": AUTH, "PRIV": PRIV}
    for name, value in values.items():
        monkeypatch.setenv(f"STRIP_{name}", value)


def _opened(strip: RealSnmpd, *outlets: int | str, **options: Any) -> SnmpMeter:
    given = {"community_env": "STRIP_COMMUNITY", "poll_s": 0.1, **options}
    return SnmpMeter("127.0.0.1", outlets, port=strip.port, **given)


@pytest.mark.parametrize(
    ("vendor", "quantity", "outlet", "figures", "expected", "resolution"),
    [
        ("apc", "power", 3, {f"{APC_POWER}.3": ("gauge", 412)}, 412.0, 1.0),
        ("apc", "energy", 3, {f"{APC_ENERGY}.3": ("gauge", 25)}, 25 * 3.6e5, 3.6e5),
        (
            "raritan", "power", 7,
            {f"{RARITAN}.1.7.5": ("gauge", 4127), f"{RARITAN_DIGITS}.1.7.5": ("gauge", 1)},
            412.7, 0.1,
        ),
        (
            "raritan", "energy", "2.7",
            {f"{RARITAN}.2.7.8": ("gauge", 90), f"{RARITAN_DIGITS}.2.7.8": ("gauge", 0)},
            90 * 3600.0, 3600.0,
        ),
        ("servertech", "power", 4, {f"{SENTRY4}.7.1.1.4": ("integer", 88)}, 88.0, 1.0),
        ("servertech", "energy", "1.2.4", {f"{SENTRY4}.14.1.2.4": ("integer", 2)}, 7200.0, 3600.0),
        ("eaton", "power", 19, {f"{EATON}.3.0.19": ("integer", 150)}, 150.0, 1.0),
        ("eaton", "energy", 19, {f"{EATON}.4.0.19": ("gauge", 10)}, 36000.0, 3600.0),
    ],
)  # fmt: skip
def test_reads_an_outlet_of_each_maker(
    strip: RealSnmpd, vendor: str, quantity: str, outlet: int | str, figures: Figures,
    expected: float, resolution: float,
) -> None:  # fmt: skip
    strip.show(figures)
    meter = _opened(strip, outlet, vendor=vendor, quantity=quantity)
    meter.close()
    [channel] = meter.channels
    assert list(meter.rows()[0][1]) == pytest.approx([expected])
    assert channel.name == f"outlet{outlet}:{quantity}"
    assert channel.scope == "wall"
    assert channel.resolution == pytest.approx(resolution)
    assert channel.gain > 0.01


def test_two_outlets_of_one_machine_are_added(strip: RealSnmpd) -> None:
    strip.show({f"{APC_POWER}.3": ("gauge", 210), f"{APC_POWER}.4": ("gauge", 0)})
    meter = _opened(strip, 3, 4, vendor="apc", device="rack2-")
    meter.close()
    assert meter.rows()[0][1] == [210.0, 0.0]
    names = [channel.name for channel in headline_channels(meter.channels)]
    assert names == ["rack2-3:power", "rack2-4:power"]


def test_version_3_signs_and_enciphers(strip: RealSnmpd) -> None:
    strip.show({f"{APC_POWER}.3": ("gauge", 333)})
    login = {"version": 3, "user_env": "STRIP_USER", "auth_env": "STRIP_AUTH"}
    meter = _opened(strip, 3, vendor="apc", priv_env="STRIP_PRIV", **login)
    meter.close()
    assert meter.rows()[0][1] == [333.0]
    facts = meter.facts()
    assert not any(word in str(facts) for word in (AUTH, PRIV, USER))
    with pytest.raises(Unavailable, match=r"No power from the power strip.*Check host, version"):
        _opened(strip, 3, vendor="apc", timeout_s=0.5, **login)
    wrong = {**login, "auth_env": "STRIP_PRIV", "priv_env": "STRIP_AUTH"}
    with pytest.raises(Unavailable, match=r"(?i)digest|unknown|no answer|No SNMP"):
        _opened(strip, 3, vendor="apc", timeout_s=0.5, **wrong)


def test_any_object_can_be_named(strip: RealSnmpd) -> None:
    strip.show({f"{EATON}.9.1": ("counter", 4_000_000_000), f"{EATON}.9.2": ("string", 17)})
    meter = _opened(strip, 1, oid=f".{EATON}.9", unit="J", scale=0.1, scope="node")
    meter.close()
    [channel] = meter.channels
    assert list(meter.rows()[0][1]) == pytest.approx([4e8])
    assert channel.wrap_j == pytest.approx(2**32 * 0.1)
    assert channel.scope == "node"
    text = _opened(strip, oid=f"{EATON}.9.2", device="psu")
    text.close()
    assert text.rows()[0][1] == [17.0]
    assert text.channels[0].name == "psu:power"


def test_energy_of_a_recording_covers_the_truth(strip: RealSnmpd, tmp_path: Path) -> None:
    options = {"host": "127.0.0.1", "port": strip.port, "vendor": "apc", "outlets": [3],
               "community_env": "STRIP_COMMUNITY", "period_s": 0.0, "poll_s": 0.1,
               "gain": 0.0}  # fmt: skip
    strip.show({f"{APC_POWER}.3": ("gauge", 200)})
    with Recording([MeterSpec("snmp", options, TARGET)], tmp_path) as recording:
        time.sleep(0.5)
        begin_s = time.monotonic()
        time.sleep(0.4)
        strip.show({f"{APC_POWER}.3": ("gauge", 400)})
        up_s = time.monotonic()
        time.sleep(0.9)
        strip.show({f"{APC_POWER}.3": ("gauge", 200)})
        down_s = time.monotonic()
        time.sleep(0.5)
        stop_s = time.monotonic()
        time.sleep(0.4)
    [trace] = recording.traces().values()
    energy = trace.energy(Window("work", begin_s, stop_s))
    truth_j = 200 * (stop_s - begin_s) + 200 * (down_s - up_s)
    # One draw in real time: two half-widths, since a sound 95 % interval misses one in twenty.
    assert abs(energy.joules - truth_j) <= 2 * energy.half_width_95_j
    assert energy.half_width_95_j < 0.2 * truth_j


def test_outlets_that_are_not_there_or_not_metered_are_told(strip: RealSnmpd) -> None:
    strip.show({f"{SENTRY4}.7.1.1.1": ("integer", -1)})
    with pytest.raises(Unavailable, match=r"no reading for outlet 1 \(.*is -1\).*meters single"):
        _opened(strip, 1, vendor="servertech")
    with pytest.raises(Unavailable, match=r"no reading for outlet 9 \(.*is NoSuchInstance\)"):
        _opened(strip, 9, vendor="servertech")


def test_an_outlet_that_stops_being_metered_is_absent_and_lost(strip: RealSnmpd) -> None:
    strip.show({f"{SENTRY4}.7.1.1.1": ("integer", 50)})
    meter = _opened(strip, 1, vendor="servertech", lost_after_s=0.6)
    strip.show({f"{SENTRY4}.7.1.1.1": ("integer", -1)})
    rows: list[Any] = []
    with pytest.raises(SensorLost, match=r"127\.0\.0\.1 gave no reading for.*it answers, but"):
        _take_all(meter, rows)
    meter.close()
    assert rows[0][1] == [50.0]
    assert rows[-1][1][0] != rows[-1][1][0]  # nan


def _take_all(meter: SnmpMeter, rows: list[Any]) -> None:
    until_s = time.monotonic() + 20.0
    while time.monotonic() < until_s:
        rows += meter.rows()
        time.sleep(0.02)


def test_a_wrong_community_or_a_silent_address_is_told_in_time(
    strip: RealSnmpd, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRIP_COMMUNITY", "wrong")
    before_s = time.monotonic()
    with pytest.raises(Unavailable, match=r"No SNMP response|no answer"):
        _opened(strip, 3, vendor="apc", timeout_s=0.5)
    assert time.monotonic() - before_s < 3.0


def test_options_that_do_not_fit_are_refused() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "say whose power strip it is"),
        ({"vendor": "apc", "oid": "1.3"}, "say whose power strip it is"),
        ({"vendor": "acp", "outlets": [1]}, "did you mean 'apc'"),
        ({"vendor": "apc"}, r"outlets=\[3,4\]"),
        ({"vendor": "apc", "outlets": "1.2"}, "outlet '1.2' must be a number"),
        ({"vendor": "raritan", "outlets": ["x"]}, "must be a number, or STRIP.OUTLET"),
        ({"vendor": "apc", "outlets": [1], "quantity": "volts"}, "'volts' is not known"),
        ({"oid": "sysDescr.0"}, "must be numbers with dots"),
        ({"oid": "1.3", "version": "4"}, "version '4' is not known"),
        ({"oid": "1.3", "version": 3}, "version 3 needs user_env"),
        ({"oid": "1.3", "community_env": "NOT_SET_AT_ALL"}, "NOT_SET_AT_ALL is not set"),
        ({"oid": "1.3", "timeout_s": 0}, "timeout_s = 0 s must be"),
    ]
    for options, message in cases:
        with pytest.raises(UsageError, match=message):
            SnmpMeter("127.0.0.1", **options)
    assert SnmpMeter.on_request is True
