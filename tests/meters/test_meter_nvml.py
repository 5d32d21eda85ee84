"""NVML against a function table of Python, and against a shared library of C."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from joulebench.energy import headline_channels
from joulebench.errors import Unavailable
from joulebench.meters.nvml import NvmlMeter, power_timing
from joulebench.meters.nvml_errors import sentence
from joulebench.sensor_gains import NVML_GAIN

CODES = [
    value
    for name, value in vars(pynvml).items()
    if name.startswith("NVML_ERROR_") and isinstance(value, int)
]


class FakeGpu:
    """What one GPU answers; a value that is an int below 1000 in ``fails`` is raised instead."""

    def __init__(self, uuid: str = "GPU-0", **answers: Any) -> None:
        self.uuid = uuid
        self.name: str | bytes = answers.get("name", "NVIDIA H100 80GB HBM3")
        self.architecture = answers.get("architecture", pynvml.NVML_DEVICE_ARCH_HOPPER)
        self.capability = answers.get("capability", (9, 0))
        self.energy_mj = answers.get("energy_mj", 5_000_000)
        self.power_mw = answers.get("power_mw", 300_000)
        self.fields = answers.get("fields", {185: 290_000, 186: 310_000})
        self.field_type = answers.get("field_type", pynvml.NVML_VALUE_TYPE_UNSIGNED_INT)
        self.fails: dict[str, int] = answers.get("fails", {})

    def answer(self, what: str) -> Any:
        if what in self.fails:
            raise pynvml.NVMLError(self.fails[what])
        return getattr(self, what)


class FakeNvml:
    """The functions of pynvml that the meter calls."""

    NVMLError = pynvml.NVMLError

    def __init__(self, *gpus: FakeGpu, init: int = 0) -> None:
        self.gpus = gpus
        self.init = init
        self.open = 0

    def _raise(self, code: int) -> None:
        if code:
            raise pynvml.NVMLError(code)

    def nvmlInit(self) -> None:
        self._raise(self.init)
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetCount(self) -> int:
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:
        if not 0 <= index < len(self.gpus):
            self._raise(pynvml.NVML_ERROR_INVALID_ARGUMENT)
        self.gpus[index].answer("uuid")
        return self.gpus[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> FakeGpu:
        for gpu in self.gpus:
            if gpu.uuid == uuid:
                return gpu
        raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_FOUND)

    def nvmlDeviceGetIndex(self, gpu: FakeGpu) -> int:
        return self.gpus.index(gpu)

    def nvmlDeviceGetName(self, gpu: FakeGpu) -> Any:
        return gpu.answer("name")

    def nvmlDeviceGetArchitecture(self, gpu: FakeGpu) -> Any:
        return gpu.answer("architecture")

    def nvmlDeviceGetCudaComputeCapability(self, gpu: FakeGpu) -> Any:
        return gpu.answer("capability")

    def nvmlDeviceGetTotalEnergyConsumption(self, gpu: FakeGpu) -> Any:
        return gpu.answer("energy_mj")

    def nvmlDeviceGetPowerUsage(self, gpu: FakeGpu) -> Any:
        return gpu.answer("power_mw")

    def nvmlDeviceGetFieldValues(self, gpu: FakeGpu, fields: list[int]) -> list[Any]:
        answers = gpu.answer("fields")
        return [self._field(gpu, answers.get(field)) for field in fields]

    def _field(self, gpu: FakeGpu, answer: int | None) -> Any:
        value = pynvml.c_nvmlValue_t()
        if answer is not None:
            name = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")[gpu.field_type]
            setattr(value, name, answer)
        code = pynvml.NVML_ERROR_NOT_SUPPORTED if answer is None else 0
        return SimpleNamespace(nvmlReturn=code, valueType=gpu.field_type, value=value)


def by_name(meter: NvmlMeter) -> dict[str, float]:
    return dict(zip([c.name for c in meter.channels], meter.read(), strict=True))


def test_reads_energy_and_instant_power_of_every_gpu() -> None:
    library = FakeNvml(FakeGpu(), FakeGpu("GPU-1", energy_mj=1, fields={186: 70_500}))
    meter = NvmlMeter(library=library)
    assert by_name(meter) == {
        "gpu0:energy": pytest.approx(5000.0),
        "gpu0:power": pytest.approx(310.0),
        "gpu1:energy": pytest.approx(0.001),
        "gpu1:power": pytest.approx(70.5),
    }
    assert {c.scope for c in meter.channels} == {"gpu board"}
    assert {c.method for c in meter.channels} == {"measured"}
    assert all(c.gain == NVML_GAIN and c.resolution == 1e-3 for c in meter.channels)
    assert [c.name for c in headline_channels(meter.channels)] == ["gpu0:energy", "gpu1:energy"]
    meter.close()
    assert library.open == 0


def test_devices_by_index_and_uuid_keep_their_numbers() -> None:
    library = FakeNvml(FakeGpu("GPU-a"), FakeGpu("GPU-b"), FakeGpu("GPU-c"))
    meter = NvmlMeter(devices=["GPU-c", 1, "0"], library=library)
    assert [c.device for c in meter.channels[::2]] == ["gpu2", "gpu1", "gpu0"]


@pytest.mark.parametrize(
    ("architecture", "capability", "source", "timing"),
    [
        (5, (7, 0), "instant", (0.02, 0.01)),
        (6, (7, 5), "usage", (0.1, 0.1)),
        (7, (8, 0), "usage", (0.1, 0.025)),
        (7, (8, 6), "usage", (0.1, 1.0)),
        (7, (8, 6), "instant", (0.1, 0.1)),
        (8, (8, 9), "average", (0.1, 1.0)),
        (9, (9, 0), "instant", (0.1, 0.025)),
        (9, (9, 0), "usage", (0.1, 1.0)),
        (-1, None, "usage", (0.1, 0.1)),
    ],
)
def test_timing_is_that_of_architecture_and_source(
    architecture: int, capability: tuple[int, int] | None, source: str, timing: tuple[float, float]
) -> None:
    assert power_timing(architecture, capability == (8, 0), source) == timing
    fields = {"instant": {186: 1000}, "average": {185: 1000}, "usage": {}}[source]
    gpu = FakeGpu(architecture=architecture, capability=capability, fields=fields)
    channel = NvmlMeter(library=FakeNvml(gpu)).channels[1]
    assert (channel.period_s, channel.averaging_s) == timing


def test_falls_back_from_instant_to_average_to_usage() -> None:
    average = NvmlMeter(library=FakeNvml(FakeGpu(fields={185: 290_000})))
    assert average.read()[1] == pytest.approx(290.0)
    usage = NvmlMeter(
        library=FakeNvml(FakeGpu(fails={"fields": pynvml.NVML_ERROR_FUNCTION_NOT_FOUND}))
    )
    assert usage.read()[1] == pytest.approx(300.0)
    assert any("usage power" in note for note in usage.notes)


@pytest.mark.parametrize("field_type", range(7))
def test_field_values_of_every_type_are_read(field_type: int) -> None:
    gpu = FakeGpu(fields={186: 31_000}, field_type=field_type)
    assert NvmlMeter(library=FakeNvml(gpu)).read()[1] == pytest.approx(31.0)


@pytest.mark.parametrize("code", CODES)
def test_every_return_code_is_absence_at_a_read(code: int) -> None:
    gpu = FakeGpu()
    meter = NvmlMeter(library=FakeNvml(gpu))
    gpu.fails = dict.fromkeys(("energy_mj", "power_mw", "fields"), code)
    assert all(math.isnan(value) for value in meter.read())


@pytest.mark.parametrize("code", CODES)
def test_every_return_code_is_a_sentence_at_opening(code: int) -> None:
    with pytest.raises(Unavailable) as caught:
        NvmlMeter(library=FakeNvml(init=code))
    assert sentence(code) in caught.value.what
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", CODES)
def test_every_return_code_of_a_single_gpu_is_a_sentence(code: int) -> None:
    library = FakeNvml(FakeGpu(fails={"uuid": code}))
    with pytest.raises(Unavailable) as caught:
        NvmlMeter(library=library)
    assert sentence(code) in caught.value.what
    assert library.open == 0


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "modprobe nvidia"),
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "Install the NVIDIA driver"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "reboot"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "/dev/nvidia"),
        (pynvml.NVML_ERROR_GPU_IS_LOST, "dmesg"),
    ],
)
def test_the_common_codes_have_their_remedy(code: int, remedy: str) -> None:
    with pytest.raises(Unavailable) as caught:
        NvmlMeter(library=FakeNvml(init=code))
    assert remedy in caught.value.remedy


def test_a_lost_gpu_among_several_is_left_out_and_said() -> None:
    lost = FakeGpu("GPU-1", fails={"uuid": pynvml.NVML_ERROR_GPU_IS_LOST})
    meter = NvmlMeter(library=FakeNvml(FakeGpu(), lost))
    assert {c.device for c in meter.channels} == {"gpu0"}
    assert any("gpu1 is left out" in note and "bus" in note for note in meter.notes)


def test_a_lost_gpu_that_was_asked_for_is_refused() -> None:
    lost = FakeGpu("GPU-1", fails={"uuid": pynvml.NVML_ERROR_GPU_IS_LOST})
    with pytest.raises(Unavailable, match="GPU 1"):
        NvmlMeter(devices=[0, 1], library=FakeNvml(FakeGpu(), lost))


def test_a_reading_that_is_not_offered_has_no_channel() -> None:
    gpu = FakeGpu(fails={"energy_mj": pynvml.NVML_ERROR_NOT_SUPPORTED})
    meter = NvmlMeter(library=FakeNvml(gpu))
    assert [c.name for c in meter.channels] == ["gpu0:power"]
    assert any("gpu0:energy" in note for note in meter.notes)


def test_zero_is_no_reading() -> None:
    gpu = FakeGpu(energy_mj=0, power_mw=0, fields={185: 0, 186: 0})
    with pytest.raises(Unavailable, match="0 W"):
        NvmlMeter(library=FakeNvml(gpu))
    gpu = FakeGpu()
    meter = NvmlMeter(library=FakeNvml(gpu))
    gpu.fields = {186: 0}
    assert math.isnan(meter.read()[1])


def test_no_gpu_at_all() -> None:
    with pytest.raises(Unavailable, match="no GPU"):
        NvmlMeter(library=FakeNvml())


def test_names_may_be_bytes() -> None:
    meter = NvmlMeter(library=FakeNvml(FakeGpu(name=b"Tesla V100")))
    assert any("Tesla V100" in note for note in meter.notes)


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str]) -> Path:
    compiler = program("cc")
    folder = tmp_path_factory.mktemp("driver")
    source = Path(__file__).with_name("fake_nvml.c")
    built = folder / "libnvidia-ml.so.1"
    command = [compiler, "-shared", "-fPIC", "-o", str(built), str(source)]
    subprocess.run(command, check=True)
    return folder


@pytest.fixture
def joulebench(driver: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from joulebench.cli import main; main()", *words],
            env={**os.environ, "LD_LIBRARY_PATH": str(driver), **env},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_through_the_driver_library_of_c(
    joulebench: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    report = json.loads(joulebench("doctor", "--json", "-").stdout)
    nvml = next(meter for meter in report["meters"] if meter["kind"] == "nvml")
    channels = {channel["name"]: channel for channel in nvml["channels"]}
    assert set(channels) == {"gpu0:energy", "gpu0:power", "gpu1:energy", "gpu1:power"}
    assert channels["gpu0:power"]["averaging_s"] == 0.025
    assert any("instant power of NVIDIA H100" in note for note in nvml["notes"])
    assert any("usage power of NVIDIA A100" in note for note in nvml["notes"])
    assert {"gpu0:energy", "gpu1:energy"} <= set(report["headline"])


def test_measures_through_the_driver_library_of_c(
    joulebench: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    words = ("measure", "--json", "-", "--meters", 'nvml:devices=["GPU-a100"]', "--", "sleep", "1")
    result = json.loads(joulebench(*words).stdout)
    low = result["energy"]["joules"] / result["duration_s"]
    assert low == pytest.approx(100, rel=0.12)
    assert result["headline"] == ["gpu1:energy"]
    power = result["channels"]["gpu1:power"]["joules"] / result["duration_s"]
    assert power == pytest.approx(100.007, abs=0.01)


def test_a_driver_that_refuses_is_one_line(
    joulebench: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = joulebench("measure", "--meters", "nvml", "--", "true", FAKE_NVML_INIT="9")
    assert done.returncode == 2
    assert "driver is not loaded" in done.stderr
    assert done.stderr.count("\n") == 1
