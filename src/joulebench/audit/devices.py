"""Which accelerator a figure was measured on, as far as anything says it."""

from __future__ import annotations

from joulebench.audit.columns import words_of
from joulebench.audit.run_view import AuditRun
from joulebench.audit.table import AuditTable
from joulebench.flops.devices import DeviceSpec, find_device

Devices = tuple[DeviceSpec, ...]
"""Devices that a name may stand for: none where it is not known, several where it is ambiguous."""

_NAMING = {"gpu", "device", "accelerator", "hardware", "board", "card", "platform"}


def table_devices(table: AuditTable) -> list[Devices]:
    """Give the devices that each row of a table may have been measured on.

    A column that names them counts first, then what the user said, then the name of the file.
    """
    column = device_column(table)
    elsewhere = _named(table.devices) or find_device(table.path.name if table.path else table.name)
    if column is None:
        return [elsewhere] * len(table)
    texts = table.texts(column).tolist()
    known = {text: find_device(text) or elsewhere for text in set(texts)}
    return [known[text] for text in texts]


def device_column(table: AuditTable) -> str | None:
    """Give the column whose cells name accelerators; ``None`` if there is none."""
    named = [column for column in table.columns if set(words_of(column)) & _NAMING]
    for column in named:
        if table.meaning(column) is None and any(map(find_device, table.levels(column)[:8])):
            return column
    return None


def run_devices(view: AuditRun) -> Devices:
    """Give the devices that a run may have been measured on."""
    stated = _named(view.stated_devices)
    if stated:
        return stated
    gpus = view.host.get("gpus") or [view.host.get("gpu_model", "")]
    names = [str(gpu.get("name", "") if isinstance(gpu, dict) else gpu) for gpu in gpus]
    levels = [str(level) for level in view.run.levels.values()]
    return _named(tuple(names)) or _named(tuple(levels))


def _named(names: tuple[str, ...]) -> Devices:
    return tuple(dict.fromkeys(spec for name in names for spec in find_device(name)))
