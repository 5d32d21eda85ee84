"""A disk that takes no more: nothing is lost that was written, and a study goes on afterwards."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from joulebench.meters.meter import MeterSpec
from joulebench.meters.registry import resolve
from joulebench.record import Run, RunTable
from joulebench.record_traces import load_traces
from joulebench.testbed.disk import DiskFull, full_message
from joulebench.testbed.lines import one_line
from joulebench.testbed.recording import Recording, read_traces
from joulebench.testbed.streams import Stream

DISK_BYTES = 2_000_000
WIDE: dict[str, Any] = {"simulated": {"board": "rapl-domains", "watts": 100.0}}
BOARD: dict[str, Any] = {"simulated": {"board": "a100", "watts": 100.0}}

STUDY = """
study: full
workload: command
command: [sleep, "0.6"]
repetitions: 2
meters: [{simulated: {board: a100, watts: 100}}]
protocol: {idle_s: 0.1, idle_after_s: 0.1, interval_s: 0.01, cooldown: {fixed_s: 0}}
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, where the tests may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no disk can be mounted here: run the tests as root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, free_bytes: int = 0) -> None:
    """Leave so much room; 0 leaves none at all."""
    room = os.statvfs(disk)
    with (disk / "ballast").open("ab", buffering=0) as file:
        for _ in range((room.f_bavail * room.f_frsize - free_bytes) // 4096):
            file.write(bytes(4096))
        if not free_bytes:
            with pytest.raises(OSError, match="No space left"):
                file.write(b"one more")


def make_room(disk: Path) -> None:
    (disk / "ballast").unlink()


def joulebench(*words: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from joulebench.cli import main; main()", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        **more,
    )


def test_what_is_said_of_a_full_disk(tmp_path: Path) -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    said = full_message(error, tmp_path / "not there yet")
    assert said.startswith("the disk is full: ")
    assert said.endswith(f"B free, {tmp_path}/not there yet")
    assert full_message(OSError(errno.EFBIG, "File too large"), tmp_path).startswith("a file may")
    assert full_message(OSError(errno.EACCES, "no"), tmp_path) == ""
    assert full_message(ValueError("no"), tmp_path) == ""
    assert one_line(error) == "the disk is full"


class TwoChannels:
    def __init__(self) -> None:
        self.channels = [*resolve([BOARD])[0].open().channels] * 2
        self._reads = 0

    def read(self) -> list[float]:
        self._reads += 1
        return [float(self._reads), -float(self._reads)]

    def close(self) -> None:
        pass


def test_rows_stay_whole_across_a_full_disk(disk: Path) -> None:
    """Rows of 24 bytes do not divide a page, so that the last one written is cut."""
    fill(disk, 4096)
    stream = Stream(MeterSpec("two", {}, ""), TwoChannels(), disk / "rows.f64")
    for _ in range(2000):
        stream.sample(time.monotonic())
        stream.flush()
    assert "the disk is full: 0 B free" in stream.unwritten
    assert stream.dropped > 0
    kept = (disk / "rows.f64").stat().st_size
    assert kept % 24 != 0
    make_room(disk)
    for _ in range(10):
        stream.sample(time.monotonic())
    stream.close()
    import numpy as np

    rows = np.fromfile(disk / "rows.f64").reshape(-1, 3)
    assert len(rows) == 2010 - stream.dropped
    assert (rows[:, 1] == -rows[:, 2]).all()
    assert (np.diff(rows[:, 0]) >= 0).all()


@pytest.mark.parametrize("mode", ["process", "thread"])
def test_the_recorder_goes_on_and_tells(disk: Path, mode: str) -> None:
    recording = Recording(resolve(["estimate", WIDE]), disk / "new", interval_s=0.002, mode=mode)
    recording.start()
    time.sleep(0.3)
    fill(disk)
    time.sleep(0.9)
    recording.sample()
    recording.stop()
    facts = recording.facts()
    assert "ended" not in facts
    assert facts["samples"] > 100
    assert "the disk is full: 0 B free" in facts["unwritten"]["simulated"]
    stop_s = read_traces(disk / "new")["psys:energy"].t_s[-1]
    make_room(disk)
    traces = recording.traces()
    assert traces["psys:energy"].t_s[-1] == stop_s
    assert len(traces["psys:energy"]) > 20


def test_nothing_can_be_recorded_on_a_full_disk(disk: Path) -> None:
    (disk / "here").mkdir()
    fill(disk)
    for mode in ("process", "thread"):
        with pytest.raises(DiskFull, match="the disk is full: 0 B free"):
            Recording(resolve([BOARD]), disk / "here", mode=mode).start()


def test_half_a_file_does_not_stay(disk: Path) -> None:
    table = RunTable.create(disk / "s", {"study": "s"})
    fill(disk)
    table.hosts = {"h": {"x": "y" * 9000}}
    with pytest.raises(OSError, match="No space left"):
        table.write_hosts()
    assert not list((disk / "s").glob(".*.part"))


def test_a_record_that_did_not_fit_is_written_whole_later(disk: Path) -> None:
    table = RunTable.create(disk / "s", {"study": "s"})
    fill(disk, 8192)
    run = Run("a", "s", {"levels": {}}, facts={"long": "x" * 6000})
    table.append(run)
    with pytest.raises(OSError, match="No space left"):
        table.append(Run("b", "s", {"levels": {}}, facts={"long": "x" * 6000}))
    assert [r.run_id for r in RunTable.load(disk / "s").runs] == ["a"]
    make_room(disk)
    again = RunTable.load(disk / "s")
    again.append(Run("b", "s", {"levels": {}}))
    assert [r.run_id for r in RunTable.load(disk / "s").runs] == ["a", "b"]


@pytest.mark.parametrize("free_bytes", [0, 4096, 16384])
def test_a_study_stops_in_one_line_and_goes_on_afterwards(
    disk: Path, tmp_path: Path, free_bytes: int
) -> None:
    study, place = tmp_path / "study.yaml", disk / "s"
    study.write_text(STUDY)
    fill(disk, free_bytes)
    words = ("run", str(study), "--out", str(place), "--no-report")
    stopped = joulebench(*words)
    assert stopped.returncode == 2
    [said] = [line for line in stopped.stderr.splitlines() if line.startswith("joulebench: ")]
    assert "the disk is full" in said or "No space left on device" in said
    assert "Traceback" not in stopped.stderr
    assert _referred_files_are_there(place)
    make_room(disk)
    resumed = joulebench(*words)
    assert resumed.returncode == 0, resumed.stderr
    table = RunTable.load(place)
    assert {run.run_id for run in table.runs} == table.done_ids
    assert len(table.runs) == 2
    assert _referred_files_are_there(place)


def _referred_files_are_there(place: Path) -> bool:
    if not (place / "runs.jsonl").exists():
        return True
    table = RunTable.load(place)
    done = [run for run in table.runs if run.status == "done"]
    return all(load_traces(table.trace_path(run.run_id)) for run in done)


def test_a_file_that_may_not_grow_fails_the_run_and_keeps_its_rows(tmp_path: Path) -> None:
    """Without any rights: a limit on the size of files stands in for the disk."""
    study = tmp_path / "study.yaml"
    study.write_text(STUDY.replace("0.01,", "0.001,"))

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, resource.RLIM_INFINITY))

    words = ("run", str(study), "--out", str(tmp_path / "s"), "--no-report")
    stopped = joulebench(*words, preexec_fn=limited)
    assert stopped.returncode == 2, stopped.stderr
    assert "a file may not grow any further" in stopped.stderr.splitlines()[-1]
    [run] = RunTable.load(tmp_path / "s").runs
    assert run.status == "failed"
    assert "a file may not grow any further" in (run.error or "")
    [trace] = load_traces(tmp_path / "s" / "traces" / f"{run.run_id}.parquet").values()
    assert len(trace) == 12_000 // 16
    assert [f.rule for f in run.findings if f.rule == "unwritten"] == ["unwritten"]
    assert joulebench(*words).returncode == 0
