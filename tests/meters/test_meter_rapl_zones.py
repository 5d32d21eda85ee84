"""RAPL as kernels really show it: links, two addresses, dies, domains that are not there."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from joulebench.channel import Channel
from joulebench.energy import Trace, headline_channels
from joulebench.errors import SensorLost, Unavailable
from joulebench.meters.meter import MeterSpec
from joulebench.meters.rapl import LOST_S, RaplMeter
from joulebench.sensor_gains import MODELLED_GAIN
from joulebench.testbed.recording import Recording

COUNTS = 2**32 - 1
INTEL_UNIT_PJ, DRAM_UNIT_PJ, AMD_UNIT_PJ = 61035, 15300, 15258
"""Energy units as the kernel rounds them."""

INTEL = """processor\t: 0
vendor_id\t: GenuineIntel
cpu family\t: 6
model\t\t: 85
model name\t: Intel(R) Xeon(R) Gold 6230
stepping\t: 7
microcode\t: 0x5003604
physical id\t: 0
flags\t\t: fpu sse

"""
SECOND = INTEL.replace("physical id\t: 0", "physical id\t: 1").replace(": 0\nvendor", ": 1\nvendor")
AMD = INTEL.replace("GenuineIntel", "AuthenticAMD")


class Kernel:
    """A powercap class as the kernel has it: links into the folders of the devices."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "class" / "powercap"
        self.root.mkdir(parents=True)
        self.devices = folder / "devices" / "virtual" / "powercap"
        self.cpuinfo = folder / "cpuinfo"
        self.cpuinfo.write_text(INTEL)
        self.watts: dict[Path, float] = {}

    def zone(
        self, folder: str, name: str, uj: int, *, watts: float = 0.0, unit_pj: int = INTEL_UNIT_PJ
    ) -> Path:
        """Add a zone: ``intel-rapl:0:1`` lies in ``intel-rapl:0``."""
        control, *numbers = folder.split(":")
        steps = [control, *(":".join([control, *numbers[: n + 1]]) for n in range(len(numbers)))]
        zone = self.devices.joinpath(*steps)
        zone.mkdir(parents=True)
        link = self.root / folder
        link.symlink_to(os.path.relpath(zone, self.root))
        if not (self.root / control).exists():
            (self.root / control).symlink_to(os.path.relpath(self.devices / control, self.root))
        (zone / "subsystem").symlink_to(os.path.relpath(self.root, zone))
        (zone / "name").write_text(f"{name}\n")
        (zone / "energy_uj").write_text(f"{uj}\n")
        (zone / "max_energy_range_uj").write_text(f"{COUNTS * unit_pj // 1000}\n")
        self.watts[zone] = watts
        return zone

    def limits(self, zone: Path, *limits_w: float, thermal_w: float = 0.0) -> None:
        """Give a zone its limits: long term, short term, peak."""
        (zone / "constraint_0_max_power_uw").write_text(f"{round(thermal_w * 1e6)}\n")
        for place, limit_w in enumerate(limits_w):
            (zone / f"constraint_{place}_power_limit_uw").write_text(f"{round(limit_w * 1e6)}\n")

    def wait(self, seconds: float) -> None:
        """Let the counters count."""
        for zone, watts in self.watts.items():
            counter = zone / "energy_uj"
            largest = int((zone / "max_energy_range_uj").read_text())
            uj = int(counter.read_text() or "0") + round(watts * seconds * 1e6)
            counter.write_text(f"{uj % (largest + 1)}\n")

    def open(self, **given: Any) -> RaplMeter:
        return RaplMeter(str(self.root), cpuinfo=str(self.cpuinfo), wait=self.wait, **given)


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def refusing(monkeypatch: pytest.MonkeyPatch, refused: Callable[[str], bool]) -> None:
    """Have the kernel refuse some files to this user, who may be root."""
    really = os.open

    def denied(path: Any, *rest: Any, **more: Any) -> int:
        if refused(str(path)):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return really(path, *rest, **more)

    monkeypatch.setattr(os, "open", denied)


def names(meter: RaplMeter) -> list[str]:
    return [channel.name for channel in meter.channels]


def by_name(meter: RaplMeter) -> dict[str, Channel]:
    return {channel.name: channel for channel in meter.channels}


def test_the_line_that_grants_the_right_reaches_every_zone(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    zones = [
        kernel.zone("intel-rapl:0", "package-0", 5_000_000),
        kernel.zone("intel-rapl:0:0", "dram", 3_000_000),
        kernel.zone("intel-rapl-mmio:0", "package-0", 5_000_000),
    ]
    for zone in zones:
        (zone / "energy_uj").chmod(0o400)
    with monkeypatch.context() as refused:
        refusing(refused, lambda path: path.endswith("energy_uj"))
        with pytest.raises(Unavailable) as caught:
            kernel.open()
    command = caught.value.remedy.removeprefix("sudo ")
    assert command != caught.value.remedy
    subprocess.run(["/bin/sh", "-c", command], check=True)
    assert [(zone / "energy_uj").stat().st_mode & 0o777 for zone in zones] == [0o444] * 3


def test_a_grant_of_some_zones_is_used_and_told(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    kernel.zone("intel-rapl:0:0", "dram", 3_000_000)
    refusing(monkeypatch, lambda path: path.endswith("intel-rapl:0:0/energy_uj"))
    meter = kernel.open()
    assert names(meter) == ["cpu0:package"]
    assert meter.notes[0].startswith("intel-rapl:0:0 (dram) may not be read by this user: sudo ")


def test_the_second_address_serves_where_the_first_may_not_be_read(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel.zone("intel-rapl:0", "package-0", 2_000_000)
    kernel.zone("intel-rapl-mmio:0", "package-0", 1_000_000)
    assert kernel.open().read() == [2.0]
    refusing(monkeypatch, lambda path: path.endswith("intel-rapl:0/energy_uj"))
    meter = kernel.open()
    assert meter.read() == [1.0]
    assert not any("may not be read" in note for note in meter.notes)


def test_devices_are_found_as_they_lie_in_one_another(kernel: Kernel) -> None:
    kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    kernel.zone("intel-rapl:0:0", "dram", 3_000_000)
    kernel.zone("intel-rapl:1", "package-1", 6_000_000)
    kernel.zone("intel-rapl:1:0", "dram", 4_000_000)
    meter = RaplMeter(str(kernel.devices), cpuinfo=str(kernel.cpuinfo), wait=kernel.wait)
    read = dict(zip(names(meter), meter.read(), strict=True))
    assert read == {"cpu0:package": 5.0, "cpu0:dram": 3.0, "cpu1:package": 6.0, "cpu1:dram": 4.0}


def test_a_container_that_hides_the_counters_is_told_apart(kernel: Kernel) -> None:
    kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    kernel.devices.rename(kernel.devices.with_name("elsewhere"))
    with pytest.raises(Unavailable) as caught:
        kernel.open()
    assert "this container hides them" in caught.value.what
    assert "systempaths=unconfined" in caught.value.remedy


def test_a_domain_that_reads_zero_is_absent(kernel: Kernel) -> None:
    kernel.zone("intel-rapl:0", "package-0", 5_000_000, watts=20)
    kernel.zone("intel-rapl:0:0", "dram", 0)
    kernel.zone("intel-rapl:0:1", "core", 0, watts=10)  # it had just started again
    meter = kernel.open()
    assert names(meter) == ["cpu0:package", "cpu0:core"]
    assert meter.notes[0] == "dram in package-0 reads zero: it is absent and left out"


def test_counters_that_all_stand_at_zero_are_unavailable(kernel: Kernel) -> None:
    kernel.zone("intel-rapl:0", "package-0", 0)
    with pytest.raises(Unavailable, match="package-0 reads zero"):
        kernel.open()


def test_a_counter_that_cannot_be_read_is_left_out(kernel: Kernel) -> None:
    kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    dram = kernel.zone("intel-rapl:0:0", "dram", 1)
    (dram / "energy_uj").write_text("")
    del kernel.watts[dram]
    meter = kernel.open()
    assert names(meter) == ["cpu0:package"]
    assert "dram in package-0 reads nothing" in meter.notes[0]


@pytest.mark.parametrize(("watts", "kept"), [(70.0, True), (45.0, True), (20.0, False), (0, False)])
def test_a_platform_counter_that_was_never_set_up(kernel: Kernel, watts: float, kept: bool) -> None:
    kernel.zone("intel-rapl:0", "package-0", 5_000_000, watts=30)
    kernel.zone("intel-rapl:1", "package-1", 9_000_000, watts=20)
    kernel.zone("intel-rapl:2", "psys", 7_000_000, watts=watts)
    meter = kernel.open()
    assert ("psys:energy" in names(meter)) == kept
    expected = ["psys:energy"] if kept else ["cpu0:package", "cpu1:package"]
    assert [c.name for c in headline_channels(meter.channels)] == expected
    assert any("not set up here" in note for note in meter.notes) != kept


def test_a_package_that_starts_again_does_not_rule_out_the_platform(kernel: Kernel) -> None:
    largest_uj = COUNTS * INTEL_UNIT_PJ // 1000
    kernel.zone("intel-rapl:0", "package-0", largest_uj - 1_000_000, watts=30)
    kernel.zone("intel-rapl:1", "psys", 7_000_000, watts=60)
    assert "psys:energy" in names(kernel.open())


def test_the_platform_of_the_second_package(kernel: Kernel) -> None:
    kernel.zone("intel-rapl:0", "package-0", 5_000_000, watts=30)
    kernel.zone("intel-rapl:1", "psys", 0)
    kernel.zone("intel-rapl:2", "package-1", 6_000_000, watts=30)
    kernel.zone("intel-rapl:3", "psys-1", 9_000_000, watts=90, unit_pj=10**9)
    meter = kernel.open()
    assert names(meter) == ["cpu0:package", "cpu1:package", "psys1:energy"]
    platform = by_name(meter)["psys1:energy"]
    assert platform.scope == "platform"
    assert platform.resolution == pytest.approx(1.0)


def test_parts_of_dies_that_mirror_one_counter_are_read_once(kernel: Kernel) -> None:
    kernel.cpuinfo.write_text(AMD)
    for die in range(2):
        kernel.zone(f"intel-rapl:{die}", f"package-0-die-{die}", 4_000_000, unit_pj=AMD_UNIT_PJ)
        kernel.zone(f"intel-rapl:{die}:0", "core", 3_000_000, unit_pj=AMD_UNIT_PJ)
    meter = kernel.open()
    assert names(meter) == ["cpu0:package", "cpu0:core"]
    assert sum("same counter" in note for note in meter.notes) == 2
    assert "core counts one core of the package only, as AMD shows it" in meter.notes


def test_dies_of_their_own_have_parts_of_their_own(kernel: Kernel) -> None:
    for die in range(2):
        kernel.zone(f"intel-rapl:{die}", f"package-1-die-{die}", 4_000_000 + die)
        kernel.zone(f"intel-rapl:{die}:0", "dram", 3_000_000 + die)
    meter = kernel.open()
    assert sorted(names(meter)) == [
        "cpu1d0:dram", "cpu1d0:package", "cpu1d1:dram", "cpu1d1:package",
    ]  # fmt: skip
    assert len(headline_channels(meter.channels)) == 4


@pytest.mark.parametrize(
    ("name", "unit_pj", "step_j"),
    [
        ("package-0", INTEL_UNIT_PJ, 2.0**-14),
        ("dram", DRAM_UNIT_PJ, 15.3e-6),
        ("package-0", AMD_UNIT_PJ, 2.0**-16),
        ("package-0", 31, 1e-6),
    ],
)
def test_the_step_of_a_counter_is_told_by_its_range(
    kernel: Kernel, name: str, unit_pj: int, step_j: float
) -> None:
    kernel.zone("intel-rapl:0", name, 5_000_000, unit_pj=unit_pj)
    [channel] = kernel.open().channels
    assert channel.resolution == pytest.approx(step_j, rel=1e-4)


def test_a_counter_that_starts_again_loses_nothing(kernel: Kernel) -> None:
    largest_uj = COUNTS * INTEL_UNIT_PJ // 1000
    zone = kernel.zone("intel-rapl:0", "package-0", largest_uj)
    meter = kernel.open()
    values = [*meter.read()]
    (zone / "energy_uj").write_text("0\n")
    values += meter.read()
    [channel] = meter.channels
    assert channel.wrap_j is not None
    # One count lies between the largest value and zero.
    assert values[1] + channel.wrap_j - values[0] == pytest.approx(61.035e-6, rel=1e-3)
    trace = Trace(channel, [0.0, 1.0, 2.0], [values[0] - 10.0, values[0], values[1] + 10.0])
    assert trace.v[-1] == 10.0


def test_the_highest_power_is_that_of_the_highest_limit(kernel: Kernel) -> None:
    zone = kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    dram = kernel.zone("intel-rapl:0:0", "dram", 5_000_000)
    kernel.limits(dram, 0.0, thermal_w=41.25)
    assert kernel.open().channels[0].limit_w is None
    kernel.limits(zone, 65.0, 120.0, thermal_w=125.0)
    assert kernel.open().channels[0].limit_w == 125.0
    kernel.limits(zone, 125.0, 250.0, 380.0, thermal_w=125.0)
    meter = kernel.open()
    assert [channel.limit_w for channel in meter.channels] == [380.0, None]


def test_how_often_a_counter_must_be_read(kernel: Kernel) -> None:
    zone = kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    kernel.limits(zone, 65.0, 120.0, thermal_w=125.0)
    expected = "cpu0:package starts again after 2097 s at 125 W: read it at least every 1049 s"
    assert kernel.open().notes == [expected]
    kernel.cpuinfo.write_text(AMD)
    (zone / "constraint_0_max_power_uw").unlink()
    (zone / "constraint_0_power_limit_uw").unlink()
    assert "at 400 W" in kernel.open().notes[0]


def test_each_package_is_known(kernel: Kernel) -> None:
    kernel.cpuinfo.write_text(INTEL + SECOND)
    kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    kernel.zone("intel-rapl:1", "package-1", 6_000_000)
    meter = kernel.open()
    described = "Intel(R) Xeon(R) Gold 6230 (GenuineIntel 6-85-7, microcode 0x5003604)"
    assert meter.identities == {
        "cpu0": f"package 0: {described}",
        "cpu1": f"package 1: {described}",
    }


@pytest.mark.parametrize(
    "cpuinfo",
    [AMD, INTEL.replace("model\t\t: 85", "model\t\t: 45"), INTEL.replace("sse", "sse hypervisor")],
    ids=["AMD", "Sandy Bridge", "virtual machine"],
)
def test_counters_that_are_computed_are_models(kernel: Kernel, cpuinfo: str) -> None:
    kernel.cpuinfo.write_text(cpuinfo)
    kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    meter = kernel.open()
    [channel] = meter.channels
    assert (channel.method, channel.gain) == ("modelled", MODELLED_GAIN)
    assert any("hypervisor" in note for note in meter.notes) == ("hypervisor" in cpuinfo)


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an open counter whose file is gone give an error, as the kernel's do."""
    really = os.pread

    def pread(fd: int, length: int, offset: int) -> bytes:
        if not os.fstat(fd).st_nlink:
            raise OSError(errno.ENODEV, "No such device")
        return really(fd, length, offset)

    monkeypatch.setattr(os, "pread", pread)


def unload(*zones: Path) -> None:
    for zone in zones:
        (zone / "energy_uj").unlink()


@pytest.mark.usefixtures("driver")
def test_a_domain_that_goes_is_absent_and_comes_back(kernel: Kernel) -> None:
    kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    dram = kernel.zone("intel-rapl:0:0", "dram", 3_000_000)
    now_s = [0.0]
    meter = kernel.open(clock=lambda: now_s[0])
    unload(dram)
    for _ in range(5):
        now_s[0] += LOST_S
        package, absent = meter.read()
        assert package == 5.0
        assert math.isnan(absent)
    (dram / "energy_uj").write_text("4000000\n")
    assert meter.read() == [5.0, 4.0]
    meter.close()


@pytest.mark.usefixtures("driver")
def test_all_domains_gone_is_a_lost_sensor(kernel: Kernel) -> None:
    zones = [kernel.zone(f"intel-rapl:{n}", f"package-{n}", 5_000_000 + n) for n in range(2)]
    now_s = [100.0]
    meter = kernel.open(clock=lambda: now_s[0])
    unload(*zones)
    assert all(math.isnan(value) for value in meter.read())
    now_s[0] += 0.9 * LOST_S
    assert all(math.isnan(value) for value in meter.read())
    now_s[0] += 0.2 * LOST_S
    with pytest.raises(SensorLost, match=r"modprobe intel_rapl_msr\), then sudo chmod a\+r"):
        meter.read()
    meter.close()


@pytest.mark.usefixtures("driver")
def test_a_hiccup_of_all_domains_is_no_loss(kernel: Kernel) -> None:
    zone = kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    now_s = [100.0]
    meter = kernel.open(clock=lambda: now_s[0])
    for _ in range(3):
        unload(zone)
        assert math.isnan(meter.read()[0])
        (zone / "energy_uj").write_text("5000000\n")
        now_s[0] += 2 * LOST_S
        assert meter.read() == [5.0]
    meter.close()


@pytest.mark.usefixtures("driver")
def test_a_recording_keeps_what_came_before_the_loss(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("joulebench.meters.rapl.LOST_S", 0.1)
    zone = kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    options = {"root": str(kernel.root), "cpuinfo": str(kernel.cpuinfo)}
    spec = MeterSpec("rapl", options, "joulebench.meters.rapl:RaplMeter")
    recording = Recording([spec], kernel.cpuinfo.parent / "r", interval_s=0.02, mode="thread")
    with recording:
        time.sleep(0.2)
        unload(zone)
        time.sleep(0.4)
    assert "the driver was unloaded" in recording.facts()["lost"]["rapl"]
    assert len(recording.traces()["cpu0:package"]) >= 3


def test_hiccups_far_apart_are_no_loss(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel.zone("intel-rapl:0", "package-0", 5_000_000)
    now_s = [100.0]
    meter = kernel.open(clock=lambda: now_s[0])

    def failing(*_: Any) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    for _ in range(3):
        with monkeypatch.context() as bus:
            bus.setattr(os, "pread", failing)
            assert math.isnan(meter.read()[0])
        now_s[0] += 2 * LOST_S
        assert meter.read() == [5.0]
    meter.close()
