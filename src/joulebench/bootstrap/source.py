"""What pip installs to get this very Joulebench into another environment."""

from __future__ import annotations

import json
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from joulebench import __version__


def own_source() -> str:
    """Give the folder, file or address that this Joulebench came from, or its name and version."""
    try:
        told = _direct_url(distribution("joulebench"))
    except PackageNotFoundError:  # run from a folder of sources that nobody installed
        return f"joulebench=={__version__}"
    address = str(told.get("url", ""))
    if not address:
        return f"joulebench=={__version__}"
    vcs = told.get("vcs_info", {})
    if vcs:
        return f"{vcs['vcs']}+{address}@{vcs['commit_id']}"
    gone = address.startswith("file://") and not Path(address.removeprefix("file://")).exists()
    return f"joulebench=={__version__}" if gone else address


def source_named(text: str) -> str:
    """Give what the user names as pip takes it; a path becomes an address."""
    path = Path(text).expanduser()
    return path.resolve().as_uri() if path.exists() else text


def _direct_url(found: Distribution) -> dict[str, Any]:
    """Give where pip noted that it had a package from; nothing if that was an index."""
    try:
        told = json.loads(found.read_text("direct_url.json") or "{}")
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}
