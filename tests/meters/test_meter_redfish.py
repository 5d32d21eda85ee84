"""Power by Redfish, from a stand-in that serves documents in the form of the schemas."""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redfish_stand_in import (
    METRICS,
    OUTLET,
    PASSWORD,
    POWER,
    SENSOR,
    USER,
    RedfishStandIn,
    chassis,
    metrics,
    outlet,
    power,
)

from joulebench.channel import Window
from joulebench.errors import SensorLost, Unavailable, UsageError
from joulebench.meters.meter import MeterSpec
from joulebench.meters.power_profile import PowerProfile
from joulebench.meters.redfish import RedfishMeter
from joulebench.meters.redfish_service import seconds
from joulebench.testbed.recording import Recording

TARGET = "joulebench.meters.redfish:RedfishMeter"
ESTIMATE = "joulebench.meters.estimate:EstimateMeter"
Serve = Callable[..., RedfishStandIn]


@pytest.fixture
def serve() -> Iterator[Serve]:
    running: list[RedfishStandIn] = []

    def start(documents: dict[str, Any], **options: Any) -> RedfishStandIn:
        running.append(RedfishStandIn(documents, **options))
        return running[-1]

    yield start
    for service in running:
        service.close()


@pytest.fixture(autouse=True)
def login(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    monkeypatch.setenv("BMC_USER", USER)
    monkeypatch.setenv("BMC_PASSWORD", PASSWORD)
    return {"user_env": "BMC_USER", "password_env": "BMC_PASSWORD"}


def test_reads_newer_services(serve: Serve) -> None:
    service = serve({**chassis("1U"), METRICS: metrics(374), POWER: power(344)})
    meter = RedfishMeter(service.url, poll_s=0.1)
    service.documents[METRICS] = metrics(512)
    time.sleep(0.3)
    meter.close()
    values = [values[0] for _, values in meter.rows()]
    assert values[0] == 374.0
    assert values[-1] == 512.0
    [channel] = meter.channels
    assert (channel.name, channel.scope) == ("node:redfish-power", "node")
    assert channel.resolution == 1.0
    assert 0.02 < channel.gain < 0.04
    assert meter.facts()["path"] == METRICS


def test_reads_older_services(serve: Serve) -> None:
    service = serve({**chassis("1U"), POWER: power(344.5, "GPU tray")})
    meter = RedfishMeter(service.url)
    meter.close()
    assert meter.rows()[0][1] == [344.5]
    assert meter.channels[0].resolution == pytest.approx(0.1)
    assert "the first of 2 power controls is read: System Input Power, GPU tray" in meter.notes


def test_what_the_sensor_says_of_itself_is_used(serve: Serve) -> None:
    sensor = {"@odata.type": "#Sensor.v1_8_0.Sensor", "Id": "TotalPower", "ReadingType": "Power",
              "Reading": 374.2, "ReadingUnits": "W", "Accuracy": 1.5, "ReadingAccuracy": 3,
              "SensingInterval": "PT0.5S"}  # fmt: skip
    service = serve({**chassis("1U"), METRICS: metrics(374.2), SENSOR: sensor})
    either: list[dict[str, Any]] = [{}, {"resource": SENSOR}]
    for options in either:
        meter = RedfishMeter(service.url, **options)
        meter.close()
        [channel] = meter.channels
        assert channel.gain == pytest.approx(0.015 / math.sqrt(3))
        assert channel.offset == pytest.approx(3 / math.sqrt(3))
        assert channel.delay_s == pytest.approx(0.25)
        assert "updated every 0.5 s (as it says)" in meter.notes[0]
    meter = RedfishMeter(service.url, gain=0.1, period_s=2.0)
    meter.close()
    assert meter.channels[0].gain == 0.1
    assert "updated every 2 s (assumed)" in meter.notes[0]


def test_an_outlet_of_a_power_strip_is_at_the_wall(serve: Serve) -> None:
    service = serve({OUTLET: outlet(0.0)})
    meter = RedfishMeter(service.url, resource=OUTLET, energy=True)
    meter.close()
    first, second = meter.channels
    assert (first.name, first.scope, first.unit) == ("outletA1:redfish-power", "wall", "W")
    assert (second.name, second.scope, second.unit) == ("outletA1:redfish-energy", "wall", "J")
    assert second.resolution == pytest.approx(3.6e5)
    assert list(meter.rows()[0][1]) == pytest.approx([0.0, 36166.2 * 3.6e6])
    alone = RedfishMeter(service.url, resource=OUTLET)
    alone.close()
    assert [channel.unit for channel in alone.channels] == ["W"]


def test_several_chassis_are_refused_unless_one_is_named(serve: Serve) -> None:
    documents = chassis("1U", "GPU_0")
    documents[METRICS] = metrics(374)
    documents["/redfish/v1/Chassis/GPU_0/EnvironmentMetrics"] = metrics(101)
    service = serve(documents)
    with pytest.raises(UsageError, match=r"1U, GPU_0 all show power.*chassis=\.\.\."):
        RedfishMeter(service.url)
    meter = RedfishMeter(service.url, chassis="GPU_0")
    meter.close()
    assert meter.rows()[0][1] == [101.0]
    with pytest.raises(Unavailable, match=r"no chassis '2U', only 1U, GPU_0"):
        RedfishMeter(service.url, chassis="2U")
    many = serve(chassis(*(f"C{n}" for n in range(20))))
    with pytest.raises(UsageError, match=r"has 20 chassis; say which"):
        RedfishMeter(many.url)
    assert len(many.asked) == 2  # the root and the collection


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ({**chassis("1U")}, "shows no power for chassis 1U"),
        ({**chassis("1U"), METRICS: metrics(None), POWER: power(None)}, "shows no power"),
        ({**chassis("1U"), POWER: power(0)}, "shows no power"),
        ({}, r"HTTP 404: There is no /redfish/v1/\..*curl -k"),
        ({"/redfish/v1/": {"Id": "RootService"}}, "a Redfish service without chassis"),
        ({"/redfish/v1/": []}, "is no document"),
    ],
)
def test_services_without_power_are_told(
    serve: Serve, documents: dict[str, Any], message: str
) -> None:
    with pytest.raises(Unavailable, match=message):
        RedfishMeter(serve(documents).url)


def test_a_password_at_each_request_or_a_session(serve: Serve, login: dict[str, Any]) -> None:
    service = serve({**chassis("1U"), METRICS: metrics(374)}, locked=True)
    with pytest.raises(Unavailable, match=r"refuses the credentials \(HTTP 401\).*user_env"):
        RedfishMeter(service.url)
    meter = RedfishMeter(service.url, **login)
    meter.close()
    assert meter.rows()[0][1] == [374.0]
    assert not any(asked.startswith("POST") for asked in service.asked)
    meter = RedfishMeter(service.url, session=True, poll_s=0.1, **login)
    service.sessions.clear()  # as if it had run out
    time.sleep(0.35)
    meter.close()
    assert {values[0] for _, values in meter.rows()} == {374.0}
    assert meter.facts()["failed"] == 0
    assert service.sessions == set()
    assert service.asked[-1].startswith("DELETE")
    assert PASSWORD not in str(meter.facts())


def test_a_wrong_password_opens_no_session(
    serve: Serve, login: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BMC_PASSWORD", "wrong")
    service = serve({**chassis("1U"), METRICS: metrics(374)}, locked=True)
    with pytest.raises(Unavailable, match="refuses the credentials"):
        RedfishMeter(service.url, session=True, **login)


def test_a_slow_service_holds_nothing_up_and_covers_the_truth(serve: Serve, tmp_path: Path) -> None:
    """Each answer takes an eighth of a second, and shows the power of some moment of it."""
    begin_s = time.monotonic()
    truth = PowerProfile([begin_s, begin_s + 1.5, begin_s + 3.0], [210.0, 480.0, 260.0])
    service = serve(
        {**chassis("1U"), METRICS: lambda: metrics(round(truth.power_w(time.monotonic())))}
    )
    service.delay_s = 0.12
    options = {"url": service.url, "poll_s": 0.1, "period_s": 0.0, "gain": 0.0}
    with Recording(
        [MeterSpec("redfish", options, TARGET), MeterSpec("estimate", {}, ESTIMATE)],
        tmp_path, interval_s=0.02,
    ) as recording:  # fmt: skip
        start_s = time.monotonic()
        time.sleep(3.5)
        stop_s = time.monotonic()
        time.sleep(0.6)
    facts = recording.facts()
    assert facts["missed"] < 0.2 * facts["samples"]
    trace = recording.traces()["node:redfish-power"]
    assert 0.1 < (trace.t_s[-1] - trace.t_s[0]) / (len(trace) - 1) < 0.4
    energy = trace.energy(Window("work", start_s, stop_s))
    # One draw in real time: two half-widths, since a sound 95 % interval misses one in twenty.
    apart_j = abs(energy.joules - truth.energy_j(start_s, stop_s))
    assert apart_j <= 2 * energy.half_width_95_j
    assert energy.half_width_95_j < 0.2 * energy.joules


def test_one_that_goes_silent_is_absent_and_then_lost(serve: Serve) -> None:
    service = serve({**chassis("1U"), METRICS: metrics(374)})
    meter = RedfishMeter(service.url, poll_s=0.1, timeout_s=0.3, lost_after_s=0.8)
    service.delay_s = 5.0
    rows: list[Any] = []
    with pytest.raises(SensorLost, match=r"gave no reading for 1 s: .* does not answer"):
        _take_all(meter, rows)
    before_s = time.monotonic()
    meter.close()
    assert time.monotonic() - before_s < 1.0
    assert rows[0][1] == [374.0]
    assert math.isnan(rows[-1][1][0])
    service.delay_s = 0.0


def _take_all(meter: RedfishMeter, rows: list[Any]) -> None:
    until_s = time.monotonic() + 20.0
    while time.monotonic() < until_s:
        rows += meter.rows()
        time.sleep(0.02)


def test_a_certificate_that_nobody_vouches_for_is_refused(serve: Serve, tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    service = serve(
        {**chassis("1U"), METRICS: metrics(374)}, certificate=(str(certificate), str(key))
    )
    with pytest.raises(Unavailable, match=r"CERTIFICATE_VERIFY_FAILED.*ca_file=FILE"):
        RedfishMeter(service.url)
    either: list[dict[str, Any]] = [{"ca_file": str(certificate)}, {"verify": False}]
    for options in either:
        meter = RedfishMeter(service.url, **options)
        meter.close()
        assert meter.rows()[0][1] == [374.0]
    with pytest.raises(UsageError, match=r"ca_file .* cannot be used"):
        RedfishMeter(service.url, ca_file=str(tmp_path / "none.pem"))


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost that signs itself."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    certificate, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(pem))
    key_file.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, key_file


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        RedfishMeter("http://127.0.0.1:9", chassis="1", resource="/redfish/v1/x")
    with pytest.raises(UsageError, match="belong together"):
        RedfishMeter("http://127.0.0.1:9", user_env="BMC_USER")
    with pytest.raises(Unavailable, match=r"does not answer.*refused.*curl -k"):
        RedfishMeter("http://127.0.0.1:9")
    assert RedfishMeter.on_request is True


def test_reads_durations() -> None:
    assert seconds("PT0.5S") == 0.5
    assert seconds("P1DT1M1S") == 86461.0
    assert seconds("PT") is None
    assert seconds("1s") is None
    assert seconds(None) is None
