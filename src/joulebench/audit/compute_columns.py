"""What a table says of the work of a pass: its operations, its time, its energy, its efficiency."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from joulebench.audit.columns import words_of
from joulebench.audit.devices import Devices, device_column, table_devices
from joulebench.audit.table import AuditTable, Floats
from joulebench.audit.table_energy_boards import board_counts
from joulebench.flops.precision_names import find_precision

_PLAIN_COUNTS = ("flop", "flops", "macs", "gflop", "tflop")
"""Units of a count of operations; "gflops" and "tflops" may as well be rates."""

_RATE_WORDS = {
    "achieved",
    "sustained",
    "attained",
    "effective",
    "performance",
    "throughput",
    "rate",
}
_ALIKE = 0.02

_PRECISION_WORDS = {"precision", "dtype"}
_OVERSHOOT = 1.06
"""A mean power may lie this far above the limit: the sensor's gain, and the limit's own control."""


@dataclass(frozen=True, slots=True)
class Pass:
    """The columns of one phase of the work; empty where there is none.

    Args:
        phase: forward, backward, ...; empty where the table has no phases.
        flops: Operations of one unit of work: a batch, a run.
        seconds: Time of one unit of work.
        seconds_sem: Its standard error.
        joules: Energy of one unit of work.
        joules_sum: Energy of all units together.
        joules_sem: Standard error of the energy of one.
        efficiency: Operations per joule, as published.
    """

    phase: str
    flops: str = ""
    seconds: str = ""
    seconds_sem: str = ""
    joules: str = ""
    joules_sum: str = ""
    joules_sem: str = ""
    efficiency: str = ""


def passes(table: AuditTable) -> Iterator[Pass]:
    """Give the phases of which a table holds operations or an efficiency."""
    counts = flop_columns(table)
    rates = [c for c in table.measures("efficiency", per="flops") if not _is_total(table, c)]
    phases = dict.fromkeys(_phase(table, column) for column in (*counts, *rates))
    for phase in phases:
        flops = next((c for c in counts if _phase(table, c) == phase), "")
        if flops and _is_sum(table, flops):
            statistics: tuple[str, ...] = ("sum",)
        else:
            statistics = ("mean", "", "median")
        yield Pass(
            phase,
            flops,
            _one(table, "duration", phase, statistics, flops),
            _one(table, "duration", phase, ("sem",), flops),
            _one(table, "energy", phase, statistics, flops),
            _one(table, "energy", phase, ("sum",)) or _of_all(table, phase, flops),
            _one(table, "energy", phase, ("sem",), flops),
            next((c for c in rates if _phase(table, c) == phase), ""),
        )


def flop_columns(table: AuditTable) -> list[str]:
    """Give the columns that count operations for sure: "TFLOPS" may as well be a rate."""
    found = []
    for column in table.measures("flops"):
        meaning = table.meaning(column)
        if meaning is not None and (meaning.unit.lower() in _PLAIN_COUNTS or meaning.per):
            found.append(column)
    return found


def rate_columns(table: AuditTable) -> list[str]:
    """Give the columns of FLOP/s: named so, or "TFLOPS" where another word or the rows say so."""
    ambiguous = [c for c in table.measures("flops", per="") if c not in flop_columns(table)]
    return table.measures("rate") + [
        c for c in ambiguous if set(words_of(c)) & _RATE_WORDS or _is_quotient(table, c)
    ]


def _is_quotient(table: AuditTable, column: str) -> bool:
    """Say whether a column is operations over time of the same rows."""
    for each in passes(table):
        if each.flops and each.seconds:
            ratio = quotient(
                table.si(column), quotient(table.si(each.flops), table.si(each.seconds))
            )
            near = np.abs(ratio[np.isfinite(ratio)] - 1) < _ALIKE
            if near.size and near.mean() > 0.5:
                return True
    return False


def _phase(table: AuditTable, column: str) -> str:
    meaning = table.meaning(column)
    return meaning.phase if meaning is not None else ""


def _is_total(table: AuditTable, column: str) -> bool:
    meaning = table.meaning(column)
    return meaning is not None and (meaning.part == "total" or "total" in words_of(column))


def _is_sum(table: AuditTable, column: str) -> bool:
    """Say whether operations are those of all units of work, not of one."""
    meaning = table.meaning(column)
    return meaning is not None and meaning.statistic == "sum" and not meaning.per


def _one(
    table: AuditTable, kind: str, phase: str, statistics: Sequence[str], flops: str = ""
) -> str:
    """Choose the column of a quantity, by the accelerator's clock where there is one.

    That of what the operations are counted by, a batch or an example, else the whole.
    """
    meaning = table.meaning(flops) if flops else None
    pers = (meaning.per, "") if meaning is not None and meaning.per else ("",)
    for per, statistic in product(pers, statistics):
        found = table.measures(kind, per=per, phase=phase, statistic=statistic)
        for part in ("gpu", "", "total"):
            named = [column for column in found if _part(table, column) == part]
            if named:
                return named[0]
    return ""


def _of_all(table: AuditTable, phase: str, flops: str) -> str:
    """Give the energy of all units of work, where operations are counted by one of them."""
    meaning = table.meaning(flops) if flops else None
    return _one(table, "energy", phase, ("",)) if meaning is not None and meaning.per else ""


def _part(table: AuditTable, column: str) -> str:
    meaning = table.meaning(column)
    return meaning.part if meaning is not None else ""


@dataclass(frozen=True, slots=True)
class Setup:
    """What a row was measured on.

    Args:
        devices: Those that its name may mean; one of them it was.
        precision: As the row or its column names it; ``None`` where nothing does.
        count: How many such devices worked together.
    """

    devices: Devices
    precision: str | None
    count: int = 1


def setups(table: AuditTable, column: str = "") -> list[Setup]:
    """Give device and precision of each row.

    Args:
        table: Where the rows are.
        column: Whose name may tell the precision, where no other column does.
    """
    told = find_precision(column) or find_precision(table.path.stem if table.path else table.name)
    named = _precision_column(table)
    texts = table.texts(named).tolist() if named else [""] * len(table)
    precisions = [find_precision(text) or told for text in texts]
    counts = _counts(table)
    devices = _narrowed(table, table_devices(table), counts)
    # Rows of one setup share one object, so that a large table is judged setup by setup.
    known: dict[tuple[int, str | None, int], Setup] = {}
    return [
        known.setdefault((id(spec), precision, count), Setup(spec, precision, count))
        for spec, precision, count in zip(devices, precisions, counts, strict=True)
    ]


def _narrowed(table: AuditTable, devices: list[Devices], counts: list[int]) -> list[Devices]:
    """Rule out forms of a device whose limit lies below the power that its own rows show."""
    if not any(len(each) > 1 for each in devices):
        return devices
    power_w = _steady_power_w(table) / np.array(counts)
    keys = np.array([id(each) for each in devices])
    able = {
        id(each): _drawing(each, float(power_w[keys == id(each)].max()))
        for each in {id(each): each for each in devices}.values()
    }
    return [able[id(each)] for each in devices]


def _drawing(devices: Devices, power_w: float) -> Devices:
    """Give the forms that may draw a power; all of them where none may: then it is in error."""
    able = tuple(spec for spec in devices if spec.power_limit_w * _OVERSHOOT >= power_w)
    return able or devices


def _steady_power_w(table: AuditTable) -> Floats:
    """Give the mean power of each row in the phase with the longest windows, where it is surest."""
    timed = [each for each in passes(table) if each.seconds and each.joules]
    if not timed:
        return np.zeros(len(table))
    longest = max(timed, key=lambda each: float(np.nansum(table.si(each.seconds))))
    return np.nan_to_num(quotient(table.si(longest.joules), table.si(longest.seconds)))


def _counts(table: AuditTable) -> list[int]:
    """Give how many devices each row says that it used: in a column, or as ``4x A100``."""
    numbers = board_counts(table)
    most = float(np.nanmax(numbers, initial=1.0))
    return [max(1, int(n if np.isfinite(n) else most)) for n in numbers]


def _precision_column(table: AuditTable) -> str:
    for column in table.columns:
        if set(words_of(column)) & _PRECISION_WORDS and any(
            map(find_precision, table.levels(column)[:8])
        ):
            return column
    return ""


def setup_labels(table: AuditTable) -> list[tuple[str, str]]:
    """Give what each row calls its device and its precision."""
    device, precision = device_column(table), _precision_column(table)
    blank = [""] * len(table)
    return list(
        zip(
            table.texts(device).tolist() if device else blank,
            table.texts(precision).tolist() if precision else blank,
            strict=True,
        )
    )


def quotient(upper: Floats, lower: Floats) -> Floats:
    """Divide what is there by what is positive; NaN elsewhere."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = np.where((lower > 0) & (upper > 0), upper / lower, np.nan)
    return np.where(np.isfinite(ratio), ratio, np.nan)
