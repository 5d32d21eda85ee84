"""The meter through pynvml and a shared library of C, as with a real driver."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


def build(folder: Path, compiler: str, *flags: str) -> Path:
    source = Path(__file__).with_name("fake_nvml.c")
    built = folder / "libnvidia-ml.so.1"
    command = [compiler, "-shared", "-fPIC", "-Wall", "-Werror", *flags, "-o", str(built)]
    subprocess.run([*command, str(source)], check=True)
    return folder


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str]) -> Path:
    return build(tmp_path_factory.mktemp("driver"), program("cc"))


@pytest.fixture(scope="session")
def old_driver(tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str]) -> Path:
    return build(tmp_path_factory.mktemp("old"), program("cc"), "-DOLD_DRIVER")


def run(driver: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    hidden = {"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"}
    kept = {key: value for key, value in os.environ.items() if key not in hidden}
    return subprocess.run(
        [sys.executable, "-c", "from joulebench.cli import main; main()", *words],
        env={**kept, "LD_LIBRARY_PATH": str(driver), **env},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def joulebench(driver: Path) -> Run:
    return lambda *words, **env: run(driver, *words, **env)


OPEN = """
import json, sys
from joulebench.meters.nvml import NvmlMeter
meter = NvmlMeter(**json.loads(sys.argv[1]))
told = {
    "channels": [channel.to_dict() for channel in meter.channels],
    "values": meter.read(),
    "state": meter.observe(),
    "notes": meter.notes,
}
meter.close()
print(json.dumps(told | meter.facts()))
"""


def meter(driver: Path, options: dict[str, Any] | None = None, **env: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", OPEN, json.dumps(options or {})],
        env={**os.environ, "LD_LIBRARY_PATH": str(driver), **env},
        capture_output=True,
        text=True,
        check=True,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    told["by_name"] = dict(
        zip([channel["name"] for channel in told["channels"]], told["values"], strict=True)
    )
    return told


def test_doctor_lists_both_gpus(joulebench: Run) -> None:
    report = json.loads(joulebench("doctor", "--json", "-").stdout)
    nvml = next(meter for meter in report["meters"] if meter["kind"] == "nvml")
    channels = {channel["name"]: channel for channel in nvml["channels"]}
    assert set(channels) == {
        "gpu0:energy",
        "gpu0:power",
        "gpu0:power_average",
        "gpu1:energy",
        "gpu1:power",
    }
    assert channels["gpu0:power"]["averaging_s"] == 0.025
    assert channels["gpu0:power"]["limit_w"] == 700
    assert any("instant power of NVIDIA H100" in note for note in nvml["notes"])
    assert any("usage power of NVIDIA A100" in note for note in nvml["notes"])
    assert {"gpu0:energy", "gpu1:energy"} <= set(report["headline"])


def test_measures_one_gpu(joulebench: Run) -> None:
    words = ("measure", "--json", "-", "--meters", "nvml:devices=GPU-a100", "--", "sleep", "1")
    result = json.loads(joulebench(*words).stdout)
    low = result["energy"]["joules"] / result["duration_s"]
    assert low == pytest.approx(100, rel=0.12)
    assert result["headline"] == ["gpu1:energy"]
    power = result["channels"]["gpu1:power"]["joules"] / result["duration_s"]
    assert power == pytest.approx(100.007, abs=0.01)


def test_the_state_comes_through_the_structures_of_c(driver: Path) -> None:
    told = meter(driver, {"readings": "all"}, FAKE_NVML_PID=str(os.getpid()))
    assert told["by_name"]["gpu0:memory_power"] == 60
    first, second = told["state"]
    name = Path(f"/proc/{os.getpid()}/comm").read_text(encoding="utf-8").strip()
    assert first["processes"] == [{"pid": os.getpid(), "name": name, "memory_bytes": 1 << 30}]
    assert (first["temperature_c"], first["memory_temperature_c"]) == (40, 55)
    assert first["throttle"] == ["power cap", "hardware temperature"]
    assert (first["utilisation"], second["utilisation"]) == (0.87, 0.0)
    assert second["processes"] == []
    assert told["devices"]["gpu0"]["driver"] == "580.0 (simulated)"


def test_a_driver_that_lacks_the_newer_functions(old_driver: Path) -> None:
    told = meter(old_driver)
    assert set(told["by_name"]) == {"gpu0:energy", "gpu0:power", "gpu1:energy", "gpu1:power"}
    assert told["by_name"]["gpu0:power"] == pytest.approx(300.007)
    assert told["state"][0]["temperature_c"] == 40
    assert told["state"][0]["throttle"] == ["power cap", "hardware temperature"]
    assert len(told["state"][0]["processes"]) == 1
    assert "mig" not in told["state"][0]


def test_a_superchip_counts_its_module_once(driver: Path, tmp_path: Path) -> None:
    for slot in ("0008:01:00.0", "0009:01:00.0"):
        (tmp_path / slot).mkdir()
        (tmp_path / slot / "numa_node").write_text("0\n")
    told = meter(driver, {"pci": str(tmp_path)}, FAKE_NVML="superchip")
    modules = [c["name"] for c in told["channels"] if c["scope"] == "gpu module"]
    assert modules == ["gpu0+gpu1:energy", "gpu0+gpu1:module_power"]
    assert told["by_name"]["gpu0+gpu1:module_power"] == 900
    assert any("are assumed to be Hopper's" in note for note in told["notes"])


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"FAKE_NVML_INIT": "9"}, "the NVIDIA driver is not loaded. sudo modprobe nvidia"),
        ({"FAKE_NVML_INIT": "4"}, "this user may not ask NVML"),
        ({"FAKE_NVML_HANDLE": "4"}, "gpu0 is left out: GPU 0: this user may not ask NVML"),
        ({"FAKE_NVML_INIT": "123"}, "NVML answers with code 123, which is not known here"),
        ({"CUDA_VISIBLE_DEVICES": ""}, "hides every GPU from CUDA"),
    ],
)
def test_a_driver_that_refuses_is_one_line(
    joulebench: Run, env: dict[str, str], words: str
) -> None:
    done = joulebench("measure", "--meters", "nvml", "--", "true", **env)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_instance_is_one_line_that_names_its_board(joulebench: Run) -> None:
    words = ("measure", "--meters", "nvml:devices=MIG-1c", "--", "true")
    done = joulebench(*words, FAKE_NVML="mig")
    assert done.returncode == 2
    assert "which is on gpu0" in done.stderr
    assert done.stderr.count("\n") == 1


def test_fields_that_fail_leave_the_functions(driver: Path) -> None:
    told = meter(driver, FAKE_NVML_FIELD="21")
    assert told["by_name"]["gpu0:power"] == pytest.approx(300.007)
    assert any("usage power of NVIDIA H100" in note for note in told["notes"])


def test_a_gpu_that_goes_while_it_is_measured_leaves_the_other(joulebench: Run) -> None:
    words = ("measure", "--json", "-", "--meters", "nvml", "--", "sleep", "1.2")
    done = joulebench(*words, FAKE_NVML_LOST="1:0.7")
    assert "Traceback" not in done.stderr
    result = json.loads(done.stdout)
    assert result["channels"]["gpu0:energy"]["joules"] / result["duration_s"] == pytest.approx(
        300, rel=0.12
    )
    assert "gpu1:energy" not in result["channels"]
