"""Options of an import: those its kind has no use for, and what of them makes it the same one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import joulebench
from joulebench.errors import UsageError
from joulebench.importers.contract import ImportOptions

_WRITTEN = {
    "table": "--table",
    "columns": "--factors",
    "levels": "--factors",
    "exclude": "--exclude",
    "mapping": "--map",
}


def refuse_options(kind: str, options: ImportOptions, taken: Iterable[str] = ()) -> None:
    """Refuse options that a kind does not take.

    Args:
        kind: Of the importer.
        options: What the user said.
        taken: Names of the fields that the kind takes.

    Raises:
        UsageError: One that it does not take is given.
    """
    for field, option in _WRITTEN.items():
        if field not in taken and getattr(options, field):
            raise UsageError(f"import kind {kind!r} takes no {option}: leave it out")


def option_words(kind: str, source: Path, options: ImportOptions) -> list[str]:
    """Give the words that a fingerprint of the read files is made with.

    The same files named in another way, or written to another place, are the same import.
    """
    table = None if options.table is None else options.table.resolve()
    mapping = None if options.mapping is None else options.mapping.resolve()
    same = replace(options, table=table, mapping=mapping, out=None)
    return [kind, joulebench.__version__, str(source.resolve()), repr(same)]
