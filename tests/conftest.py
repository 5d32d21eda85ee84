"""What all tests share."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from browser import Browser
    from long_table import LongTable
    from published_oracles import Oracle


# A busy machine is no failure.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def reference() -> Path:
    """Folder of published data sets; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "reference"
    folder = Path(os.environ.get("JOULEBENCH_REFERENCE", default))
    if not folder.is_dir():
        pytest.skip(f"reference data absent: {folder} (set JOULEBENCH_REFERENCE to its place)")
    return folder


@pytest.fixture(scope="session")
def program() -> Callable[..., str]:
    """Find a program by its names; without it the test is skipped, or fails where required.

    ``JOULEBENCH_REQUIRED_PROGRAMS`` names the programs that have to be there.
    """

    def find(*names: str) -> str:
        path = next((path for name in names if (path := shutil.which(name))), None)
        if path is not None:
            return path
        required = os.environ.get("JOULEBENCH_REQUIRED_PROGRAMS", "").split()
        if names[0] in required:
            pytest.fail(f"{names[0]} is required here and not installed")
        pytest.skip(f"{names[0]} is not installed: apt-get install {names[0]}")

    return find


@pytest.fixture(scope="session", autouse=True)
def _no_profiles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Leave aside what was measured of this machine's own sensors, for fixtures as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOULEBENCH_SENSORS", str(tmp_path_factory.getbasetemp() / "no-sensors"))
        yield


@pytest.fixture(autouse=True)
def _own_sensors(
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """Keep what a test measures of a sensor from the tests after it."""
    name = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]
    folder = tmp_path_factory.getbasetemp() / "sensors" / name
    monkeypatch.setenv("JOULEBENCH_SENSORS", str(folder))


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep built models out of the user's cache, in one folder for the whole session."""
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("JOULEBENCH_CACHE", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def browser(
    tmp_path_factory: pytest.TempPathFactory, program: Callable[..., str]
) -> Iterator[Browser]:
    """A real browser, for tests of pages."""
    from browser import Browser  # its folder is on the path where tests of it are

    path = program("chromium", "chromium-browser", "google-chrome")
    with Browser(path, tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture(scope="session")
def analysed(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the published table's analysis."""
    from joulebench.analysis.analyse import analyse

    table = reference / "greenlab/run_tables/GL_Final_Run_Table_Edited.csv"
    out = tmp_path_factory.mktemp("published")
    analyse(table, out, preset="llama-generations", plots=False)
    return out


@pytest.fixture(scope="session")
def long(analysed: Path) -> LongTable:
    """Every number of that analysis."""
    from long_table import LongTable

    return LongTable(analysed / "tables" / "statistics.csv")


@pytest.fixture(scope="session")
def oracle() -> dict[str, Oracle]:
    """What R says of the published table; tests that need it are skipped where it is absent."""
    default = Path(__file__).resolve().parents[2] / "shared" / "oracles"
    place = Path(os.environ.get("JOULEBENCH_ORACLES", default)) / "json"
    if not place.is_dir():
        pytest.skip(f"R's values absent: {place} (set JOULEBENCH_ORACLES to their place)")
    names = ("RQ1_1", "RQ1_2", "RQ2", "RQ3", "ART")
    files = {name: place / f"greenlab_published_{name}.json" for name in names}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in files.items()}
