"""What the meter reads of AMD GPUs, and what it says where it cannot."""

from __future__ import annotations

import builtins
import json
import math
import re
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from simulated_amdsmi import RESOLUTION_UJ, FakeAmdSmi, FakeGpu, by_name, opened

from joulebench.errors import SensorLost, Unavailable, UsageError
from joulebench.meters import counter_slope
from joulebench.meters.amd import AmdMeter
from joulebench.meters.amd_errors import _CODES, LOST, remedy, sentence
from joulebench.nesting import headline_channels

CODES = [*_CODES, 38, 77]


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch counters shorter than a real one needs: the simulated step every 2 ms."""
    whole = counter_slope.watch

    def watch(watched: Any) -> None:
        whole(watched, at_least_s=0.05, at_most_s=0.3)

    monkeypatch.setattr("joulebench.meters.amd.watch", watch)


def devices(meter: AmdMeter) -> list[str]:
    return list(dict.fromkeys(channel.device for channel in meter.channels))


def test_reads_energy_and_power_of_every_gpu() -> None:
    library = FakeAmdSmi(FakeGpu(0), FakeGpu(1, watts=140, power_key="average_socket_power"))
    meter = opened(library)
    before_s, before = time.monotonic(), by_name(meter)
    time.sleep(0.2)
    after_s, after = time.monotonic(), by_name(meter)
    assert set(before) == {
        "amdgpu0:energy",
        "amdgpu0:power",
        "amdgpu1:energy",
        "amdgpu1:power",
    }
    counted_j = after["amdgpu0:energy"] - before["amdgpu0:energy"]
    assert counted_j / (after_s - before_s) == pytest.approx(300, rel=0.25)
    assert (after["amdgpu0:power"], after["amdgpu1:power"]) == (300.0, 140.0)
    energy, power = meter.channels[:2]
    assert energy.resolution == pytest.approx(RESOLUTION_UJ * 1e-6)
    assert (energy.unit, power.unit, power.resolution) == ("J", "W", 1.0)
    assert {(c.scope, c.limit_w, c.method) for c in meter.channels} == {
        ("gpu board", 750.0, "measured")
    }
    assert any("amdgpu0:power is AMD SMI's current socket power" in n for n in meter.notes)
    assert any("amdgpu1:power is AMD SMI's average socket power" in n for n in meter.notes)
    assert [c.name for c in headline_channels(meter.channels)] == [
        "amdgpu0:energy",
        "amdgpu1:energy",
    ]
    assert meter.identities["amdgpu1"].endswith("1")
    meter.close()
    assert library.open == 0


def test_the_counter_of_older_versions_has_another_key() -> None:
    class Older(FakeGpu):
        def get_energy_count(self) -> dict[str, Any]:
            told = super().get_energy_count()
            told["power"] = told.pop("energy_accumulator")
            return told

    assert "amdgpu0:energy" in by_name(opened(FakeAmdSmi(Older())))


@pytest.mark.parametrize(
    ("counts_w", "note"),
    [
        (3000, r"counted [23]\d{3} W while the power beside it was 300 W, and is left out"),
        (1e-9, "stood still while it was watched, and is left out"),
        (0, "the GPU has no data for this"),
    ],
)
def test_a_counter_that_cannot_be_believed_is_left_out(counts_w: float, note: str) -> None:
    meter = opened(FakeAmdSmi(FakeGpu(counts_w=counts_w)))
    assert list(by_name(meter)) == ["amdgpu0:power"]
    [said] = [one for one in meter.notes if one.startswith("amdgpu0:energy")]
    assert re.search(note, said)


def test_a_counter_without_power_beside_it_is_believed_if_it_runs() -> None:
    meter = opened(FakeAmdSmi(FakeGpu(fails={"get_power_info": 2})))
    assert list(by_name(meter)) == ["amdgpu0:energy"]
    assert "amdgpu0:power: the GPU or its driver does not offer this reading" in meter.notes


def test_the_two_dies_of_a_card_are_counted_once() -> None:
    def die(place: int, watts: int) -> FakeGpu:
        return FakeGpu(place, name="AMD Instinct MI250X", watts=watts, partition="N/A")

    library = FakeAmdSmi(die(0, 400), die(1, 0), die(2, 410), die(3, 0))
    meter = opened(library)
    assert devices(meter) == ["amdgpu0+amdgpu1", "amdgpu2+amdgpu3"]
    assert by_name(meter)["amdgpu2+amdgpu3:power"] == 410.0
    assert sum("counted once" in note for note in meter.notes) == 2
    assert len(meter.observe()) == 4
    # Work on the second die draws its power from the sensor of the first.
    assert devices(opened(library, 1)) == ["amdgpu0+amdgpu1"]


def test_a_silent_gpu_that_is_no_second_die_is_said_to_be_silent() -> None:
    meter = opened(FakeAmdSmi(FakeGpu(0), FakeGpu(1, watts=0)))
    assert devices(meter) == ["amdgpu0"]
    assert any(note.startswith("amdgpu1:power: the GPU has no data") for note in meter.notes)


def test_the_partitions_of_a_gpu_are_counted_once() -> None:
    parts = [FakeGpu(n, bdf=f"0000:c1:00.{n}", partition="CPX", watts=0) for n in range(3)]
    parts[0].watts = parts[0].counts_w = 500
    meter = opened(FakeAmdSmi(*parts))
    assert by_name(meter)["amdgpu0+amdgpu1+amdgpu2:power"] == 500.0
    meter.close()
    [facts] = meter.facts()["devices"].values()
    assert facts["partition"] == "CPX"


def test_a_socket_with_its_processor_is_a_module() -> None:
    meter = opened(FakeAmdSmi(FakeGpu(name="AMD Instinct MI300A")))
    assert {c.scope for c in meter.channels} == {"gpu module"}


@pytest.mark.parametrize(
    ("named", "read"),
    [
        (1, ["amdgpu1"]),
        ("0,2", ["amdgpu0", "amdgpu2"]),
        (["GPU-2f"], ["amdgpu2"]),
        (["a1ff74a1-0000-1000-80ff-000000000001"], ["amdgpu1"]),
        (None, ["amdgpu0", "amdgpu1", "amdgpu2"]),
    ],
)
def test_devices_by_index_and_uuid(named: Any, read: list[str]) -> None:
    assert devices(opened(FakeAmdSmi(*(FakeGpu(n) for n in range(3))), named)) == read


@pytest.mark.parametrize(
    ("environment", "read"),
    [
        ({"HIP_VISIBLE_DEVICES": "0"}, ["amdgpu2"]),  # HIP counts the other way round here
        ({"CUDA_VISIBLE_DEVICES": "1"}, ["amdgpu1"]),
        ({"HIP_VISIBLE_DEVICES": "2", "CUDA_VISIBLE_DEVICES": "1"}, ["amdgpu0"]),
        ({"ROCR_VISIBLE_DEVICES": "GPU-0f,GPU-1f", "HIP_VISIBLE_DEVICES": "1"}, ["amdgpu1"]),
        ({"ROCR_VISIBLE_DEVICES": "1,-1,0"}, ["amdgpu1"]),
    ],
)
def test_without_names_those_that_hip_may_use_are_read(
    environment: dict[str, str], read: list[str]
) -> None:
    library = FakeAmdSmi(*(FakeGpu(n, hip=2 - n) for n in range(3)))
    meter = opened(library, environment=environment)
    assert devices(meter) == read
    assert any(f"reads {read[0]} of the 3 GPUs here" in note for note in meter.notes)


def test_where_hip_may_use_none_none_is_read() -> None:
    with pytest.raises(Unavailable, match=r"HIP_VISIBLE_DEVICES=-1 hides every GPU.*unset HIP"):
        opened(FakeAmdSmi(FakeGpu()), environment={"HIP_VISIBLE_DEVICES": "-1"})


@pytest.mark.parametrize(
    ("named", "error"),
    [(7, Unavailable), ("GPU-x", Unavailable), (0.5, UsageError), ([], UsageError)],
)
def test_a_gpu_that_is_not_there_is_refused(named: Any, error: type[UsageError]) -> None:
    library = FakeAmdSmi(FakeGpu())
    with pytest.raises(error):
        opened(library, named)
    assert library.open == 0


@pytest.mark.parametrize("code", CODES)
def test_every_status_is_a_sentence_at_opening(code: int) -> None:
    with pytest.raises(Unavailable) as caught:
        opened(FakeAmdSmi(init=code))
    assert sentence(code) in caught.value.what
    assert caught.value.remedy == remedy(code) != ""
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("code", CODES)
def test_every_status_of_a_gpu_is_a_sentence(code: int) -> None:
    library = FakeAmdSmi(FakeGpu(fails={"get_energy_count": code, "get_power_info": code}))
    with pytest.raises(Unavailable) as caught:
        opened(library)
    assert sentence(code) in caught.value.what
    assert library.open == 0


@pytest.mark.parametrize("code", CODES)
def test_every_status_is_absence_at_a_read(code: int) -> None:
    gpu = FakeGpu()
    meter = opened(FakeAmdSmi(gpu, FakeGpu(1)))
    gpu.fails = {"get_energy_count": code, "get_power_info": code}
    values = by_name(meter)
    assert {name for name, value in values.items() if math.isnan(value)} == {
        "amdgpu0:energy",
        "amdgpu0:power",
    }
    meter.close()
    facts = meter.facts()["devices"]
    assert sentence(code) in facts["amdgpu0"]["refused"]
    assert ("lost" in facts["amdgpu0"]) == (code in LOST)


def test_every_code_has_a_sentence_of_its_own() -> None:
    assert len({sentence(code) for code in _CODES}) == len(_CODES)


def test_the_meter_is_lost_with_its_last_gpu() -> None:
    gpus = FakeGpu(), FakeGpu(1)
    library = FakeAmdSmi(*gpus)
    meter = opened(library)
    for gpu in gpus:
        gpu.fails = {"get_energy_count": 34, "get_power_info": 34}
    with pytest.raises(SensorLost, match=r"amdgpu0: .*not loaded; amdgpu1: .*sudo modprobe amdgpu"):
        meter.read()
    assert meter.observe()[1] == {"device": "amdgpu1", "lost": "the driver amdgpu is not loaded"}
    meter.close()
    assert library.open == 0


def test_the_state_of_a_gpu() -> None:
    library = FakeAmdSmi(FakeGpu(metrics={"throttle_status": False}))
    meter = opened(library)
    [state] = meter.observe()
    json.dumps(state, allow_nan=False)
    assert state == {
        "device": "amdgpu0",
        "temperature_c": 52,
        "memory_temperature_c": 44,
        "sm_clock_mhz": 2100,
        "memory_clock_mhz": 1300,
        "throttle": [],
        "utilisation": 0.87,
        "memory_used_bytes": 2 << 30,
        "power_limit_w": 750.0,
        "partition": "SPX",
        "processes": [
            {"pid": 41, "name": "python3", "memory_bytes": 1 << 30},
            {"pid": 7, "memory_bytes": 5},
        ],
    }


def test_what_holds_the_clocks_back_is_said_from_what_its_counters_did() -> None:
    ran = {"ppt_residency_acc": 10, "hbm_thm_residency_acc": 5, "socket_thm_residency_acc": 0}
    gpu = FakeGpu(metrics=ran)
    meter = opened(FakeAmdSmi(gpu))
    assert "throttle" not in meter.observe()[0]  # nothing to compare with yet
    assert meter.observe()[0]["throttle"] == []
    gpu.metrics = ran | {"ppt_residency_acc": 12}
    assert meter.observe()[0]["throttle"] == ["power cap"]
    gpu.metrics = {"throttle_status": True}
    assert meter.observe()[0]["throttle"] == ["throttled"]


def test_an_observation_never_waits_for_the_violation_status() -> None:
    library = FakeAmdSmi(FakeGpu())
    opened(library).observe()
    assert "get_violation_status" not in library.asked


@pytest.mark.parametrize("code", CODES)
def test_no_status_breaks_an_observation(code: int) -> None:
    gpu = FakeGpu(partition="N/A")
    meter = opened(FakeAmdSmi(gpu))
    gpu.fails = {name: code for name in dir(gpu) if name.startswith("get_")}
    assert meter.observe() == [{"device": "amdgpu0"}]


def test_no_gpu_at_all() -> None:
    with pytest.raises(Unavailable, match=r"finds no GPU.*docker run --device /dev/kfd"):
        opened(FakeAmdSmi())


def test_without_the_driver_nothing_is_imported(tmp_path: Any) -> None:
    with pytest.raises(Unavailable) as caught:
        AmdMeter(driver=str(tmp_path / "amdgpu"))
    assert caught.value.remedy == "sudo modprobe amdgpu"


@pytest.mark.parametrize(
    ("error", "says", "mends"),
    [
        (ImportError("amdsmi"), "amdsmi is not installed", "pip install"),
        (KeyError("libamd_smi.so"), "not the library libamd_smi.so", "amd-smi-lib"),
        (OSError("libamd_smi.so"), "not the library libamd_smi.so", "ROCM_PATH"),
        (AttributeError("amdsmi_get_x"), "of different versions: amdsmi_get_x", "ROCm"),
    ],
)
def test_a_package_that_cannot_be_imported_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    says: str,
    mends: str,
) -> None:
    original: Callable[..., Any] = builtins.__import__

    def failing(name: str, *arguments: Any, **more: Any) -> Any:
        if name == "amdsmi":
            sys.stdout.write("Unable to find libamd_smi.so library\n")  # as the package does
            raise error
        return original(name, *arguments, **more)

    monkeypatch.delitem(sys.modules, "amdsmi", raising=False)
    monkeypatch.setattr(builtins, "__import__", failing)
    with pytest.raises(Unavailable) as caught:
        AmdMeter(driver="/")
    assert says in caught.value.what
    assert mends in caught.value.remedy
    assert capsys.readouterr().out == ""
