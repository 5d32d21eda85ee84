"""Counter files of NVIDIA Nsight Compute as runs: named, sized, kept raw, with what was published.

The files are large, one row a kernel and metric; an import reads none of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from joulebench.errors import UsageError
from joulebench.importers.contract import ImportedRun
from joulebench.importers.delimited import number, read_delimited
from joulebench.importers.flopmetrics_files import PROGRAMS, Counted, header_of
from joulebench.importers.flopmetrics_profile import table_name
from joulebench.importers.plain_file import open_plain, size_of
from joulebench.record import Run

SHAPE = ("n", "d", "m")
_HASHED_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Configuration:
    """One shape of network: its raw counter files, and the row that a summary has on it.

    Args:
        run_id: Its name.
        folder: The results folder that it belongs to.
        shape: Layers ``n``, width ``d``, batch ``m``; empty where nothing says them.
        files: Program -> raw file; empty where only the summary is there.
        published: The summary's row as :class:`Run` keeps it; empty where there is none.
    """

    run_id: str
    folder: Path
    shape: Mapping[str, int]
    files: Mapping[str, Path]
    published: Mapping[str, Any]


def configurations(
    raw: Sequence[Counted], tables: Sequence[Path], source: Path
) -> Iterator[Configuration]:
    """Join raw files and summaries of one results folder by their shape.

    Args:
        raw: Raw files by configuration.
        tables: Tables beside them; those without columns ``n``, ``d``, ``m`` are left alone.
        source: Folder of the import.

    Raises:
        UsageError: A summary is damaged; names the line.
    """
    rows = _summary_rows(tables, source)
    for item in raw:
        folder = _results_folder(item.folder)
        published = rows.pop((folder, tuple(item.shape.items())), {})
        yield Configuration(item.run_id, folder, item.shape, item.files, published)
    for (folder, shape), published in rows.items():
        table = PurePosixPath(published["table"]).stem.removesuffix("_summary")
        name = "_".join([table, *(f"{letter}{count}" for letter, count in shape)])
        yield Configuration(name, folder, dict(shape), {}, published)


_Key = tuple[Path, tuple[tuple[str, int], ...]]


def _summary_rows(tables: Sequence[Path], source: Path) -> dict[_Key, dict[str, Any]]:
    rows: dict[_Key, dict[str, Any]] = {}
    for path in tables:
        if not _is_summary(path):
            continue
        table = read_delimited(path, SHAPE)
        for line, cells in zip(table.lines, table.rows, strict=True):
            values = dict(zip(table.columns, (cell.strip() for cell in cells), strict=True))
            shape = tuple((letter, _whole(path, line, values[letter])) for letter in SHAPE)
            key = (_results_folder(path.parent), shape)
            if key in rows:
                raise UsageError(f"{path} line {line}: {dict(shape)} is there twice; remove one")
            rows[key] = {"table": table_name(path, source), "line": line, "values": _read(values)}
    return rows


def _is_summary(path: Path) -> bool:
    return set(SHAPE) <= set(header_of(path))


def _whole(path: Path, line: int, text: str) -> int:
    value = number(text)
    if value is None or value != int(value):
        raise UsageError(f"{path} line {line}: {text!r} is no whole number; mend the line")
    return int(value)


def _read(values: Mapping[str, str]) -> dict[str, float | str]:
    read = ((name, text, number(text)) for name, text in values.items())
    return {name: text if value is None else value for name, text, value in read}


def _results_folder(folder: Path) -> Path:
    """Give the folder that raw files and summaries of one run of the study share."""
    return folder.parent if folder.name in ("raw", "processed") else folder


def counted_run(run: Run, item: Configuration, source: Path) -> ImportedRun:
    """Fill in the record of a run: which files hold its counters, and what was published."""
    run.facts["raw_files"] = [
        _file(program, item.files[program], source) for program in _in_order(item.files)
    ]
    run.facts["counter_rows"] = "9 metrics a kernel launch, not read"
    if item.published:
        run.facts["published"] = dict(item.published)
    return ImportedRun(run)


def _in_order(files: Mapping[str, Path]) -> list[str]:
    order = {program: place for place, program in enumerate(PROGRAMS)}
    return sorted(files, key=lambda program: order.get(program, len(order)))


def _file(program: str, path: Path, source: Path) -> dict[str, Any]:
    """Say which file it is, so that it can be told from another without reading it whole."""
    with open_plain(path) as file:
        head = hashlib.sha256(file.read(_HASHED_BYTES)).hexdigest()
    name = table_name(path, source)
    return {
        "program": program,
        "path": name,
        "bytes": size_of(path),
        "sha256_of_first_64_kib": head,
    }
