"""What CodeCarbon reads from sensors is called measured: powercap of files, and NVML of C."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from joulebench.meters import codecarbon_parts
from joulebench.meters.codecarbon import CodeCarbonMeter
from joulebench.meters.machine import Machine
from joulebench.sensor_gains import MODELLED_GAIN, NVML_GAIN, RAPL_GAINS

pytestmark = pytest.mark.skipif(find_spec("codecarbon") is None, reason="needs joulebench[carbon]")


@pytest.fixture
def powercap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A stand-in powercap tree, which the real CodeCarbon reads instead of this machine's."""
    from codecarbon.core import cpu, hardware_cache
    from codecarbon.external import hardware

    root = tmp_path / "powercap" / "intel-rapl"
    root.mkdir(parents=True)
    rapl: Any = cpu.IntelRAPL

    def inside(**options: Any) -> Any:
        return rapl(**{**options, "rapl_dir": str(root)})

    monkeypatch.setattr(cpu, "is_rapl_available", partial(cpu.is_rapl_available, str(root)))
    monkeypatch.setattr(hardware, "IntelRAPL", inside)
    hardware_cache.clear_cache()
    yield root
    hardware_cache.clear_cache()


def zone(root: Path, folder: str, name: str) -> Path:
    place = root / folder
    place.mkdir()
    (place / "name").write_text(f"{name}\n")
    (place / "energy_uj").write_text("5000000\n")
    (place / "max_energy_range_uj").write_text("262143328850\n")
    return place / "energy_uj"


def read(monkeypatch: pytest.MonkeyPatch, vendor: str, *counters: Path) -> dict[str, Any]:
    """Open the meter, let each counter count 7 J, and give its CPU channel, joules and facts."""
    machine = Machine(vendor, "a processor", 2, virtual=False)
    monkeypatch.setattr(codecarbon_parts, "machine", lambda: machine)
    meter = CodeCarbonMeter("NLD", interval_s=3600.0)
    for counter in counters:
        counter.write_text("12000000\n")
    time.sleep(0.1)  # CodeCarbon takes no reading within 50 ms of the last
    meter.close()
    place = next(i for i, c in enumerate(meter.channels) if "ram" not in c.name)
    rows = meter.rows()
    joules = rows[-1][1][place] - rows[0][1][place]
    return {"channel": meter.channels[place], "joules": joules, **meter.facts()}


def test_rapl_is_measured(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = zone(powercap, "intel-rapl:0", "package-0")
    found = read(monkeypatch, "GenuineIntel", counter)
    channel = found["channel"]
    assert (channel.name, channel.method) == ("cpu:codecarbon", "measured")
    assert (channel.scope, channel.gain) == ("cpu package", RAPL_GAINS["cpu package"])
    assert found["joules"] == pytest.approx(7.0, rel=1e-5)
    assert found["backends"]["cpu:codecarbon"] == "intel_rapl"


def test_amds_model_is_called_one(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = zone(powercap, "intel-rapl:0", "package-0")
    channel = read(monkeypatch, "AuthenticAMD", counter)["channel"]
    assert (channel.method, channel.gain) == ("modelled", MODELLED_GAIN)


def test_a_platform_counter_is_no_package(powercap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    counter = zone(powercap, "intel-rapl:0", "psys")
    found = read(monkeypatch, "GenuineIntel", counter)
    assert (found["channel"].name, found["channel"].scope) == ("psys:codecarbon", "platform")
    assert found["joules"] == pytest.approx(7.0, rel=1e-5)


def test_a_power_that_is_polled_is_doubted_more() -> None:
    device = SimpleNamespace(_use_power_fallback=True)
    # Stands in for CodeCarbon's class of that name, on a board without an energy counter.
    gpu = type("GPU", (), {"devices": SimpleNamespace(devices=[device])})()
    [part] = codecarbon_parts.find_parts([gpu])
    assert part.channel.gain > NVML_GAIN
    assert "once a second" in part.note


def test_hardware_that_is_not_known_is_left_out() -> None:
    assert codecarbon_parts.find_parts([object()]) == []


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str]) -> Path:
    """A stand-in for the driver's library, and for the program that CodeCarbon looks for."""
    compiler = program("cc")
    folder = tmp_path_factory.mktemp("codecarbon-driver")
    source = Path(__file__).with_name("fake_nvml.c")
    built = folder / "libnvidia-ml.so.1"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", str(built), str(source)], check=True)
    command = folder / "nvidia-smi"
    command.write_text("#!/bin/sh\nexit 0\n")
    command.chmod(0o755)
    return folder


def test_gpus_are_measured_by_their_counters_and_never_counted_twice(driver: Path) -> None:
    path = f"{driver}{os.pathsep}{os.environ['PATH']}"
    words = ["measure", "--json", "-", "--meters", "nvml", "--meters",
             "codecarbon:country_iso_code=NLD,interval_s=0.2", "--", "sleep", "1"]  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", "from joulebench.cli import main; main()", *words],
        env={**os.environ, "LD_LIBRARY_PATH": str(driver), "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    result = json.loads(done.stdout)
    gpu = result["channels"]["gpu:codecarbon"]
    assert (gpu["method"], gpu["scope"]) == ("measured", "gpu board")
    assert gpu["joules"] / result["duration_s"] == pytest.approx(400, rel=0.15)
    assert {"gpu0:energy", "gpu1:energy"} <= set(result["headline"])
    assert "gpu:codecarbon" not in result["headline"]
    facts = result["recorder"]["meters"]["codecarbon"]
    assert facts["final_emissions_data"]["gpu_count"] == 2
    assert facts["backends"]["gpu:codecarbon"] == "energy counter"
    emitted = result["emissions"]
    assert emitted["energy_kwh"] * 3.6e6 == pytest.approx(result["energy"]["joules"])
