"""``joulebench measure -- CMD``: the energy of any command."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from joulebench.cli.json_file import JsonFile, check_place, write_json
from joulebench.cli.narrow import table_that_fits
from joulebench.errors import EnergyError, UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from joulebench.energy import Energy
    from joulebench.finding import Finding
    from joulebench.measurement import Measurement
    from joulebench.testbed.recording import Recording


_COLUMNS = ("channel", "energy (95 %)", "mean W", "method", "covers", "in the sum")

_SPARE = ("mean W", "covers")
"""Columns that a narrow terminal does without, the first to go first."""


def measure_command(
    command: Annotated[
        list[str], typer.Argument(metavar="CMD", help="Command to run, with its arguments.")
    ],
    meters: Annotated[
        list[str] | None,
        typer.Option(
            "--meters",
            metavar="METER",
            help="Meter to read; may be given again. Options after a colon: "
            "simulated:board=ada,watts=250. Default: every sensor of this machine.",
        ),
    ] = None,
    interval_s: Annotated[
        float,
        typer.Option(
            "--interval",
            metavar="SECONDS",
            help="Time between samples, 0.001 to 10.",
            min=0.001,
            max=10.0,
        ),
    ] = 0.1,
    json_file: JsonFile = None,
) -> None:
    """Run a command and print what it cost, with its uncertainty, on standard error.

    Exit status is the command's own. With --json - the command's output goes to standard error.

    Example: joulebench measure -- python train.py --epochs 1
    """
    check_place(json_file)
    # Standard output then holds the JSON alone.
    output = sys.stderr if json_file == "-" else None
    result, measurement = measure_process(command, meters, interval_s, output)
    _print(command, result, measurement)
    write_json(json_file, result)
    raise typer.Exit(result["exit_status"])


def measure_process(
    command: Sequence[str],
    meters: Sequence[str] | None,
    interval_s: float,
    output: TextIO | None = None,
) -> tuple[dict[str, Any], Measurement]:
    """Run a command with the recorder in its own process.

    Args:
        command: Program and arguments.
        meters: As on the command line; every sensor of this machine where ``None``.
        interval_s: Time between samples, s.
        output: Where the command's standard output goes; to this process's own where ``None``.

    Raises:
        UsageError: There is no such program or meter, or a meter cannot be opened.
    """
    from joulebench.meters.registry import parse, resolve
    from joulebench.testbed.bystanders import busy_times, shared_machine
    from joulebench.testbed.device_claims import DeviceClaims
    from joulebench.testbed.observed import summary
    from joulebench.testbed.recording import Recording

    _refuse_no_program(command[0])
    specs = resolve([parse(text) for text in meters] if meters else "auto")
    started_at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    with tempfile.TemporaryDirectory(prefix="joulebench-") as folder:
        recording = Recording(specs, Path(folder), interval_s=interval_s)
        with recording:
            claims = DeviceClaims(recording.identities, f"joulebench measure -- {command[0]}")
            claims.take()
            recording.settle()
            before = busy_times(os.getpid())
            status, edges = _run(command, recording, output)
            shared = list(shared_machine(before, busy_times(os.getpid()), "measurement"))
            recording.settle()
            claims.release()
        measurement = _measurement(recording, edges, [*shared, *claims.findings()])
        facts = recording.facts()
        devices = summary(recording.observations(), [measurement.window])
    result = {
        "command": list(command),
        "exit_status": status,
        "started_at": started_at,
        **measurement.to_dict(),
        "meters": [spec.to_dict() for spec in specs],
        "sensors": [channel.to_dict() for channel in recording.channels],
        "recorder": facts,
        **({"devices": devices} if devices else {}),
        **_emissions(measurement, facts),
    }
    return result, measurement


def _emissions(measurement: Measurement, facts: dict[str, Any]) -> dict[str, Any]:
    """Give the emissions of the command, where a meter told a carbon intensity."""
    from joulebench.emissions import emissions_of

    try:
        found = emissions_of(measurement.energy, facts)
    except EnergyError:
        return {}
    return {} if found is None else {"emissions": found}


def _refuse_no_program(program: str) -> None:
    if shutil.which(program) is not None:
        return
    path = Path(program)
    if path.is_dir() and program:
        raise UsageError(f"measure: {program!r} is a folder, not a program")
    if path.is_file():
        raise UsageError(f"measure: {program!r} may not be executed; type: chmod +x {program}")
    raise UsageError(f"measure: there is no program {program!r}; give its full path")


def _run(
    command: Sequence[str], recording: Recording, output: TextIO | None
) -> tuple[int, tuple[float, float]]:
    """Run the command, passing on what is sent to end this process; give its status and edges."""
    recording.sample()
    start_s = time.monotonic()
    try:
        process = subprocess.Popen(list(command), stdout=output)
    except (OSError, ValueError) as error:
        raise UsageError(f"measure: {command[0]!r} cannot be run: {_reason(error)}") from error
    # Ctrl-C reaches the command by itself; SIGTERM does not.
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(
            signal.SIGTERM, lambda number, _: process.send_signal(number)
        ),
    }
    try:
        status = process.wait()
    finally:
        stop_s = time.monotonic()
        recording.sample()
        for number, handler in before.items():
            signal.signal(number, handler)
    return status if status >= 0 else 128 - status, (start_s, stop_s)


def _reason(error: OSError | ValueError) -> str:
    return str(getattr(error, "strerror", None) or error)


def _measurement(
    recording: Recording, edges: tuple[float, float], shared: Sequence[Finding]
) -> Measurement:
    from joulebench.channel import Window
    from joulebench.measurement import Measurement
    from joulebench.testbed.doubts import Circumstances, doubts

    window = Window("measure", *edges)
    known = Circumstances.of(recording)
    found = doubts(known, [window], begins_s=window.start_s)
    return Measurement(
        window,
        recording.channels,
        recording.traces(),
        lost=known.lost,
        doubts=[*found, *shared],
    )


def _print(command: Sequence[str], result: dict[str, Any], measurement: Measurement) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True, highlight=False, emoji=False)
    console.print()
    console.print(f"[bold]{escape(_headline(measurement))}[/bold]", soft_wrap=True)
    if "emissions" in result:
        from joulebench.report.emission_rows import described

        console.print(escape(described(result["emissions"])), soft_wrap=True)
    console.print(
        f"{escape(' '.join(command))}: {measurement.duration_s:.3f} s, "
        f"exit status {result['exit_status']}",
        soft_wrap=True,
    )
    console.print(table_that_fits(console, partial(_table, measurement), _SPARE))
    for line in _remarks(measurement, result["recorder"]):
        console.print(f"[yellow]{escape(line)}[/yellow]", soft_wrap=not console.is_terminal)


def _headline(measurement: Measurement) -> str:
    try:
        energy = measurement.energy
    except EnergyError as error:
        return f"no energy: {error}"
    below = " (below the sensor's resolution)" if measurement.below_resolution else ""
    return f"{energy.described()}, mean {measurement.mean_power_w:.4g} W{below}"


def _table(measurement: Measurement, without: Collection[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    shown = [heading for heading in _COLUMNS if heading not in without]
    for heading in shown:
        right = heading in ("energy (95 %)", "mean W")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    headline = measurement.headline
    for name, energy in measurement.channels.items():
        below = " *" if energy.below_resolution else ""
        cells = (
            name,
            f"{energy}{below}",
            f"{energy.joules / measurement.duration_s:.4g}",
            energy.method,
            energy.scope,
            "yes" if name in headline else "",
        )
        row = dict(zip(_COLUMNS, cells, strict=True))
        table.add_row(*(row[heading] for heading in shown))
    for name in measurement.refusals:
        table.add_row(name, "none")
    return table


def _remarks(measurement: Measurement, facts: dict[str, Any]) -> list[str]:
    """Say what a reader must know of the numbers above."""
    lines = [f"{name}: {reason}" for name, reason in measurement.refusals.items()]
    if any(energy.below_resolution for energy in measurement.channels.values()):
        lines.append(
            "* below the sensor's resolution: the command was too short for it; repeat it many "
            "times inside one measurement"
        )
    if any(_edges_dominate(energy) for energy in measurement.channels.values()):
        lines.append(
            "the doubt is mostly where the command begins and ends between two samples: measure "
            "for longer, or sample more often, for example --interval 0.02"
        )
    told = [f for f in measurement.findings if f.rule != "below-resolution"]  # said above
    lines += [f"{f.severity} ({f.rule}): {f.message}; {f.remedy}" for f in told]
    if "ended" in facts:
        lines.append(f"the recorder ended {facts['ended']} before the command did")
    return lines + list(facts.get("notes", []))


def _edges_dominate(energy: Energy) -> bool:
    """Say whether more than 5 % is in doubt, and not for the sensor's gain."""
    gain_j = sum(bias for source, bias in energy.biases.items() if source.startswith("gain "))
    return energy.uncertainty > 0.05 * abs(energy.joules) and energy.uncertainty > 2 * gain_j
