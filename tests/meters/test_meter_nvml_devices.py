"""Which GPUs are read: those named, those that CUDA may use, instances of one."""

from __future__ import annotations

from typing import Any

import pynvml
import pytest
from simulated_nvml import FakeGpu, FakeNvml, opened

from joulebench.errors import Unavailable, UsageError
from joulebench.meters.nvml import NvmlMeter

THREE = ("GPU-aa1", "GPU-bb2", "GPU-bb3")


def library(*names: str, **answers: Any) -> FakeNvml:
    gpus = [FakeGpu(uuid, name=name, **answers) for uuid, name in zip(THREE, names, strict=False)]
    return FakeNvml(*gpus)


def same() -> FakeNvml:
    return library("H100", "H100", "H100")


def devices(meter: NvmlMeter) -> list[str]:
    return list(dict.fromkeys(channel.device for channel in meter.channels))


@pytest.mark.parametrize(
    ("named", "read"),
    [
        (["GPU-bb3", 1, "0"], ["gpu2", "gpu1", "gpu0"]),
        ([0, "0", "GPU-aa1"], ["gpu0"]),
        (1, ["gpu1"]),
        ("2", ["gpu2"]),
        ("GPU-aa1, 2", ["gpu0", "gpu2"]),
        ("GPU-a", ["gpu0"]),
        (None, ["gpu0", "gpu1", "gpu2"]),
    ],
)
def test_devices_by_index_and_uuid_keep_their_numbers(named: Any, read: list[str]) -> None:
    assert devices(opened(same(), named)) == read


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (7, "GPU 7: NVML does not know this device.*nvidia-smi -L"),
        (-1, "GPU -1"),
        ("GPU-zz", "GPU GPU-zz: NVML finds no such device"),
        ("GPU-bb", "GPU GPU-bb: NVML finds no such device"),  # two begin so
    ],
)
def test_a_gpu_that_is_not_there_is_refused(named: Any, message: str) -> None:
    opened_library = same()
    with pytest.raises(Unavailable, match=message):
        opened(opened_library, named)
    assert opened_library.open == 0


@pytest.mark.parametrize("named", [0.5, True, [None], {"gpu": 0}])
def test_what_cannot_name_a_gpu_is_refused(named: Any) -> None:
    with pytest.raises(UsageError, match="neither an index nor a UUID"):
        opened(same(), named)


def test_an_empty_list_of_devices_is_refused() -> None:
    with pytest.raises(UsageError, match="devices is empty"):
        opened(same(), [])


def test_a_lost_gpu_that_was_asked_for_is_refused() -> None:
    lost = FakeGpu("GPU-1", fails={"uuid": pynvml.NVML_ERROR_GPU_IS_LOST})
    with pytest.raises(Unavailable, match="GPU 1: the GPU has fallen off the bus"):
        opened(FakeNvml(FakeGpu(), lost), [0, 1])


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("1", ["gpu1"]),
        ("2,0", ["gpu2", "gpu0"]),
        ("GPU-bb2", ["gpu1"]),
        ("GPU-aa", ["gpu0"]),
        ("0, -1, 1", ["gpu0"]),  # CUDA stops at the first that does not exist
        ("0,7,1", ["gpu0"]),
    ],
)
def test_without_names_those_that_cuda_may_use_are_read(said: str, read: list[str]) -> None:
    meter = opened(same(), environment={"CUDA_VISIBLE_DEVICES": said})
    assert devices(meter) == read
    assert any(f"CUDA_VISIBLE_DEVICES={said}: reads" in note for note in meter.notes)


@pytest.mark.parametrize("said", ["", "-1", "NoDevFiles", "9"])
def test_where_cuda_may_use_none_none_is_read(said: str) -> None:
    with pytest.raises(Unavailable, match=r"hides every GPU from CUDA.*unset"):
        opened(same(), environment={"CUDA_VISIBLE_DEVICES": said})


def test_named_devices_outdo_what_cuda_may_use() -> None:
    meter = opened(same(), 2, environment={"CUDA_VISIBLE_DEVICES": "0"})
    assert devices(meter) == ["gpu2"]
    assert not any("CUDA" in note for note in meter.notes)


def test_numbers_of_different_models_are_not_trusted() -> None:
    mixed = library("A100", "T4")
    meter = opened(mixed, environment={"CUDA_VISIBLE_DEVICES": "0"})
    assert devices(meter) == ["gpu0", "gpu1"]
    assert any("CUDA's own order, so all are read" in note for note in meter.notes)
    ordered = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert devices(opened(mixed, environment=ordered)) == ["gpu1"]
    assert devices(opened(mixed, environment={"CUDA_VISIBLE_DEVICES": "GPU-bb2"})) == ["gpu1"]


def test_no_gpu_is_said_before_what_cuda_may_use() -> None:
    with pytest.raises(Unavailable, match="no GPU"):
        opened(FakeNvml(), environment={"CUDA_VISIBLE_DEVICES": "0"})


def test_a_board_with_instances_covers_them_all_and_says_so() -> None:
    meter = opened(FakeNvml(FakeGpu(mig=[1, 1]), FakeGpu("GPU-1")))
    [note] = [note for note in meter.notes if "MIG" in note]
    assert note.startswith("gpu0 is divided into MIG instances")
    meter.close()
    found = meter.facts()["devices"]
    assert (found["gpu0"]["mig"], found["gpu1"]["mig"]) == (True, False)


def test_an_instance_has_no_power_of_its_own() -> None:
    gpus = FakeGpu(), FakeGpu("GPU-1", mig=[1, 1])
    divided = FakeNvml(*gpus, instances={"MIG-5d": gpus[1]})
    with pytest.raises(Unavailable) as caught:
        opened(divided, ["MIG-5d"])
    assert "MIG-5d is a MIG instance, which is on gpu1" in caught.value.what
    assert caught.value.remedy.endswith("nvml:devices=1")
    with pytest.raises(Unavailable, match="MIG-77 is a MIG instance: NVML gives the power of"):
        opened(divided, "MIG-77")


@pytest.mark.parametrize("said", ["MIG-5d", "MIG-GPU-1/3/0"])
def test_an_instance_that_cuda_may_use_is_read_as_its_board(said: str) -> None:
    gpus = FakeGpu(), FakeGpu("GPU-1", mig=[1, 1])
    divided = FakeNvml(*gpus, instances={"MIG-5d": gpus[1]})
    meter = opened(divided, environment={"CUDA_VISIBLE_DEVICES": said})
    assert devices(meter) == ["gpu1"]
    assert any(f"{said} is an instance of gpu1" in note for note in meter.notes)
    with pytest.raises(Unavailable, match="does not tell which GPU"):
        opened(divided, environment={"CUDA_VISIBLE_DEVICES": "MIG-77"})
