"""Samples of power as the two frameworks left them, and the energy that they amount to."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from joulebench.channel import Channel, Window
from joulebench.energibridge_columns import NVML_LAG_S
from joulebench.energy import Energy, Trace
from joulebench.errors import UsageError
from joulebench.finding import Finding
from joulebench.importers.delimited import delimiter_of, number, refuse_lacking
from joulebench.importers.nlpfrontiers_json import Document, finite, line_at
from joulebench.importers.nlpfrontiers_tree import JSON_POWER, JSON_TIME, POWER, TIME
from joulebench.importers.plain_file import open_plain
from joulebench.importers.stamp_findings import repeated_stamps, stepped_back
from joulebench.integral import GAP_CADENCES
from joulebench.sensor_gains import NVML_GAIN

FloatArray = npt.NDArray[np.float64]

_LONGEST_LINE = 1 << 16
_NVML_STEP_W = 1e-3
_SMI_STEP_W = 1e-2
_CSV_STAMP_S = 1e-6
_LARGEST = 1e12


@dataclass(frozen=True)
class Samples:
    """What a meter wrote down.

    Args:
        t_s: Times since it was started, s; shape (n,), strictly increasing.
        power_w: Power, W; shape (n,), finite.
        findings: What had to be left out.
    """

    t_s: FloatArray
    power_w: FloatArray
    findings: list[Finding] = field(default_factory=list)


def board_channel(gpu: int, *, smi: bool) -> Channel:
    """Describe the power of a board that is polled through NVML or nvidia-smi.

    The results do not name the board. Since Ampere (GA100 apart) both ways give the average of the
    last second, so that the average is assumed. It is not undone: the samples are integrated as
    they are, and its mean delay of half a second is carried as the doubt of the stamps.

    Args:
        gpu: Number of the board.
        smi: Whether it was asked for with nvidia-smi, which rounds to 0.01 W.
    """
    return Channel(
        f"gpu{gpu}:power",
        "W",
        resolution=_SMI_STEP_W if smi else _NVML_STEP_W,
        gain=NVML_GAIN,
        scope="gpu board",
        stamp_s=NVML_LAG_S,
        stamp_step_s=0.0 if smi else _CSV_STAMP_S,
    )


def read_trace_csv(path: Path) -> Samples:
    """Read a ``power_trace.csv``; a last line that is cut short is left out.

    Raises:
        UsageError: A line is damaged; names it.
    """
    times, powers = array("d"), array("d")
    findings: list[Finding] = []
    with open_plain(path) as file:
        columns, delimiter = _header(path, file.readline(_LONGEST_LINE + 1))
        places = columns.index(TIME), columns.index(POWER)
        line = 1
        while raw := file.readline(_LONGEST_LINE + 1):
            line += 1
            if not raw.strip():
                continue
            cells = _text(path, line, raw).split(delimiter)
            if not raw.endswith((b"\n", b"\r")) and len(raw) <= _LONGEST_LINE:
                # Its last digits may be missing.
                findings.append(_truncated(path))
                break
            if len(cells) != len(columns):
                raise UsageError(
                    f"{path} line {line} has {len(cells)} cells where the header has "
                    f"{len(columns)}; mend the line"
                )
            for place, kept in zip(places, (times, powers), strict=True):
                kept.append(_number(path, line, columns[place], cells[place]))
    return _cleaned(np.array(times), np.array(powers), path.name, findings)


def _header(path: Path, raw: bytes) -> tuple[list[str], str]:
    if not raw.strip():
        raise UsageError(f"{path} line 1: the file is empty; remove this run or measure it again")
    text = _text(path, 1, raw).removeprefix("\ufeff")
    delimiter = delimiter_of(text)
    columns = [cell.strip(" \"'") for cell in text.split(delimiter)]
    refuse_lacking(path, columns, (TIME, POWER))
    for name in (TIME, POWER):
        if columns.count(name) > 1:
            raise UsageError(f"{path} line 1: column {name!r} is there twice; remove one")
    return columns, delimiter


def _text(path: Path, line: int, raw: bytes) -> str:
    if len(raw) > _LONGEST_LINE:
        raise UsageError(f"{path} line {line} is longer than {_LONGEST_LINE} bytes: damaged")
    try:
        return raw.decode("utf-8").strip("\r\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} line {line} is not UTF-8: save the file as UTF-8") from error


def _number(path: Path, line: int, column: str, cell: str) -> float:
    """Read a cell; absent and not finite are NaN."""
    text = cell.strip(" \"'")
    value = number(text)
    if value is not None and abs(value) < _LARGEST:
        return value
    if text.lower().lstrip("+-") in ("", "nan", "inf", "infinity", "none", "null", "[n/a]"):
        return float("nan")
    raise UsageError(f"{path} line {line}: {column!r} is no reading: {text[:40]!r}; mend it")


def read_meter(document: Document) -> Samples:
    """Read the samples of an ``energy_*.json``.

    Raises:
        UsageError: It holds no list of samples, or one is damaged; names its line.
    """
    samples = document.values.get("samples")
    if not isinstance(samples, list):
        raise UsageError(f"{document.path} line 1: no list 'samples'; is it a meter's file?")
    times, powers = np.empty(len(samples)), np.empty(len(samples))
    for place, sample in enumerate(samples):
        if not isinstance(sample, Mapping) or not {JSON_TIME, JSON_POWER} <= sample.keys():
            raise UsageError(f"{_sample(document, place)} lacks {JSON_TIME!r} or {JSON_POWER!r}")
        times[place] = _reading(document, place, sample, JSON_TIME)
        powers[place] = _reading(document, place, sample, JSON_POWER)
    return _cleaned(times, powers, document.path.name, [])


def _reading(document: Document, place: int, sample: Mapping[str, Any], key: str) -> float:
    value = sample[key]
    known = finite(value)
    if known is not None and abs(known) < _LARGEST:
        return known
    if value is None or value in ("NaN", "Infinity", "-Infinity"):
        return float("nan")
    raise UsageError(f"{_sample(document, place)}: {key!r} is no reading: {str(value)[:40]!r}")


def _sample(document: Document, place: int) -> str:
    """Name a sample by its line."""
    at = document.text.find('"samples"')
    for _ in range(place + 1):
        at = max(document.text.find("{", at + 1), at)
    return f"{document.path} line {line_at(document.text, max(at, 0))}: sample {place + 1}"


def _cleaned(t_s: FloatArray, power_w: FloatArray, where: str, findings: list[Finding]) -> Samples:
    """Keep the finite samples that are later than all before them, and say what was left out."""
    finite_both = np.isfinite(t_s) & np.isfinite(power_w)
    if not finite_both.all():
        findings.append(_non_finite(where, int((~finite_both).sum()), t_s.size))
    t_s, power_w = t_s[finite_both], power_w[finite_both]
    before = np.concatenate(([-np.inf], np.maximum.accumulate(t_s)[:-1]))
    repeats, back = int((t_s == before).sum()), int((t_s < before).sum())
    if repeats:
        findings.append(repeated_stamps(where, repeats, "stamp each sample when it is read"))
    if back:
        findings.append(stepped_back(where, back))
    later = t_s > before
    return Samples(t_s[later], power_w[later], findings)


def _non_finite(where: str, count: int, samples: int) -> Finding:
    return Finding(
        "non-finite",
        "warning",
        where,
        f"{count} of {samples} samples are empty or not finite and were left out",
        "find out why the sensor gave none; what lies between was bridged",
        seen=str(count),
        possible="0",
    )


def _truncated(path: Path) -> Finding:
    return Finding(
        "truncated-file",
        "warning",
        path.name,
        "the last line is cut short and was left out",
        "check that the run came to its end: the sampler was stopped while it wrote",
    )


def integrate(trace: Trace, window: Window, interval_s: float | None) -> Energy:
    """Integrate a trace, and doubt what neither its sampler nor its sensor resolves.

    The trace judges holes by its own cadence. Where the sampler stalled throughout, that cadence is
    the stall itself; the interval that it was asked for tells. If samples were due and missing in
    more than half of the window, nothing is resolved: the noise is at least half the energy. So it
    is in a window shorter than the delay of the board's assumed average.

    Work that begins with a window of length T draws the readings of a sensor that averages over A
    up along a straight line, by D in all; they then miss D A/2 if T is at least A, and D (A - T/2)
    if it is shorter. The doubt of the stamps, D A/2, is scaled to that.

    Args:
        trace: The samples.
        window: What to integrate over.
        interval_s: The interval that the sampler was asked for, s; ``None`` if unknown.

    Raises:
        EnergyError: The energy cannot be given honestly.
    """
    energy = trace.energy(window, gaps="bridge")
    unseen_s = _unseen_s(trace, interval_s)
    energy = _delayed(energy, trace.channel, window)
    silent = interval_s is not None and unseen_s > 0.5 * window.duration_s
    if not silent and window.duration_s >= NVML_LAG_S:
        return energy
    findings = energy.findings
    if silent and all(finding.rule != "sampling-gap" for finding in findings):
        findings = (*findings, _silent(trace, window, unseen_s, interval_s or 0.0))
    noise_j = max(energy.noise, 0.5 * abs(energy.joules))
    return replace(energy, noise=noise_j, below_resolution=True, findings=findings)


def _delayed(energy: Energy, channel: Channel, window: Window) -> Energy:
    """Scale the doubt of the stamps in a window that is shorter than the sensor's average."""
    averaging_s = 2 * NVML_LAG_S
    scale = 2 - min(window.duration_s / averaging_s, 1.0)
    stamp = f"stamp {channel.name}"
    if stamp not in energy.biases:
        return energy
    return replace(energy, biases={**energy.biases, stamp: scale * energy.biases[stamp]})


def _unseen_s(trace: Trace, interval_s: float | None) -> float:
    """Give for how long samples were due and missing, s."""
    if interval_s is None or interval_s <= 0:
        return 0.0
    spacing_s = np.diff(trace.t_s)
    return float(spacing_s[spacing_s > GAP_CADENCES * interval_s].sum())


def _silent(trace: Trace, window: Window, unseen_s: float, interval_s: float) -> Finding:
    return Finding(
        "sampling-gap",
        "warning",
        f"{trace.channel.name} in {window.name}",
        f"{len(trace)} samples: none for {unseen_s:.3f} s of {window.duration_s:.3f} s, where one "
        f"was due every {interval_s:g} s; the power in between was guessed",
        "find what stalled the sampler and measure again",
        seen=f"{len(trace)} samples",
        possible=f"{window.duration_s / interval_s:.0f} samples",
    )
