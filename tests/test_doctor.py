"""``joulebench doctor`` on machines with and without sensors."""

from __future__ import annotations

import json
import os
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


def doctor(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from joulebench.cli import main; main()", "doctor", *words],
        env={**os.environ, **env},
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


# With --characterize

HOPPER = 'simulated:board=hopper,faults={"delay_s":0.04,"averaging_error":0.05}'


@pytest.fixture(scope="module")
def characterised(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Path, subprocess.CompletedProcess[str], dict[str, Any]]:
    folder = tmp_path_factory.mktemp("characterised")
    words = ("--characterize", "--seconds", "9", "--meters", HOPPER)
    place = str(folder / "found.json")
    env = {"JOULEBENCH_SENSORS": str(folder / "sensors"), "COLUMNS": "80"}
    done = doctor(*words, "--json", place, **env)
    return folder, done, json.loads(Path(place).read_text())


def test_characterize_measures_stores_and_says_so(
    characterised: tuple[Path, subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    folder, done, found = characterised
    assert done.returncode == 0, done.stderr
    (meter,) = found["meters"]
    facts = {one["channel"]["name"]: one for one in meter["channels"]}
    assert set(facts) == {"gpu0:energy", "gpu0:power", "gpu0:power_average"}
    average = facts["gpu0:power_average"]
    assert average["averaging_s"]["value"] == pytest.approx(1.05, rel=0.05)
    assert average["period_s"]["value"] == pytest.approx(0.1, rel=0.02)
    assert facts["gpu0:energy"]["delay_s"]["value"] == pytest.approx(0.04, abs=0.02)
    assert meter["read_p99_s"] >= meter["read_p50_s"] > 0
    assert "host" in found
    (stored,) = (folder / "sensors").glob("*.json")
    assert found["profiles"] == [str(stored)]
    assert "40" in done.stdout
    assert "late" in done.stdout
    table = [line for line in done.stdout.splitlines() if line.startswith((" channel", " gpu0"))]
    assert len(table) == 4
    assert all(len(line.rstrip()) <= 80 for line in table)


def test_what_was_characterised_is_used_from_then_on(
    characterised: tuple[Path, subprocess.CompletedProcess[str], dict[str, Any]],
) -> None:
    folder, _, _ = characterised
    program = (
        "from joulebench.meters.registry import parse, resolve; import sys;"
        "m = resolve([parse(sys.argv[1])])[0].open();"
        "print(m.channels[2].averaging_s, m.notes)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, HOPPER],
        env={**os.environ, "JOULEBENCH_SENSORS": str(folder / "sensors")},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert float(done.stdout.split()[0]) == pytest.approx(1.05, rel=0.05)
    assert "as characterised on" in done.stdout


def test_an_unwritable_place_loses_no_result(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = doctor(
        "--characterize", "--seconds", "5", "--meters", "simulated:board=volta",
        JOULEBENCH_SENSORS=str(tmp_path / "file" / "sensors"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "gpu0:power" in done.stdout
    assert "Not stored" in done.stdout
    assert "JOULEBENCH_SENSORS" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--seconds", "9"), "belong to: joulebench doctor --characterize"),
        (("--meters", "rapl"), "belong to: joulebench doctor --characterize"),
        (("--characterize", "--seconds", "1"), "5"),
        (("--characterize", "--meters", "estimate"), "reads no sensor of this machine"),
        (
            ("--characterize", "--seconds", "6", "--meters", "simulated", "--meters", "rapl"),
            "too short for 2 meters; give at least",
        ),
        (("--characterize", "--meters", "simulated:board=nosuch"), "nosuch"),
        (("--characterize", "--json", "/no/such/folder/x.json"), "there is no folder"),
    ],
)
def test_wrong_use_is_said_in_one_line(words: tuple[str, ...], says: str) -> None:
    done = doctor(*words)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_meters_on_request_are_named_and_not_opened(report: dict[str, Any]) -> None:
    meters = {meter["kind"]: meter for meter in report["meters"]}
    assert meters["energibridge"]["on_request"]
    assert not meters["energibridge"]["available"]
    assert "joulebench measure --meters energibridge" in meters["energibridge"]["remedy"]
    assert not meters["rapl"]["on_request"]
