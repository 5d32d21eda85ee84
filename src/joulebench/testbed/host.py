"""The facts of a machine that a reader of its energies must know."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from joulebench.errors import Unavailable
from joulebench.meters.amd_devices import gpus as amd_gpus
from joulebench.meters.amd_library import AmdRefused, AmdSmi, known_number
from joulebench.meters.amd_state import limit_w
from joulebench.meters.nvml_devices import Gpu
from joulebench.meters.nvml_devices import gpu as nvidia_gpu
from joulebench.meters.nvml_library import Nvml, Refused

_PACKAGES = ("joulebench", "numpy", "torch", "transformers", "tokenizers", "nvidia-ml-py", "amdsmi")

_CONTAINERS = {"/.dockerenv": "docker", "/run/.containerenv": "podman"}


def usable_cpus() -> int:
    """Count the logical processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def host_facts(root: Path = Path("/")) -> dict[str, Any]:
    """Give the facts of this machine; what cannot be found out is left out.

    Args:
        root: Where the system's files are.
    """
    facts: dict[str, Any] = {
        "hostname": platform.node(),
        "cpu_model": cpu_model(root),
        "logical_cpus": os.cpu_count(),
        "usable_cpus": usable_cpus(),
        "physical_cpus": psutil.cpu_count(logical=False),
        "memory_bytes": psutil.virtual_memory().total,
        "kernel": platform.release(),
        "os": _os_name(),
        "architecture": platform.machine(),
        "virtualisation": virtualisation(root),
        "governor": _read(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "turbo": _turbo(root),
        "gpus": gpus(root),
        "python": platform.python_version(),
        "packages": _versions(),
    }
    return {key: fact for key, fact in facts.items() if fact not in (None, "", [], {})}


def host_id(facts: dict[str, Any]) -> str:
    """Name a machine after what does not change while it is the same set-up."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]
    return f"{facts.get('hostname', 'host')}-{digest}"


def cpu_model(root: Path) -> str:
    """Give the processor's name."""
    for line in _read(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model", "Hardware"):
            return value.strip()
    return platform.processor()


def virtualisation(root: Path) -> str:
    """Say in what the system runs: a container's or a hypervisor's name; empty if unknown."""
    for marker, name in _CONTAINERS.items():
        if (root / marker.lstrip("/")).exists():
            return name
    if " hypervisor" in _read(root / "proc/cpuinfo"):
        return _read(root / "sys/class/dmi/id/sys_vendor") or "hypervisor"
    return ""


def gpus(root: Path = Path("/"), nvml: Any = None, amdsmi: Any = None) -> list[dict[str, Any]]:
    """List the GPUs with driver and power limit; empty where there is no driver.

    Args:
        root: Where the system's files are.
        nvml: Anything with the functions of ``pynvml``; that module where ``None``.
        amdsmi: Anything with the functions of ``amdsmi``; that module where ``None``.
    """
    return [*_nvidia(nvml), *_amd(root, amdsmi)]


def _nvidia(library: Any) -> Iterator[dict[str, Any]]:
    try:
        nvml = Nvml(library)
        nvml.ask("nvmlInit")
    except (Unavailable, Refused):
        return
    driver = nvml.known("nvmlSystemGetDriverVersion")
    for index in range(nvml.known("nvmlDeviceGetCount") or 0):
        try:
            yield _told(_gpu(nvml, nvidia_gpu(nvml, index)) | {"driver": driver})
        except Unavailable as error:  # the others are still to be listed
            yield {"index": index, "missing": error.what}
    nvml.known("nvmlShutdown")


def _gpu(nvml: Nvml, gpu: Gpu) -> dict[str, Any]:
    memory = nvml.known("nvmlDeviceGetMemoryInfo", gpu.handle)
    limit_mw = nvml.known("nvmlDeviceGetEnforcedPowerLimit", gpu.handle)
    return {
        "index": gpu.index,
        "name": gpu.name,
        "uuid": gpu.uuid,
        "memory_bytes": None if memory is None else int(memory.total),
        # Boards without power management have no limit.
        "power_limit_w": limit_mw / 1000 if limit_mw else None,
        "mig": gpu.mig or None,
    }


def _amd(root: Path, library: Any) -> Iterator[dict[str, Any]]:
    if not (root / "sys/module/amdgpu").exists():
        return
    try:
        smi = AmdSmi(library)
        smi.ask("init")
        found = amd_gpus(smi)
    except (Unavailable, AmdRefused):
        return
    for gpu in found:
        driver = smi.known("get_gpu_driver_info", gpu.handle) or {}
        total_mib = known_number(smi.known("get_gpu_vram_usage", gpu.handle), "vram_total")
        yield _told(
            {
                "index": gpu.index,
                "name": gpu.name,
                "uuid": gpu.uuid,
                "driver": driver.get("driver_version"),
                "memory_bytes": None if total_mib is None else int(total_mib) << 20,
                "power_limit_w": limit_w(smi, gpu),
                "partition": gpu.partition,
            }
        )
    smi.known("shut_down")


def _told(facts: dict[str, Any]) -> dict[str, Any]:
    return {key: fact for key, fact in facts.items() if fact not in (None, "")}


def _turbo(root: Path) -> str:
    no_turbo = _read(root / "sys/devices/system/cpu/intel_pstate/no_turbo")
    boost = _read(root / "sys/devices/system/cpu/cpufreq/boost")
    if no_turbo:
        return "off" if no_turbo == "1" else "on"
    return {"1": "on", "0": "off"}.get(boost, "")


def _os_name() -> str:
    if sys.platform.startswith("linux"):
        try:
            return platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
        except OSError:
            return "Linux"
    return platform.platform(terse=True)


def _versions() -> dict[str, str]:
    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
