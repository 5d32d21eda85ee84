"""Damaged sources of every kind: a whole study or one line that says why not, and nothing else.

``JOULEBENCH_FUZZ=2000`` damages each kind so many times and puts a line of a gigabyte into it.
"""

from __future__ import annotations

import math
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import FrameType
from unicodedata import category

import pytest
from fuzz_damage import DAMAGES, folder_instead, link_to_itself, pipe_instead
from fuzz_sources import SOURCES, Source
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outside_watch import OutsideWatch

from joulebench.cli import invoke
from joulebench.errors import UsageError
from joulebench.importers.destination import write_study
from joulebench.importers.registry import find_importer, importer_kinds
from joulebench.record import RunTable
from joulebench.record_traces import load_traces

LONG = int(os.environ.get("JOULEBENCH_FUZZ", "0"))
EXAMPLES = LONG or 12
LONGEST_LINE = 1 << 30 if LONG else 1 << 26
PATIENCE_S = 60 if LONG else 20

_DAMAGE = st.tuples(st.sampled_from(DAMAGES), st.integers(0, 40), st.integers(0, 1 << 30))


class Hung(BaseException):
    """An import that would never have ended."""


@contextmanager
def patience(seconds: int) -> Iterator[None]:
    """Break off what waits for something that never comes."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise Hung(f"nothing happened for {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@dataclass(frozen=True)
class Written:
    """A valid source and the folder that it was written into."""

    folder: Path
    source: Source

    def copy(self, folder: Path) -> Source:
        """Copy it into a folder, which is emptied before."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder)
        return self.source.at(self.folder, folder)


@pytest.fixture(scope="module", params=list(SOURCES))
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A valid source of each kind."""
    folder = tmp_path_factory.mktemp("written") / "source"
    folder.mkdir()
    return Written(folder, SOURCES[request.param](folder))


def empty(folder: Path) -> Path:
    """Make an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def files(folder: Path) -> list[Path]:
    """Give the regular files of a folder, by name."""
    found = (path for path in folder.rglob("*") if not path.is_symlink() and path.is_file())
    return sorted(found)


def holds(source: Source, out: Path, folder: Path) -> str:
    """Import, and hold the result against what is promised; gives the refusal or nothing."""
    try:
        with patience(PATIENCE_S):
            importer = find_importer(source.kind)
            importer.recognise(source.path)
            write_study(importer.read(source.path, source.options), out)
    except UsageError as error:
        message = " ".join(str(error).split())
        assert not any(category(letter) == "Cc" for letter in message), message[:500]
        assert len(message) < 1500
        assert str(folder) in message or any(file.name in message for file in folder.rglob("*"))
        assert list(out.parent.iterdir()) == [], "something was left behind"
        return message
    is_whole(out)
    assert list(out.parent.iterdir()) == [out]
    shutil.rmtree(out)
    return ""


def is_whole(out: Path) -> None:
    """Check that a study can be read and holds no number that is none."""
    table = RunTable.load(out)
    assert len({run.run_id for run in table.runs}) == len(table.runs)
    for run in table.runs:
        assert (run.status == "failed") == (run.error is not None)
        for windows in run.energy.values():
            for energy in windows.values():
                assert math.isfinite(energy["joules"])
                assert energy["noise"] >= 0
        if table.trace_path(run.run_id).exists():
            load_traces(table.trace_path(run.run_id))
    assert (out / "run_table.csv").read_text().count("\n") >= len(table.runs)


def test_every_kind_has_a_source() -> None:
    made = {write.__name__.lstrip("_").partition("_")[0] for write in SOURCES.values()}
    assert {kind.partition("-")[0] for kind in importer_kinds()} <= made


@given(damages=st.lists(_DAMAGE, min_size=1, max_size=3))
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_damaged_sources(
    written: Written,
    tmp_path_factory: pytest.TempPathFactory,
    damages: list[tuple[Callable[[Path, Random], None], int, int]],
) -> None:
    place = empty(tmp_path_factory.getbasetemp() / "damaged")
    source = written.copy(place / "source")
    for damage, number, seed in damages:
        left = files(place / "source")
        if left:
            damage(left[number % len(left)], Random(seed))
    holds(source, empty(place / "out") / "study", place / "source")


def outside(place: Path, written: Written) -> Path:
    """Put a copy of everything into a folder that is not imported."""
    elsewhere = place / "elsewhere"
    shutil.copytree(written.folder, elsewhere)
    return elsewhere


def test_links_out_of_the_source_are_not_followed(written: Written, tmp_path: Path) -> None:
    """Each file in turn, then each folder, is a link to a good copy outside."""
    elsewhere = outside(tmp_path, written)
    watched = [elsewhere, *(path for path in elsewhere.rglob("*") if path.is_dir())]
    for path in sorted(written.folder.rglob("*")):
        name = path.relative_to(written.folder)
        source = written.copy(tmp_path / "source")
        if source.path == tmp_path / "source" / name:
            continue  # what the user names may be a link
        if source.options.mapping == tmp_path / "source" / name:
            continue
        if source.options.table == tmp_path / "source" / name:
            continue
        place = tmp_path / "source" / name
        if path.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink()
        place.symlink_to(elsewhere / name)
        with OutsideWatch(*watched) as watch:
            holds(source, empty(tmp_path / "out") / "study", tmp_path / "source")
        assert watch.opened == [], f"{name} was read through a link"


def test_nothing_but_files_is_waited_for(written: Written, tmp_path: Path) -> None:
    """Each file in turn is a pipe, a folder, a link in a circle, or may not be read."""
    for path in files(written.folder):
        name = path.relative_to(written.folder)
        for put in (pipe_instead, folder_instead, link_to_itself):
            source = written.copy(tmp_path / "source")
            put(tmp_path / "source" / name, Random(1))
            holds(source, empty(tmp_path / "out") / "study", tmp_path / "source")


@pytest.mark.parametrize("letter", [b"\0", b"x"])
def test_a_line_without_an_end(written: Written, tmp_path: Path, letter: bytes) -> None:
    """Each file in turn ends in an endless line, which must not be taken into memory."""
    block = letter * (1 << 20)
    for path in files(written.folder):
        source = written.copy(tmp_path / "source")
        with (tmp_path / "source" / path.relative_to(written.folder)).open("ab") as file:
            for _ in range(LONGEST_LINE // len(block)):
                file.write(block)
        before = resident_bytes()
        holds(source, empty(tmp_path / "out") / "study", tmp_path / "source")
        assert resident_bytes() - before < 100e6


def resident_bytes() -> int:
    """Give the largest memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


PROGRAM = """
import sys
from pathlib import Path

source, out, *words = sys.argv[1:]
allowed = [str(Path(place).resolve()) for place in (source, out, sys.prefix, sys.base_prefix)]
allowed += [str(Path(name).resolve()) for name in sys.path if name]
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/share/zoneinfo/")
opened = []

def hook(event, args):
    if event == "open" and isinstance(args[0], (str, bytes)):
        opened.append(str(args[0]))

from joulebench.cli import invoke
from joulebench.importers.registry import find_importer
find_importer(words[1])
sys.addaudithook(hook)
status = invoke(words)
beyond = [name for name in opened if name.startswith("/") and not name.startswith(tuple(allowed))]
beyond = [name for name in beyond if not name.startswith(SYSTEM)]
print(status, beyond)
"""


def test_nothing_beside_the_source_is_opened(written: Written, tmp_path: Path) -> None:
    source = written.copy(tmp_path / "source")
    words = ["import", source.kind, str(source.path), "--out", str(tmp_path / "out" / "study")]
    for option, value in (("--table", source.options.table), ("--map", source.options.mapping)):
        words += [] if value is None else [option, str(value)]
    words += ["--factors", *source.options.columns] if source.options.columns else []
    places = [str(tmp_path / "source"), str(tmp_path / "out")]
    command = [sys.executable, "-c", PROGRAM, *places, *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    status, beyond = done.stdout.splitlines()[-1].split(" ", 1)
    assert status in ("0", "1"), done.stderr
    assert beyond == "[]"


def test_the_watch_sees_what_is_opened(tmp_path: Path) -> None:
    import pyarrow as pa

    file = tmp_path / "outside" / "file"
    empty(file.parent)
    file.write_text("a")
    (tmp_path / "link").symlink_to(file)
    with OutsideWatch(file.parent) as watch:
        (tmp_path / "link").read_bytes()
    assert str(file) in watch.opened
    with OutsideWatch(file.parent) as watch, pa.OSFile(str(tmp_path / "link")) as stream:
        stream.read()
    assert str(file) in watch.opened
    with OutsideWatch(file.parent) as watch:
        assert (tmp_path / "link").stat().st_size == 1
    assert watch.opened == []


@given(damages=st.lists(_DAMAGE, min_size=1, max_size=3))
@settings(
    max_examples=max(EXAMPLES // 4, 4),
    deadline=None,
    derandomize=not LONG,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_damaged_sources_are_audited(
    written: Written,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    damages: list[tuple[Callable[[Path, Random], None], int, int]],
) -> None:
    place = empty(tmp_path_factory.getbasetemp() / "audited")
    written.copy(place / "source")
    for damage, number, seed in damages:
        left = files(place / "source")
        if left:
            damage(left[number % len(left)], Random(seed))
    with patience(PATIENCE_S):
        status = invoke(["audit", str(place / "source"), "--json", str(place / "found.json")])
    said = capsys.readouterr()
    assert status in (0, 1, 2)
    assert (place / "found.json").exists() == (status != 2)
    assert "Traceback" not in said.out + said.err
    if status == 2:
        assert said.err.count("\n") == 1
