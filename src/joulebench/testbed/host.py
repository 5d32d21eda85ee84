"""The facts of a machine that a reader of its energies must know."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

_PACKAGES = ("joulebench", "numpy", "torch", "transformers", "tokenizers", "nvidia-ml-py")

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
        "gpus": gpus(),
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


def gpus() -> list[dict[str, Any]]:
    """List the NVIDIA GPUs with driver and power limit; empty where there is no driver."""
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        return [_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _gpu(nvml: Any, index: int) -> dict[str, Any]:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    facts = {
        "index": index,
        "name": nvml.nvmlDeviceGetName(handle),
        "driver": nvml.nvmlSystemGetDriverVersion(),
        "memory_bytes": nvml.nvmlDeviceGetMemoryInfo(handle).total,
    }
    try:
        facts["power_limit_w"] = nvml.nvmlDeviceGetEnforcedPowerLimit(handle) / 1000
    except nvml.NVMLError:
        return facts  # boards without power management have no limit
    return facts


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
