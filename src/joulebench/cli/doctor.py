"""``joulebench doctor``: which sensors this machine has, and what mends those it lacks."""

from __future__ import annotations

import platform
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from joulebench.cli.doctor_characterize import characterize_sensors
from joulebench.cli.json_file import JsonFile, check_place, write_json
from joulebench.cli.narrow import table_that_fits
from joulebench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from joulebench.channel import Channel
    from joulebench.meters.registry import MeterReport

_BUILT_IN = ("replay", "simulated")
"""Meters that read nothing of this machine."""

_INDENT = 9


def doctor_command(
    characterize: Annotated[
        bool,
        typer.Option(
            "--characterize",
            help="Measure what the sensors are really like, and store it for later runs.",
        ),
    ] = False,
    meters: Annotated[
        list[str] | None,
        typer.Option(
            "--meters",
            metavar="METER",
            help="With --characterize: meter to look at; may be given again. "
            "Default: every sensor of this machine.",
        ),
    ] = None,
    seconds: Annotated[
        float | None,
        typer.Option(
            "--seconds",
            metavar="N",
            help="With --characterize: time for all meters together; default 60.",
            min=5.0,
            max=3600.0,
        ),
    ] = None,
    json_file: JsonFile = None,
) -> None:
    """List every meter: what it reads here, or what is missing and the line that mends it.

    Example: joulebench doctor --json doctor.json
    """
    from joulebench.meters.registry import survey

    check_place(json_file)
    if characterize:
        characterize_sensors(meters, seconds, json_file, host())
        return
    if meters or seconds is not None:
        raise UsageError(
            "--meters and --seconds belong to: joulebench doctor --characterize; without it every "
            "meter is looked at"
        )
    reports = survey()
    if json_file != "-":
        _print(reports)
    write_json(json_file, diagnosis(reports))


def diagnosis(reports: Sequence[MeterReport]) -> dict[str, Any]:
    """Give the report as a JSON-ready dict: host, meters, channels that would be summed."""
    from joulebench.energy import headline_channels

    return {
        "host": host(),
        "meters": [report.to_dict() for report in reports],
        "headline": [channel.name for channel in headline_channels(_used(reports))],
    }


def host() -> dict[str, Any]:
    """Give what bears on measuring here: system, processor, and whether it is a virtual one."""
    from joulebench.meters.machine import machine

    return {
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **machine().to_dict(),
    }


def _used(reports: Iterable[MeterReport]) -> list[Channel]:
    """Give the channels that a study with ``meters: auto`` would record."""
    from joulebench.meters.registry import ESTIMATE, covers_cpu

    sensed = [
        channel
        for report in reports
        if report.kind != ESTIMATE
        for channel in report.channels
        if channel.method in ("measured", "modelled")
    ]
    if covers_cpu(sensed):
        return sensed
    return sensed + [c for report in reports if report.kind == ESTIMATE for c in report.channels]


def _print(reports: Sequence[MeterReport]) -> None:
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    _print_host(console)
    for report in reports:
        _print_meter(console, report)
    channels = [c for r in reports if not _asked_for(r) for c in r.channels]
    if channels:
        console.print(table_that_fits(console, partial(_table, channels), _SPARE))
    _print_verdict(console, reports)


def _print_host(console: Console) -> None:
    facts = host()
    virtual = {True: "virtual machine", False: "no hypervisor seen", None: "unknown if virtual"}
    console.print(
        f"[bold]{facts['model']}[/bold], {facts['logical_cpus']} logical processors, "
        f"{virtual[facts['virtual']]}, {facts['system']}",
        soft_wrap=True,
    )
    console.print()


def _print_meter(console: Console, report: MeterReport) -> None:
    from rich.markup import escape

    mark, says = "[green]reads[/green]  ", ", ".join(c.name for c in report.channels)
    if _asked_for(report):
        mark, says = "[cyan]on request[/cyan]", _on_request(report)
    elif not report.available:
        mark, says = "[red]absent[/red] ", report.missing
    says = f"{mark} [bold]{report.kind}[/bold]: {escape(says)}"
    # What is typed after the verb must stay one line, to be copied.
    console.print(says, soft_wrap=not console.is_terminal or _asked_for(report))
    if not report.available and report.remedy and not _asked_for(report):
        console.print(f"         {escape(report.remedy)}", style="bold", soft_wrap=True)
    for note in report.notes:
        _print_indented(console, escape(note), "dim")


def _print_indented(console: Console, text: str, style: str) -> None:
    """Print text under a meter's line: whole words on a terminal, one line elsewhere."""
    from rich.padding import Padding

    if console.is_terminal:
        console.print(Padding(text, (0, 0, 0, _INDENT)), style=style)
    else:
        console.print(" " * _INDENT + text, style=style, soft_wrap=True)


def _asked_for(report: MeterReport) -> bool:
    """Say whether a meter reads only where it is named."""
    return report.on_request or report.kind in _BUILT_IN


def _on_request(report: MeterReport) -> str:
    if report.kind not in _BUILT_IN:
        return report.remedy
    example = "path=trace.parquet" if report.kind == "replay" else "board=a100,watts=250"
    what = {
        "replay": "plays a stored trace back",
        "simulated": "simulates a board of known power",
    }[report.kind]
    return f"{what}: joulebench measure --meters {report.kind}:{example} -- CMD"


def _table(channels: Sequence[Channel], without: Collection[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    shown = {heading: form for heading, form in _COLUMNS.items() if heading not in without}
    for heading in shown:
        right = heading in ("update", "averages", "gain", "wraps at")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    for channel in channels:
        table.add_row(*(form(channel) for form in shown.values()))
    return table


def _time(seconds: float) -> str:
    return f"{1e3 * seconds:.4g} ms" if seconds else ""


def _print_verdict(console: Console, reports: Sequence[MeterReport]) -> None:
    found = diagnosis(reports)["headline"]
    if not found:
        console.print("[red]Nothing on this machine can be measured or estimated.[/red]")
        return
    console.print(f"By default the energy of a run is the sum of: [bold]{', '.join(found)}[/bold]")
    methods = {c.name: c.method for c in _used(reports)}
    if all(methods[name] == "estimated" for name in found):
        console.print(
            "[yellow]No sensor of this machine can be read: its energies are estimates, and are "
            "labelled so.[/yellow]",
            soft_wrap=True,
        )


_COLUMNS: dict[str, Callable[[Channel], str]] = {
    "channel": lambda channel: channel.name,
    "unit": lambda channel: channel.unit,
    "covers": lambda channel: channel.scope,
    "method": lambda channel: channel.method,
    "update": lambda channel: _time(channel.period_s),
    "averages": lambda channel: _time(channel.averaging_s),
    "gain": lambda channel: f"±{100 * channel.gain:.2g} %",
    "wraps at": lambda channel: f"{channel.wrap_j:,.0f} J" if channel.wrap_j else "",
}

_SPARE = ("wraps at", "averages", "update", "unit")
"""Columns that a narrow terminal does without, the first to go first."""
