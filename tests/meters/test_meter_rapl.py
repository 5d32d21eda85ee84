"""RAPL through a powercap tree of plain files."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from typing import Any

import pytest

from joulebench.energy import headline_channels
from joulebench.errors import Unavailable
from joulebench.meters.machine import machine
from joulebench.meters.rapl import RaplMeter
from joulebench.sensor_gains import RAPL_GAINS

INTEL = "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel name\t: Xeon\nflags\t\t: fpu sse\n\n"
AMD = INTEL.replace("GenuineIntel", "AuthenticAMD")
VIRTUAL = INTEL.replace("fpu", "fpu hypervisor")


class Tree:
    """A powercap folder and the description of the processor beside it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "powercap"
        self.root.mkdir()
        self.cpuinfo = folder / "cpuinfo"
        self.cpuinfo.write_text(INTEL)

    def zone(self, folder: str, name: str, uj: int, wrap_uj: int = 262143328850) -> Path:
        zone = self.root / folder
        zone.mkdir()
        (zone / "name").write_text(f"{name}\n")
        (zone / "energy_uj").write_text(f"{uj}\n")
        (zone / "max_energy_range_uj").write_text(f"{wrap_uj}\n")
        return zone

    def open(self) -> RaplMeter:
        return RaplMeter(str(self.root), cpuinfo=str(self.cpuinfo))


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_reads_every_domain_in_joules(tree: Tree) -> None:
    tree.zone("intel-rapl:0", "package-0", 5_000_000)
    tree.zone("intel-rapl:0:0", "core", 3_000_000)
    tree.zone("intel-rapl:0:1", "uncore", 1_000_000)
    tree.zone("intel-rapl:0:2", "dram", 7_000_000, wrap_uj=65_532_610_987)
    tree.zone("intel-rapl:1", "psys", 20_000_000)
    (tree.root / "intel-rapl").mkdir()
    meter = tree.open()
    read = dict(zip([c.name for c in meter.channels], meter.read(), strict=True))
    assert read == {
        "cpu0:package": 5.0,
        "cpu0:core": 3.0,
        "cpu0:uncore": 1.0,
        "cpu0:dram": 7.0,
        "psys:energy": 20.0,
    }
    by_name = {c.name: c for c in meter.channels}
    assert by_name["cpu0:dram"].wrap_j == pytest.approx(65532.610987)
    assert by_name["cpu0:package"].gain == RAPL_GAINS["cpu package"]
    assert {c.method for c in meter.channels} == {"measured"}
    assert by_name["psys:energy"].scope == "platform"
    assert [c.name for c in headline_channels(meter.channels)] == ["psys:energy"]
    meter.close()


def test_two_packages_and_their_parts_keep_apart(tree: Tree) -> None:
    for package, uj in ((0, 10_000_000), (1, 90_000_000)):
        tree.zone(f"intel-rapl:{package}", f"package-{package}", uj)
        tree.zone(f"intel-rapl:{package}:0", "dram", uj // 10)
    meter = tree.open()
    assert {c.name for c in meter.channels} == {
        "cpu0:package", "cpu0:dram", "cpu1:package", "cpu1:dram",
    }  # fmt: skip
    assert len(headline_channels(meter.channels)) == 4


def test_a_reading_follows_the_counter(tree: Tree) -> None:
    zone = tree.zone("intel-rapl:0", "package-0", 262_143_000_000)
    meter = tree.open()
    assert meter.read() == [pytest.approx(262143.0)]
    (zone / "energy_uj").write_text("1000000\n")
    assert meter.read() == [1.0]


def test_mmio_is_not_read_twice(tree: Tree) -> None:
    tree.zone("intel-rapl-mmio:0", "package-0", 1_000_000)
    tree.zone("intel-rapl:0", "package-0", 2_000_000)
    meter = tree.open()
    assert [c.name for c in meter.channels] == ["cpu0:package"]
    assert meter.read() == [2.0]


def test_mmio_alone_is_read(tree: Tree) -> None:
    tree.zone("intel-rapl-mmio:0", "package-0", 1_000_000)
    assert tree.open().read() == [1.0]


def test_dies_that_mirror_one_counter_are_read_once(tree: Tree) -> None:
    tree.cpuinfo.write_text(AMD)
    tree.zone("intel-rapl:0", "package-0-die-0", 4_000_000)
    tree.zone("intel-rapl:1", "package-0-die-1", 4_000_000)
    meter = tree.open()
    assert [c.name for c in meter.channels] == ["cpu0:package"]
    assert "same counter" in meter.notes[0]


def test_dies_with_counters_of_their_own_are_both_read(tree: Tree) -> None:
    tree.zone("intel-rapl:0", "package-0-die-0", 4_000_000)
    tree.zone("intel-rapl:1", "package-0-die-1", 5_000_000)
    assert [c.name for c in tree.open().channels] == ["cpu0d0:package", "cpu0d1:package"]


def test_amd_is_a_model(tree: Tree) -> None:
    tree.cpuinfo.write_text(AMD)
    tree.zone("intel-rapl:0", "package-0", 4_000_000)
    [channel] = tree.open().channels
    assert channel.method == "modelled"
    assert channel.gain >= 0.1


def test_permission_denied_gives_the_command(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.zone("intel-rapl:0", "package-0", 4_000_000)
    really = os.open

    def denied(path: Any, *rest: Any, **more: Any) -> int:
        if str(path).endswith("energy_uj"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really(path, *rest, **more)

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(Unavailable) as caught:
        tree.open()
    assert caught.value.remedy == f"sudo chmod a+r {tree.root}/intel-rapl*/energy_uj"
    assert "intel-rapl:0 (package-0)" in caught.value.what


def test_a_read_that_fails_is_absent_not_zero(tree: Tree) -> None:
    zone = tree.zone("intel-rapl:0", "package-0", 4_000_000)
    tree.zone("intel-rapl:0:0", "core", 3_000_000)
    meter = tree.open()
    (zone / "energy_uj").write_text("")
    package, core = meter.read()
    assert math.isnan(package)
    assert core == 3.0


def test_a_virtual_machine_is_told_apart(tree: Tree) -> None:
    tree.cpuinfo.write_text(VIRTUAL)
    with pytest.raises(Unavailable, match="cannot be measured here"):
        tree.open()


def test_a_missing_driver_is_told_apart(tree: Tree) -> None:
    with pytest.raises(Unavailable) as caught:
        tree.open()
    assert "modprobe" in caught.value.remedy


def test_other_processors_have_none(tree: Tree) -> None:
    tree.cpuinfo.write_text("processor\t: 0\nBogoMIPS\t: 50.00\n")
    with pytest.raises(Unavailable, match="only Intel and AMD"):
        tree.open()
    assert machine(tree.cpuinfo).virtual is None


def test_closing_lets_the_files_go(tree: Tree) -> None:
    tree.zone("intel-rapl:0", "package-0", 4_000_000)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    meter = tree.open()
    meter.close()
    meter.close()
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
