"""``joulebench doctor`` on machines with and without sensors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from joulebench.channel import Channel
from joulebench.cli.doctor import diagnosis, host
from joulebench.meters.machine import machine
from joulebench.meters.registry import MeterReport

ESTIMATE = MeterReport(
    "estimate", True, (Channel("cpu:estimate", "J", method="estimated", scope="cpu package"),)
)
RAPL = MeterReport("rapl", True, (Channel("cpu0:package", "J", scope="cpu package"),))
SIMULATED = MeterReport(
    "simulated", True, (Channel("gpu0:power", "W", method="simulated", scope="gpu board"),)
)


def doctor(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from joulebench.cli import main; main()", "doctor", *words],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    place = tmp_path_factory.mktemp("doctor") / "doctor.json"
    done = doctor("--json", str(place))
    assert done.returncode == 0
    content: dict[str, Any] = json.loads(place.read_text())
    return content


def test_lists_every_meter(report: dict[str, Any]) -> None:
    meters = {meter["kind"]: meter for meter in report["meters"]}
    assert set(meters) >= {"nvml", "rapl", "estimate", "replay", "simulated"}
    for meter in meters.values():
        assert meter["available"] == bool(meter["channels"])
        assert meter["available"] or meter["missing"]


def test_json_alone_goes_to_standard_output(report: dict[str, Any]) -> None:
    done = doctor("--json", "-")
    assert done.returncode == 0
    assert json.loads(done.stdout)["host"] == report["host"]


def test_says_what_is_missing_and_the_assumption() -> None:
    said = doctor().stdout
    assert "0.74 W idle and 3.5 W busy" in said
    assert "By default the energy of a run is the sum of" in said
    for kind in ("nvml", "rapl", "estimate", "replay", "simulated"):
        assert kind in said
    assert "Traceback" not in said


def test_an_estimate_counts_only_where_nothing_is_measured() -> None:
    assert diagnosis([ESTIMATE, SIMULATED])["headline"] == ["cpu:estimate"]
    assert diagnosis([ESTIMATE, RAPL, SIMULATED])["headline"] == ["cpu0:package"]


def test_host_says_whether_it_is_virtual(tmp_path: Path) -> None:
    assert host()["virtual"] in (True, False, None)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("vendor_id\t: AuthenticAMD\nmodel name\t: EPYC\nflags\t: hypervisor\n\n")
    facts = machine(cpuinfo)
    assert (facts.virtual, facts.amd, facts.model) == (True, True, "EPYC")
    absent = machine(tmp_path / "absent")
    assert absent.virtual is None
    assert absent.logical_cpus >= 1
