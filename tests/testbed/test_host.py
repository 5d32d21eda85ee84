"""Facts of a machine."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from joulebench.testbed.host import (
    cpu_model,
    gpus,
    host_facts,
    host_id,
    usable_cpus,
    virtualisation,
)


def test_facts_are_json_and_only_what_is_known(tmp_path: Path) -> None:
    facts = host_facts(tmp_path)
    json.dumps(facts, allow_nan=False)
    assert facts["logical_cpus"] >= usable_cpus() >= 1
    assert facts["memory_bytes"] > 1 << 20
    assert "joulebench" in facts["packages"]
    assert "governor" not in facts  # the empty root has none
    assert all(fact not in (None, "", [], {}) for fact in facts.values())


def test_facts_are_read_from_the_system(tmp_path: Path) -> None:
    governor = tmp_path / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"
    governor.parent.mkdir(parents=True)
    governor.write_text("powersave\n")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("model name\t: Abacus 3000\nflags : sse hypervisor\n")
    assert host_facts(tmp_path)["governor"] == "powersave"
    assert cpu_model(tmp_path) == "Abacus 3000"
    assert virtualisation(tmp_path) == "hypervisor"


def test_the_id_follows_the_facts() -> None:
    facts = {"hostname": "box", "cpu_model": "a"}
    assert host_id(facts) == host_id(dict(reversed(facts.items())))
    assert host_id(facts) != host_id(facts | {"cpu_model": "b"})
    assert host_id(facts).startswith("box-")


class _Nvml:
    """Three GPUs in the form of pynvml: a whole one, one that tells little, one that is lost."""

    def __init__(self) -> None:
        self.open = 0
        self.answers: dict[str, Any] = {
            "nvmlSystemGetDriverVersion": "580.0",
            "nvmlDeviceGetCount": 3,
            "nvmlDeviceGetName": b"NVIDIA H100",
            "nvmlDeviceGetUUID": "GPU-5f",
            "nvmlDeviceGetMemoryInfo": SimpleNamespace(total=80 << 30),
            "nvmlDeviceGetEnforcedPowerLimit": 700_000,
            "nvmlDeviceGetMigMode": [1, 1],
        }

    def nvmlInit(self) -> None:
        self.open += 1

    def nvmlShutdown(self) -> None:
        self.open -= 1

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        if index == 2:
            raise ValueError("lost")
        return index

    def nvmlDeviceGetIndex(self, handle: int) -> int:
        return handle

    def __getattr__(self, function: str) -> Any:
        def ask(*arguments: int) -> Any:
            if arguments == (1,):
                raise ValueError("not supported")
            return self.answers[function]

        return ask


def test_gpus_are_listed_though_one_is_lost(tmp_path: Path) -> None:
    nvml = _Nvml()
    whole, bare, lost = gpus(tmp_path, nvml)
    assert whole == {
        "index": 0,
        "name": "NVIDIA H100",
        "uuid": "GPU-5f",
        "driver": "580.0",
        "memory_bytes": 80 << 30,
        "power_limit_w": 700.0,
        "mig": True,
    }
    assert bare == {"index": 1, "name": "unknown GPU", "driver": "580.0"}
    assert lost["missing"].startswith("GPU 2: ")
    assert nvml.open == 0
    json.dumps([whole, bare, lost], allow_nan=False)


def test_amd_gpus_are_listed_where_the_driver_is(tmp_path: Path) -> None:
    answers: dict[str, Any] = {
        "get_processor_handles": ["one"],
        "get_gpu_asic_info": {"market_name": "AMD Instinct MI300X"},
        "get_gpu_vram_usage": {"vram_total": 196_592, "vram_used": 1},
        "get_power_cap_info": {"power_cap": 750_000_000},
        "get_gpu_driver_info": {"driver_version": "6.14"},
        "get_gpu_compute_partition": "SPX",
    }
    library = SimpleNamespace(
        amdsmi_init=lambda: None,
        amdsmi_shut_down=lambda: None,
        **{f"amdsmi_{name}": lambda *_, told=told: told for name, told in answers.items()},
    )
    nvml = SimpleNamespace()
    assert gpus(tmp_path, nvml, library) == []
    (tmp_path / "sys/module/amdgpu").mkdir(parents=True)
    assert gpus(tmp_path, nvml, library) == [
        {
            "index": 0,
            "name": "AMD Instinct MI300X",
            "driver": "6.14",
            "memory_bytes": 196_592 << 20,
            "power_limit_w": 750.0,
            "partition": "SPX",
        }
    ]
