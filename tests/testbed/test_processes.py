"""Processes and their processor time, as the kernel tells of them."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

from joulebench.testbed.observer import Observer
from joulebench.testbed.processes import host_busy_s, processes_by_pid
from joulebench.testbed.recorded import read_observations
from joulebench.testbed.recorder import OBSERVATIONS


def test_they_are_those_that_psutil_sees() -> None:
    found = processes_by_pid()
    mine = psutil.Process()
    times = mine.cpu_times()
    assert found[os.getpid()].parent == mine.ppid()
    assert mine.name().startswith(found[os.getpid()].name)
    assert found[os.getpid()].used_s == pytest.approx(times.user + times.system, abs=0.5)
    assert host_busy_s() == pytest.approx(psutil.cpu_times().user, rel=1.0, abs=1e6)


def test_odd_names_and_what_has_just_ended(tmp_path: Path) -> None:
    stat = "{} ({}) S 3 1 1 0 -1 0 0 0 0 0 200 100 50 25 20 0 1 0 9 0 0"
    for pid, name in ((11, "a) R 1 (b c"), (12, "")):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(stat.format(pid, name))
    (tmp_path / "13").mkdir()
    (tmp_path / "13" / "stat").write_text("")
    (tmp_path / "14").mkdir()
    (tmp_path / "self").symlink_to("11")
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    found = processes_by_pid(tmp_path)
    assert found.keys() == {11, 12}
    assert found[11] == (11, 3, "a) R 1 (b c", 300 * tick_s, 75 * tick_s)
    assert found[12].name == "?"


def test_waiting_is_not_busy(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  100 10 20 9999 8888 3 4 0 50 0\ncpu0 1 2 3\n")
    assert host_busy_s(tmp_path) == pytest.approx(137 / os.sysconf("SC_CLK_TCK"))


class Device:
    def __init__(self, *pids: int) -> None:
        self.pids = pids

    def observe(self) -> list[dict[str, object]]:
        return [{"device": "gpu0", "processes": [{"pid": pid} for pid in self.pids]}]


class Odd:
    def observe(self) -> list[object]:
        return [{"device": "gpu1", "state": object()}]


def test_processes_on_a_device_are_marked_as_ours_or_not(tmp_path: Path) -> None:
    if os.readlink("/proc/self/ns/pid") != "pid:[4026531836]":
        pytest.skip("in a container nobody can tell")
    observer = Observer(tmp_path / OBSERVATIONS, os.getpid())
    observer.write([Device(os.getpid(), 1), Odd(), object()])
    [state] = read_observations(tmp_path)
    assert [process["ours"] for process in state["processes"]] == [True, False]


def test_a_line_cut_short_costs_only_itself(tmp_path: Path) -> None:
    observer = Observer(tmp_path / OBSERVATIONS, os.getpid())
    observer.write([Device()])
    with (tmp_path / OBSERVATIONS).open("a") as file:
        file.write('{"t_s": 1.0, "dev')
    observer.write([Device()])
    assert [state["device"] for state in read_observations(tmp_path)] == ["gpu0", "gpu0"]
    assert read_observations(tmp_path / "nowhere") == []
