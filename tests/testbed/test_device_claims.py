"""Two works measured at once on one device are told; reading twice, or within one work, is not."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import joulebench as jb
from joulebench.meters.registry import resolve
from joulebench.testbed.descent import descends, line_of
from joulebench.testbed.device_claims import DeviceClaims, shared_folder
from joulebench.testbed.recording import Recording

GPU = {"gpu0": "GPU-5f1e"}

CLAIMANT = """
    import os, sys, time
    from pathlib import Path
    from joulebench.testbed.device_claims import DeviceClaims
    claims = DeviceClaims({identities!r}, "train.py", Path({folder!r}))
    claims.take()
    print(os.getpid(), len(claims.findings()), flush=True)
    sys.stdin.readline()
    claims.release()
    print(len(claims.findings()), flush=True)
"""


@contextmanager
def claimant(
    folder: Path, identities: dict[str, str] | None = None, *, stranger: bool = True
) -> Iterator[subprocess.Popen[str]]:
    """Start a process that claims; a stranger's parent has ended, as after ``setsid``."""
    program = textwrap.dedent(
        CLAIMANT.format(identities=identities or {"gpu3": "GPU-5f1e"}, folder=str(folder))
    )
    if stranger:
        program = f"import os\nif os.fork():\n    os._exit(0)\n{program}"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def first_line(process: subprocess.Popen[str]) -> tuple[int, int]:
    assert process.stdout is not None
    pid, found = process.stdout.readline().split()
    return int(pid), int(found)


def end(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def test_two_works_on_one_device_are_told_to_both(tmp_path: Path) -> None:
    with claimant(tmp_path / "claims") as other:
        pid, alone = first_line(other)
        assert alone == 0
        mine = DeviceClaims(GPU, folder=tmp_path / "claims")
        mine.take()
        [finding] = mine.findings()
        assert (finding.rule, finding.severity, finding.where) == (
            "two-recorders",
            "warning",
            "gpu0",
        )
        assert f"pid {pid} (train.py)" in finding.message
        assert end(other) == 1
        mine.release()
    assert len(mine.findings()) == 1


def test_other_devices_are_not_told(tmp_path: Path) -> None:
    with claimant(tmp_path, {"gpu0": "GPU-another"}) as other:
        first_line(other)
        mine = DeviceClaims(GPU, folder=tmp_path)
        mine.take()
        mine.release()
        assert mine.findings() == []


def test_a_work_within_the_measured_one_is_not_told(tmp_path: Path) -> None:
    mine = DeviceClaims(GPU, folder=tmp_path)
    mine.take()
    with claimant(tmp_path, stranger=False) as inner:
        _, found = first_line(inner)
        assert found == 0
        mine.look()
    mine.release()
    assert mine.findings() == []


def test_windows_of_one_process_are_not_told(tmp_path: Path) -> None:
    first, second = DeviceClaims(GPU, folder=tmp_path), DeviceClaims(GPU, folder=tmp_path)
    first.take()
    second.take()
    second.release()
    # The lock of the first must have outlived the second's look.
    with claimant(tmp_path) as other:
        assert first_line(other)[1] == 1
    first.release()
    assert first.findings() == second.findings() == []


def test_a_claim_ends_with_its_process_whatever_became_of_it(tmp_path: Path) -> None:
    with claimant(tmp_path) as other:
        pid, _ = first_line(other)
        os.kill(pid, 9)
        deadline_s = time.monotonic() + 10
        while Path(f"/proc/{pid}/fd").exists() and time.monotonic() < deadline_s:
            time.sleep(0.02)
        [left] = tmp_path.iterdir()
        mine = DeviceClaims(GPU, folder=tmp_path)
        mine.take()
        assert mine.findings() == []
        assert left.exists()  # it might be about to be locked
        os.utime(left, (1.0, 1.0))
        mine.look()
        assert not left.exists()
        mine.release()
    assert list(tmp_path.iterdir()) == []


def test_what_others_put_into_the_folder_is_not_followed_nor_believed(tmp_path: Path) -> None:
    mine = DeviceClaims(GPU, folder=tmp_path)
    mine.take()
    [own] = tmp_path.iterdir()
    name = own.name.split(".")[0]
    secret = tmp_path.parent / "secret"
    secret.write_text("keep")
    (tmp_path / f"{name}.1.a").symlink_to(secret)
    os.mkfifo(tmp_path / f"{name}.1.b")
    (tmp_path / f"{name}.1.c").write_text("{" * 10_000)
    (tmp_path / f"{name}.x").write_text("")
    (tmp_path / f"{name}.2").mkdir()
    mine.look()
    mine.release()
    assert mine.findings() == []
    assert secret.read_text() == "keep"


def test_no_claim_is_made_where_none_can_be(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "claims"
    link.symlink_to(elsewhere)
    for folder in (link, tmp_path / "no" / "such", Path("/proc/claims")):
        claims = DeviceClaims(GPU, folder=folder)
        claims.take()
        claims.release()
        assert claims.findings() == []
    assert list(elsewhere.iterdir()) == []


def test_the_folder_is_shared_and_readable(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        claims = DeviceClaims(GPU, folder=tmp_path / "claims")
        claims.take()
    finally:
        os.umask(before)
    assert (tmp_path / "claims").stat().st_mode & 0o7777 == 0o1777
    [file] = (tmp_path / "claims").iterdir()
    assert file.stat().st_mode & 0o777 == 0o644
    claims.release()
    assert shared_folder().name == "joulebench-claims"


def test_a_measured_window_claims_its_devices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # No simulated sensor is claimed: this one stands in for a real one.
    monkeypatch.setattr(Recording, "identities", GPU)
    monkeypatch.setattr("joulebench.testbed.device_claims.shared_folder", lambda: tmp_path)
    board = {"simulated": {"board": "rapl", "watts": 80.0}}
    with jb.measure("alone", meters=[board]) as alone:
        time.sleep(0.05)
    assert "two-recorders" not in {finding.rule for finding in alone.findings}
    with claimant(tmp_path) as other, jb.measure("two", meters=[board]) as two:
        pid, _ = first_line(other)
        with jb.measure("inner", meters=[board]):
            time.sleep(0.05)
    [finding] = [f for f in two.findings if f.rule == "two-recorders"]
    assert f"pid {pid} (train.py)" in finding.message
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_real_is_claimed(tmp_path: Path) -> None:
    specs = resolve(["estimate", {"simulated": {"board": "rapl"}}])
    with Recording(specs, tmp_path, mode="thread") as recording:
        assert recording.identities == {}


def test_descent() -> None:
    line = line_of(os.getpid())
    assert line[:2] == [os.getpid(), os.getppid()]
    assert line_of(2**22 + 1) == [2**22 + 1]


def test_whose_a_process_is_is_told_only_outside_containers(tmp_path: Path) -> None:
    for pid, parent in ((5, 4), (4, 3), (9, 1)):
        folder = tmp_path / str(pid)
        folder.mkdir()
        (folder / "stat").write_text(f"{pid} (a (b) c) S {parent} 0 0")
    (tmp_path / "self" / "ns").mkdir(parents=True)
    namespace = tmp_path / "self" / "ns" / "pid"
    namespace.symlink_to("pid:[4026531836]")
    assert descends(5, 3, tmp_path) is True
    assert descends(9, 3, tmp_path) is False
    assert descends(77, 3, tmp_path) is False
    namespace.unlink()
    namespace.symlink_to("pid:[4026532999]")
    assert descends(5, 3, tmp_path) is None


@pytest.mark.parametrize("identity", ["a/../../b", "GPU-1 \n", "x" * 500, "ü"])
def test_any_identity_makes_a_file_name(tmp_path: Path, identity: str) -> None:
    claims = DeviceClaims({"gpu0": identity}, folder=tmp_path)
    claims.take()
    assert len(list(tmp_path.iterdir())) == 1
    claims.release()
