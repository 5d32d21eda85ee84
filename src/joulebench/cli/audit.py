"""``joulebench audit``: what is wrong with results, ours or anybody's."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from joulebench.cli.json_file import JsonFile, check_place, write_json
from joulebench.cli.runs_bar import RunsBar
from joulebench.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from joulebench.audit.corrected import Corrected
    from joulebench.audit.examine import Examined
    from joulebench.audit.grouped import RuleFindings

_FINDINGS_STATUS = 1
_STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def audit_command(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Studies, folders of results, tables.")
    ],
    json_file: JsonFile = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with status 1 on warnings too.")
    ] = False,
    gpu: Annotated[
        list[str] | None,
        typer.Option(help="The board everything ran on, where the results do not say: l4, a100."),
    ] = None,
    fix: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Folder for the corrected tables.")
    ] = None,
    page: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the audit as one HTML page.")
    ] = None,
    show_notes: Annotated[
        bool, typer.Option("--notes", help="Show notes in full, not their rules alone.")
    ] = False,
) -> None:
    """Check results against physics and statistics; several PATHs are one body of evidence.

    Example: joulebench audit runs/demo

    Example: joulebench audit experiments/llama run_table.csv --fix corrected --page audit.html
    """
    from joulebench.audit.examine import examine
    from joulebench.audit.gather import gather

    check_place(json_file)
    _check_devices(gpu or [])
    evidence = gather(paths, tuple(gpu or ()))
    with RunsBar("audit") as bar:
        examined = examine(evidence, bar.show)
    corrected = _fixed(examined, fix)
    write_json(json_file, examined.to_dict() | _fixes(corrected))
    if page is not None:
        _write_page(examined, paths, page)
    if json_file != "-":
        _print(examined, page, notes=show_notes)
        if fix is not None:
            _print_fixes(corrected)
    if examined.verdict == "wrong" or (strict and examined.verdict == "doubtful"):
        raise typer.Exit(_FINDINGS_STATUS)


def _check_devices(names: Sequence[str]) -> None:
    """Refuse a board that the table of devices does not have."""
    from joulebench.errors import unknown
    from joulebench.flops.devices import DEVICES, find_device

    for name in names:
        if not find_device(name):
            raise unknown("--gpu", name, [device.name for device in DEVICES])


def _fixed(examined: Examined, out: Path | None) -> list[Corrected]:
    if out is None:
        return []
    from joulebench.audit.corrected import write_corrected

    return write_corrected(examined.evidence, out)


def _fixes(corrected: Sequence[Corrected]) -> dict[str, object]:
    return {"corrected": [each.to_dict() for each in corrected]} if corrected else {}


def _write_page(examined: Examined, paths: Sequence[Path], page: Path) -> None:
    from joulebench.report.audit_page import write_audit_page

    try:
        write_audit_page(examined, [str(path) for path in paths], page)
    except OSError as error:
        raise UsageError(f"--page {page}: cannot be written: {error.strerror}") from error


def _print_fixes(corrected: Sequence[Corrected]) -> None:
    for each in corrected:
        typer.echo(each.line)
    if not corrected:
        typer.echo("nothing was corrected: no correction is determined")


def _print(examined: Examined, page: Path | None, *, notes: bool) -> None:
    from rich.console import Console

    from joulebench.audit.grouped import grouped
    from joulebench.audit.verdict import looked_at, verdict_line

    console = Console(file=sys.stdout, emoji=False, width=None if sys.stdout.isatty() else 100)
    console.print(looked_at(examined), highlight=False, markup=False)
    rows = grouped(examined.findings)
    for row in rows:
        if row.severity != "note" or notes:
            _print_rule(console, row)
    named = [row.rule for row in rows if row.severity == "note"]
    if named and not notes:
        console.print(f"\nnotes (--notes shows them): {', '.join(named)}", highlight=False)
    console.print()
    console.print(verdict_line(examined), highlight=False, markup=False, style="bold")
    if page is not None:
        console.print(f"page: {page}", highlight=False, markup=False)


def _print_rule(console: Console, row: RuleFindings) -> None:
    from rich.text import Text

    example, count = row.example, len(row.findings)
    times = f" ({count} times)" if count > 1 else ""
    head = Text.assemble((row.severity, _STYLES[row.severity]), "  ", (row.rule, "bold"), times)
    console.print()
    console.print(head)
    lines = [row.places, f"{example.message}"]
    if example.seen:
        possible = f"; possible: {example.possible}" if example.possible else ""
        lines.append(f"seen: {example.seen}{possible}")
    lines.append(f"-> {example.remedy}")
    for line in lines:
        typer.echo(_indented(line, console.width))


def _indented(line: str, width: int) -> str:
    """Wrap a line to the terminal's width, indented, without blanks at the ends."""
    indent = " " * 4
    return textwrap.fill(
        line, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
