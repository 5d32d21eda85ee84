"""The meter through the package amdsmi and a shared library of C, as with a real driver."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

_SPEC = importlib.util.find_spec("amdsmi")

pytestmark = pytest.mark.skipif(_SPEC is None, reason="amdsmi is absent: pip install amdsmi")

_SYMBOL = re.compile(r"_libraries\['libamd_smi\.so'\]\.(\w+)")
_DEFINED = re.compile(r"^status (\w+)\(", re.MULTILINE)

OPEN = """
import json
from joulebench.meters.amd import AmdMeter
meter = AmdMeter(driver="/", environment={})
told = {
    "channels": [channel.to_dict() for channel in meter.channels],
    "values": meter.read(),
    "state": meter.observe(),
    "identities": meter.identities,
}
meter.close()
print(json.dumps(told | meter.facts()))
"""


def wanted() -> set[str]:
    """Give the functions that the package looks for when it is imported."""
    assert _SPEC is not None
    assert _SPEC.origin is not None
    wrapper = Path(_SPEC.origin).with_name("amdsmi_wrapper.py")
    return set(_SYMBOL.findall(wrapper.read_text(encoding="utf-8")))


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str]) -> Path:
    source = Path(__file__).with_name("fake_amdsmi.c")
    rest = wanted() - set(_DEFINED.findall(source.read_text(encoding="utf-8")))
    folder = tmp_path_factory.mktemp("rocm")
    stubs = folder / "stubs.c"
    stubs.write_text("".join(f"int {name}(void) {{ return 2; }}\n" for name in sorted(rest)))
    (folder / "lib").mkdir()
    built = folder / "lib" / "libamd_smi.so"
    command = [program("cc"), "-shared", "-fPIC", "-Wall", "-Werror", "-o", str(built)]
    subprocess.run([*command, str(source), str(stubs)], check=True)
    return folder


def python(rocm: Path, code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "ROCM_PATH": str(rocm)} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def meter(rocm: Path) -> dict[str, Any]:
    done = python(rocm, OPEN)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_reads_through_the_structures_of_c(driver: Path) -> None:
    told = meter(driver)
    names = [channel["name"] for channel in told["channels"]]
    assert names == ["amdgpu0:energy", "amdgpu0:power", "amdgpu1:energy", "amdgpu1:power"]
    values = dict(zip(names, told["values"], strict=True))
    assert (values["amdgpu0:power"], values["amdgpu1:power"]) == (300, 140)
    assert values["amdgpu0:energy"] / values["amdgpu1:energy"] == pytest.approx(300 / 140, rel=0.01)
    assert {channel["limit_w"] for channel in told["channels"]} == {750}
    assert told["identities"] == {"amdgpu0": "uuid-0", "amdgpu1": "uuid-1"}
    assert told["devices"]["amdgpu1"] == {
        "uuid": "uuid-1",
        "name": "AMD Instinct MI300X",
        "driver": "6.14.5 (simulated)",
        "partition": "SPX",
        "power_limit_w": 750,
    }


def test_the_state_comes_through_the_structures_of_c(driver: Path) -> None:
    first, second = meter(driver)["state"]
    assert first == {
        "device": "amdgpu0",
        "temperature_c": 52,
        "sm_clock_mhz": 2100,
        "memory_clock_mhz": 1300,
        "utilisation": 0.87,
        "memory_used_bytes": 2 << 30,
        "power_limit_w": 750,
        "partition": "SPX",
        "processes": [{"pid": 41, "name": "python3", "memory_bytes": 1 << 30}],
    }
    assert (second["temperature_c"], second["processes"]) == (53, [])


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"FAKE_AMDSMI_INIT": "34"}, "AMD SMI cannot be used: the driver amdgpu is not loaded"),
        ({"FAKE_AMDSMI_READ": "10"}, "amdgpu0:energy: this user may not ask the AMD driver"),
        ({"FAKE_AMDSMI_READ": "9"}, "the GPU asks to be asked again"),
        ({"FAKE_AMDSMI_READ": "4294967295"}, "AMD SMI reports an unknown error"),
        ({"ROCM_PATH": "/nowhere"}, "not the library libamd_smi.so of ROCm"),
    ],
)
def test_a_driver_that_refuses_is_one_line(driver: Path, env: dict[str, str], words: str) -> None:
    code = (
        "from joulebench.errors import Unavailable\n"
        "from joulebench.meters.amd import AmdMeter\n"
        "try:\n    AmdMeter(driver='/', environment={})\n"
        "except Unavailable as error:\n    print(error)"
    )
    done = python(driver, code, **env)
    assert words in done.stdout
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
