"""Recognising what wrote a folder or a file, so that nobody has to say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from joulebench.errors import Unavailable, UsageError
from joulebench.importers.contract import Importer, Sighting
from joulebench.importers.registry import find_importer, importer_kinds
from joulebench.importers.source_files import MOST_FOLDERS, first_lines, list_folder

AUTO = "auto"
"""Word that stands for the kind that is recognised."""

_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".txt", ".log")
_SHOWN = 3

_Unit = tuple[Path, Sighting]
_DEPTH = 8


def find_sightings(source: Path) -> list[Sighting]:
    """Ask every importer what it sees in a folder or file; sorted by kind.

    One that cannot be imported, that does not recognise or that fails at it sees nothing.
    """
    return _ask(_importers(), source)


def find_units(source: Path) -> list[tuple[Path, Sighting]]:
    """Part a folder into what can be imported: the topmost folders and files that are recognised.

    Folders are walked down to some depth and by name; links and hidden folders are left out, and so
    are our own studies. A folder in which several kinds are seen is parted into what is below,
    where that tells them apart. Plain tables come as weak sightings of single files, where nothing
    stronger holds them.
    """
    importers = _importers()
    if not source.is_dir():
        return [(source, sighting) for sighting in _best(_ask(importers, source))]
    return _walk(importers, source, _DEPTH, [MOST_FOLDERS])


def choose_kind(source: Path) -> Sighting:
    """Give the one kind that a folder or file is of.

    Raises:
        UsageError: None or several; says what was seen and how to go on.
    """
    if not source.exists():
        raise UsageError(f"{source} does not exist; check the path")
    found = find_sightings(source)
    strong = [sighting for sighting in found if not sighting.weak]
    if len(strong) == 1:
        return strong[0]
    if strong:
        raise UsageError(
            f"{source} may be of several kinds: "
            + "; ".join(f"{one.kind} ({one.seen})" for one in strong)
            + f"; say which: joulebench import {strong[0].kind} {source}"
        )
    raise UsageError(f"{source}: no kind is recognised. {_seen(source, found)}")


def _importers() -> list[Importer]:
    found = []
    for kind in importer_kinds():
        try:
            found.append(find_importer(kind))
        except Unavailable:
            continue  # what cannot be imported recognises nothing
    return found


def _ask(importers: Sequence[Importer], source: Path) -> list[Sighting]:
    sightings = (_asked(importer, source) for importer in importers)
    return [sighting for sighting in sightings if sighting is not None]


def _asked(importer: Importer, source: Path) -> Sighting | None:
    """Ask one importer; a plugin of an older form does not recognise anything."""
    recognise = getattr(importer, "recognise", None)
    if recognise is None:
        return None
    try:
        sighting: Sighting | None = recognise(source)
    except Exception:  # of a plugin's: the others still see what they see
        return None
    return sighting


def _best(found: Sequence[Sighting]) -> list[Sighting]:
    """Give the sightings that are not weak, or the weak ones where there is nothing else."""
    return [sighting for sighting in found if not sighting.weak] or list(found)


def _walk(importers: Sequence[Importer], folder: Path, depth: int, left: list[int]) -> list[_Unit]:
    left[0] -= 1
    if left[0] < 0 or _is_ours(folder):
        return []
    found = _ask(importers, folder)
    files, folders = list_folder(folder)
    below = [
        unit for inner in folders if depth for unit in _walk(importers, inner, depth - 1, left)
    ]
    strong = [sighting for sighting in found if not sighting.weak]
    kinds = {one.kind for _, one in below if not one.weak}
    if len(strong) == 1 and kinds <= {strong[0].kind}:
        return [(folder, strong[0])]
    # A kind that is seen here and below again was only seen through what is below.
    own = [(folder, one) for one in strong if one.kind not in kinds]
    return [*own, *([] if own else _files(importers, files, found)), *below]


def _files(
    importers: Sequence[Importer], files: Sequence[Path], found: Sequence[Sighting]
) -> list[_Unit]:
    """Give the files of a folder that are recognised each by itself."""
    asked = [path for path in files if found or path.suffix.casefold() not in _TABLES]
    return [(path, one) for path in asked for one in _best(_ask(importers, path))]


def _is_ours(folder: Path) -> bool:
    """Say whether a folder is a study of our own form."""
    return (folder / "study.yaml").is_file() and (folder / "runs.jsonl").is_file()


def _seen(source: Path, weak: Sequence[Sighting]) -> str:
    """Say what is there, and how to go on."""
    parts = [_counted(source), *_heads(source), *_below(source)]
    if weak:
        table = _first_table(source)
        parts.append(
            f"If a table is meant, say what its columns are: joulebench import csv {table} "
            "--map FILE (docs/importing.md)"
        )
    else:
        parts.append("If you know what wrote it, name the kind: " + ", ".join(importer_kinds()))
    return ". ".join(part.rstrip(".") for part in parts if part)


def _counted(source: Path) -> str:
    if source.is_file():
        return ""
    files, folders = list_folder(source)
    counts = Counter(path.suffix.casefold() or "no extension" for path in files)
    shown = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common(6))
    return f"It holds {len(files)} files{f' ({shown})' if shown else ''}, {len(folders)} folders"


def _candidates(source: Path) -> list[Path]:
    files = [source] if source.is_file() else list_folder(source)[0]
    return [path for path in files if path.suffix.casefold() in _TABLES]


def _first_table(source: Path) -> Path:
    return next(iter(_candidates(source)), source)


def _heads(source: Path) -> Iterator[str]:
    for path in _candidates(source)[:_SHOWN]:
        line = next((line for line in first_lines(path, 3) if line.strip()), "")
        if line:
            yield f"{path.name} begins {line[:120]!r}"


def _below(source: Path) -> Iterator[str]:
    """Name what is recognised further down."""
    if source.is_file():
        return
    units = [(path, one) for path, one in find_units(source) if not one.weak]
    for path, one in units[:_SHOWN]:
        yield f"Further down is {one.kind}: joulebench import {one.kind} {path}"
    if len(units) > _SHOWN:
        yield f"There are {len(units) - _SHOWN} more like that"
