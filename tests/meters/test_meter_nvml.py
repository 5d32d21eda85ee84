"""What the meter reads of NVIDIA GPUs, and what it says where it cannot."""

from __future__ import annotations

import math
from typing import Any

import pynvml
import pytest
from simulated_nvml import CODES, FakeGpu, FakeNvml, by_name, opened

from joulebench.errors import SensorLost, Unavailable, UsageError
from joulebench.meters.nvml_errors import LOST, remedy, sentence, unavailable
from joulebench.nesting import headline_channels
from joulebench.nvml_timing import power_timing
from joulebench.sensor_gains import NVML_GAIN


def test_reads_energy_instant_and_average_power_of_every_gpu() -> None:
    library = FakeNvml(FakeGpu(), FakeGpu("GPU-1", energy_mj=1, fields={186: 70_500}))
    meter = opened(library)
    assert by_name(meter) == {
        "gpu0:energy": pytest.approx(5000.0),
        "gpu0:power": pytest.approx(310.0),
        "gpu0:power_average": pytest.approx(290.0),
        "gpu1:energy": pytest.approx(0.001),
        "gpu1:power": pytest.approx(70.5),
    }
    assert {c.scope for c in meter.channels} == {"gpu board"}
    assert {c.method for c in meter.channels} == {"measured"}
    assert all(c.gain == NVML_GAIN and c.resolution == 1e-3 for c in meter.channels)
    assert all(c.limit_w == 700.0 for c in meter.channels)
    assert [c.name for c in headline_channels(meter.channels)] == ["gpu0:energy", "gpu1:energy"]
    assert meter.identities == {"gpu0": "GPU-0", "gpu1": "GPU-1"}
    meter.close()
    assert library.open == 0


def test_one_call_of_the_driver_gives_all_field_values() -> None:
    gpu = FakeGpu(fields={83: 7_000_000, 186: 310_000, 185: 290_000, (185, 2): 60_000})
    meter = opened(FakeNvml(gpu), readings="all")
    gpu.asked.clear()
    assert by_name(meter) == {
        "gpu0:energy": 7000.0,
        "gpu0:power": 310.0,
        "gpu0:power_average": 290.0,
        "gpu0:memory_power": 60.0,
    }
    assert gpu.asked == ["fields"]


def test_memory_power_is_a_part_of_the_board_and_read_on_request() -> None:
    gpu = FakeGpu(fields={186: 310_000, (185, 2): 60_000})
    assert "gpu0:memory_power" not in by_name(opened(FakeNvml(gpu)))
    meter = opened(FakeNvml(gpu), readings=["memory_power", "power"])
    memory = meter.channels[1]
    assert (memory.name, memory.scope) == ("gpu0:memory_power", "gpu memory")
    assert (memory.averaging_s, memory.limit_w) == (1.0, None)
    assert [c.name for c in headline_channels(meter.channels)] == ["gpu0:power"]


def test_a_driver_that_ignores_the_scope_gives_no_scoped_channel() -> None:
    fields = {(field, scope): 310_000 for field in (185, 186) for scope in (0, 1, 2)}
    meter = opened(FakeNvml(FakeGpu(fields=fields)), readings="all")
    assert set(by_name(meter)) == {"gpu0:energy", "gpu0:power", "gpu0:power_average"}


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
        (10, (10, 0), "instant", (0.1, 0.025)),
        (10, (12, 0), "usage", (0.1, 1.0)),
        (-1, None, "usage", (0.1, 0.1)),
        (0xFFFFFFFF, None, "usage", (0.1, 0.1)),
    ],
)
def test_timing_is_that_of_architecture_and_source(
    architecture: int, capability: tuple[int, int] | None, source: str, timing: tuple[float, float]
) -> None:
    assert power_timing(architecture, capability == (8, 0), source) == timing
    fields = {"instant": {186: 1000}, "average": {185: 1000}, "usage": {}}[source]
    gpu = FakeGpu(architecture=architecture, capability=capability, fields=fields)
    channel = opened(FakeNvml(gpu)).channels[1]
    assert (channel.period_s, channel.averaging_s) == timing


def test_times_that_nobody_has_measured_are_said_to_be_assumed() -> None:
    gpu = FakeGpu(name="NVIDIA B200", architecture=pynvml.NVML_DEVICE_ARCH_BLACKWELL)
    assert any("NVIDIA B200 are assumed" in note for note in opened(FakeNvml(gpu)).notes)
    assert not any("assumed" in note for note in opened(FakeNvml(FakeGpu())).notes)


def test_falls_back_from_instant_to_average_to_usage() -> None:
    average = opened(FakeNvml(FakeGpu(fields={185: 290_000})))
    assert by_name(average) == {"gpu0:energy": 5000.0, "gpu0:power": 290.0}
    code = pynvml.NVML_ERROR_FUNCTION_NOT_FOUND
    usage = opened(FakeNvml(FakeGpu(fails={"fields": code})))
    assert by_name(usage)["gpu0:power"] == pytest.approx(300.0)
    assert any("usage power" in note for note in usage.notes)


def test_a_driver_that_refuses_all_fields_for_the_sake_of_one_is_asked_for_each() -> None:
    class Strict(FakeNvml):
        def nvmlDeviceGetFieldValues(self, gpu: FakeGpu, fields: list[Any]) -> list[Any]:
            if any(scope for _, scope in fields):
                raise pynvml.NVMLError(pynvml.NVML_ERROR_INVALID_ARGUMENT)
            return super().nvmlDeviceGetFieldValues(gpu, fields)

    assert by_name(opened(Strict(FakeGpu())))["gpu0:power"] == pytest.approx(310.0)


@pytest.mark.parametrize("field_type", range(7))
def test_field_values_of_every_type_are_read(field_type: int) -> None:
    gpu = FakeGpu(fields={186: 31_000}, field_type=field_type)
    assert by_name(opened(FakeNvml(gpu)))["gpu0:power"] == pytest.approx(31.0)


def test_a_type_that_is_not_known_is_absence() -> None:
    class Newer(FakeNvml):
        value_type = 1

        def nvmlDeviceGetFieldValues(self, gpu: FakeGpu, fields: list[Any]) -> list[Any]:
            answers = super().nvmlDeviceGetFieldValues(gpu, fields)
            for answer in answers:
                answer.valueType = self.value_type
            return answers

    library = Newer(FakeGpu())
    meter = opened(library)
    assert by_name(meter)["gpu0:power"] == 310.0
    library.value_type = 9
    assert math.isnan(by_name(meter)["gpu0:power"])


@pytest.mark.parametrize("code", [*CODES, 31, 77])
def test_every_return_code_is_absence_at_a_read(code: int) -> None:
    gpus = FakeGpu(), FakeGpu("GPU-1")
    meter = opened(FakeNvml(*gpus))
    gpus[0].fails = dict.fromkeys(("energy_mj", "power_mw", "fields"), code)
    values = by_name(meter)
    assert {name for name, value in values.items() if math.isnan(value)} == {
        "gpu0:energy",
        "gpu0:power",
        "gpu0:power_average",
    }
    meter.close()
    devices = meter.facts()["devices"]
    assert sentence(code) in devices["gpu0"]["refused"]
    assert "refused" not in devices["gpu1"]
    assert ("lost" in devices["gpu0"]) == (code in LOST)


@pytest.mark.parametrize("code", CODES)
def test_every_return_code_of_a_single_field_is_absence_of_it(code: int) -> None:
    gpu = FakeGpu(fields={186: 310_000})
    meter = opened(FakeNvml(gpu, FakeGpu("GPU-1")))
    gpu.field_code = code
    values = by_name(meter)
    assert math.isnan(values["gpu0:power"])
    assert math.isnan(values["gpu0:energy"]) == (code in LOST)
    assert values["gpu1:power"] == 310.0


@pytest.mark.parametrize("code", [*CODES, 31, 77])
def test_every_return_code_is_a_sentence_at_opening(code: int) -> None:
    with pytest.raises(Unavailable) as caught:
        opened(FakeNvml(init=code))
    assert sentence(code) in caught.value.what
    assert caught.value.remedy == remedy(code) != ""
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", [*CODES, 31, 77])
def test_every_return_code_of_a_single_gpu_is_a_sentence(code: int) -> None:
    library = FakeNvml(FakeGpu(fails={"uuid": code}))
    with pytest.raises(Unavailable) as caught:
        opened(library)
    assert sentence(code) in caught.value.what
    assert library.open == 0


def test_every_code_has_a_sentence_of_its_own() -> None:
    assert len({sentence(code) for code in CODES}) == len(CODES) == 31
    assert "code 77" in sentence(77)


@pytest.mark.parametrize(
    ("code", "mends"),
    [
        (pynvml.NVML_ERROR_DRIVER_NOT_LOADED, "modprobe nvidia"),
        (pynvml.NVML_ERROR_LIBRARY_NOT_FOUND, "Install the NVIDIA driver"),
        (pynvml.NVML_ERROR_LIB_RM_VERSION_MISMATCH, "reboot"),
        (pynvml.NVML_ERROR_NO_PERMISSION, "/dev/nvidia"),
        (pynvml.NVML_ERROR_GPU_IS_LOST, "dmesg"),
    ],
)
def test_the_common_codes_have_their_remedy(code: int, mends: str) -> None:
    with pytest.raises(Unavailable) as caught:
        opened(FakeNvml(init=code))
    assert mends in caught.value.remedy


def test_a_container_without_the_library_is_told_from_a_machine_without_driver(
    tmp_path: Any,
) -> None:
    loaded = tmp_path / "version"
    code = pynvml.NVML_ERROR_LIBRARY_NOT_FOUND
    assert "not on this machine" in unavailable(code, "NVML", loaded).what
    loaded.write_text("NVRM version: 580\n")
    error = unavailable(code, "NVML", loaded)
    assert "not in this container" in error.what
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in error.remedy


def test_a_gpu_lost_mid_run_leaves_the_others() -> None:
    lost = FakeGpu("GPU-1")
    meter = opened(FakeNvml(FakeGpu(), lost))
    lost.fails = {"fields": pynvml.NVML_ERROR_GPU_IS_LOST}
    for _ in range(2):
        values = by_name(meter)
        assert values["gpu0:power"] == 310.0
        assert all(math.isnan(v) for name, v in values.items() if name.startswith("gpu1"))
    lost.fails, lost.asked = {}, []
    assert math.isnan(by_name(meter)["gpu1:power"])  # gone for good: it is not asked again
    assert lost.asked == []
    assert meter.observe()[1] == {"device": "gpu1", "lost": "the GPU has fallen off the bus"}


def test_the_meter_is_lost_with_its_last_gpu() -> None:
    gpus = FakeGpu(), FakeGpu("GPU-1")
    library = FakeNvml(*gpus)
    meter = opened(library)
    for gpu in gpus:
        gpu.fails = dict.fromkeys(("energy_mj", "fields"), pynvml.NVML_ERROR_GPU_IS_LOST)
    with pytest.raises(SensorLost, match=r"gpu0: .*bus; gpu1: .*bus; sudo dmesg"):
        meter.read()
    meter.close()
    assert library.open == 0
    assert meter.facts()["devices"]["gpu1"]["lost"] == "the GPU has fallen off the bus"


def test_a_lost_gpu_among_several_is_left_out_and_said() -> None:
    lost = FakeGpu("GPU-1", fails={"uuid": pynvml.NVML_ERROR_GPU_IS_LOST})
    meter = opened(FakeNvml(FakeGpu(), lost))
    assert {c.device for c in meter.channels} == {"gpu0"}
    assert any("gpu1 is left out" in note and "bus" in note for note in meter.notes)


def test_a_reading_that_is_not_offered_has_no_channel() -> None:
    gpu = FakeGpu(fails={"energy_mj": pynvml.NVML_ERROR_NOT_SUPPORTED})
    meter = opened(FakeNvml(gpu), readings=["energy", "power"])
    assert [c.name for c in meter.channels] == ["gpu0:power"]
    assert any("gpu0:energy" in note for note in meter.notes)


def test_zero_is_no_reading() -> None:
    gpu = FakeGpu(energy_mj=0, power_mw=0, fields={185: 0, 186: 0})
    with pytest.raises(Unavailable, match="0 W"):
        opened(FakeNvml(gpu))
    gpu = FakeGpu(fields={186: 310_000, 83: 1000})
    meter = opened(FakeNvml(gpu))
    gpu.fields = {186: 0, 83: 0}
    assert all(math.isnan(value) for value in meter.read())


def test_a_virtual_gpu_is_said_to_be_one() -> None:
    code = pynvml.NVML_ERROR_NOT_SUPPORTED
    refused = dict.fromkeys(("energy_mj", "power_mw", "fields"), code)
    with pytest.raises(Unavailable, match="gpu0 is a virtual GPU"):
        opened(FakeNvml(FakeGpu(fails=refused, virtualization=2)))


def test_no_gpu_at_all() -> None:
    with pytest.raises(Unavailable, match="no GPU"):
        opened(FakeNvml())


def test_names_may_be_bytes() -> None:
    meter = opened(FakeNvml(FakeGpu(name=b"Tesla V100")))
    assert any("Tesla V100" in note for note in meter.notes)


@pytest.mark.parametrize(
    ("readings", "message"),
    [
        ("powr", "did you mean 'power'"),
        (["energy", "watts"], "'watts' is not known"),
        ([], "readings is empty"),
    ],
)
def test_readings_that_do_not_exist_are_refused(readings: Any, message: str) -> None:
    library = FakeNvml(FakeGpu())
    with pytest.raises(UsageError, match=message):
        opened(library, readings=readings)
    assert library.open == 0


def test_readings_may_be_one_text() -> None:
    meter = opened(FakeNvml(FakeGpu()), readings="power_average,energy")
    assert [c.name for c in meter.channels] == ["gpu0:energy", "gpu0:power_average"]
