"""The traces of a log of nvidia-smi, and what is to be known of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from joulebench.energy import Trace
from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.importers.nvidia_smi_boards import architecture, sensor
from joulebench.importers.nvidia_smi_form import INDEX, LIMITS, POWERS, Form
from joulebench.importers.nvidia_smi_scan import Scan, Summary, scan
from joulebench.importers.nvidia_smi_time import FloatArray, Places, kept_rows, stretches
from joulebench.integral import cadence_s

_MIXED = 0.45
"""Share of spacings that are far shorter than the rest, above which rows are of several boards."""

_UNEVEN_S = 2.0


@dataclass(frozen=True, slots=True)
class Log:
    """A log as it was read.

    Args:
        origin_s: Local time that the times of the traces are counted from, s since 1970 as if its
            zone were UTC.
        traces: One a board and column of power.
        stretches: Times in which all boards were logged, s.
        boards: Of each board, its device, name and what else was logged of it.
        silent: Channels that read nothing.
        findings: Checks that did not pass.
    """

    origin_s: float
    traces: list[Trace]
    stretches: list[tuple[float, float]]
    boards: list[dict[str, Any]]
    silent: list[str]
    findings: list[Finding] = field(default_factory=list)


def read_log(form: Form) -> Log:
    """Read a log.

    Raises:
        UsageError: A line is damaged, boards cannot be told apart, or time goes back; names the
            line.
    """
    scanned = scan(form)
    findings = list(_of_lines(form, scanned))
    devices = _devices(form, scanned)
    kept: dict[int, Places] = {}
    for code in devices:
        rows = np.flatnonzero(scanned.board == code)
        kept[code] = kept_rows(form, scanned.t_s, rows, findings)
    _refuse_mixed(form, scanned, kept)
    origin_s = float(scanned.t_s[0])
    times = scanned.t_s - origin_s
    traces, silent, late_s = _traces(scanned, times, devices, kept, findings)
    found = stretches(times, kept, scanned.restarts)
    findings += _of_boards(scanned, times, kept, devices)
    findings += _of_holes(found)
    shown = [_described(form, scanned, code, device) for code, device in devices.items()]
    return Log(origin_s, traces, _inside(found, traces, late_s), shown, silent, findings)


def _devices(form: Form, scanned: Scan) -> dict[int, str]:
    """Name the boards: by nvidia-smi's index, or else in the order in which they appear."""
    if form.first_of([INDEX]) is None:
        return {code: f"gpu{code}" for code in range(len(scanned.boards))}
    for board in scanned.boards:
        if not board.isdigit():
            raise UsageError(f"{form.path}: index {board[:40]!r} is no whole number; mend the log")
    return {code: f"gpu{int(board)}" for code, board in enumerate(scanned.boards)}


def _refuse_mixed(form: Form, scanned: Scan, kept: dict[int, Places]) -> None:
    """Refuse rows of several boards that nothing tells apart: they come in bursts."""
    if form.first_of(["index", "uuid", "pci.bus_id", "serial"]) is not None:
        return
    for rows in kept.values():
        steps = np.diff(scanned.t_s[rows])
        repeats = int((scanned.board == scanned.board[rows[0]]).sum()) - rows.size
        if steps.size < 4:
            continue
        short = int((steps < 0.2 * np.quantile(steps, 0.95)).sum()) + repeats
        if short > _MIXED * (steps.size + repeats):
            raise UsageError(
                f"{form.path}: its lines come in bursts, as of several GPUs, and no column tells "
                "them apart; log again with --query-gpu=timestamp,index,power.draw, or name the "
                "one GPU with -i"
            )


def _traces(
    scanned: Scan,
    times: FloatArray,
    devices: dict[int, str],
    kept: dict[int, Places],
    findings: list[Finding],
) -> tuple[list[Trace], list[str], float]:
    """Give the traces, the channels without one, and by how much all stamps were set back, s."""
    traces: list[Trace] = []
    silent: list[str] = []
    late_s = math.inf
    for code, device in devices.items():
        for column, (quantity, reading) in POWERS.items():
            if column not in scanned.powers:
                continue
            name = f"{device}:{quantity}"
            rows = kept[code]
            known = rows[np.isfinite(scanned.powers[column][rows])]
            if known.size < 2:
                silent.append(name)
                continue
            if known.size < rows.size:
                findings.append(_unread(name, rows.size - known.size, rows.size))
            limit_w = _limit_w(scanned.summaries.get(code, {}))
            board = scanned.names.get(code, "")
            found = sensor(name, board, reading, cadence_s(times[known]), limit_w)
            watts = scanned.powers[column][known]
            traces.append(Trace(found.channel, times[known] - found.late_s, watts))
            late_s = min(late_s, found.late_s)
    return traces, silent, late_s


def _limit_w(summaries: dict[str, Summary]) -> float | None:
    limits = (summaries[name].most for name in LIMITS if name in summaries)
    return next((limit for limit in limits if limit > 0), None)


def _inside(
    found: list[tuple[float, float]], traces: list[Trace], late_s: float
) -> list[tuple[float, float]]:
    """Set stretches back as their traces are, and keep within what every trace covers."""
    if not traces:
        return []
    first_s = max(float(trace.t_s[0]) for trace in traces)
    last_s = min(float(trace.t_s[-1]) for trace in traces)
    cut = [
        (max(start_s - late_s, first_s), min(stop_s - late_s, last_s)) for start_s, stop_s in found
    ]
    return [(start_s, stop_s) for start_s, stop_s in cut if stop_s > start_s]


def _described(form: Form, scanned: Scan, code: int, device: str) -> dict[str, Any]:
    told: dict[str, Any] = {"device": device}
    if scanned.boards[code] and not scanned.boards[code].isdigit():
        told["identity"] = scanned.boards[code]
    if scanned.names.get(code):
        told["name"] = scanned.names[code]
    summaries = scanned.summaries.get(code, {})
    told |= {name: one.to_dict() for name, one in summaries.items() if one.count}
    told["columns"] = len(form.names)
    return told


def _of_lines(form: Form, scanned: Scan) -> Iterator[Finding]:
    if scanned.cut_short:
        yield Finding(
            "truncated-file",
            "warning",
            form.path.name,
            "the last line is cut short and was left out",
            "check that the run came to its end: the logger was stopped while it wrote",
        )
    if scanned.messages:
        yield Finding(
            "logger-message",
            "warning",
            form.path.name,
            f"{len(scanned.messages)} line(s) are messages and no readings; they were left out",
            "see what went wrong with the GPU or the driver at that time",
            seen=scanned.messages[0],
        )


def _of_boards(
    scanned: Scan, times: FloatArray, kept: dict[int, Places], devices: dict[int, str]
) -> Iterator[Finding]:
    last_s = max(float(times[rows[-1]]) for rows in kept.values())
    for code, rows in kept.items():
        early_s = last_s - float(times[rows[-1]])
        if early_s > _UNEVEN_S + 5 * (cadence_s(times[rows]) if rows.size > 2 else 0.0):
            yield _lost(devices[code], early_s)
        if architecture(scanned.names.get(code, "")) is None:
            yield _unknown_board(devices[code], scanned.names.get(code, ""))


def _lost(device: str, early_s: float) -> Finding:
    return Finding(
        "sensor-lost",
        "warning",
        device,
        f"its readings end {early_s:.1f} s before those of another GPU, and what is measured there",
        "find out whether the GPU fell off the bus",
        seen=f"{early_s:.1f} s",
        possible="0 s",
    )


def _unknown_board(device: str, name: str) -> Finding:
    return Finding(
        "board-unknown",
        "note",
        device,
        "the log does not say which board it is, or a board that is not known here: its power is "
        "taken to be late by up to a second",
        "log the board's name as well: --query-gpu=timestamp,index,name,power.draw",
        seen=name,
    )


def _unread(name: str, count: int, rows: int) -> Finding:
    return Finding(
        "non-finite",
        "warning",
        name,
        f"{count} of {rows} readings are absent or zero and were left out",
        "find out why the sensor gave none; what lies between was bridged",
        seen=str(count),
        possible="0",
    )


def _of_holes(found: list[tuple[float, float]]) -> Iterator[Finding]:
    if len(found) > 1:
        longest_s = max(b[0] - a[1] for a, b in pairwise(found))
        yield Finding(
            "log-restarted",
            "warning",
            f"{len(found)} stretches",
            "nvidia-smi was started again within the log: the stretches were measured, and not the "
            "time between them",
            "do not take the sum for the energy of one piece of work",
            seen=f"{longest_s:.1f} s without readings",
        )
