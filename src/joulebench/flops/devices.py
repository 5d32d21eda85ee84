"""The devices that are known, and how to find one by the name that people and drivers write."""

from __future__ import annotations

import re

from joulebench.flops.device_spec import (
    PRECISIONS,
    DeviceSpec,
    highest_flops_per_joule,
    highest_limit_w,
    highest_peak,
)

__all__ = [
    "DEVICES",
    "PRECISIONS",
    "DeviceSpec",
    "find_device",
    "highest_flops_per_joule",
    "highest_limit_w",
    "highest_peak",
]

_T = 1e12
_GIB = 2.0**30

_V100 = "NVIDIA V100 Tensor Core GPU Datasheet, January 2020"
_V100_URL = "https://images.nvidia.com/content/technologies/volta/pdf/volta-v100-datasheet-update-us-1165301-r5.pdf"
_A100 = "NVIDIA A100 Tensor Core GPU Datasheet, June 2021"
_A100_URL = "https://www.nvidia.com/content/dam/en-zz/Solutions/Data-Center/a100/pdf/nvidia-a100-datasheet-us-nvidia-1758950-r4-web.pdf"
_A40 = "NVIDIA A40 Datasheet, 2021; fp64 is 1/64 of fp32 (NVIDIA Ampere GA102 whitepaper)"
_A40_URL = "https://images.nvidia.com/content/Solutions/data-center/a40/nvidia-a40-datasheet.pdf"
_GA102 = "NVIDIA Ampere GA102 GPU Architecture whitepaper, V2.1, appendix A"
_GA102_URL = (
    "https://www.nvidia.com/content/PDF/nvidia-ampere-ga-102-gpu-architecture-whitepaper-v2.1.pdf"
)
_ADA = "NVIDIA Ada GPU Architecture whitepaper, V2.01, appendix A"
_ADA_URL = "https://images.nvidia.com/aem-dam/Solutions/geforce/ada/nvidia-ada-gpu-architecture.pdf"
_L4 = "NVIDIA L4 Tensor Core GPU Datasheet, 2023; fp64 is 1/64 of fp32 (Ada whitepaper)"
_L4_URL = "https://www.nvidia.com/en-us/data-center/l4/"
_L40S = "NVIDIA L40S Datasheet, 2023: half of the rates with sparsity"
_L40S_URL = "https://www.nvidia.com/en-us/data-center/l40s/"
_H100 = "NVIDIA H100 Tensor Core GPU Datasheet, 2024: half of the rates with sparsity"
_H100_URL = "https://www.nvidia.com/en-us/data-center/h100/"
_H100_PCIE = "NVIDIA H100 Tensor Core GPU Architecture whitepaper, V1.04, and PB-11133-001"
_H100_PCIE_URL = "https://resources.nvidia.com/en-us-tensor-core"
_H200 = "NVIDIA H200 Tensor Core GPU Datasheet, 2024: half of the rates with sparsity"
_H200_URL = "https://www.nvidia.com/en-us/data-center/h200/"
_B200 = "NVIDIA Blackwell Architecture Technical Brief, V1.1 (HGX B200), 2024"
_B200_URL = "https://resources.nvidia.com/en-us-blackwell-architecture"
_MI300X = "AMD Instinct MI300X Accelerator Data Sheet, 2023"
_MI300X_URL = "https://www.amd.com/content/dam/amd/en/documents/instinct-tech-docs/data-sheets/amd-instinct-mi300x-data-sheet.pdf"


def _peaks(*rates: float | None) -> dict[str, float]:
    """Name rates in TFLOP/s, in the order of :data:`PRECISIONS`; ``None`` where there is none."""
    named = zip(PRECISIONS, rates, strict=True)
    return {name: rate * _T for name, rate in named if rate is not None}


_GA100_PEAKS = _peaks(19.5, 19.5, 156, 312, 312, None, 624)
_GH100_SXM_PEAKS = _peaks(67, 67, 494.7, 989.4, 989.4, 1978.9, 1978.9)
_GH100_NVL_PEAKS = _peaks(60, 60, 417.5, 835.5, 835.5, 1670.5, 1670.5)

# Margins: highest clock that the driver allows over the clock of the data sheet, MHz.
_SXM5_MARGIN = 1980 / 1830
_H100_PCIE_MARGIN = 1755 / 1620
_NVL_MARGIN = 1785 / 1545
_RTX_3090_MARGIN = 2100 / 1695
_RTX_4090_MARGIN = 3105 / 2520
_L40_MARGIN = 2520 / 2490

DEVICES: tuple[DeviceSpec, ...] = (
    DeviceSpec(
        "NVIDIA V100 SXM2 16 GB", "NVIDIA", "v100", "sxm2",
        _peaks(7.8, 15.7, None, 125, None, None, None),
        900e9, 16 * _GIB, 300.0, _V100, _V100_URL,
    ),
    DeviceSpec(
        "NVIDIA V100 SXM2 32 GB", "NVIDIA", "v100", "sxm2",
        _peaks(7.8, 15.7, None, 125, None, None, None),
        900e9, 32 * _GIB, 300.0, _V100, _V100_URL,
    ),
    DeviceSpec(
        "NVIDIA V100 PCIe 16 GB", "NVIDIA", "v100", "pcie",
        _peaks(7.0, 14.0, None, 112, None, None, None),
        900e9, 16 * _GIB, 250.0, _V100, _V100_URL,
    ),
    DeviceSpec(
        "NVIDIA V100 PCIe 32 GB", "NVIDIA", "v100", "pcie",
        _peaks(7.0, 14.0, None, 112, None, None, None),
        900e9, 32 * _GIB, 250.0, _V100, _V100_URL,
    ),
    DeviceSpec(
        "NVIDIA V100S PCIe 32 GB", "NVIDIA", "v100s", "pcie",
        _peaks(8.2, 16.4, None, 130, None, None, None),
        1134e9, 32 * _GIB, 250.0, _V100, _V100_URL,
    ),
    DeviceSpec(
        "NVIDIA A40", "NVIDIA", "a40", "",
        _peaks(0.585, 37.4, 74.8, 149.7, 149.7, None, 299.3),
        696e9, 48 * _GIB, 300.0, _A40, _A40_URL,
    ),
    DeviceSpec(
        "NVIDIA A100 SXM 40 GB", "NVIDIA", "a100", "sxm4", _GA100_PEAKS,
        1555e9, 40 * _GIB, 400.0, _A100, _A100_URL,
    ),
    DeviceSpec(
        "NVIDIA A100 SXM 80 GB", "NVIDIA", "a100", "sxm4", _GA100_PEAKS,
        2039e9, 80 * _GIB, 400.0, _A100, _A100_URL,
    ),
    DeviceSpec(
        "NVIDIA A100 PCIe 40 GB", "NVIDIA", "a100", "pcie", _GA100_PEAKS,
        1555e9, 40 * _GIB, 250.0, _A100, _A100_URL,
    ),
    DeviceSpec(
        "NVIDIA A100 PCIe 80 GB", "NVIDIA", "a100", "pcie", _GA100_PEAKS,
        1935e9, 80 * _GIB, 300.0, _A100, _A100_URL,
    ),
    DeviceSpec(
        "NVIDIA L4", "NVIDIA", "l4", "",
        _peaks(0.473, 30.3, 60, 121, 121, 242.5, 242.5),
        300e9, 24 * _GIB, 72.0, _L4, _L4_URL,
    ),
    DeviceSpec(
        "NVIDIA L40", "NVIDIA", "l40", "",
        _peaks(1.414, 90.5, 90.5, 181.05, 181.05, 362, 362),
        864e9, 48 * _GIB, 300.0, _ADA, _ADA_URL, clock_margin=_L40_MARGIN,
    ),
    DeviceSpec(
        "NVIDIA L40S", "NVIDIA", "l40s", "",
        _peaks(1.431, 91.6, 183, 366.5, 366.5, 733, 733),
        864e9, 48 * _GIB, 350.0, _L40S, _L40S_URL,
    ),
    # GeForce: fp16 with fp16 accumulators; half of it with fp32 accumulators (71 and 165.2).
    DeviceSpec(
        "NVIDIA GeForce RTX 3090", "NVIDIA", "3090", "",
        _peaks(0.556, 35.6, 35.6, 142, 71, None, 284),
        936e9, 24 * _GIB, 350.0, _GA102, _GA102_URL, clock_margin=_RTX_3090_MARGIN,
    ),
    DeviceSpec(
        "NVIDIA GeForce RTX 4090", "NVIDIA", "4090", "",
        _peaks(1.29, 82.6, 82.6, 330.3, 165.2, 660.6, 660.6),
        1008e9, 24 * _GIB, 450.0, _ADA, _ADA_URL, clock_margin=_RTX_4090_MARGIN,
    ),
    DeviceSpec(
        "NVIDIA H100 SXM", "NVIDIA", "h100", "sxm5", _GH100_SXM_PEAKS,
        3350e9, 80 * _GIB, 700.0, _H100, _H100_URL, clock_margin=_SXM5_MARGIN,
    ),
    DeviceSpec(
        "NVIDIA H100 PCIe", "NVIDIA", "h100", "pcie",
        _peaks(51.2, 51.2, 378, 756, 756, 1513, 1513),
        2039e9, 80 * _GIB, 350.0, _H100_PCIE, _H100_PCIE_URL, clock_margin=_H100_PCIE_MARGIN,
    ),
    DeviceSpec(
        "NVIDIA H100 NVL", "NVIDIA", "h100", "nvl", _GH100_NVL_PEAKS,
        3938e9, 94 * _GIB, 400.0, _H100, _H100_URL, clock_margin=_NVL_MARGIN,
    ),
    DeviceSpec(
        "NVIDIA H200 SXM", "NVIDIA", "h200", "sxm5", _GH100_SXM_PEAKS,
        4800e9, 141 * _GIB, 700.0, _H200, _H200_URL, clock_margin=_SXM5_MARGIN,
    ),
    DeviceSpec(
        "NVIDIA H200 NVL", "NVIDIA", "h200", "nvl", _GH100_NVL_PEAKS,
        4800e9, 141 * _GIB, 600.0, _H200, _H200_URL, clock_margin=_NVL_MARGIN,
    ),
    DeviceSpec(
        "NVIDIA B200 SXM", "NVIDIA", "b200", "sxm6",
        _peaks(40, 80, 1125, 2250, 2250, 4500, 4500),
        8000e9, 180 * _GIB, 1000.0, _B200, _B200_URL, clock_margin=1980 / 1860,
    ),
    DeviceSpec(
        "AMD Instinct MI300X", "AMD", "mi300x", "oam",
        _peaks(163.4, 163.4, 653.7, 1307.4, 1307.4, 2614.9, 2614.9),
        5300e9, 192 * _GIB, 750.0, _MI300X, _MI300X_URL,
    ),
)  # fmt: skip
"""Every device whose rates, memory and power limit were looked up, one entry a form."""

_MODELS = frozenset(device.model for device in DEVICES)
_WORD = re.compile(r"[a-z]+\d*[a-z]*\d*[a-z]*|\d+[a-z]*")
_MEMORY = re.compile(r"(?<![a-z0-9])(\d+)[ -]?g(?:i?b)?(?![a-z0-9])")
_FORMS = {"pci": "pcie", "hgx": "sxm", "dgx": "sxm", "hbm3": "sxm"}
_OTHER_PRODUCTS = {"ti", "d", "laptop", "mobile", "max", "superchip", "mig", "vgpu"}
"""Words that make another product of a known name, whose figures are not in the table."""

_SIZE_TOLERANCE = 0.08
"""Drivers and shops round a memory's size in their own ways: 180, 183 or 192 GB for a B200."""


def find_device(text: str) -> tuple[DeviceSpec, ...]:
    """Find the devices that a name may mean.

    It reads names as people and drivers write them: ``"a100-40g"``, ``"l40s"``, ``"RTX 4090"``,
    ``"NVIDIA A100-SXM4-80GB"``, ``"NVIDIA H100 80GB HBM3"``, ``"Tesla V100-SXM2-16GB"``.

    Args:
        text: The name; words beside it do no harm.

    Returns:
        Every form that fits, so that a bound may take the largest; nothing where the name is not
        known, names two products, or names a form or size that is not in the table.
    """
    lowered = text.casefold().replace("_", " ")
    words = _words(lowered)
    models = words & _MODELS
    if len(models) != 1 or (words & _OTHER_PRODUCTS and models & {"3090", "4090"}):
        return ()
    model = models.pop()
    found = [device for device in DEVICES if device.model == model]
    found = [device for device in found if _form_fits(device, _forms_named(words, model))]
    return tuple(device for device in found if _size_fits(device, _MEMORY.findall(lowered)))


def _words(text: str) -> set[str]:
    """Split a name into words: ``rtx4090`` and ``RTX 4090`` alike."""
    return set(_WORD.findall(re.sub(r"\brtx(?=\d)", "rtx ", text)))


def _forms_named(words: set[str], model: str) -> set[str]:
    """Give the forms that a name speaks of; HBM3 alone tells an H100 SXM from the PCIe card."""
    spoken = {_FORMS.get(word, word) for word in words if word != "hbm3" or model == "h100"}
    forms = {word for word in spoken if re.fullmatch(r"sxm\d?|pcie|nvl|oam", word)}
    return forms - {"sxm"} if forms & {"nvl", "pcie"} else forms


def _form_fits(device: DeviceSpec, forms: set[str]) -> bool:
    if not forms:
        return True
    return device.form in forms or ("sxm" in forms and device.form.startswith("sxm"))


def _size_fits(device: DeviceSpec, sizes: list[str]) -> bool:
    gib = device.memory_bytes / _GIB
    return all(abs(int(size) / gib - 1) <= _SIZE_TOLERANCE for size in sizes)
