"""What all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of published data sets; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "reference"
    folder = Path(os.environ.get("JOULEBENCH_REFERENCE", default))
    if not folder.is_dir():
        pytest.skip(f"reference data absent: {folder} (set JOULEBENCH_REFERENCE to its place)")
    return folder
