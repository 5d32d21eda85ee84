"""How many accelerators each row of a table used, and what they may draw together."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.devices import Devices, device_column, table_devices
from joulebench.audit.table import AuditTable, Floats

_COUNTED = {"gpus", "boards", "accelerators", "cards"}
_ONE = {"gpu", "device", "devices", "board", "accelerator", "card"}
_COUNTS = {"n", "num", "number", "count", "no", "size", "used"}
_RANKS = {"world_size", "nproc"}
_SHARED_BY = re.compile(
    r"(tp|pp|dp|(tensor|pipeline|data)_parallel)(_size|_degree)?|nodes|num_nodes|n_nodes"
)
_EACH_NODE = re.compile(
    r"(n_|num_)?(gpus?|boards?|accelerators?|devices?)_per_(node|machine|server|host)"
)
_TIMES = re.compile(r"(?<![\w.])(\d{1,3})\s*[x×*]\s*(?=[a-z])", re.IGNORECASE)
_LIMIT_WORDS = {"limit", "cap", "tdp"}
_MOST_BOARDS = 20_000
_GAMES = 0.4
"""Cards for games switch nearly everything off while no screen hangs on them."""


def board_counts(table: AuditTable) -> Floats:
    """Give the number of boards that each row used; NaN where the table does not say it."""
    for column in table.columns:
        if _counts_boards(column) and _is_count(table, column):
            return table.numbers(column)
    shared = _product_of_shares(table)
    if shared is not None:
        return shared
    named = device_column(table)
    if named is None:
        return np.full(len(table), np.nan)
    texts = table.texts(named).tolist()
    counts = {text: _times(text) for text in set(texts)}
    found = np.array([counts[text] for text in texts])
    return np.where(np.isfinite(found), found, 1.0) if np.isfinite(found).any() else found


def _is_count(table: AuditTable, column: str) -> bool:
    if not table.is_number(column):
        return False
    numbers = table.numbers(column)
    held = numbers[np.isfinite(numbers)]
    return bool(held.size) and bool(
        np.all((held >= 0) & (held < _MOST_BOARDS) & (held == held.round()))
    )


def _product_of_shares(table: AuditTable) -> Floats | None:
    """Multiply what work was shared by: nodes and boards of each, or kinds of parallelism."""
    names = {c: "_".join(words_of(c.replace("/", "_per_"))) for c in table.columns}
    each = [c for c, name in names.items() if _EACH_NODE.fullmatch(name)]
    found = [c for c, name in names.items() if _SHARED_BY.fullmatch(name)]
    nodes = [c for c in found if "node" in names[c]]
    used = [*each, *nodes] if each else [c for c in found if c not in nodes]
    used = [c for c in used if _is_count(table, c)]
    return np.prod([table.numbers(c) for c in used], axis=0) if used else None


def _counts_boards(column: str) -> bool:
    words = set(words_of(column))
    plain = column.strip().casefold()
    if plain in _RANKS:
        return True
    if words & {"energy", "power", "memory", "time", "per", "util", "name", "id"}:
        return False
    return bool(words & _COUNTED or (words & _ONE and words & _COUNTS))


def _times(text: str) -> float:
    found = _TIMES.search(text)
    return float(found.group(1)) if found else np.nan


def highest_limits_w(table: AuditTable) -> Floats:
    """Give the power limit of one board of each row, W; NaN where no device is known.

    The limit that the row itself states counts first, then the highest of the devices that its
    name may mean.
    """
    known = _by_row(table_devices(table), lambda devices: max(d.power_limit_w for d in devices))
    stated = _stated_limits_w(table)
    return np.where(np.isfinite(stated), stated, known)


def lowest_idle_w(table: AuditTable, share: float) -> Floats:
    """Give the least that one board of each row draws, W; NaN where no device is known.

    Args:
        table: The table.
        share: Of the power limit, taken where nobody publishes the idle power of a device.
    """
    return _by_row(table_devices(table), lambda found: min(_idle_w(d, share) for d in found))


def _idle_w(device: object, share: float) -> float:
    idle = getattr(device, "idle_power_w", None)
    share = share * _GAMES if "GeForce" in str(getattr(device, "name", "")) else share
    limit = float(getattr(device, "power_limit_w", np.nan))
    return min(float(idle), share * limit) if idle else share * limit


def may_be_raised(table: AuditTable) -> np.ndarray:
    """Say of each row whether its board may be set above its limit: those sold for games."""
    found = _by_row(
        table_devices(table), lambda devices: float(any("GeForce" in d.name for d in devices))
    )
    return np.nan_to_num(found) > 0


def device_names(table: AuditTable, rows: Sequence[int]) -> str:
    """Name the devices of some rows for a person."""
    devices = table_devices(table)
    names = dict.fromkeys(spec.name for row in rows[:50] for spec in devices[row])
    return ", ".join(list(names)[:3])


def _by_row(devices: Sequence[Devices], value: Callable[[Devices], float]) -> Floats:
    """Give a figure of the devices of each row; each different tuple of devices is asked once."""
    different = {id(each): each for each in devices}
    values = {key: value(each) if each else np.nan for key, each in different.items()}
    if len(values) == 1:
        return np.full(len(devices), next(iter(values.values())))
    return np.array([values[id(each)] for each in devices], dtype=np.float64)


def _stated_limits_w(table: AuditTable) -> Floats:
    for column in table.columns:
        words = set(words_of(column))
        if words & _LIMIT_WORDS and words & {"power", "w", "watts"} and table.is_number(column):
            scale = 1e-3 if words & {"mw", "milliwatts"} else 1.0
            limits = table.numbers(column) * scale
            return np.where(limits > 0, limits, np.nan)
    return np.full(len(table), np.nan)
