"""Other processes that use the processors while a trial runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from joulebench.testbed.bystanders import BusyTimes, busy_times, shared_machine


def times(at_s: float, host_s: float, ours_s: float, **others: float) -> BusyTimes:
    named = {(pid, name): used_s for pid, (name, used_s) in enumerate(others.items())}
    return BusyTimes(at_s, host_s, ours_s, named)


@contextmanager
def spinning() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def test_quiet_machine_gives_nothing() -> None:
    assert not list(shared_machine(times(0, 0, 0, cron=1), times(10, 10.3, 10, cron=1.2)))


def test_a_busy_process_is_named() -> None:
    [finding] = shared_machine(times(0, 0, 0, cc1=1, cron=1), times(10, 9, 0, cc1=9, cron=1))
    assert finding.rule == "shared-machine"
    assert "cc1 (pid 0) 0.80" in finding.message
    assert "cron" not in finding.message
    assert finding.seen == "0.90 processors"


def test_processes_that_came_and_went_are_counted() -> None:
    [finding] = shared_machine(times(0, 0, 0), times(10, 8, 2))
    assert finding.seen == "0.60 processors"
    assert "none that can be seen" in finding.message


def test_our_own_work_is_not_others() -> None:
    with spinning() as pid:
        before = busy_times(os.getpid())
        time.sleep(0.6)
        after = busy_times(os.getpid())
    assert (pid, "python") not in after.others_s
    assert after.ours_s - before.ours_s > 0.1


def test_a_stranger_is_seen() -> None:
    with spinning() as pid:
        before = busy_times(pid)  # seen from there, this process is a stranger
        deadline_s = time.monotonic() + 0.5
        while time.monotonic() < deadline_s:
            pass
        after = busy_times(pid)
    used_s = {key[0]: used for key, used in after.others_s.items()}[os.getpid()]
    assert used_s - {key[0]: used for key, used in before.others_s.items()}[os.getpid()] > 0.1
