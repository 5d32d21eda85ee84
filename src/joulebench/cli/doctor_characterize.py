"""``joulebench doctor --characterize``: what the sensors of this machine are really like."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from joulebench.cli.json_file import write_json
from joulebench.cli.narrow import table_that_fits

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from joulebench.characterize.channel_facts import ChannelFacts
    from joulebench.characterize.characterise import Characterisation
    from joulebench.characterize.meter_facts import MeterFacts
    from joulebench.characterize.overhead import Overhead
    from joulebench.meters.meter import MeterSpec
    from joulebench.meters.sensor_profile import Figure

_FINDINGS_STATUS = 1

_UNKNOWN = "?"

_SPARE = ("noise", "step")
"""Columns that a narrow terminal does without, the first to go first."""


def characterize_sensors(
    meters: Sequence[str] | None, seconds: float | None, json_file: str | None, host: dict[str, Any]
) -> None:
    """Measure the sensors, print and store what was found.

    Args:
        meters: As on the command line; every sensor of this machine where there is none.
        seconds: Time for all of them together, s.
        json_file: Where the result goes for machines.
        host: Facts of this machine.

    Raises:
        UsageError: There is no sensor to look at, or too little time.
    """
    from joulebench.characterize.characterise import SECONDS, characterise

    with _progress() as told:
        found = characterise(_specs(meters), seconds=seconds or SECONDS, told=told)
    if json_file != "-":
        _print(found)
    write_json(json_file, {"host": host, **found.to_dict()})
    if any(finding.severity == "error" for finding in found.findings):
        raise typer.Exit(_FINDINGS_STATUS)


def _specs(meters: Sequence[str] | None) -> list[MeterSpec]:
    from joulebench.meters.registry import parse, resolve
    from joulebench.meters.sensor_profile import set_aside

    with set_aside():  # a broken profile must not keep a new one from being made
        return resolve([parse(text) for text in meters] if meters else "auto")


@contextmanager
def _progress() -> Iterator[Callable[[str, float], None]]:
    """Show on a terminal what is being done; drawn only between polls."""
    from joulebench.characterize.overhead import no_one

    if not sys.stderr.isatty():
        yield no_one
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = TextColumn("{task.description}", markup=False), BarColumn(bar_width=20)
    with Progress(
        *columns, console=Console(file=sys.stderr), auto_refresh=False, transient=True
    ) as bar:
        task = bar.add_task("", total=1.0)

        def told(what: str, share: float) -> None:
            bar.update(task, description=what, completed=share)
            bar.refresh()

        yield told


def _print(found: Characterisation) -> None:
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    for kind, why in found.skipped.items():
        _say(console, f"{kind} is left out: {why}")
    for facts in found.meters:
        _print_meter(console, facts)
    _print_overhead(console, found)
    for finding in found.findings:
        style = {"error": "red", "warning": "yellow"}.get(finding.severity, "")
        _say(console, f"{finding.severity}: {finding.message}; {finding.remedy}.", style)
    _print_stored(console, found)


def _say(console: Console, text: str, style: str = "") -> None:
    """Print a sentence: whole words on a terminal, one line elsewhere."""
    console.print(text, style=style, markup=False, soft_wrap=not console.is_terminal)


def _print_meter(console: Console, facts: MeterFacts) -> None:
    console.print(facts.spec.kind, style="bold")
    p50, p99 = (_short(seconds) for seconds in facts.read_s)
    under = facts.load or "no load"
    _say(
        console,
        f"{facts.polls:,} reads under {under}; one takes {p50} (1 % take {p99} or more) and "
        f"{_short(facts.cpu_s)} of processor time",
    )
    if facts.no_load:
        _say(console, f"No averaging time and no delay: {facts.no_load}", "yellow")
    console.print(table_that_fits(console, partial(_table, facts.channels), _SPARE))
    for pair in facts.counters:
        low, high = pair.interval_95
        _say(
            console,
            f"{pair.counter} over {pair.power}, at steady load: {pair.ratio.value:.4g} "
            f"(95 % {low:.4g} to {high:.4g})",
        )
    for nesting in facts.nestings:
        if nesting.holds is not False:
            holds = "contains" if nesting.holds else "may contain"
            parts = " + ".join(nesting.parts)
            share = f"{100 * nesting.share:.3g} %"
            _say(console, f"{nesting.whole} {holds} {parts}, {share} of its energy")


def _table(channels: Sequence[ChannelFacts], without: Collection[str] = ()) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    shown = {heading: form for heading, form in _COLUMNS.items() if heading not in without}
    for heading in shown:
        table.add_column(heading, justify="left" if heading == "channel" else "right", no_wrap=True)
    for facts in channels:
        table.add_row(*(form(facts) for form in shown.values()))
    return table


def _print_overhead(console: Console, found: Characterisation) -> None:
    for one in found.overhead:
        _say(console, _overhead(one))
    if not found.overhead:
        _say(console, f"What the recorder itself draws was not measured: {found.no_overhead}.")


def _overhead(one: Overhead) -> str:
    half_w = one.half_width_w
    percent = f"{one.percent:.2g} % of {one.baseline_w:.4g} W"
    said = f"{one.channel}: the recorder at 10 Hz draws {one.watts:.2g} W ± {half_w:.2g} W"
    if one.resolved:
        return f"{said} ({percent})"
    most = 100 * (abs(one.watts) + half_w) / one.baseline_w if one.baseline_w > 0 else math.nan
    return f"{said}: below what can be resolved, at most {most:.2g} % of {one.baseline_w:.4g} W"


def _print_stored(console: Console, found: Characterisation) -> None:
    if found.files:
        _say(console, "Stored, and used whenever these sensors are read:")
        for file in found.files:
            console.print(f"  {file}", markup=False, soft_wrap=True)
    elif found.not_stored:
        _say(
            console,
            f"Not stored: {found.not_stored}. Name a folder that can be written in "
            "JOULEBENCH_SENSORS, and characterise again.",
            "yellow",
        )
    else:
        _say(console, "Nothing was resolved well enough to be stored.")


def _time(figure: Figure | None) -> str:
    from joulebench.characterize.printed import in_ms

    return _UNKNOWN if figure is None else in_ms(figure)


def _short(seconds: float) -> str:
    return f"{1e3 * seconds:.3g} ms" if seconds >= 1e-3 else f"{1e6 * seconds:.3g} µs"


def _amount(amount: float, unit: str) -> str:
    """Print an amount in a unit that reads well."""
    if not math.isfinite(amount):
        return _UNKNOWN
    for factor, prefix in ((1.0, ""), (1e-3, "m"), (1e-6, "µ")):
        if amount >= 0.9995 * factor:
            return f"{amount / factor:.3g} {prefix}{unit}"
    return f"{amount:.2g} {unit}" if amount else f"0 {unit}"


def _step(facts: ChannelFacts) -> str:
    return (
        _UNKNOWN
        if facts.resolution is None
        else _amount(facts.resolution.value, facts.channel.unit)
    )


_COLUMNS: dict[str, Callable[[ChannelFacts], str]] = {
    "channel": lambda facts: facts.channel.name,
    "update": lambda facts: _time(facts.updates.period),
    "averages": lambda facts: "" if facts.channel.unit == "J" else _time(facts.averaging),
    "late by": lambda facts: _time(facts.delay),
    "step": _step,
    "noise": lambda facts: _amount(facts.noise_w, "W"),
}
