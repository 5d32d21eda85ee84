"""Finding the importer of a kind."""

from __future__ import annotations

from joulebench.importers.contract import Importer
from joulebench.plugins import load_plugin, plugin_names

GROUP = "joulebench.importers"
"""Entry-point group that importers are registered in."""


def importer_kinds() -> list[str]:
    """Give the kinds that can be imported."""
    return plugin_names(GROUP)


def find_importer(kind: str) -> Importer:
    """Give the importer of a kind.

    Raises:
        UsageError: No such kind; names the nearest.
        Unavailable: It fails to import; carries the cause.
    """
    importer: Importer = load_plugin(GROUP, kind, "import kind")()
    return importer
